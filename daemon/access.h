/* SPDX-License-Identifier: GPL-2.0 */
/*
 * access.h - may one process look into another? The kernel's rule for PTRACE_MODE_READ_REALCREDS,
 * by what /proc says of both, for a daemon that has no right to look itself.
 */
#ifndef FREC_ACCESS_H
#define FREC_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the rule asks about a process. */
struct access_facts {
	uint32_t uid[3], gid[3]; /* real, effective, saved */
	uint64_t permitted;	 /* capabilities */
	bool dumpable;
	bool here; /* in the daemon's own user namespace */
};

/*
 * A descriptor of /proc/PID, which stays with this process whoever gets the pid next; -ESRCH: it is
 * gone, or (pidfd not negative) not the process of pidfd.
 */
int access_open(pid_t pid, int pidfd);
/* The pid of a pidfd; -EBADF: it is none, -ESRCH: its process has gone. */
int access_pid_of(int pidfd);

/* From such a descriptor. -ESRCH: the process has gone; -EACCES: /proc does not show it. */
int access_read(int proc, struct access_facts *ret);
/* The fields Uid, Gid and CapPrm of /proc/PID/status. -EBADMSG. */
int access_parse(const char *status, struct access_facts *ret);

/* NULL: caller may look into target, or it is the same process; else why not. */
const char *access_flaw(const struct access_facts *caller, const struct access_facts *target,
			bool same);

#endif
