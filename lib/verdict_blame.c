/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_blame.c - whom a thread waited for, and from when to when. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

/* ---- lists ---- */

int verdict_spans_add(struct verdict_spans *spans, uint64_t start, uint64_t end)
{
	struct verdict_span *bigger;
	size_t size = spans->size ? spans->size * 2 : 8;

	if (end <= start)
		return 0;
	if (spans->n && spans->list[spans->n - 1].end == start) {
		spans->list[spans->n - 1].end = end;
		return 0;
	}
	if (spans->n == spans->size) {
		bigger = reallocarray(spans->list, size, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		spans->list = bigger;
		spans->size = size;
	}
	spans->list[spans->n++] = (struct verdict_span){ start, end };
	return 0;
}

void verdict_blames_free(struct verdict_blames *blames)
{
	for (size_t i = 0; i < blames->n; i++)
		free(blames->list[i].spans.list);
	free(blames->list);
	*blames = (struct verdict_blames){ 0 };
}

static struct verdict_blame *blame_of(struct verdict_blames *blames, uint32_t thread)
{
	struct verdict_blame *bigger;
	size_t size = blames->size ? blames->size * 2 : 8;

	for (size_t i = 0; i < blames->n; i++)
		if (blames->list[i].thread == thread)
			return &blames->list[i];
	if (blames->n == blames->size) {
		bigger = reallocarray(blames->list, size, sizeof(*bigger));
		if (!bigger)
			return NULL;
		blames->list = bigger;
		blames->size = size;
	}
	blames->list[blames->n] = (struct verdict_blame){ .thread = thread, .sure = true };
	return &blames->list[blames->n++];
}

struct accusation {
	struct verdict_blames *blames;
	const struct story_wait *wait;
	struct verdict_span part; /* of the wait */
	int err;
};

/* A thread is to blame for what of this span lies in the part; nobody can be, too. */
static void accuse(struct accusation *a, uint32_t thread, uint64_t start, uint64_t end,
		   unsigned int rests_on, bool sure)
{
	struct verdict_blame *b;

	if (start < a->part.start)
		start = a->part.start;
	if (end > a->part.end)
		end = a->part.end;
	if (end <= start || a->err)
		return;
	b = blame_of(a->blames, thread);
	if (!b) {
		a->err = -ENOMEM;
		return;
	}
	b->rests_on |= rests_on;
	b->sure &= sure;
	b->ns += end - start;
	if (end - start > b->longest_ns) {
		b->longest_ns = end - start;
		b->longest = a->wait;
	}
	a->err = verdict_spans_add(&b->spans, start, end);
}

/* ---- locks: who held it when ---- */

/* Known at ts: this thread held the lock until then (release), or then. */
struct held {
	uint64_t ts;
	uint32_t thread;
	bool release;
};

#define HELD_MAX 1024 /* of one wait; beyond, the rest of it is nobody's */

struct holders {
	struct held list[HELD_MAX];
	size_t n;
};

static void add_held(struct holders *h, uint64_t ts, uint32_t thread, bool release)
{
	if (thread != STORY_NOBODY && h->n < HELD_MAX)
		h->list[h->n++] = (struct held){ ts, thread, release };
}

static int compare_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return y->release - x->release;
}

static bool same_lock(const struct story *s, const struct story_wait *a, const struct story_wait *b)
{
	if (a->address != b->address || b->thread == STORY_NOBODY)
		return false;
	return s->threads[a->thread].pid == s->threads[b->thread].pid ||
	       (a->owner != STORY_NOBODY && a->owner == b->owner);
}

/* Whoever wakes a thread out of its wait for the lock has just released it. */
static void note_releases(const struct story *s, const struct story_wait *w, uint64_t from,
			  uint64_t until, struct holders *h)
{
	const struct story_thread *t = &s->threads[w->thread];

	for (uint32_t i = 0; i < t->n_wakes; i++) {
		const struct story_wake *k = &s->wakes[t->wakes + i];

		if (k->ts > until)
			break;
		if (k->ts >= from && k->ts >= w->start && k->ts <= w->end && !k->irq)
			add_held(h, k->ts, k->waker, true);
	}
}

static void note_holders(const struct story *s, const struct story_wait *w, struct holders *h)
{
	for (size_t i = 0; i < s->n_waits; i++) {
		const struct story_wait *other = &s->waits[i];

		if (!same_lock(s, w, other) || other->start > w->end || other->end < w->start)
			continue;
		if (other->start >= w->start)
			add_held(h, other->start, other->owner, false);
		note_releases(s, other, w->start, w->end, h);
	}
	qsort(h->list, h->n, sizeof(*h->list), compare_held);
}

/* When thread came out of its own wait for this lock, between from and until; 0: it did not. */
static uint64_t acquired(const struct story *s, const struct story_wait *w, uint32_t thread,
			 uint64_t from, uint64_t until)
{
	const struct story_thread *t = &s->threads[thread];
	uint64_t ts = 0;

	for (uint32_t i = 0; i < t->n_waits; i++) {
		const struct story_wait *other = &s->waits[t->waits + i];

		if (other->address == w->address && !other->open && other->end > from &&
		    other->end < until)
			ts = other->end;
	}
	return ts;
}

static void blame_holders(const struct story *s, struct accusation *a)
{
	const struct story_wait *w = a->wait;
	static __thread struct holders h; /* too large for a stack */
	uint32_t holder = w->owner;
	uint64_t since = w->start;

	h.n = 0;
	note_holders(s, w, &h);
	for (size_t i = 0; i < h.n; i++) {
		const struct held *e = &h.list[i];
		unsigned int by = e->release ? VERDICT_BY_WAKER : VERDICT_BY_OWNER;
		uint64_t change = 0;

		if (e->thread == w->thread)
			continue; /* it woke up for nothing */
		if (holder == e->thread && !e->release)
			continue;
		if (holder == e->thread) {
			accuse(a, holder, since, e->ts, by | VERDICT_BY_OWNER, true);
		} else if (holder == STORY_NOBODY) {
			accuse(a, e->thread, since, e->ts, by, true);
		} else {
			/* it changed hands unseen: to one who waited for it, too, or we cannot say when */
			change = acquired(s, w, e->thread, since, e->ts);
			accuse(a, holder, since, change ? change : e->ts, VERDICT_BY_OWNER, change);
			if (change)
				accuse(a, e->thread, change, e->ts, by, true);
		}
		since = e->ts;
		holder = e->release ? STORY_NOBODY : e->thread;
	}
	accuse(a, holder, since, w->end, VERDICT_BY_OWNER, true);
}

/* ---- others ---- */

/* The thread of the process that ran last until ts; of one that has one thread, that. */
static uint32_t thread_of_process(const struct story *s, int32_t pid, uint64_t ts)
{
	uint32_t found = STORY_NOBODY;
	uint64_t latest = 0;

	for (size_t i = 0; i < s->n_threads; i++) {
		const struct story_thread *t = &s->threads[i];
		struct story_segment g;

		if (t->pid != pid || t->from > ts)
			continue;
		story_segment(s, i, ts, &g);
		if (g.state == STORY_GONE)
			continue;
		if (g.state == STORY_RUNNING)
			return i;
		if (found == STORY_NOBODY || g.start > latest) {
			found = i;
			latest = g.start;
		}
	}
	return found;
}

/* The one child it can wait for: the one it names, or the only one. */
static int32_t child_of(const struct story *s, const struct story_wait *w)
{
	int32_t pid = s->threads[w->thread].pid, wanted = w->args[0], found = 0;

	for (size_t i = 0; i < s->n_processes; i++) {
		const struct story_process *p = &s->processes[i];

		if (p->ppid != pid)
			continue;
		if (strcmp(w->name, "wait4") == 0 && wanted > 0 && p->pid != wanted)
			continue;
		if (found)
			return 0;
		found = p->pid;
	}
	return found;
}

static void blame_peer(const struct story *s, enum verdict_wait kind, struct accusation *a)
{
	int32_t pid = kind == VERDICT_CHILD ? child_of(s, a->wait) : a->wait->peer_pid;
	uint32_t thread = pid ? thread_of_process(s, pid, a->part.end) : STORY_NOBODY;

	accuse(a, thread, a->part.start, a->part.end, VERDICT_BY_PEER, true);
}

/*
 * Who woke it out of this sleep. Of a socket on this host that is the sender, even
 * if the last step was done by the soft interrupt that the sending raised.
 */
static void blame_waker(const struct story *s, enum verdict_wait kind,
			const struct story_segment *g, struct accusation *a)
{
	const struct story_wait *w = a->wait;
	uint32_t waker = g->wake ? g->wake->waker : STORY_NOBODY;
	bool is_peer = waker != STORY_NOBODY && w->peer_pid &&
		       s->threads[waker].pid == w->peer_pid;

	if (waker != STORY_NOBODY && (!g->wake->irq || is_peer))
		accuse(a, waker, a->part.start, a->part.end,
		       VERDICT_BY_WAKER | (is_peer ? VERDICT_BY_PEER : 0), true);
	else
		blame_peer(s, kind, a);
}

int verdict_blame(const struct story *s, enum verdict_wait kind, const struct story_segment *g,
		  const struct story_wait *w, struct verdict_span part,
		  struct verdict_blames *blames)
{
	struct accusation a = { .blames = blames, .wait = w, .part = part };

	if (kind == VERDICT_LOCK)
		blame_holders(s, &a);
	else
		blame_waker(s, kind, g, &a);
	return a.err;
}
