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
	free(blames->places);
	free(blames->tenures);
	*blames = (struct verdict_blames){ 0 };
}

static struct verdict_blame *blame_of(const struct story *s, struct verdict_blames *blames,
				      uint32_t thread)
{
	size_t size = blames->size ? blames->size * 2 : 8;
	struct verdict_blame *bigger;
	uint32_t *place;

	if (!blames->places)
		blames->places = calloc(s->n_threads + 1, sizeof(*blames->places));
	if (!blames->places)
		return NULL;
	place = &blames->places[thread == STORY_NOBODY ? s->n_threads : thread];
	if (*place)
		return &blames->list[*place - 1];
	if (blames->n == blames->size) {
		bigger = reallocarray(blames->list, size, sizeof(*bigger));
		if (!bigger)
			return NULL;
		blames->list = bigger;
		blames->size = size;
	}
	blames->list[blames->n] = (struct verdict_blame){ .thread = thread, .sure = true };
	*place = ++blames->n;
	return &blames->list[*place - 1];
}

struct accusation {
	const struct story *s;
	struct verdict_blames *blames;
	const struct story_wait *wait;
	const struct story_wait *last; /* went on with it, and ended as it should; or the wait */
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
	b = blame_of(a->s, a->blames, thread);
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

static bool same_lock(const struct story *s, const struct story_wait *a, const struct story_wait *b)
{
	return s->threads[a->thread].pid == s->threads[b->thread].pid ||
	       (a->owner != STORY_NOBODY && a->owner == b->owner);
}

static int add_tenure(struct verdict_blames *b, struct verdict_tenure t)
{
	size_t size = b->size_tenures ? b->size_tenures * 2 : 64;
	struct verdict_tenure *bigger;

	if (t.end <= t.start)
		return 0;
	if (b->n_tenures == b->size_tenures) {
		bigger = reallocarray(b->tenures, size, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		b->tenures = bigger;
		b->size_tenures = size;
	}
	b->tenures[b->n_tenures++] = t;
	return 0;
}

/* When the one woke the other in this time, if just once; else 0. */
static uint64_t handed_over(const struct story *s, uint32_t from, uint32_t to, uint64_t start,
			    uint64_t end)
{
	const struct story_thread *t = &s->threads[to];
	uint64_t ts = 0;

	for (uint32_t i = story_wakes_before(s, to, start); i < t->n_wakes; i++) {
		const struct story_wake *k = &s->wakes[t->wakes + i];

		if (k->ts >= end)
			break;
		if (k->irq || k->waker != from)
			continue;
		if (ts)
			return 0;
		ts = k->ts;
	}
	return ts;
}

/*
 * It was h's, and is seen with the thread of e, which did not get it in a wait that was recorded.
 * h's letting go of it woke somebody, as others waited: if that was e's thread, it was then.
 */
static int change_hands(const struct story *s, struct verdict_blames *b,
			const struct verdict_tenure *h, const struct story_hold *e)
{
	unsigned int by = e->release ? VERDICT_BY_WAKER : VERDICT_BY_OWNER;
	uint64_t ts = handed_over(s, h->thread, e->thread, h->start, e->ts);
	int err;

	if (!ts)
		return add_tenure(b, (struct verdict_tenure){ h->start, e->ts, STORY_NOBODY, 0,
							      false });
	err = add_tenure(b, (struct verdict_tenure){ h->start, ts, h->thread, h->rests_on, false });
	return err ? err
		   : add_tenure(b, (struct verdict_tenure){ ts, e->ts, e->thread, by, false });
}

/* One more thing is known of the lock that is, as far as known, h's; changes h to whose it is then. */
static int note_hold(const struct story *s, struct verdict_blames *b, struct verdict_tenure *h,
		     const struct story_hold *e)
{
	uint32_t woken = s->waits[e->wait].thread;
	unsigned int by = e->release ? VERDICT_BY_WAKER : VERDICT_BY_OWNER;
	int err;

	if (h->thread == e->thread) {
		h->rests_on |= by;
		h->sure = true;
		if (!e->release)
			return 0;
		h->end = e->ts;
		err = add_tenure(b, *h);
	} else if (h->thread == STORY_NOBODY) {
		err = add_tenure(b,
				 (struct verdict_tenure){ h->start, e->ts, e->thread, by, false });
	} else {
		err = change_hands(s, b, h, e);
	}
	*h = (struct verdict_tenure){
		.start = e->ts, .thread = e->thread, .rests_on = by, .sure = true
	};
	if (e->release) {
		h->thread = e->took && woken != b->lock->thread ? woken : STORY_NOBODY;
		h->sure = false;
	}
	return err;
}

static size_t first_hold(const struct story *s, uint64_t address, uint64_t ts)
{
	size_t low = 0, high = s->n_holds;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct story_hold *e = &s->holds[mid];

		if (e->address < address || (e->address == address && e->ts < ts))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int find_tenures(const struct story *s, const struct story_wait *w, struct verdict_blames *b)
{
	struct verdict_tenure h = { w->start, 0, w->owner, VERDICT_BY_OWNER, true };
	size_t i = w->address ? first_hold(s, w->address, w->start) : s->n_holds;
	int err = 0;

	if (w->owner == w->thread && !w->open && !w->killed)
		h.thread = STORY_NOBODY; /* another let go of it */
	b->lock = w;
	b->n_tenures = b->at = 0;
	for (; i < s->n_holds && !err; i++) {
		const struct story_hold *e = &s->holds[i];

		if (e->address != w->address || e->ts > w->end)
			break;
		/* what it had itself, it had before */
		if (e->thread != w->thread && same_lock(s, w, &s->waits[e->wait]))
			err = note_hold(s, b, &h, e);
	}
	h.end = w->end;
	return err ? err : add_tenure(b, h);
}

static void blame_holders(const struct story *s, struct accusation *a)
{
	struct verdict_blames *b = a->blames;

	if (b->lock != a->wait)
		a->err = find_tenures(s, a->wait, b);
	while (b->at < b->n_tenures && b->tenures[b->at].end <= a->part.start)
		b->at++;
	for (size_t i = b->at; i < b->n_tenures && b->tenures[i].start < a->part.end; i++)
		accuse(a, b->tenures[i].thread, b->tenures[i].start, b->tenures[i].end,
		       b->tenures[i].rests_on, b->tenures[i].sure);
}

/* ---- others ---- */

/*
 * The thread of a process that has but one at that time, else nobody: which of several would have
 * ended the wait, nothing says.
 */
static uint32_t thread_of_process(const struct story *s, int32_t pid, uint64_t ts)
{
	uint32_t found = STORY_NOBODY;

	for (size_t i = 0; pid > 0 && i < s->n_threads; i++) {
		const struct story_thread *t = &s->threads[i];
		struct story_segment g;

		if (t->pid != pid || t->from > ts)
			continue;
		story_segment(s, i, ts, &g);
		if (g.state == STORY_GONE)
			continue;
		if (found != STORY_NOBODY)
			return STORY_NOBODY;
		found = i;
	}
	return found;
}

/* The one child it can wait for: the one it names, or the only one. */
static int32_t child_of(const struct story *s, const struct story_wait *w)
{
	int32_t pid = s->threads[w->thread].pid, wanted = 0, found = 0;

	if (strcmp(w->name, "wait4") == 0)
		wanted = w->args[0];
	else if (strcmp(w->name, "waitid") == 0 && w->args[0] == 1) /* P_PID */
		wanted = w->args[1];
	for (size_t i = 0; i < s->n_processes; i++) {
		const struct story_process *p = &s->processes[i];

		if (p->ppid != pid || (wanted > 0 && p->pid != wanted))
			continue;
		if (found)
			return 0;
		found = p->pid;
	}
	return found;
}

/* Who ends clears its tid, which until then is what pthread_join(3) waits at. */
static uint32_t joined_by(const struct story *s, const struct story_wait *w)
{
	uint32_t t = verdict_joins(w) ? story_thread_at(s, w->value, w->start) : STORY_NOBODY;

	return t < s->n_threads && s->threads[t].pid == s->threads[w->thread].pid ? t
										  : STORY_NOBODY;
}

static void blame_peer(const struct story *s, enum verdict_wait kind, struct accusation *a)
{
	struct verdict_blames *b = a->blames;
	int32_t pid = a->wait->peer_pid;

	if (b->peer_of != a->wait) { /* many parts may be of one wait */
		if (kind == VERDICT_CHILD)
			pid = child_of(s, a->wait);
		b->peer_of = a->wait;
		b->peer = kind == VERDICT_FUTEX
				  ? joined_by(s, a->wait)
				  : thread_of_process(s, pid, a->part.end - 1);
	}
	accuse(a, b->peer, a->part.start, a->part.end, VERDICT_BY_PEER, true);
}

/* By a signal, and that was not what it waited for. */
static bool is_cut_short(const struct story_wait *w)
{
	return w->interrupted && !verdict_awaits_signal(w);
}

/* The wake-up that ended the wait: others before it did not, whatever they were for. */
static const struct story_wake *last_wake(const struct story *s, const struct story_wait *w)
{
	uint32_t n = w->end < UINT64_MAX ? story_wakes_before(s, w->thread, w->end + 1) : 0;
	const struct story_wake *k = n ? &s->wakes[s->threads[w->thread].wakes + n - 1] : NULL;

	return k && !w->open && !is_cut_short(w) && k->ts >= w->start ? k : NULL;
}

/*
 * Who ended the wait. Of a socket on this host that is the sender, even if the last step was done
 * by the soft interrupt that the sending raised. Kernel threads pass on what others began. Who
 * sends a signal ends the call, not what it waited for.
 */
static void blame_waker(const struct story *s, enum verdict_wait kind,
			const struct story_segment *g, struct accusation *a)
{
	const struct story_wait *w = a->last;
	/* such a lock changes hands: each sleep was ended by who had it until then */
	bool in_turn = (kind == VERDICT_FILE_LOCK || kind == VERDICT_KERNEL_LOCK) && g->wake &&
		       w == a->wait;
	const struct story_wake *k = in_turn ? g->wake : last_wake(s, w);
	uint32_t waker = k ? k->waker : w->open || is_cut_short(w) ? STORY_NOBODY : w->waker;
	bool is_peer = waker != STORY_NOBODY && w->peer_pid &&
		       s->threads[waker].pid == w->peer_pid;
	/* what comes over a socket of this host, somebody here has just sent */
	bool is_sender = waker != STORY_NOBODY && w->sender == waker &&
			 (kind == VERDICT_SOCKET || (kind == VERDICT_POLL && w->sent_here));

	if (waker == STORY_NOBODY || (k && k->irq && !is_peer && !is_sender) ||
	    (kind != VERDICT_KERNEL_LOCK && verdict_is_kthread(s, waker)))
		blame_peer(s, kind, a);
	else
		/*
		 * anybody's soft interrupt may bring what a socket gets that is not connected, or
		 * whatever one polls for
		 */
		accuse(a, waker, a->part.start, a->part.end,
		       VERDICT_BY_WAKER | (is_peer ? VERDICT_BY_PEER : 0),
		       (g->wake == k || !k) && (!w->unreturned || is_peer || is_sender) &&
			       !(k && k->irq &&
				 (kind == VERDICT_POLL || verdict_is_unconnected(w))));
}

int verdict_blame(const struct story *s, enum verdict_wait kind, const struct story_segment *g,
		  const struct story_wait *w, const struct story_wait *last,
		  struct verdict_span part, struct verdict_blames *blames)
{
	struct accusation a = {
		.s = s, .blames = blames, .wait = w, .last = last, .part = part
	};

	if (kind == VERDICT_LOCK)
		blame_holders(s, &a);
	else
		blame_waker(s, kind, g, &a);
	return a.err;
}

int verdict_blame_round(const struct story *s, const struct story_wait *w, uint32_t holder,
			bool sure, struct verdict_span part, struct verdict_blames *blames)
{
	struct accusation a = { .s = s, .blames = blames, .wait = w, .last = w, .part = part };
	struct verdict_blame *b;

	accuse(&a, holder, part.start, part.end, VERDICT_BY_WAKER, sure);
	b = a.err ? NULL : blame_of(s, blames, holder);
	if (b)
		b->rounds++;
	return a.err;
}
