/* SPDX-License-Identifier: GPL-2.0 */
/* histogram.h - what the counts of bpf/histogram.h say; pure. */
#ifndef FREC_DAEMON_HISTOGRAM_H
#define FREC_DAEMON_HISTOGRAM_H

#include <stdint.h>

#include "../bpf/record.h"

/* Of all CPUs. */
struct histogram_sum {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t sum; /* ns */
	uint64_t max;
};

#define HISTOGRAM_MILLION 1000000u /* p99.9 is 999000 of it */

uint64_t histogram_count(const uint64_t counts[HISTOGRAM_BUCKETS]);
/*
 * ns that so many of a million of them are not longer than, at most 1/32 off; 0: there are none.
 */
uint64_t histogram_percentile(const uint64_t counts[HISTOGRAM_BUCKETS], uint32_t of_million);
/* By how much each count has grown. */
void histogram_growth(const uint64_t now[HISTOGRAM_BUCKETS],
		      const uint64_t before[HISTOGRAM_BUCKETS], uint64_t ret[HISTOGRAM_BUCKETS]);

#endif
