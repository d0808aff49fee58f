/* SPDX-License-Identifier: GPL-2.0 */
#include "percentile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/units.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define COUNT_MIN 10 /* the median of two says nothing, either */

/* ---- what is pure ---- */

bool percentile_window_add(struct percentile_window *w, uint64_t now,
			   const uint64_t counts[HISTOGRAM_BUCKETS],
			   uint64_t ret[HISTOGRAM_BUCKETS])
{
	bool whole;

	/* stopped, or suspended: what came meanwhile is of no known time */
	if (w->n && now - w->last > w->interval / 2)
		w->n = w->at = 0;
	whole = w->n == PERCENTILE_LOOKS;
	if (whole)
		histogram_growth(counts, w->looks[w->at], ret);
	else
		w->n++;
	memcpy(w->looks[w->at], counts, sizeof(w->looks[0]));
	w->at = (w->at + 1) % PERCENTILE_LOOKS;
	w->last = now;
	return whole;
}

uint64_t percentile_needs(uint32_t of_million)
{
	uint32_t above = HISTOGRAM_MILLION - of_million;
	uint32_t needs = (HISTOGRAM_MILLION + above - 1) / above;

	return needs > COUNT_MIN ? needs : COUNT_MIN;
}

bool percentile_owns(const struct config_trigger *t)
{
	return t->filter.kind == TRIGGER_PERCENTILE && t->filter.filters;
}

/* What is counted, but for where. */
static bool counts_same(const struct config_trigger *a, const struct config_trigger *b)
{
	struct trigger_filter x = a->filter, y = b->filter;

	x.histogram = y.histogram = 0;
	x.threshold = y.threshold = 0;
	return !strcmp(a->name, b->name) && !memcmp(&x, &y, sizeof(x));
}

bool percentile_same(const struct config_trigger *a, const struct config_trigger *b)
{
	return counts_same(a, b) && a->filter.histogram == b->filter.histogram;
}

static const struct config_trigger *find_same(const struct config *c,
					      const struct config_trigger *t)
{
	for (unsigned int i = 0; c && i < c->n_triggers; i++)
		if (percentile_owns(&c->triggers[i]) && counts_same(&c->triggers[i], t))
			return &c->triggers[i];
	return NULL;
}

/* One that is in no use; rather one that was in none before. */
static uint32_t take_free(uint32_t *used, uint32_t avoid)
{
	uint32_t all = (1u << HISTOGRAMS_MAX) - 1;
	uint32_t left = all & ~*used & ~avoid ? all & ~*used & ~avoid : all & ~*used;
	unsigned int i = left ? (unsigned int)__builtin_ctz(left) : HISTOGRAM_RUNQUEUE;

	*used |= 1u << i;
	return i;
}

void percentile_place(const struct config *before, struct config *c)
{
	uint32_t used = (1u << HISTOGRAM_OWN) - 1, avoid = 0;

	for (unsigned int i = 0; before && i < before->n_triggers; i++)
		avoid |= 1u << before->triggers[i].filter.histogram;
	for (unsigned int i = 0; i < c->n_triggers; i++) {
		struct trigger_filter *f = &c->triggers[i].filter;
		const struct config_trigger *old;

		f->histogram = 0;
		old = percentile_owns(&c->triggers[i]) ? find_same(before, &c->triggers[i]) : NULL;
		if (old)
			f->histogram = old->filter.histogram;
		used |= 1u << f->histogram;
	}
	for (unsigned int i = 0; i < c->n_triggers; i++)
		if (percentile_owns(&c->triggers[i]) && !c->triggers[i].filter.histogram)
			c->triggers[i].filter.histogram = take_free(&used, avoid);
}

/* ---- firing ---- */

/* The snapshot is about the slowest of them, as if that had fired. */
static void fill_worst(struct daemon *d, const struct percentile_watch *w,
		       const struct config_trigger *t, uint64_t now, struct trigger_record *r)
{
	uint64_t held = d->config.window / 4 * 3, since; /* some of the window will have gone by then */
	struct histogram_worst worst;

	since = now - (t->percentile_interval < held ? t->percentile_interval : held);
	r->h.kind = t->filter.of;
	r->w.nr = -1;
	r->w.start = now - t->percentile_interval;
	r->w.in = r->w.end = now;
	snprintf(r->w.comm, sizeof(r->w.comm), "%s", config_kind_name(t->filter.of));
	if (recorder_histogram_worst(d->recorder, t->filter.histogram,
				     since > w->began ? since : w->began, &worst))
		return;
	r->w.start = worst.start;
	r->w.args[0] = worst.connection;
	r->w.in = r->w.end = worst.start + worst.ns;
	r->w.task_start = worst.task_start;
	r->w.tid = worst.tid;
	r->w.tgid = worst.tgid;
	memcpy(r->w.comm, worst.comm, sizeof(r->w.comm));
}

static void fire(struct daemon *d, unsigned int i, uint64_t now, uint64_t ns, uint64_t count)
{
	const struct config_trigger *t = &d->config.triggers[i];
	struct percentile_watch *w = d->percentile.watches[i];
	struct trigger_record r = { .h = { .ts = now, .len = sizeof(r) },
				    .index = i,
				    .bank = recorder_bank(d->recorder),
				    .duration = ns };
	char took[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX], interval[UNITS_TEXT_MAX];
	char text[POLICY_TEXT_MAX];

	if (now < w->silent_until || recorder_paused(d->recorder))
		return;
	w->silent_until = now + t->percentile_interval;
	fill_worst(d, w, t, now, &r);
	snprintf(text, sizeof(text), "%s p%g is %s, over %s, in the last %s: %llu samples",
		 config_kind_name(t->filter.of), t->percentile / (HISTOGRAM_MILLION / 100.0),
		 units_format_duration(ns, took, sizeof(took)),
		 units_format_duration(t->filter.threshold, most, sizeof(most)),
		 units_format_duration(t->percentile_interval, interval, sizeof(interval)),
		 (unsigned long long)count);
	if (policy_trigger(&d->policy, now, &r) != POLICY_SUPPRESSED)
		policy_tell(&d->policy, &r, text);
	loop_publish(d);
}

static void look(struct daemon *d, unsigned int i, uint64_t now)
{
	const struct config_trigger *t = &d->config.triggers[i];
	struct percentile_watch *w = d->percentile.watches[i];
	uint64_t recent[HISTOGRAM_BUCKETS], count, ns;
	struct histogram_sum all;

	recorder_histogram(d->recorder, t->filter.histogram, &all);
	w->known = percentile_window_add(&w->window, now, all.counts, recent);
	if (!w->known)
		return;
	count = w->count = histogram_count(recent);
	ns = histogram_percentile(recent, t->percentile);
	if (ns > t->filter.threshold && count >= percentile_needs(t->percentile))
		fire(d, i, now, ns, count);
}

void percentile_tick(struct daemon *d, uint64_t now)
{
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		struct percentile_watch *w = d->percentile.watches[i];

		if (!w || now < w->next)
			continue;
		look(d, i, now);
		w->next += w->window.interval / PERCENTILE_LOOKS;
		if (w->next < now)
			w->next = now + w->window.interval / PERCENTILE_LOOKS;
	}
}

bool percentile_flaw(const struct daemon *d, unsigned int i, char *buf, size_t size)
{
	const struct config_trigger *t = &d->config.triggers[i];
	const struct percentile_watch *w = d->percentile.watches[i];
	uint64_t needs = percentile_needs(t->percentile);
	char interval[UNITS_TEXT_MAX];

	if (!w || !w->known || w->count >= needs)
		return false;
	snprintf(buf, size, "has %llu of %llu samples in the last %s: too few to judge p%g",
		 (unsigned long long)w->count, (unsigned long long)needs,
		 units_format_duration(t->percentile_interval, interval, sizeof(interval)),
		 t->percentile / (HISTOGRAM_MILLION / 100.0));
	return true;
}

/* ---- what the configuration says ---- */

/* What is counted from now on is the trigger's, what others have counted there is not. */
static struct percentile_watch *watch_new(struct daemon *d, const struct config_trigger *t)
{
	struct percentile_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		log_warning("trigger %s cannot fire: no memory", t->name);
		return NULL;
	}
	w->began = w->next = clock_monotonic();
	if (percentile_owns(t)) {
		recorder_histogram(d->recorder, t->filter.histogram, &w->base);
		recorder_histogram_forget_max(d->recorder, t->filter.histogram);
	}
	return w;
}

static struct percentile_watch *watch_take(struct daemon *d, const struct config_trigger *t)
{
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		struct percentile_watch *w = d->percentile.watches[i];

		if (!w || !percentile_same(&d->config.triggers[i], t))
			continue;
		d->percentile.watches[i] = NULL;
		return w;
	}
	return watch_new(d, t);
}

void percentile_configure(struct daemon *d, const struct config *fresh)
{
	struct percentile p = { 0 };

	for (unsigned int i = 0; i < fresh->n_triggers; i++) {
		const struct config_trigger *t = &fresh->triggers[i];
		struct percentile_watch *w;

		if (t->filter.kind != TRIGGER_PERCENTILE)
			continue;
		w = p.watches[i] = watch_take(d, t);
		if (w && w->window.interval != t->percentile_interval)
			w->window =
				(struct percentile_window){ .interval = t->percentile_interval };
	}
	for (unsigned int i = 0; i < TRIGGERS_MAX; i++)
		free(d->percentile.watches[i]);
	d->percentile = p;
}
