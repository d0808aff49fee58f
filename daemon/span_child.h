/* SPDX-License-Identifier: GPL-2.0 */
/* span_child.h - runs the finder of spans over a file. Never waits for it. */
#ifndef FREC_SPAN_CHILD_H
#define FREC_SPAN_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "snapshot.h"
#include "span_find.h"

struct span_child {
	pid_t pid; /* 0: none runs */
	int pidfd; /* of it: once it has been reaped its pid may be another's */
	int result_fd;
	uint64_t until; /* MONOTONIC ns */
	size_t got;
	struct span_found found; /* complete once span_child_finish() says so */
};

/* fd, of the file, is not closed. Whoever calls this reaps its children. 0 or -errno. */
int span_child_start(struct span_child *c, const struct snapshot_identity *who, int fd,
		     const char *span, const char *begin, const char *end, uint64_t now);
/* 0: found is checked; -EAGAIN: not yet; -ETIME, or -ECHILD: it died. */
int span_child_finish(struct span_child *c, uint64_t now);
void span_child_abort(struct span_child *c);

#endif
