/* SPDX-License-Identifier: GPL-2.0 */
/* worker_spans.c - spans of programs: a slice each, those of one name and process side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

#define LANES_MAX 1024u

/* Where slices that do not overlap are put one after the other. */
struct lane {
	uint64_t end;
	uint32_t tgid;
	const char *name;
};

bool worker_span_ok(const struct ev_span *e, uint64_t len)
{
	return len >= sizeof(*e) && memchr(e->name, 0, sizeof(e->name)) && e->begin <= e->end;
}

const struct ev_span *worker_span(const struct worker *w, const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;

	if (hit->kind != TRIGGER_SPAN)
		return NULL;
	for (size_t i = w->n_spans; i-- > 0;) {
		const struct ev_span *e = w->spans[i];

		if (e->begin == f->start && e->tgid == f->tgid && e->id == f->args[0])
			return e;
	}
	return NULL;
}

size_t worker_span_args(struct worker *w, const struct ev_span *e,
			struct trace_arg ret[WORKER_SPAN_ARGS])
{
	size_t n = 0;

	ret[n++] = TRACE_STRING("span", e->name);
	if (!(e->flags & SPAN_FUNCTION))
		ret[n++] = TRACE_UINT("span_id", e->id);
	ret[n++] = TRACE_UINT("begin_tid", e->begin_tid);
	ret[n++] = TRACE_STRING("begin_comm", worker_comm(w, e->begin_tid, e->begin));
	return n;
}

static void put_span(struct worker *w, const struct ev_span *e, uint64_t track)
{
	uint64_t start = e->begin > w->h->from ? e->begin : w->h->from;
	char name[SPAN_NAME_MAX + 8];
	struct trace_arg args[WORKER_SPAN_ARGS + 5];
	struct trace_slice s = {.ts = worker_boot(w, start), .track = track,
				.type = TRACE_SLICE_BEGIN, .name = name, .category = "frec",
				.args = args};

	snprintf(name, sizeof(name), "span %s", e->name);
	s.n_args = worker_span_args(w, e, args);
	args[s.n_args++] = TRACE_UINT("pid", e->tgid);
	args[s.n_args++] = TRACE_UINT("tid", e->tid);
	args[s.n_args++] = TRACE_STRING("comm", worker_comm(w, e->tid, e->end));
	args[s.n_args++] = TRACE_UINT("duration_ns", e->end - e->begin);
	if (e->flags & SPAN_OPEN)
		args[s.n_args++] = TRACE_BOOL("still_waiting", true);
	trace_put_slice(w->out, &s);
	if (e->flags & SPAN_OPEN) /* to the end of the trace */
		return;
	s = (struct trace_slice){.ts = worker_boot(w, e->end > start ? e->end : start),
				 .track = track, .type = TRACE_SLICE_END};
	trace_put_slice(w->out, &s);
}

static int by_begin(const void *a, const void *b)
{
	const struct ev_span *x = *(const struct ev_span *const *)a;
	const struct ev_span *y = *(const struct ev_span *const *)b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* The first of its kind that is free by then; LANES_MAX: none. */
static unsigned int lane_of(struct lane *lanes, unsigned int *n, const struct ev_span *e)
{
	unsigned int i = 0;

	while (i < *n && (lanes[i].end > e->begin || lanes[i].tgid != e->tgid ||
			  strcmp(lanes[i].name, e->name)))
		i++;
	if (i == LANES_MAX)
		return i;
	if (i == *n)
		++*n;
	lanes[i] = (struct lane){e->flags & SPAN_OPEN ? UINT64_MAX : e->end, e->tgid, e->name};
	return i;
}

/* One that was under way, of a program that has gone, is none: nobody knows when it ended. */
static bool is_told(struct worker *w, const struct ev_span *e)
{
	const struct task *t;

	if (e->end <= w->h->from)
		return false;
	t = e->flags & SPAN_OPEN ? worker_task(w, e->tgid, w->h->clocks.monotonic) : NULL;
	return !(e->flags & SPAN_OPEN) || (t && !(t->exited && !t->threads_live));
}

void worker_write_spans(struct worker *w)
{
	struct trace_track parent = {.uuid = WORKER_TRACK_SPANS, .parent = WORKER_TRACK_ROOT,
				     .name = "spans"};
	struct lane *lanes = w->n_spans ? calloc(LANES_MAX, sizeof(*lanes)) : NULL;
	unsigned int n = 0, lane, before;
	char name[SPAN_NAME_MAX + 32];

	if (!lanes)
		return;
	qsort(w->spans, w->n_spans, sizeof(*w->spans), by_begin);
	trace_put_track(w->out, &parent);
	for (size_t i = 0; i < w->n_spans; i++) {
		const struct ev_span *e = w->spans[i];
		struct trace_track track = {.parent = parent.uuid, .name = name};

		if (!is_told(w, e))
			continue;
		before = n;
		lane = lane_of(lanes, &n, e);
		if (lane == LANES_MAX) {
			w->dropped++;
			continue;
		}
		snprintf(name, sizeof(name), "%s of %u", e->name, e->tgid);
		track.uuid = parent.uuid + 1 + lane;
		if (n > before)
			trace_put_track(w->out, &track);
		put_span(w, e, track.uuid);
	}
	free(lanes);
}
