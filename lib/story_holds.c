/* SPDX-License-Identifier: GPL-2.0 */
/* story_holds.c - all that waits tell of who held a lock, by its address. */
#include <errno.h>
#include <stdlib.h>

#include "story_private.h"

static int compare_holds(const void *a, const void *b)
{
	const struct story_hold *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return y->release - x->release;
}

#define DYING_NS 50000000u

static bool dies(const struct story *s, uint32_t thread, uint64_t from)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_run *last =
		t->n_runs ? &s->runs[s->by_thread[t->runs + t->n_runs - 1]] : NULL;

	return last && last->end >= from && last->end - from < DYING_NS &&
	       last->state != STORY_LEFT_UNKNOWN &&
	       last->state & (TRACE_STATE_DEAD | TRACE_STATE_ZOMBIE);
}

/* The process ended: one thread of it woke the others so that they end, too. Nobody let go. */
static bool is_killed(const struct story *s, const struct story_wait *w)
{
	return !w->open && w->waker != STORY_NOBODY &&
	       s->threads[w->waker].pid == s->threads[w->thread].pid &&
	       dies(s, w->thread, w->end) &&
	       dies(s, w->waker, w->end > DYING_NS ? w->end - DYING_NS / 2 : 0);
}

/*
 * The owner word when the wait began, and whoever woke the thread out of it: that one has just let
 * go of the lock; not if it sent a signal.
 */
static int add_wait(struct story *s, uint32_t wait, size_t *size)
{
	const struct story_wait *w = &s->waits[wait];
	const struct story_thread *t = &s->threads[w->thread];
	int err = story_grow(&s->holds, s->n_holds, size, sizeof(*s->holds));
	struct story_hold *last = NULL;

	if (!err && w->owner != STORY_NOBODY)
		s->holds[s->n_holds++] =
			(struct story_hold){ w->address, w->start, w->owner, wait, false, false };
	if (w->interrupted || w->killed)
		return err;
	for (uint32_t i = story_wakes_before(s, w->thread, w->start); i < t->n_wakes && !err; i++) {
		const struct story_wake *k = &s->wakes[t->wakes + i];

		if (k->ts > w->end)
			break;
		last = NULL;
		if (k->irq || k->waker == STORY_NOBODY)
			continue;
		err = story_grow(&s->holds, s->n_holds, size, sizeof(*s->holds));
		if (err)
			break;
		last = &s->holds[s->n_holds++];
		*last = (struct story_hold){ w->address, k->ts, k->waker, wait, true, false };
	}
	if (last && !w->open)
		last->took = true;
	return err;
}

int story_make_holds(struct story *s)
{
	uint64_t until = 0; /* of the waits of this thread so far: hostile ones overlap */
	size_t size = 0;
	int err = 0;

	for (size_t i = 0; i < s->n_waits && !err; i++) {
		struct story_wait *w = &s->waits[i];

		if (w->thread == STORY_NOBODY)
			break; /* they are last */
		w->killed = is_killed(s, w);
		if (i && w[-1].thread != w->thread)
			until = 0;
		if (w->address && w->start >= until)
			err = add_wait(s, i, &size);
		if (w->end > until)
			until = w->end;
	}
	if (s->n_holds)
		qsort(s->holds, s->n_holds, sizeof(*s->holds), compare_holds);
	return err;
}
