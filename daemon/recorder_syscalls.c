/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_syscalls.c - which syscalls wait on a descriptor. */
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "recorder_internal.h"

static const char first_argument[] =
	"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 recvfrom recvmsg "
	"recvmmsg sendto sendmsg sendmmsg accept accept4 connect fsync fdatasync sync_file_range "
	"syncfs flock ioctl fcntl epoll_wait epoll_pwait epoll_pwait2 getdents getdents64 ftruncate "
	"fallocate sendfile splice tee vmsplice copy_file_range io_uring_enter";

static const char pollfds[] = "poll ppoll";

static const char sending[] =
	"write writev pwritev pwritev2 sendto sendmsg sendmmsg sendfile splice tee vmsplice "
	"close shutdown connect exit exit_group io_uring_enter";

static void fill(const char *names, __u64 mask[SYSCALL_WORDS])
{
	char name[64];
	int nr, used;

	for (const char *p = names; sscanf(p, "%63s%n", name, &used) == 1; p += used) {
		nr = seccomp_syscall_resolve_name(name);
		if (nr >= 0 && nr < (int)SYSCALL_WORDS * 64)
			mask[nr / 64] |= 1ull << nr % 64;
	}
}

void recorder_name_descriptors(struct recorder *r)
{
	fill(first_argument, r->control->fd_syscalls);
	fill(pollfds, r->control->poll_syscalls);
	fill(sending, r->control->send_syscalls);
}
