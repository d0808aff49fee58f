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

/* The descriptor that a syscall with these arguments waits on, or -1. user: its memory is ours. */
static __always_inline int file_of_call(const struct control *ctl, int nr, const u64 *args,
					bool user)
{
	int fd = -1;

	if (syscall_in(ctl->fd_syscalls, nr))
		return args[0];
	if (user && args[1] && syscall_in(ctl->poll_syscalls, nr))
		bpf_probe_read_user(&fd, sizeof(fd), (void *)args[0]);
	return fd;
}

#endif
