/* SPDX-License-Identifier: GPL-2.0 */
/*
 * analyze.h - included before each file that `make analyze` looks at: analyzers think that errno
 * may be 0 after a call has failed, and that "return -errno" then means success.
 */
#include <errno.h>

int analyze_choose(void);

static inline int *analyze_errno(void)
{
	static int value;

	value = analyze_choose() ? EAGAIN : analyze_choose() ? ENOENT : EIO;
	return &value;
}

#undef errno
#define errno (*analyze_errno())
