/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_histogram.c - the histograms that BPF programs fill, of all CPUs together. */
#include <errno.h>
#include <string.h>

#include "recorder_internal.h"

static struct histogram *of_cpu(const struct recorder *r, unsigned int cpu, unsigned int which)
{
	return &r->histograms[cpu * HISTOGRAMS_MAX + which];
}

void recorder_histogram(const struct recorder *r, unsigned int which, struct histogram_sum *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int cpu = 0; cpu < r->n_cpus; cpu++) {
		const struct histogram *h = of_cpu(r, cpu, which);

		if (!h->sum) /* most possible CPUs of a host are none */
			continue;
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
			ret->counts[i] += h->counts[i];
		ret->sum += h->sum;
		if (h->max > ret->max)
			ret->max = h->max;
	}
}

bool recorder_sees_requests(const struct recorder *r)
{
	return r->kinds >> TRIGGER_REQUEST & 1;
}

bool recorder_counts_queue(const struct recorder *r)
{
	return r->control->queue_histograms >> HISTOGRAM_RUNQUEUE & 1;
}

/* False: it was being written. */
static bool read_worst(const volatile struct histogram_worst *w, struct histogram_worst *ret)
{
	uint64_t at = w->at;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*ret = *(const struct histogram_worst *)w;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return at && at == w->at && at == ret->at;
}

int recorder_histogram_worst(const struct recorder *r, unsigned int which, uint64_t since,
			     struct histogram_worst *ret)
{
	struct histogram_worst one;
	int err = -ENOENT;

	for (unsigned int i = 0; i < r->n_cpus * HISTOGRAM_WORSTS; i++) {
		if (!read_worst(&of_cpu(r, i / HISTOGRAM_WORSTS, which)->worst[i % HISTOGRAM_WORSTS],
				&one) ||
		    one.at < since || (!err && one.ns <= ret->ns))
			continue;
		*ret = one;
		err = 0;
	}
	return err;
}

void recorder_histogram_forget_max(struct recorder *r, unsigned int which)
{
	for (unsigned int cpu = 0; cpu < r->n_cpus; cpu++)
		of_cpu(r, cpu, which)->max = 0;
}
