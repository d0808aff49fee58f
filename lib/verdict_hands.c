/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_hands.c - work that goes from thread to thread: whose turn was it? */
#include <stdio.h>
#include <string.h>

#include "verdict.h"

#define HANDS_LOOKED_AT 1024

/*
 * The kernel's threads that do I/O for io_uring are named after the thread that they do it for: its
 * work is what there was to wait for. Only within one process, as names can be given.
 */
static uint32_t io_owner(const struct story *s, uint32_t thread, uint64_t when)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t owner = STORY_NOBODY;
	const char *comm = story_comm(s, thread, when);
	int tid;

	if (sscanf(comm, "iou-sqp-%d", &tid) == 1 || sscanf(comm, "iou-wrk-%d", &tid) == 1)
		owner = story_thread_at(s, tid, when);
	return owner != STORY_NOBODY && s->threads[owner].pid == t->pid ? owner : thread;
}

/* Could it have read what came at `start`? */
static bool is_of(const struct story *s, uint32_t thread, int32_t pid, struct verdict_span span)
{
	const struct story_thread *t = &s->threads[thread];

	return t->pid == pid && t->from < span.end && t->until > span.start &&
	       strncmp(story_comm(s, thread, span.end), "iou-", 4) != 0;
}

/* Not what threads do while they have no work. */
static bool keeps_from_work(enum verdict_wait w)
{
	switch (w) {
	case VERDICT_RUNNING:
	case VERDICT_RUNQUEUE:
	case VERDICT_THROTTLED:
	case VERDICT_LOCK:
	case VERDICT_DISK:
	case VERDICT_MEMORY:
	case VERDICT_FILE_LOCK:
	case VERDICT_KERNEL_LOCK:
	case VERDICT_STOPPED:
		return true;
	default:
		return false;
	}
}

/* Of several threads the one that was kept from it the longest, for most of the time; or NOBODY. */
static int find_busy(const struct story *s, uint32_t thread, struct verdict_span span,
		     struct verdict *v, uint32_t *ret)
{
	uint64_t most = (span.end - span.start) / 2;
	unsigned int looked = 0;
	int err = 0;

	*ret = STORY_NOBODY;
	/* it first: all may be stopped */
	for (uint32_t k = 0; k <= s->n_threads && looked < HANDS_LOOKED_AT && !err; k++) {
		uint32_t i = k ? k - 1 : thread;

		if (!is_of(s, i, s->threads[thread].pid, span))
			continue;
		looked++;
		err = verdict_of(s, i, span.start, span.end, v);
		if (err || !v->n_chain || !keeps_from_work(v->chain[0].wait) ||
		    v->chain[0].ns <= most)
			continue;
		most = v->chain[0].ns;
		*ret = i;
	}
	return err;
}

int verdict_of_unread(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
		      struct verdict *ret)
{
	const struct verdict_span span = { start, end };
	unsigned int n = 0;
	uint32_t busy;
	int err;

	if (thread >= s->n_threads || end <= start)
		return verdict_of(s, thread, start, end, ret);
	for (uint32_t i = 0; i < s->n_threads; i++)
		n += is_of(s, i, s->threads[thread].pid, span);
	if (n <= 1)
		return verdict_of(s, thread, start, end, ret);
	err = find_busy(s, thread, span, ret, &busy);
	if (err)
		return err;
	if (busy != STORY_NOBODY)
		return verdict_of(s, busy, start, end, ret);
	*ret = (struct verdict){ .thread = thread, .start = start, .end = end, .culprit = thread };
	ret->parts[VERDICT_UNKNOWN] = end - start;
	snprintf(ret->text, sizeof(ret->text),
		 "unknown: nobody read the request, and which of the %u threads of %.64s (pid %d) "
		 "should have is not known", n, story_comm(s, thread, end), s->threads[thread].pid);
	return 0;
}

/* The thread, and before its birth who made it, and before that one's … */
static size_t add_hands(const struct story *s, uint32_t thread, struct verdict_span span,
			struct verdict_hand *ret, size_t room)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t creator = STORY_NOBODY;
	size_t n = 0;

	if (t->from > span.start && t->from < span.end && room > 1)
		creator = story_creator(s, thread);
	if (creator != STORY_NOBODY) {
		n = add_hands(s, creator, (struct verdict_span){ span.start, t->from }, ret,
			      room - 1);
		span.start = t->from;
	}
	ret[n] = (struct verdict_hand){ thread, span };
	return n + 1;
}

uint64_t verdict_handover(const struct story *s, uint32_t from, uint32_t thread,
			  struct verdict_span span)
{
	const struct story_thread *t = thread < s->n_threads ? &s->threads[thread] : NULL;

	for (uint32_t i = t ? story_wakes_before(s, thread, span.start) : 0; t && i < t->n_wakes;
	     i++) {
		const struct story_wake *k = &s->wakes[t->wakes + i];

		if (k->ts >= span.end)
			break;
		if (k->waker == from && !k->irq)
			return k->ts;
	}
	return span.start;
}

size_t verdict_hands(const struct story *s, uint32_t reader, uint64_t read, uint32_t thread,
		     struct verdict_span span, struct verdict_hand ret[VERDICT_HANDS])
{
	size_t n = 0;

	thread = io_owner(s, thread, span.end);
	if (reader != STORY_NOBODY)
		reader = io_owner(s, reader, read);
	if (reader != STORY_NOBODY && reader != thread && read > span.start && read < span.end) {
		n = add_hands(s, reader, (struct verdict_span){ span.start, read }, ret,
			      VERDICT_HANDS / 2);
		span.start = read;
	}
	return n + add_hands(s, thread, span, ret + n, VERDICT_HANDS / 2);
}
