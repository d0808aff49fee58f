/* SPDX-License-Identifier: GPL-2.0 */
/* verdict.c - accounts for a slow interval, and follows the chain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict_piece.h"

#define CIRCLE_SLACK_NS 50000000u

/* ---- accounts ---- */

static bool is_for_somebody(enum verdict_wait w)
{
	switch (w) {
	case VERDICT_LOCK:
	case VERDICT_FUTEX:
	case VERDICT_PIPE:
	case VERDICT_SOCKET:
	case VERDICT_NETWORK:
	case VERDICT_POLL:
	case VERDICT_CHILD:
	case VERDICT_FILE_LOCK:
	case VERDICT_KERNEL_LOCK:
		return true;
	default:
		return false;
	}
}

/* Beyond those of a kind: some calls wait for a thread, whatever they are called. */
static bool may_be_for_somebody(enum verdict_wait kind, const struct story_wait *w)
{
	return is_for_somebody(kind) || (w && (verdict_is_served(w) || verdict_awaits_signal(w)));
}

/* What one link is made of: its thread's time within the spans. */
struct account {
	uint64_t parts[VERDICT_WAITS];
	uint64_t on_others[VERDICT_WAITS]; /* of parts: waits that somebody ends, whatever the call */
	uint64_t all, known;
	const struct story_wait *longest[VERDICT_WAITS];
	uint64_t longest_ns[VERDICT_WAITS];
};

static int add_piece(void *context, const struct verdict_piece *p)
{
	struct account *a = context;
	uint64_t ns = p->span.end - p->span.start;

	a->parts[p->kind] += ns;
	if (p->segment.state == STORY_SLEEPING && may_be_for_somebody(p->kind, p->wait))
		a->on_others[p->kind] += ns;
	a->all += ns;
	if (p->kind != VERDICT_UNKNOWN || (p->wait && p->segment.state == STORY_SLEEPING))
		a->known += ns;
	if (p->wait && ns > a->longest_ns[p->kind]) {
		a->longest_ns[p->kind] = ns;
		a->longest[p->kind] = p->wait;
	}
	return 0;
}

static enum verdict_wait largest(const uint64_t parts[VERDICT_WAITS])
{
	enum verdict_wait best = VERDICT_UNKNOWN;

	for (unsigned int i = 0; i < VERDICT_WAITS; i++)
		if (parts[i] > parts[best])
			best = i;
	return best;
}

/* ---- the chain ---- */

struct blaming {
	const struct story *s;
	enum verdict_wait kind;
	struct verdict_blames blames;
};

static int blame_piece(void *context, const struct verdict_piece *p)
{
	struct blaming *b = context;

	if (p->kind != b->kind || !p->wait || p->segment.state != STORY_SLEEPING ||
	    !may_be_for_somebody(b->kind, p->wait))
		return 0;
	if (p->holder != STORY_NOBODY)
		return verdict_blame_round(b->s, p->wait, p->holder, p->holder_sure, p->span,
					   &b->blames);
	return verdict_blame(b->s, b->kind, &p->segment, p->wait, p->last, p->span, &b->blames);
}

/* A runtime's own scheduling hides whom the task waited for. */
static bool is_parked(const struct verdict_link *link)
{
	return link->evidence &&
	       (link->wait == VERDICT_FUTEX || link->wait == VERDICT_LOCK ||
		link->wait == VERDICT_POLL || link->wait == VERDICT_SLEEP) &&
	       verdict_runtime(link->evidence);
}

/* What of the spans is before ts. */
static int spans_before(const struct verdict_spans *spans, uint64_t ts, struct verdict_spans *ret,
			uint64_t *ret_ns)
{
	int err = 0;

	*ret = (struct verdict_spans){ 0 };
	*ret_ns = 0;
	for (size_t i = 0; i < spans->n && spans->list[i].start < ts && !err; i++) {
		uint64_t end = spans->list[i].end < ts ? spans->list[i].end : ts;

		*ret_ns += end - spans->list[i].start;
		err = verdict_spans_add(ret, spans->list[i].start, end);
	}
	return err;
}

/*
 * Whoever was to end the wait, but was born only when most of the time had passed: until then it
 * was the turn of who made it. Shells make a process for each step.
 */
static int before_birth(const struct story *s, struct verdict_link *link,
			struct verdict_spans *spans, uint64_t ns)
{
	for (unsigned int i = 0; i < VERDICT_HOPS; i++) {
		const struct story_thread *t = &s->threads[link->next];
		uint32_t creator = story_creator(s, link->next);
		struct verdict_spans before;
		uint64_t until_birth;
		int err;

		if (creator == STORY_NOBODY || creator == link->thread)
			return 0;
		err = spans_before(spans, t->from, &before, &until_birth);
		if (err || until_birth <= ns / 2) {
			free(before.list);
			return err;
		}
		free(spans->list);
		*spans = before;
		ns = until_birth;
		link->next = creator;
		link->rests_on = VERDICT_BY_CREATOR;
	}
	return 0;
}

/*
 * Who it waited for most of the time; *ret_spans is when. 1, or 0 if nobody is known, which
 * the link then says by its next.
 */
static int find_next(const struct story *s, const struct verdict_spans *spans,
		     struct verdict_link *link, struct verdict_spans *ret_spans)
{
	struct blaming b = { .s = s, .kind = link->wait };
	struct verdict_blame *best = NULL;
	int err = verdict_each_piece(s, link->thread, spans, blame_piece, &b);

	for (size_t i = 0; i < b.blames.n; i++)
		if (!best || b.blames.list[i].ns > best->ns)
			best = &b.blames.list[i];
	if (!err && best && best->thread != STORY_NOBODY &&
	    (best->thread != link->thread || link->wait == VERDICT_LOCK)) {
		link->next = best->thread;
		link->rests_on = best->rests_on;
		link->sure = best->sure && best->ns >= link->ns / 2;
		link->evidence = best->longest;
		link->rounds = best->rounds;
		*ret_spans = best->spans;
		best->spans = (struct verdict_spans){ 0 };
		err = before_birth(s, link, ret_spans, best->ns);
		err = err ? err : 1;
	}
	verdict_blames_free(&b.blames);
	return err;
}

/* Of those that the thread at `from` made since then the first one, or that one itself. */
static uint32_t made_since(const struct story *s, uint32_t from, uint64_t since)
{
	uint32_t first = from;

	for (uint32_t i = 0; i < s->n_threads; i++) {
		const struct story_thread *t = &s->threads[i];

		if (t->from >= since && story_creator(s, i) == from &&
		    (first == from || t->from < s->threads[first].from))
			first = i;
	}
	return first;
}

/*
 * A request that is not answered yet, by a thread that polls for it knows what. Whom has it woken
 * since it read the request? If that was one process, it asked that one.
 */
static uint32_t find_asked(const struct story *s, uint32_t thread, uint64_t since)
{
	uint32_t found = STORY_NOBODY;
	uint64_t at = 0;

	for (uint32_t i = 0; i < s->n_waits; i++) {
		const struct story_wait *w = &s->waits[i];
		int32_t pid = s->threads[w->thread].pid;

		if (w->open || w->end < since || pid == s->threads[thread].pid ||
		    (w->waker != thread && !(w->sent_here && w->sender == thread)))
			continue;
		if (found != STORY_NOBODY && pid != s->threads[found].pid)
			return STORY_NOBODY;
		if (w->end >= at) {
			found = w->thread;
			at = w->end;
		}
	}
	return found == STORY_NOBODY ? found : made_since(s, found, at);
}

/* As find_next(), where that knows nobody. */
static int ask(const struct story *s, const struct verdict *v, const struct verdict_spans *spans,
	       struct verdict_link *link, struct verdict_spans *ret_spans)
{
	int err = 0;

	if (link != v->chain || !v->read || link->wait != VERDICT_POLL || !link->evidence ||
	    !link->evidence->open)
		return 0;
	link->next = find_asked(s, link->thread, v->read);
	if (link->next == STORY_NOBODY)
		return 0;
	link->rests_on = VERDICT_BY_REQUEST;
	link->sure = false; /* others' requests may be among them */
	for (size_t i = 0; i < spans->n && !err; i++)
		err = verdict_spans_add(ret_spans, spans->list[i].start, spans->list[i].end);
	return err ? err : 1;
}

static int fill_link(const struct story *s, const struct verdict_spans *spans,
		     const struct account *a, struct verdict_link *link)
{
	link->wait = largest(a->parts);
	link->ns = a->parts[link->wait];
	link->of_ns = a->all;
	link->evidence = a->longest[link->wait];
	link->on_others = is_for_somebody(link->wait) || a->on_others[link->wait] > link->ns / 2;
	link->next = STORY_NOBODY;
	link->sure = true;
	if (link->wait == VERDICT_RUNQUEUE || link->wait == VERDICT_THROTTLED)
		return verdict_ran_instead(s, spans, link);
	return 0;
}

/* What does not fit shows that it was cut, and ends with a whole character. */
static void mark_cut(char *text, size_t size)
{
	size_t n = strlen(text);

	if (n + 1 < size)
		return;
	for (n -= 3; n && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
		;
	memcpy(text + n, "…", sizeof("…"));
}

static const struct verdict_link *in_chain(const struct verdict *v, uint32_t thread)
{
	for (size_t i = 0; i < v->n_chain; i++)
		if (v->chain[i].thread == thread)
			return &v->chain[i];
	return NULL;
}

const char *verdict_comm(const struct story *s, const struct verdict *v, uint32_t thread)
{
	const struct verdict_link *l = in_chain(v, thread);
	uint64_t end = v->end < s->end ? v->end : s->end;
	uint64_t at = end > v->start ? v->start + (end - v->start) / 2 : v->start;

	if (l && l->evidence)
		at = l->evidence->start > v->start ? l->evidence->start : v->start;
	return story_comm(s, thread, at);
}

static bool never_ends(const struct story_wait *w)
{
	return w->open || w->killed;
}

/* A circle of waits that have not ended, from the link that the last one leads back to. */
static bool is_deadlock(const struct verdict *v, const struct verdict_link *from)
{
	for (const struct verdict_link *l = from; l < v->chain + v->n_chain; l++)
		if (!l->evidence || !never_ends(l->evidence) || l->wait == VERDICT_POLL || !l->sure)
			return false;
	return true;
}

/* Adds the link of thread; 1: the chain goes on with *ret_spans. */
static int add_link(const struct story *s, struct verdict *v, uint32_t thread,
		    const struct verdict_spans *spans, struct verdict_spans *ret_spans)
{
	struct verdict_link *link = &v->chain[v->n_chain++];
	struct account a = { 0 };
	int more = verdict_each_piece(s, thread, spans, add_piece, &a);

	*link = (struct verdict_link){ .thread = thread };
	if (!more)
		more = fill_link(s, spans, &a, link);
	if (!more && link->on_others && !is_parked(link) && !v->idle)
		more = find_next(s, spans, link, ret_spans);
	if (!more)
		more = ask(s, v, spans, link, ret_spans);
	if (link->evidence)
		verdict_what(link->evidence, link->wait, link->what, sizeof(link->what));
	mark_cut(link->what, sizeof(link->what));
	return more;
}

/* Such a wait is never a cause by itself: somebody on this host makes it last. */
static bool needs_somebody(const struct verdict_link *l)
{
	return l->on_others && l->wait != VERDICT_NETWORK && l->wait != VERDICT_POLL &&
	       l->wait != VERDICT_SLEEP;
}

uint64_t verdict_gone_since(const struct story *s, const struct verdict *v, uint32_t thread)
{
	uint64_t end = v->end < s->end ? v->end : s->end; /* beyond the window all seem gone */
	struct story_segment g;

	story_segment(s, thread, end ? end - 1 : 0, &g);
	return g.state == STORY_GONE ? g.start : UINT64_MAX;
}

/* It never got the lock; or not until its owner had taken that with it. */
static bool was_orphaned(const struct story *s, const struct verdict *v,
			 const struct verdict_link *waiter)
{
	uint64_t gone = verdict_gone_since(s, v, waiter->next);

	return waiter->wait == VERDICT_LOCK && waiter->sure && gone < UINT64_MAX &&
	       (waiter->evidence->open || gone <= waiter->evidence->start);
}

static void conclude(const struct story *s, struct verdict *v)
{
	const struct verdict_link *last = &v->chain[v->n_chain - 1], *back = NULL;

	v->cause = last->wait;
	v->culprit = last->thread;
	v->cause_ns = last->ns;
	if (last->next != STORY_NOBODY)
		back = in_chain(v, last->next);
	if (back && is_deadlock(v, back))
		v->cause = VERDICT_DEADLOCK;
	else if (last->next != STORY_NOBODY)
		v->cause = VERDICT_UNKNOWN; /* a circle that turned, or too many hops */
	else if (is_parked(last))
		v->cause = VERDICT_UNKNOWN;
	else if (last > v->chain && was_orphaned(s, v, &last[-1]))
		v->cause = VERDICT_LOCK; /* which it took with it, whatever it did before */
	else if ((needs_somebody(last) && !v->idle) || last->wait == VERDICT_EXIT)
		v->cause = VERDICT_UNKNOWN; /* and who that was is not known */
}

/*
 * In a deadlock it does not count what took longest on the way into it. Is thread, at the end of
 * the interval, in a circle of waits for locks that never end, or does it wait for one? Then
 * *ret_since is when the circle was closed.
 */
static bool find_circle(const struct story *s, uint32_t thread, uint64_t end, uint64_t *ret_since)
{
	uint32_t seen[VERDICT_HOPS];
	uint64_t since = 0;

	for (unsigned int n = 0; n < VERDICT_HOPS && thread != STORY_NOBODY; n++) {
		const struct story_wait *w = story_wait_at(s, thread, end - 1);

		/* those that a death ended did not all end at one moment */
		if (!w && end > CIRCLE_SLACK_NS)
			w = story_wait_at(s, thread, end - CIRCLE_SLACK_NS);
		if (!w || !never_ends(w) || strcmp(w->name, "lock") != 0 || verdict_runtime(w))
			return false;
		if (w->start > since)
			since = w->start;
		seen[n] = thread;
		thread = w->owner;
		for (unsigned int i = 0; i <= n; i++)
			if (seen[i] == thread) {
				*ret_since = since;
				return true;
			}
	}
	return false;
}

/* Fills in what each hand's time went to; *ret is the one that the most of one kind went to. */
static int account_for(const struct story *s, struct verdict *v, const struct verdict_hand *hands,
		       size_t n, const struct verdict_hand **ret)
{
	uint64_t all = 0, known = 0, most = 0;

	*ret = hands;
	for (size_t i = 0; i < n; i++) {
		struct verdict_span span = hands[i].span;
		const struct verdict_spans spans = { .list = &span, .n = 1 };
		struct account a = { 0 };
		int err = verdict_each_piece(s, hands[i].thread, &spans, add_piece, &a);

		if (err)
			return err;
		for (unsigned int k = 0; k < VERDICT_WAITS; k++)
			v->parts[k] += a.parts[k];
		all += a.all;
		known += a.known;
		if (a.parts[largest(a.parts)] > most) {
			most = a.parts[largest(a.parts)];
			*ret = &hands[i];
		}
	}
	v->explained = all ? (double)known / all : 0;
	return 0;
}

static int follow(const struct story *s, struct verdict *v, const struct verdict_hand *hand)
{
	struct verdict_spans spans = { 0 }, next = { 0 };
	uint32_t thread = hand->thread;
	uint64_t since;
	int more = verdict_spans_add(&spans, hand->span.start, hand->span.end);

	if (!more && find_circle(s, thread, hand->span.end, &since) && since > hand->span.start &&
	    since < hand->span.end)
		spans.list[0].start = since;
	while (!more) {
		more = add_link(s, v, thread, &spans, &next);
		free(spans.list);
		spans = next;
		next = (struct verdict_spans){ 0 };
		if (more != 1)
			break;
		thread = v->chain[v->n_chain - 1].next;
		more = v->n_chain == VERDICT_HOPS || in_chain(v, thread);
	}
	free(spans.list);
	return more < 0 ? more : 0;
}

/* What it did itself took longest; what it waited for took nearly as long. */
static int find_also(const struct story *s, struct verdict *v, const struct verdict_hand *hand)
{
	struct verdict_span span = hand->span;
	const struct verdict_spans spans = { .list = &span, .n = 1 };
	struct verdict_link also = { .thread = hand->thread, .next = STORY_NOBODY };
	struct verdict_spans next = { 0 };
	struct account a = { 0 };
	int err;

	if (v->n_chain != 1 || v->chain->wait != VERDICT_RUNNING)
		return 0;
	err = verdict_each_piece(s, also.thread, &spans, add_piece, &a);
	a.parts[VERDICT_RUNNING] = 0;
	if (!err)
		err = fill_link(s, &spans, &a, &also);
	if (err || also.ns < v->chain->ns / 2)
		return err;
	if (also.on_others && !is_parked(&also))
		err = find_next(s, &spans, &also, &next);
	free(next.list);
	if (also.evidence)
		verdict_what(also.evidence, also.wait, also.what, sizeof(also.what));
	mark_cut(also.what, sizeof(also.what));
	v->also = also;
	return err < 0 ? err : 0;
}

int verdict_of_request(const struct story *s, uint32_t reader, uint64_t read, uint32_t thread,
		       uint64_t start, uint64_t end, struct verdict *ret)
{
	struct verdict_hand hands[VERDICT_HANDS];
	const struct verdict_hand *most;
	struct verdict *v = ret;
	size_t n;
	int err;

	*v = (struct verdict){ .thread = thread, .start = start, .end = end, .culprit = thread };
	if (thread >= s->n_threads || end <= start) {
		v->parts[VERDICT_UNKNOWN] = end > start ? end - start : 0;
		snprintf(v->text, sizeof(v->text), "unknown: nothing recorded is about this %s",
			 end > start ? "thread" : "time");
		return 0;
	}
	if (reader != STORY_NOBODY)
		v->read = read;
	n = verdict_hands(s, reader, read, thread, (struct verdict_span){ start, end }, hands);
	err = account_for(s, v, hands, n, &most);
	if (!err)
		err = follow(s, v, most);
	if (!err)
		err = find_also(s, v, most);
	if (err)
		return err;
	if (v->n_chain) {
		conclude(s, v);
		verdict_tell(s, v);
	}
	return 0;
}

int verdict_of_span(const struct story *s, uint32_t beginner, uint32_t thread, uint64_t start,
		    uint64_t end, struct verdict *ret)
{
	struct verdict_span span = { start, end };

	return verdict_of_request(s, beginner, verdict_handover(s, beginner, thread, span), thread,
				  start, end, ret);
}

int verdict_of(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
	       struct verdict *ret)
{
	return verdict_of_request(s, STORY_NOBODY, 0, thread, start, end, ret);
}

int verdict_of_idle(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
		    struct verdict *ret)
{
	const struct verdict_hand hand = { thread, { start, end } }, *most;
	struct verdict *v = ret;
	int err;

	*v = (struct verdict){
		.thread = thread, .start = start, .end = end, .culprit = thread, .idle = true
	};
	err = account_for(s, v, &hand, 1, &most);
	if (!err)
		err = follow(s, v, most);
	if (err)
		return err;
	conclude(s, v);
	verdict_tell(s, v);
	return 0;
}

int verdict_of_trigger(const struct story *s, const struct story_trigger *t, struct verdict *ret)
{
	uint32_t thread = story_thread_at(s, t->tid, t->end);
	uint32_t beginner = t->beginner ? story_thread_at(s, t->beginner, t->start) : STORY_NOBODY;

	/* nothing recorded of it: then that, and not another's waits */
	if (t->end <= t->start)
		return verdict_worst_of(s, thread, t->end, ret);
	/* who tells of a span that its thread has left open need not be who has it now */
	if (t->open && beginner != STORY_NOBODY)
		thread = beginner;
	if (t->beginner)
		return verdict_of_span(s, beginner, thread, t->start, t->end, ret);
	if (!t->reader && (!t->kind || strcmp(t->kind, "request")))
		return verdict_of(s, thread, t->start, t->end, ret);
	if (!t->reader && t->read > t->start)
		return verdict_of_unread(s, thread, t->start, t->end, ret);
	return verdict_of_request(s, story_thread_at(s, t->reader, t->read), t->read, thread,
				  t->start, t->end, ret);
}
