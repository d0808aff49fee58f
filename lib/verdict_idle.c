/* SPDX-License-Identifier: GPL-2.0 */
/*
 * verdict_idle.c - waiting for work to come, told from waiting for what the work at hand needs. Both
 * look alike: a thread polls. But whom it has asked, it had woken before, and who has got work, and
 * neither answered nor handed it on, still has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict_idle.h"

/* ---- who woke and made whom ---- */

#define MADE 0

static int compare_deeds(const void *a, const void *b)
{
	const struct verdict_deed *x = a, *y = b;

	if (x->by != y->by)
		return x->by < y->by ? -1 : 1;
	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

/* What is sent on this host, a soft interrupt that the sending raises delivers. */
static bool is_by(const bool *mine, const struct story_wake *k)
{
	return k->waker != STORY_NOBODY && mine[k->waker] && !(k->irq & TRACE_IRQ_HARD);
}

int verdict_deeds_of(const struct story *s, const bool *mine, struct verdict_deeds *ret)
{
	struct verdict_deed *list;
	size_t n = 0;

	for (size_t i = 0; i < s->n_wakes; i++)
		n += is_by(mine, &s->wakes[i]);
	list = calloc(n + s->n_threads + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < s->n_threads; i++) {
		const struct story_thread *t = &s->threads[i];
		uint32_t creator = story_creator(s, i);

		if (creator != STORY_NOBODY && mine[creator])
			list[n++] = (struct verdict_deed){ t->from, creator, MADE };
		for (uint32_t k = t->wakes; k < t->wakes + t->n_wakes; k++)
			if (is_by(mine, &s->wakes[k]))
				list[n++] = (struct verdict_deed){ s->wakes[k].ts,
								   s->wakes[k].waker, t->pid };
	}
	qsort(list, n, sizeof(*list), compare_deeds);
	*ret = (struct verdict_deeds){ list, n };
	return 0;
}

/* Did thread wake anybody of process pid in this time? */
static bool did(const struct verdict_deeds *deeds, uint32_t thread, int32_t pid, uint64_t from,
		uint64_t to)
{
	size_t low = 0, high = deeds->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct verdict_deed *d = &deeds->list[mid];

		if (d->by < thread || (d->by == thread && d->ts < from))
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < deeds->n && deeds->list[low].by == thread && deeds->list[low].ts <= to; low++)
		if (deeds->list[low].pid == pid)
			return true;
	return false;
}

/* ---- polls ---- */

#define LOOKED_AT 64 /* wake-ups; all those of a server may be interrupts */

/* The last thread that woke this one in time; that is innocent of an interrupt, unless it sent. */
static const struct story_wake *woken(const struct story *s, uint32_t thread, uint64_t from,
				      uint64_t to, uint32_t sender)
{
	const struct story_wake *wakes = s->wakes + s->threads[thread].wakes;
	uint32_t last = story_wakes_before(s, thread, to);

	for (uint32_t n = last; n && last - n < LOOKED_AT && wakes[n - 1].ts >= from; n--)
		if (wakes[n - 1].waker != STORY_NOBODY &&
		    (!wakes[n - 1].irq || wakes[n - 1].waker == sender))
			return &wakes[n - 1];
	return NULL;
}

static bool has_asked(const struct story *s, const struct verdict_deeds *deeds,
		      const struct story_wait *w, uint64_t since)
{
	uint32_t n = w->open ? 0 : story_wakes_before(s, w->thread, w->end + 1);
	const struct story_wake *k = n ? &s->wakes[s->threads[w->thread].wakes + n - 1] : NULL;

	return k && k->ts >= w->start && k->waker != STORY_NOBODY &&
	       (!k->irq || k->waker == w->sender) &&
	       did(deeds, w->thread, s->threads[k->waker].pid, since, w->start);
}

/* Who waits for an answer sleeps all the while. */
static bool sleeps(const struct story *s, uint32_t thread, const struct story_wait *w)
{
	uint64_t start = w->start > s->start ? w->start : s->start;
	struct story_segment g;

	story_segment(s, thread, start + (w->end - start) / 2, &g);
	return g.state == STORY_SLEEPING && g.start <= w->end - (w->end - start) / 4;
}

/* Had another one woken the thread, which then asked who woke it now, and owes that other an answer? */
static bool is_reply(const struct story *s, const struct verdict_deeds *deeds,
		     const struct story_wake *k)
{
	const struct story_wake *wakes = s->wakes + s->threads[k->thread].wakes, *j;
	int32_t pid = s->threads[k->waker].pid, other;

	for (uint32_t n = k - wakes; n && k - wakes - n < LOOKED_AT; n--) {
		j = &wakes[n - 1];
		other = j->irq || j->waker == STORY_NOBODY ? pid : s->threads[j->waker].pid;
		if (other != pid)
			return did(deeds, k->thread, pid, j->ts, k->ts) &&
			       !did(deeds, k->thread, other, j->ts, k->ts);
	}
	return false;
}

/* Has it work at hand that it has neither answered nor given to others of its process? */
static bool has_work(const struct story *s, const struct verdict_deeds *deeds,
		     const struct story_wait *w, const struct story_wake *k)
{
	uint32_t t = w->thread;

	return !did(deeds, t, s->threads[k->waker].pid, k->ts, w->start) &&
	       !did(deeds, t, s->threads[t].pid, k->ts, w->start) &&
	       !did(deeds, t, MADE, k->ts, w->start) && sleeps(s, k->waker, w) &&
	       !is_reply(s, deeds, k);
}

static enum verdict_idleness of_poll(const struct story *s, const struct verdict_deeds *deeds,
				     const struct story_wait *w)
{
	const struct story_wait *before =
		w > s->waits + s->threads[w->thread].waits ? w - 1 : NULL;
	const struct story_wake *k;

	if (verdict_is_unconnected(w))
		return VERDICT_IDLE;
	if (has_asked(s, deeds, w, before ? before->end : s->start))
		return VERDICT_NEEDED;
	k = woken(s, w->thread, s->start, w->start, before ? before->sender : STORY_NOBODY);
	return k && has_work(s, deeds, w, k) ? VERDICT_MAYBE_IDLE : VERDICT_IDLE;
}

/* ---- others ---- */

static bool has_function(const struct story_wait *w, const char *part)
{
	for (size_t i = 0; i < w->stack.n; i++)
		if (!w->stack.frames[i].kernel && w->stack.frames[i].function &&
		    strstr(w->stack.frames[i].function, part))
			return true;
	return false;
}

/* A condition variable has two words, side by side. */
static bool is_same_place(const struct story_wait *a, const struct story_wait *b)
{
	return a->address / 8 == b->address / 8 && strcmp(a->name, b->name) == 0;
}

const struct story_wait *verdict_haunt(const struct story *s, uint32_t thread)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_wait *found = NULL;
	uint64_t more = 0, sum = 0; /* ns there beyond those elsewhere */

	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < t->n_waits; i++) {
			const struct story_wait *w = &s->waits[t->waits + i];
			uint64_t start = w->start > s->start ? w->start : s->start;
			uint64_t ns = w->end > start ? w->end - start : 0;
			bool same = found && is_same_place(w, found);

			if (pass) {
				sum += same ? ns : 0;
			} else if (same || ns <= more) {
				more = same ? more + ns : more - ns;
			} else {
				found = w;
				more = ns - more;
			}
		}
	/* who was born for it has a task at hand */
	return t->from <= s->start && sum > (s->end - s->start) / 10 * 9 ? found : NULL;
}

enum verdict_idleness verdict_idleness(const struct story *s, const struct verdict_deeds *deeds,
				       const struct story_wait *w, enum verdict_wait kind,
				       const struct story_wait *haunt)
{
	if (kind != VERDICT_POLL && kind != VERDICT_FUTEX && kind != VERDICT_SLEEP)
		return VERDICT_NEEDED;
	if (verdict_runtime(w))
		return VERDICT_IDLE;
	if (kind == VERDICT_POLL)
		return of_poll(s, deeds, w);
	if (!haunt || !is_same_place(w, haunt) || verdict_joins(w) || has_function(w, "rwlock"))
		return VERDICT_NEEDED;
	return VERDICT_IDLE;
}
