/* SPDX-License-Identifier: GPL-2.0 */
/* worker_spans.c - spans of programs: a slice each, those of one name and process side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

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

static void put_span(struct worker *w, struct worker_lanes *lanes, const struct ev_span *e)
{
	char name[SPAN_NAME_MAX + 8];
	struct trace_arg args[WORKER_SPAN_ARGS + 5];
	struct worker_lasting s = {.lane = e->name, .tgid = e->tgid, .open = e->flags & SPAN_OPEN,
				   .begin = e->begin, .end = e->end, .name = name, .args = args};

	snprintf(name, sizeof(name), "span %s", e->name);
	s.n_args = worker_span_args(w, e, args);
	args[s.n_args++] = TRACE_UINT("pid", e->tgid);
	args[s.n_args++] = TRACE_UINT("tid", e->tid);
	args[s.n_args++] = TRACE_STRING("comm", worker_comm(w, e->tid, e->end));
	args[s.n_args++] = TRACE_UINT("duration_ns", e->end - e->begin);
	if (s.open)
		args[s.n_args++] = TRACE_BOOL("still_waiting", true);
	worker_put_lasting(w, lanes, &s);
}

static int by_begin(const void *a, const void *b)
{
	const struct ev_span *x = *(const struct ev_span *const *)a;
	const struct ev_span *y = *(const struct ev_span *const *)b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
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
	static struct worker_lanes lanes = {.parent = WORKER_TRACK_SPANS};

	if (!w->n_spans)
		return;
	qsort(w->spans, w->n_spans, sizeof(*w->spans), by_begin);
	trace_put_track(w->out, &parent);
	lanes.n = 0;
	for (size_t i = 0; i < w->n_spans; i++)
		if (is_told(w, w->spans[i]))
			put_span(w, &lanes, w->spans[i]);
}
