// SPDX-License-Identifier: GPL-2.0
/* histogram.bpf.c - which histograms of triggers a latency belongs to. */
#include "filter.bpf.h"
#include "histogram.bpf.h"

struct histogram_check {
	struct scratch *s;
	u32 which;
	u32 matched; /* bit set: this histogram's trigger means it */
};

/* Trigger `index`, if it has a histogram of its own; else NULL. *ret_key: of it. */
static __always_inline struct trigger_filter *histogram_owner(const struct scratch *s, u32 index,
							      u32 *ret_key)
{
	struct trigger_filter *f;

	*ret_key = (s->judge.bank & 1) * TRIGGERS_MAX + index;
	f = bpf_map_lookup_elem(&trigger_filters, ret_key);
	return f && f->kind == TRIGGER_PERCENTILE && f->histogram >= HISTOGRAM_OWN ? f : NULL;
}

static long histogram_try_thread(u32 index, struct histogram_check *k)
{
	u32 key;
	struct trigger_filter *f = histogram_owner(k->s, index, &key);

	if (f && filter_thread(f, key, k->s, k->which))
		k->matched |= 1u << (f->histogram & (HISTOGRAMS_MAX - 1));
	return 0;
}

static long histogram_try_connection(u32 index, struct histogram_check *k)
{
	u32 key;
	struct trigger_filter *f = histogram_owner(k->s, index, &key);

	if (f && f->of == TRIGGER_REQUEST && filter_connection(f, &k->s->request))
		k->matched |= 1u << (f->histogram & (HISTOGRAMS_MAX - 1));
	return 0;
}

__noinline int histogram_match_thread(u32 which)
{
	struct histogram_check k = {.s = scratch_get(which), .which = which};

	if (k.s)
		bpf_loop(TRIGGERS_MAX, histogram_try_thread, &k, 0);
	return k.matched;
}

__noinline int histogram_match_connection(u32 which)
{
	struct histogram_check k = {.s = scratch_get(which), .which = which};

	if (k.s)
		bpf_loop(TRIGGERS_MAX, histogram_try_connection, &k, 0);
	return k.matched;
}

__noinline int histogram_add_each(u32 which)
{
	struct scratch *s = scratch_get(which);
	u32 left;

	if (!s)
		return 0;
	left = s->latency.histograms >> HISTOGRAM_OWN;
	for (u32 i = HISTOGRAM_OWN; i < HISTOGRAMS_MAX && left; i++, left >>= 1) {
		struct histogram *h = left & 1 ? histogram_at(s->latency.cpu, i) : NULL;

		if (h)
			histogram_add(h, (void *)s->task_address, s->latency.now, s->latency.start,
				      s->latency.ns, s->latency.connection);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
