/* SPDX-License-Identifier: GPL-2.0 */
/*
 * verdict_again.c - waits in vain: their time is up, a signal comes, or something else of an event
 * loop's many things, and the thread at once waits for the same again. Who ends the last of them is
 * whom it waited for in all of them.
 */
#include <string.h>

#include "verdict_piece.h"

#define AGAIN_NS 1000000u /* who runs or sleeps longer in between has something else to do */

/* The wake-up that ended it, or NULL. */
static const struct story_wake *ended_by(const struct story *s, const struct story_wait *w)
{
	uint32_t n = w->end < UINT64_MAX ? story_wakes_before(s, w->thread, w->end + 1) : 0;
	const struct story_wake *k = n ? &s->wakes[s->threads[w->thread].wakes + n - 1] : NULL;

	return k && k->ts >= w->start ? k : NULL;
}

/* No data came with such an interrupt: those of a pipe or UNIX socket come from a thread. */
static bool is_in_vain(const struct story *s, const struct story_wait *w)
{
	const struct story_wake *k = ended_by(s, w);

	if (w->open || w->killed)
		return false;
	if (w->interrupted)
		return true;
	if (!k || !k->irq || w->sender != STORY_NOBODY)
		return false;
	return k->irq & TRACE_IRQ_HARD || (w->type && strcmp(w->type, "inet") != 0);
}

/* By a thread, and by what it waited for. */
static bool is_answered(const struct story *s, const struct story_wait *w, uint64_t until)
{
	const struct story_wake *k = ended_by(s, w);

	return k && k->ts <= until && !w->open && !w->killed && !w->interrupted &&
	       k->waker != STORY_NOBODY && (!k->irq || w->sender == k->waker);
}

/*
 * A condition variable has two words, side by side, that take turns. Of many descriptors the one
 * that was ready says nothing, where they stand does.
 */
static bool is_same(const struct story_wait *a, const struct story_wait *b)
{
	if (strcmp(a->name, b->name) != 0)
		return false;
	if (a->address || b->address)
		return a->address / 8 == b->address / 8;
	if (a->fd >= 0 && a->fd == b->fd)
		return true;
	return (a->args[0] || a->args[1]) && a->args[0] == b->args[0] && a->args[1] == b->args[1];
}

/* One may be woken there for many reasons, and goes back if it was not the right one. */
static bool is_shared(const struct story_wait *w)
{
	static const char *const names[] = { "futex", "poll", "ppoll", "select", "pselect6" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(w->name, names[i]) == 0)
			return true;
	return strncmp(w->name, "epoll_", 6) == 0;
}

/* Who is woken between two waits may have got its work only then: before, others were waited for. */
static bool is_asked(const struct story *s, uint32_t whom, uint32_t by, uint64_t from, uint64_t to)
{
	const struct story_thread *t = &s->threads[whom];

	for (uint32_t i = story_wakes_before(s, whom, from); i < t->n_wakes; i++) {
		const struct story_wake *k = &s->wakes[t->wakes + i];

		if (k->ts >= to)
			break;
		if (k->waker == by)
			return true;
	}
	return t->from >= from && t->from < to;
}

/* Is wait b, of those that `who` ended at last, for what a was for? */
static bool goes_on(const struct story *s, const struct story_wait *a, const struct story_wait *b,
		    uint32_t who)
{
	struct story_segment g;
	uint64_t spent = 0;

	if (b->start < a->end || !is_same(a, b) || a->open || a->killed ||
	    !(is_in_vain(s, a) || is_shared(a)) || is_asked(s, who, a->thread, a->end, b->start))
		return false;
	for (uint64_t at = a->end; at < b->start && spent <= AGAIN_NS; at = g.end) {
		story_segment(s, a->thread, at, &g);
		if (g.end <= at)
			return false;
		/* a sleep that nobody tells of is most likely one more round of an event loop */
		if (g.state != STORY_RUNNABLE && !(g.state == STORY_SLEEPING && is_shared(a)))
			spent += (g.end < b->start ? g.end : b->start) - at;
	}
	return spent <= AGAIN_NS;
}

void verdict_find_again(const struct story *s, uint32_t thread, uint64_t start, uint64_t until,
			struct verdict_again *ret)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_wait *waits = &s->waits[t->waits], *last;
	uint32_t n = story_waits_until(s, thread, until);

	*ret = (struct verdict_again){ 0 };
	last = n ? &waits[n - 1] : NULL;
	if (!last || last->end <= start || !is_answered(s, last, until))
		return;
	for (uint32_t i = n - 1; i && waits[i - 1].end > start; i--) {
		if (!goes_on(s, &waits[i - 1], &waits[i], ended_by(s, last)->waker))
			break;
		ret->first = &waits[i - 1];
		ret->last = last;
	}
}
