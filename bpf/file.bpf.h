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
	u32 n = nr;

	return n < SYSCALL_WORDS * 64 && mask[n / 64 & (SYSCALL_WORDS - 1)] >> (n & 63) & 1;
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
