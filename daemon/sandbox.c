/* SPDX-License-Identifier: GPL-2.0 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__ /* whose runtime opens /proc, starts threads and traces them */

int sandbox_enter(void)
{
	return 0;
}

#else

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64),
	SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(ftruncate), SCMP_SYS(fsync),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* Calls that have one bit of an argument set, or clear. */
static const struct {
	int call;
	unsigned int argument;
	unsigned int mask, value;
} restricted[] = {
	/* nothing that was read is ever executed; libraries have been loaded */
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mremap), 0, 0, 0 },
	/* fstat(3) */
	{ SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH },
	/* fdopen(3), and libelf's look at how a file was opened */
	{ SCMP_SYS(fcntl), 1, ~0u, F_GETFL },
	{ SCMP_SYS(fcntl), 1, ~0u, F_GETFD },
	{ SCMP_SYS(fcntl), 1, ~0u, F_DUPFD_CLOEXEC },
};

static int add_all(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !err && i < sizeof(restricted) / sizeof(restricted[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, restricted[i].call, 1,
				       SCMP_CMP(restricted[i].argument, SCMP_CMP_MASKED_EQ,
						restricted[i].mask, restricted[i].value));
	return err;
}

int sandbox_enter(void)
{
	/*
	 * Refused, not killed: a C library that comes to ask for something else, and does without it,
	 * must not cost a snapshot. Who is up to something gets it as little.
	 */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_all(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

#endif
