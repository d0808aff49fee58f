/* SPDX-License-Identifier: GPL-2.0 */
/* worker_lanes.c - slices that overlap, side by side: on tracks of their own, as few as will do. */
#include <stdio.h>
#include <string.h>

#include "worker_internal.h"

/* The first of its kind that is free by then; WORKER_LANES: none. */
static unsigned int lane_of(const struct worker_lanes *l, const struct worker_lasting *s)
{
	unsigned int i = 0;

	while (i < l->n && (l->list[i].end > s->begin || l->list[i].tgid != s->tgid ||
			    strcmp(l->list[i].name, s->lane)))
		i++;
	return i;
}

static void lane_add(struct worker *w, const struct worker_lanes *l, const struct worker_lasting *s)
{
	struct trace_track track = {.uuid = l->parent + 1 + l->n, .parent = l->parent};
	char name[128];

	snprintf(name, sizeof(name), "%s of %u", s->lane, s->tgid);
	track.name = s->tgid ? name : s->lane;
	trace_put_track(w->out, &track);
}

void worker_put_lasting(struct worker *w, struct worker_lanes *l, const struct worker_lasting *s)
{
	uint64_t start = s->begin > w->h->from ? s->begin : w->h->from;
	unsigned int i = lane_of(l, s);
	struct trace_slice slice = {.ts = worker_boot(w, start), .track = l->parent + 1 + i,
				    .type = TRACE_SLICE_BEGIN, .name = s->name, .category = "frec",
				    .args = s->args, .n_args = s->n_args};

	if (i == WORKER_LANES) {
		w->dropped++;
		return;
	}
	if (i == l->n) {
		lane_add(w, l, s);
		l->n++;
	}
	l->list[i] = (struct worker_lane){s->open ? UINT64_MAX : s->end, s->tgid, s->lane};
	trace_put_slice(w->out, &slice);
	if (s->open) /* to the end of the trace */
		return;
	slice = (struct trace_slice){.ts = worker_boot(w, s->end > start ? s->end : start),
				     .track = slice.track, .type = TRACE_SLICE_END};
	trace_put_slice(w->out, &slice);
}
