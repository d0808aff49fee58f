/* SPDX-License-Identifier: GPL-2.0 */
/* file.bpf.h - what a descriptor is: a file, a pipe, a socket and its peer. */
#ifndef FREC_FILE_BPF_H
#define FREC_FILE_BPF_H

#include "path.bpf.h"

/*
 * Fills file and file_path of the scratch with what descriptor fd of the task
 * at task_address is. Returns the length of the record, or 0: not open.
 */
extern int file_look(u32 which, u32 fd);

static __always_inline bool syscall_in(const u64 mask[SYSCALL_WORDS], int nr)
{
	u64 word = (u32)nr / 64;

	barrier_var(word); /* else the verifier is shown a bound of another number */
	return word < SYSCALL_WORDS && mask[word] >> (nr & 63) & 1;
}

#define POLL_LOOK 16

struct pollfd {
	s32 fd;
	s16 events, revents;
};

/* Of a poll that is over: the first descriptor that is ready, or the only one; -1: none of those. */
static __always_inline int file_of_poll(struct scratch *s, const u64 *args)
{
	struct pollfd *list = (void *)s->name;
	u64 n = args[1];

	if (!n)
		return -1;
	if (n > POLL_LOOK)
		n = POLL_LOOK;
	barrier_var(n);
	if (n > POLL_LOOK || bpf_probe_read_user(list, n * sizeof(*list), (void *)args[0]))
		return -1;
	for (u32 i = 0; i < POLL_LOOK; i++)
		if (i < n && list[i].revents)
			return list[i].fd;
	return args[1] == 1 ? list[0].fd : -1;
}

/*
 * The descriptor that a syscall with these arguments waits on, or -1. s: that of the current
 * thread's syscall, which is over; NULL: of another thread, whose memory is out of reach.
 */
static __always_inline int file_of_call(const struct control *ctl, int nr, const u64 *args,
					struct scratch *s)
{
	if (syscall_in(ctl->fd_syscalls, nr))
		return args[0];
	return s && syscall_in(ctl->poll_syscalls, nr) ? file_of_poll(s, args) : -1;
}

/* Where does the current thread's call send to, whose first argument is a socket's descriptor? */
#define SENDS_UNKNOWN 0 /* no connected socket of TCP or UDP, or it is closed by now */
#define SENDS_HERE 1	/* to this host itself, over loopback */
#define SENDS_AWAY 2
extern int file_sends_to(void);

#endif
