/* SPDX-License-Identifier: GPL-2.0 */
/*
 * histogram.h - latencies in buckets, as BPF programs count them; a part of record.h, which
 * includes it.
 *
 * Log-linear, as in HdrHistogram: each octave has HISTOGRAM_STEPS even steps, and what is below them
 * is exact. A bucket is told by its middle, which is off by half a step at most: 1/32 of the value.
 */
#ifndef FREC_HISTOGRAM_H
#define FREC_HISTOGRAM_H

#define HISTOGRAM_STEPS 16u
#define HISTOGRAM_STEPS_BITS 4u
#define HISTOGRAM_BITS 40u /* what takes longer, 18 minutes, counts as the longest */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - HISTOGRAM_STEPS_BITS + 1) * HISTOGRAM_STEPS)

static inline __u64 histogram_index(__u64 ns)
{
	__u64 octave = 0;

	if (ns >> HISTOGRAM_BITS)
		return HISTOGRAM_BUCKETS - 1;
	/* to [STEPS, 2 * STEPS), without a loop for the sake of BPF, which cannot count zeros */
	for (__u32 bits = 32; bits; bits /= 2) {
		if (ns >> (bits + HISTOGRAM_STEPS_BITS)) {
			ns >>= bits;
			octave += bits;
		}
	}
	return octave * HISTOGRAM_STEPS + ns;
}

/* The least value in bucket i; of HISTOGRAM_BUCKETS: where the last one ends. */
static inline __u64 histogram_low(__u32 i)
{
	__u32 octave = i / HISTOGRAM_STEPS;

	return octave < 2 ? i : (__u64)(HISTOGRAM_STEPS + i % HISTOGRAM_STEPS) << (octave - 1);
}

#define HISTOGRAM_WORSTS 8u
#define HISTOGRAM_WORST_SHIFT 30u /* a second, more or less, has one of them */

/* The longest of some time; it may just be written, unless `at` is the same before and after. */
struct histogram_worst {
	__u64 at; /* when it was counted */
	__u64 start;
	__u64 connection; /* of a request, as in ev_request */
	__u64 ns;
	__u64 task_start;
	__u32 tid; /* who waited, or answered the request */
	__u32 tgid;
	char comm[COMM_LEN];
};
_Static_assert(sizeof(struct histogram_worst) == 64, "histogram_worst");

/* Of one CPU; only grows. */
struct histogram {
	__u64 counts[HISTOGRAM_BUCKETS];
	__u64 sum; /* ns */
	__u64 max;
	__u64 pad[6];
	struct histogram_worst worst[HISTOGRAM_WORSTS];
};
_Static_assert(sizeof(struct histogram) == 83 * 64, "histogram: whole cache lines");

/* Which histogram; each CPU that there may be has one of each, 5 KB. */
#define HISTOGRAM_RUNQUEUE 0u /* of the whole host */
#define HISTOGRAM_REQUEST 1u  /* of all requests that are looked at */
#define HISTOGRAM_OWN 2u      /* from here on: of a trigger with filters */
#define HISTOGRAMS_MAX 16u /* below 32: sets of them are bits */

#endif
