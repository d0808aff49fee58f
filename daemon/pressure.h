/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pressure.h - triggers on pressure stall information (PSI), of the host or of a cgroup.
 *
 * Where the kernel lets us it watches and tells: a descriptor per trigger, no cost. Where it does
 * not (before Linux 6.5 it asks for CAP_SYS_RESOURCE, since then for that or a window of a multiple
 * of two seconds) we look ten times a window at the total that it counts, as it would itself.
 */
#ifndef FREC_PRESSURE_H
#define FREC_PRESSURE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* How much of a window that ends now was stalled, from totals now and then: as the kernel reckons. */
struct pressure_window {
	uint64_t size;	 /* ns */
	uint64_t since;	 /* MONOTONIC ns; 0: nothing has been seen yet */
	uint64_t value;	 /* total at since, ns */
	uint64_t before; /* growth in the window before */
};

/* ns by which the total has grown within the last window. */
uint64_t pressure_window_add(struct pressure_window *w, uint64_t now, uint64_t total);

/* ns of total= in the line of some or full; -EBADMSG. */
int pressure_parse(const char *text, bool full, uint64_t *ret);

struct pressure_watch {
	int fd;	       /* -1: not watched */
	bool told;     /* by the kernel; else it is looked at */
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
