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

/*
 * ---- rounds ----
 *
 * What goes from thread to thread of a process, such as an interpreter's lock, is waited for in
 * rounds: the time of one is up, the thread asks for it, and sleeps again until who had it lets go.
 * That mostly takes less time than is recorded, and now and then none at all.
 */
#define ROUNDS_HOPS 32u

/* A futex wait whose time was up, and nothing else ended it. */
static bool is_round(const struct story *s, const struct story_wait *w)
{
	const struct story_wake *k = ended_by(s, w);

	return k && k->irq & TRACE_IRQ_HARD && !w->open && !w->killed && !w->interrupted &&
	       w->address && strcmp(w->name, "futex") == 0;
}

/* Who of its process woke it out of what it went back to at once; *ret_again: which is recorded. */
static uint32_t woken_again_by(const struct story *s, const struct story_wait *w, bool *ret_again)
{
	uint64_t spent = 0, at = w->end;

	*ret_again = false;
	for (unsigned int hops = 0; hops < ROUNDS_HOPS && spent <= AGAIN_NS; hops++) {
		const struct story_wait *next = story_wait_at(s, w->thread, at);
		struct story_segment g;

		story_segment(s, w->thread, at, &g);
		if (g.end <= at || g.state == STORY_UNKNOWN || g.state == STORY_GONE)
			break;
		if (g.state == STORY_RUNNING)
			spent += g.end - at;
		at = g.end;
		if (g.state != STORY_SLEEPING)
			continue;
		if (!g.wake || g.wake->waker == STORY_NOBODY || (next && !is_same(w, next)))
			break;
		if (next)
			*ret_again = true;
		if (!g.wake->irq)
			return s->threads[g.wake->waker].pid == s->threads[w->thread].pid
				       ? g.wake->waker
				       : STORY_NOBODY;
		if (!next || !is_round(s, next))
			break;
		spent = 0;
	}
	return STORY_NOBODY;
}

/* Did it run, or want to, for most of this time? */
static bool is_busy(const struct story *s, uint32_t thread, uint64_t start, uint64_t end)
{
	uint64_t busy = 0;
	struct story_segment g;

	for (uint64_t at = start; at < end; at = g.end) {
		story_segment(s, thread, at, &g);
		if (g.end <= at)
			break;
		if (g.state == STORY_RUNNING || g.state == STORY_RUNNABLE)
			busy += (g.end < end ? g.end : end) - at;
	}
	return busy > (end - start) / 2;
}

/*
 * Who had it in this round, as far as the round itself says. Who let go of it at last may have
 * waited for it as well, until another let go. Of one that went on unrecorded nothing says that
 * this was for the same: then who had it must have had something to do with it.
 */
static uint32_t had_it(const struct story *s, const struct story_wait *w, bool *ret_again)
{
	uint32_t who = is_round(s, w) ? woken_again_by(s, w, ret_again) : STORY_NOBODY;
	const struct story_wait *its;
	const struct story_wake *k;
	bool ignored;

	if (who == STORY_NOBODY)
		return who;
	its = story_wait_at(s, who, w->start + (w->end - w->start) / 2);
	if (its && strcmp(its->name, "futex") == 0 && is_same(its, w)) {
		k = ended_by(s, its);
		who = is_round(s, its) ? woken_again_by(s, its, &ignored)
		      : k && !k->irq   ? k->waker
				       : STORY_NOBODY;
		if (who == w->thread || who == STORY_NOBODY ||
		    s->threads[who].pid != s->threads[w->thread].pid)
			return STORY_NOBODY;
	}
	return *ret_again || is_busy(s, who, w->start, w->end) ? who : STORY_NOBODY;
}

/* One more that had what is waited for at an address: most of them, by majority. */
static void vote(struct verdict_turns *t, uint32_t who)
{
	t->n++;
	if (!t->lead)
		t->who = who;
	t->lead += t->who == who ? 1 : -1;
	t->others |= t->who != who;
}

static struct verdict_turns *turns_at(struct verdict_rounds *r, uint64_t address, bool add)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].address / 8 == address / 8)
			return &r->list[i];
	if (!add || r->n == VERDICT_ROUNDS)
		return NULL;
	r->list[r->n] = (struct verdict_turns){ .address = address, .who = STORY_NOBODY };
	return &r->list[r->n++];
}

void verdict_find_rounds(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
			 struct verdict_rounds *ret)
{
	const struct story_wait *waits = &s->waits[s->threads[thread].waits];
	bool ignored;

	ret->n = 0;
	for (uint32_t i = story_waits_until(s, thread, end); i && waits[i - 1].end > start; i--) {
		uint32_t who = had_it(s, &waits[i - 1], &ignored);
		struct verdict_turns *t = NULL;

		if (who != STORY_NOBODY)
			t = turns_at(ret, waits[i - 1].address, true);
		if (t)
			vote(t, who);
	}
}

uint32_t verdict_round_of(const struct story *s, struct verdict_rounds *r,
			  const struct story_wait *w, bool *ret_sure)
{
	const struct verdict_turns *t = turns_at(r, w->address, false);
	bool again = false;
	uint32_t who;

	/* once is chance: a pause, and something else that came right after it */
	if (!t || t->n < 2 || !is_round(s, w))
		return STORY_NOBODY;
	who = had_it(s, w, &again);
	*ret_sure = who != STORY_NOBODY || !t->others;
	if (who == STORY_NOBODY && (again || is_busy(s, t->who, w->start, w->end)))
		who = t->who;
	return who;
}
