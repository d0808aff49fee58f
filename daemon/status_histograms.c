/* SPDX-License-Identifier: GPL-2.0 */
/* status_histograms.c - the latencies that the kernel side counts, as JSON. */
#include "daemon.h"

#define STEPS_TOLD 4u /* in an octave: an answer of all would be too large */

/* [end, count]: so many below end, and not below that of the pair before; empty ones are left out. */
static json_t *buckets_json(const uint64_t counts[HISTOGRAM_BUCKETS])
{
	const unsigned int width = HISTOGRAM_STEPS / STEPS_TOLD;
	json_t *array = json_array();

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i += width) {
		uint64_t n = 0;

		for (unsigned int k = i; k < i + width; k++)
			n += counts[k];
		if (n)
			json_array_append_new(array, json_pack("[I,I]",
							       (json_int_t)histogram_low(i + width),
							       (json_int_t)n));
	}
	return array;
}

/* The middle of a bucket may be beyond what is in it. */
static json_int_t percentile(const struct histogram_sum *h, uint32_t of_million)
{
	uint64_t ns = histogram_percentile(h->counts, of_million);

	return ns < h->max ? ns : h->max;
}

static json_t *one_json(const struct histogram_sum *h, enum trigger_kind of, const char *trigger)
{
	return json_pack("{s:s,s:s*,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "of", config_kind_name(of),
			 "trigger", trigger, "count", (json_int_t)histogram_count(h->counts),
			 "sum_ns", (json_int_t)h->sum, "p50_ns", percentile(h, 500000), "p90_ns",
			 percentile(h, 900000), "p99_ns", percentile(h, 990000), "p999_ns",
			 percentile(h, 999000), "max_ns", (json_int_t)h->max, "buckets",
			 buckets_json(h->counts));
}

static json_t *of_trigger(struct daemon *d, unsigned int i)
{
	const struct config_trigger *t = &d->config.triggers[i];
	const struct percentile_watch *w = d->percentile.watches[i];
	struct histogram_sum h;

	recorder_histogram(d->recorder, t->filter.histogram, &h);
	histogram_growth(h.counts, w->base.counts, h.counts);
	h.sum -= w->base.sum;
	return one_json(&h, t->filter.of, t->name);
}

/* Since the start; that of a trigger since it was set. */
json_t *status_histograms(struct daemon *d)
{
	json_t *array = json_array();
	struct histogram_sum h;

	recorder_histogram(d->recorder, HISTOGRAM_RUNQUEUE, &h);
	if (recorder_counts_queue(d->recorder))
		json_array_append_new(array, one_json(&h, TRIGGER_RUNQUEUE, NULL));
	recorder_histogram(d->recorder, HISTOGRAM_REQUEST, &h);
	if (recorder_sees_requests(d->recorder))
		json_array_append_new(array, one_json(&h, TRIGGER_REQUEST, NULL));
	for (unsigned int i = 0; i < d->config.n_triggers; i++)
		if (d->percentile.watches[i] && percentile_owns(&d->config.triggers[i]))
			json_array_append_new(array, of_trigger(d, i));
	return array;
}
