/* SPDX-License-Identifier: GPL-2.0 */
#include <string.h>

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

/* A time-out is not what it waited for. */
static void join_again(const struct verdict_again *again, struct verdict_piece *p)
{
	p->last = p->wait;
	p->holder = STORY_NOBODY;
	if (!p->wait || !again->first || p->wait < again->first || p->wait >= again->last)
		return;
	p->last = again->last;
	if (p->kind == VERDICT_SLEEP && strcmp(p->wait->name, "futex") == 0)
		p->kind = VERDICT_FUTEX;
}

/* Nor is one that is followed at once by who had it letting go. */
static void find_holder(const struct story *s, struct verdict_rounds *r, struct verdict_piece *p)
{
	if (p->kind != VERDICT_SLEEP || !p->wait || p->segment.state != STORY_SLEEPING)
		return;
	p->holder = verdict_round_of(s, r, p->wait, &p->holder_sure);
	if (p->holder != STORY_NOBODY)
		p->kind = VERDICT_FUTEX;
}

int verdict_each_piece(const struct story *s, uint32_t thread, const struct verdict_spans *spans,
		       verdict_piece_fn fn, void *context)
{
	struct verdict_rounds rounds = { 0 };
	struct verdict_piece p;
	int err = 0;

	if (spans->n)
		verdict_find_rounds(s, thread, spans->list[0].start,
				    spans->list[spans->n - 1].end, &rounds);
	for (size_t i = 0; i < spans->n && !err; i++) {
		const struct verdict_span *span = &spans->list[i];
		struct verdict_again again;

		verdict_find_again(s, thread, span->start, span->end, &again);
		for (uint64_t ts = span->start; ts < span->end && !err; ts = p.span.end) {
			piece_at(s, thread, ts, span->end, &p);
			join_again(&again, &p);
			find_holder(s, &rounds, &p);
			err = fn(context, &p);
		}
	}
	return err;
}
