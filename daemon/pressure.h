/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pressure.h - triggers on pressure stall information (PSI), of the host or of a cgroup.
 *
 * We look ten times a window at the total that the kernel counts, which takes 2 us. To be told by
 * the kernel would be no better: it looks as often, refuses who has no CAP_SYS_RESOURCE but for
 * windows of a multiple of two seconds, and for those (Linux 6.5 to at least 6.18) takes all that was
 * stalled since the host started for growth in the first two windows.
 */
#ifndef FREC_PRESSURE_H
#define FREC_PRESSURE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#define PRESSURE_LOOKS 10 /* in a window */

struct pressure_look {
	uint64_t ts; /* MONOTONIC ns */
	uint64_t total;
};

/* What was seen of late, the oldest first: a look more than a window takes, and the one at hand. */
struct pressure_window {
	uint64_t size; /* ns */
	unsigned int n;
	struct pressure_look looks[PRESSURE_LOOKS + 2];
};

/* ns by which the total has grown within the last window, as far as it was looked at. */
uint64_t pressure_window_add(struct pressure_window *w, uint64_t now, uint64_t total);

/* ns of total= in the line of some or full; -EBADMSG. */
int pressure_parse(const char *text, bool full, uint64_t *ret);

struct pressure_watch {
	int fd;	       /* -1: not watched */
	uint64_t next; /* MONOTONIC ns: when to look again, or to try again to open */
	uint64_t silent_until;
	struct pressure_window window;
	size_t cgroup;	     /* where in path that of the cgroup begins; 0: it is the host's */
	char path[PATH_MAX]; /* of the file */
};

struct pressure {
	struct pressure_watch *watches; /* by trigger; NULL: there are none of this kind */
	unsigned int n;
};

#endif
