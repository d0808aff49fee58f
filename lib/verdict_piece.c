/* SPDX-License-Identifier: GPL-2.0 */
#include "verdict_piece.h"

/* The piece that begins at ts; it ends at the latest at end. */
static void piece_at(const struct story *s, uint32_t thread, uint64_t ts, uint64_t end,
		     struct verdict_piece *p)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t next;

	story_segment(s, thread, ts, &p->segment);
	p->wait = story_wait_at(s, thread, ts);
	p->span = (struct verdict_span){ ts, p->segment.end < end ? p->segment.end : end };
	if (p->segment.state != STORY_RUNNING && p->segment.state != STORY_GONE) {
		if (p->wait && !p->wait->open && p->wait->end < p->span.end)
			p->span.end = p->wait->end;
		next = story_waits_until(s, thread, ts);
		if (next < t->n_waits && s->waits[t->waits + next].start < p->span.end)
			p->span.end = s->waits[t->waits + next].start;
	}
	if (p->span.end <= ts)
		p->span.end = ts + 1;
	p->kind = verdict_kind(s, thread, &p->segment, p->wait);
}

int verdict_each_piece(const struct story *s, uint32_t thread, const struct verdict_spans *spans,
		       verdict_piece_fn fn, void *context)
{
	struct verdict_piece p;
	int err = 0;

	for (size_t i = 0; i < spans->n && !err; i++)
		for (uint64_t ts = spans->list[i].start; ts < spans->list[i].end && !err;
		     ts = p.span.end) {
			piece_at(s, thread, ts, spans->list[i].end, &p);
			err = fn(context, &p);
		}
	return err;
}
