/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percentile.h - triggers on a percentile of many latencies: of requests, or in the run queue. The
 * kernel counts them in histograms that only grow; we look at those ten times an interval.
 */
#ifndef FREC_PERCENTILE_H
#define FREC_PERCENTILE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "histogram.h"

#define PERCENTILE_LOOKS 10u /* in an interval */

/* The last interval, step by step. */
struct percentile_window {
	uint64_t interval; /* ns */
	uint64_t last;	   /* MONOTONIC ns of the newest look */
	unsigned int n;	   /* looks kept */
	unsigned int at;   /* place of the oldest once all are kept, and of the next before */
	uint64_t looks[PERCENTILE_LOOKS][HISTOGRAM_BUCKETS];
};

/*
 * The counts as they are now. True: *ret has what came within the last interval; false: not so long
 * have we looked, or not often enough.
 */
bool percentile_window_add(struct percentile_window *w, uint64_t now,
			   const uint64_t counts[HISTOGRAM_BUCKETS],
			   uint64_t ret[HISTOGRAM_BUCKETS]);

/* So many that one of them is above the percentile: of fewer it means nothing. */
uint64_t percentile_needs(uint32_t of_million);

/*
 * Gives each trigger with filters a histogram of its own: the one that it has in `before` (may be
 * NULL) if it counts the same, else one that nobody has had there, as far as there are.
 */
void percentile_place(const struct config *before, struct config *c);
/* Do both count the same, in the same place? */
bool percentile_same(const struct config_trigger *a, const struct config_trigger *b);
/* Has it a histogram of its own? */
bool percentile_owns(const struct config_trigger *t);

struct percentile_watch {
	uint64_t began; /* MONOTONIC ns */
	uint64_t next;	/* when to look again */
	uint64_t silent_until;
	bool known;	/* how many came in the last interval … */
	uint64_t count; /* … which is this */
	struct percentile_window window;
	struct histogram_sum base; /* what others had counted there before */
};

struct percentile {
	struct percentile_watch *watches[TRIGGERS_MAX]; /* by trigger; NULL: it is of another kind */
};

#endif
