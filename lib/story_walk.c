/* SPDX-License-Identifier: GPL-2.0 */
/* story_walk.c - what a thread, and a CPU, did at a time. */
#include "story.h"

/* Of the thread's runs, those that begin until ts. */
static uint32_t runs_until(const struct story *s, const struct story_thread *t, uint64_t ts)
{
	uint32_t low = 0, high = t->n_runs;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (s->runs[s->by_thread[t->runs + mid]].start <= ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t story_wakes_before(const struct story *s, uint32_t thread, uint64_t ts)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_wake *wakes = s->wakes + t->wakes;
	uint32_t low = 0, high = t->n_wakes;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (wakes[mid].ts < ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * A wake-up can overtake the switch: the thread is marked asleep, another CPU wakes it, and only
 * then it leaves its own.
 */
#define WAKE_EARLY_NS 20000u

/*
 * The first wake-up in the segment; or one that came a moment too early for it, if there is no
 * other and it ran again: then it must have been that one.
 */
static const struct story_wake *wake_in(const struct story *s, const struct story_thread *t,
					const struct story_run *before, struct story_segment *g)
{
	uint32_t i = story_wakes_before(s, t - s->threads, g->start);
	const struct story_wake *wakes = s->wakes + t->wakes;

	if (i < t->n_wakes && wakes[i].ts < g->end)
		return &wakes[i];
	if (before && i && g->cpu != STORY_NO_CPU && wakes[i - 1].ts > before->start &&
	    g->start - wakes[i - 1].ts < WAKE_EARLY_NS)
		return &wakes[i - 1];
	return NULL;
}

static bool is_gone(uint16_t state)
{
	return state != STORY_LEFT_UNKNOWN && (state & (TRACE_STATE_DEAD | TRACE_STATE_ZOMBIE));
}

/* Off the CPU, between two runs of which either may be missing. */
static void off_segment(const struct story *s, const struct story_thread *t, uint64_t ts,
			const struct story_run *before, struct story_segment *g)
{
	const struct story_wake *wake;

	if (before &&
	    (before->state == TRACE_STATE_RUNNING || before->state == TRACE_STATE_PREEMPTED)) {
		g->state = STORY_RUNNABLE;
		g->cpu = before->cpu;
		return;
	}
	if (before && is_gone(before->state)) {
		g->state = STORY_GONE;
		return;
	}
	wake = wake_in(s, t, before, g);
	/* a wake-up tells of the CPU it was on before, not of the one chosen: only where it ran then is sure */
	if (wake && ts >= wake->ts) {
		*g = (struct story_segment){ .start = wake->ts > g->start ? wake->ts : g->start,
					     .end = g->end,
					     .cpu = g->cpu,
					     .state = STORY_RUNNABLE, .wake = wake };
		return;
	}
	if (!before && t->from > s->start) { /* a new thread is woken at its birth */
		g->state = STORY_RUNNABLE;
		return;
	}
	if (before && before->state != STORY_LEFT_UNKNOWN) {
		g->state = STORY_SLEEPING;
		g->sleep = before->state;
	} else if ((wake && !before) || story_wait_at(s, t - s->threads, ts)) {
		g->state = STORY_SLEEPING; /* in a way that nobody saw */
	}
	if (wake) {
		g->end = wake->ts;
		g->wake = wake;
	}
}

void story_segment(const struct story *s, uint32_t thread, uint64_t ts, struct story_segment *ret)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t n = runs_until(s, t, ts);
	const struct story_run *before = n ? &s->runs[s->by_thread[t->runs + n - 1]] : NULL;
	const struct story_run *after =
		n < t->n_runs ? &s->runs[s->by_thread[t->runs + n]] : NULL;

	*ret = (struct story_segment){ 0 };
	if (before && ts < before->end) {
		*ret = (struct story_segment){ .start = before->start, .end = before->end,
					       .state = STORY_RUNNING, .cpu = before->cpu };
		return;
	}
	ret->cpu = after ? after->cpu : STORY_NO_CPU;
	ret->start = before ? before->end : t->from > s->start ? t->from : s->start;
	ret->end = after ? after->start : t->until < s->end ? t->until : s->end;
	if (ret->start > ts) /* before it was born, or before the window: then only waits know */
		*ret = (struct story_segment){
			.end = ret->start,
			.cpu = STORY_NO_CPU,
			.state = t->from > ts			? STORY_GONE
				 : story_wait_at(s, thread, ts) ? STORY_SLEEPING
								: STORY_UNKNOWN
		};
	else if (ret->end <= ts) /* beyond the window, or its life */
		*ret = (struct story_segment){ .start = ret->end, .end = UINT64_MAX,
					       .state = STORY_GONE };
	else
		off_segment(s, t, ts, before, ret);
}

uint32_t story_waits_until(const struct story *s, uint32_t thread, uint64_t ts)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_wait *waits = s->waits + t->waits;
	uint32_t low = 0, high = t->n_waits;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (waits[mid].start <= ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct story_wait *story_wait_at(const struct story *s, uint32_t thread, uint64_t ts)
{
	const struct story_wait *waits = s->waits + s->threads[thread].waits;
	uint32_t n = story_waits_until(s, thread, ts);

	/* an open one ends with the trace */
	return n && (waits[n - 1].end > ts || waits[n - 1].open) ? &waits[n - 1] : NULL;
}

size_t story_cpu_run(const struct story *s, uint32_t cpu, uint64_t ts)
{
	size_t low = cpu < s->n_cpus ? s->cpu_runs[cpu] : s->n_runs;
	size_t high = cpu < s->n_cpus ? s->cpu_runs[cpu + 1] : s->n_runs;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->runs[mid].end <= ts)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
