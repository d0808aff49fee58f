/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scan.h - finds in the task table the waits that still last and are past a
 * trigger's threshold. Pure: the table and the time are passed in.
 *
 * It only tells which threads to look at: filters, and whether it is so, are
 * the kernel's to judge (iter_overdue). A wait is named once for each
 * threshold it may have passed, so one that matches no filter costs nothing
 * from then on.
 */
#ifndef FREC_SCAN_H
#define FREC_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* A wait that ends so soon after it passed a threshold is told of at its end, and only then. */
#define SCAN_GRACE_NS 250000000ull

/* How old something is, and was at the last scan, less the grace: what it may be told of for. */
struct scan_ages {
	uint64_t now, before;
};

struct scan_ages scan_ages(uint64_t began, uint64_t since, uint64_t now);
/* Has it passed this threshold since the last scan? */
bool scan_passed(const struct scan_ages *ages, uint64_t threshold);

struct scan {
	uint64_t thresholds[TRIGGER_IOWAIT + 1][TRIGGERS_MAX]; /* by kind, ascending */
	unsigned int n[TRIGGER_IOWAIT + 1];
	uint64_t since; /* when the last scan was; 0: none yet */
};

/* The triggers to look for; those of before are forgotten. */
void scan_configure(struct scan *s, const struct config *c);

/*
 * Threads whose wait passed a threshold between the last scan and now, into
 * tids, at most max of them; returns how many. Beyond max they are passed
 * over: their triggers then fire when the wait ends.
 */
size_t scan_find(struct scan *s, const struct task_slot *slots, size_t n_slots, uint64_t now,
		 uint32_t *tids, size_t max);

#endif
