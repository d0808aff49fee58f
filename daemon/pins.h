/* SPDX-License-Identifier: GPL-2.0 */
/* pins.h - the bpffs where all that outlives the daemon is pinned. */
#ifndef FREC_PINS_H
#define FREC_PINS_H

#include <sys/types.h>

struct pins {
	int fd;		  /* the directory, under flock; -1: nothing is pinned */
	int unmounter_fd; /* -1: it is not ours to unmount */
	pid_t unmounter;
};

#define PINS_NONE                               \
	{                                       \
		.fd = -1, .unmounter_fd = -1    \
	}

/*
 * Mounts a bpffs at path unless there is one, gives it to uid and gid ((uid_t)-1:
 * as we are), and locks it. To be called while we may mount. On failure returns
 * -errno (-EBUSY: another frecd uses it); pins_close() is due all the same.
 */
int pins_open(struct pins *p, const char *path, uid_t uid, gid_t gid);

/* -EWOULDBLOCK: somebody else has locked this file, and not just for a moment. */
int pins_lock(int fd);

/*
 * Unmounts and removes what a frecd has mounted, this one or one that died, and
 * nothing else; with the rights that we had in pins_open(). Returns 0 or -errno.
 */
int pins_close(struct pins *p, const char *path);

#endif
