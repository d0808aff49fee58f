/* SPDX-License-Identifier: GPL-2.0 */
/* story_threads.c - lives of tids, and from tids to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "story_private.h"

static int compare_births(const void *a, const void *b)
{
	const struct birth *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return y->is_new - x->is_new;
}

static int compare_processes(const void *a, const void *b)
{
	const struct story_process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* What is said of a time is true of the life around it, and of the last one if that has no more. */
static void merge_births(struct story *s, const struct birth *first, const struct birth *end)
{
	struct story_thread *lives = s->threads + s->n_threads, *t = lives;
	const struct birth *named = NULL;
	const char *comm = NULL;
	int32_t pid = 0;

	*t = (struct story_thread){ .tid = first->tid, .until = UINT64_MAX };
	for (const struct birth *b = first; b < end; b++) {
		if (b->is_new) {
			t->until = b->ts;
			if (b != first)
				t++;
			*t = (struct story_thread){ .tid = b->tid,
						    .from = b->ts,
						    .until = UINT64_MAX };
			named = NULL;
		}
		if (b->comm && (!named || named->is_guess || named->is_new || !b->is_guess)) {
			t->comm = b->comm;
			named = b;
		}
		if (b->comm && !b->is_new && !b->is_guess)
			comm = b->comm;
		if (b->creator)
			t->creator = b->creator;
		if (b->pid)
			t->pid = b->pid;
		if (b->pid > 0)
			pid = b->pid;
	}
	if (!t->pid)
		t->pid = pid;
	if (comm && (!named || named->is_guess || named->is_new))
		t->comm = comm;
	s->n_threads += t - lives + 1;
}

/* A new thread's process is its creator's. */
static void find_pids(struct story *s)
{
	for (size_t i = 0; i < s->n_threads; i++) {
		struct story_thread *t = &s->threads[i];

		for (int hop = 0; t->pid < 0 && hop < 16; hop++) {
			uint32_t creator = story_thread_at(s, -t->pid, t->from);

			t->pid = creator != STORY_NOBODY ? s->threads[creator].pid : 0;
		}
		if (t->pid <= 0)
			t->pid = t->tid;
	}
}

static int compare_names(const void *a, const void *b)
{
	const struct story_name *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

const char *story_comm(const struct story *s, uint32_t thread, uint64_t ts)
{
	const struct story_thread *t = &s->threads[thread];
	size_t low = 0, high = s->n_names, last;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct story_name *n = &s->names[mid];

		if (n->tid < t->tid || (n->tid == t->tid && n->ts <= ts))
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || s->names[low - 1].tid != t->tid || s->names[low - 1].ts < t->from)
		return t->comm;
	for (last = low; last < s->n_names && s->names[last].tid == t->tid &&
			 s->names[last].ts < t->until; last++)
		;
	/* its last name came unseen: who knows when */
	return strcmp(s->names[last - 1].comm, t->comm) ? t->comm : s->names[low - 1].comm;
}

int story_make_threads(struct story_builder *b)
{
	struct story *s = b->s;

	if (s->n_names)
		qsort(s->names, s->n_names, sizeof(*s->names), compare_names);
	if (s->n_processes)
		qsort(s->processes, s->n_processes, sizeof(*s->processes), compare_processes);
	if (b->n_births == 0)
		return 0;
	qsort(b->births, b->n_births, sizeof(*b->births), compare_births);
	s->threads = calloc(b->n_births, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	for (size_t i = 0, end; i < b->n_births; i = end) {
		for (end = i; end < b->n_births && b->births[end].tid == b->births[i].tid; end++)
			;
		if (b->births[i].tid > 0)
			merge_births(s, b->births + i, b->births + end);
	}
	find_pids(s);
	for (size_t i = 0; i < s->n_threads; i++)
		if (!s->threads[i].comm) {
			const struct story_process *p = story_process(s, s->threads[i].pid);

			s->threads[i].comm = p && p->name ? p->name : "?";
		}
	return 0;
}

uint32_t story_thread_at(const struct story *s, int32_t tid, uint64_t ts)
{
	size_t low = 0, high = s->n_threads;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct story_thread *t = &s->threads[mid];

		if (t->tid < tid || (t->tid == tid && t->from <= ts))
			low = mid + 1;
		else
			high = mid;
	}
	if (low && s->threads[low - 1].tid == tid)
		return low - 1;
	return low < s->n_threads && s->threads[low].tid == tid ? low : STORY_NOBODY;
}

uint32_t story_creator(const struct story *s, uint32_t thread)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t creator = t->creator ? story_thread_at(s, t->creator, t->from) : STORY_NOBODY;

	return creator == thread ? STORY_NOBODY : creator;
}

const struct story_process *story_process(const struct story *s, int32_t pid)
{
	struct story_process key = { .pid = pid };

	return s->n_processes ? bsearch(&key, s->processes, s->n_processes, sizeof(key),
					compare_processes)
			      : NULL;
}

/* ---- from tids to threads ---- */

/* Few tids have several lives; the index holds 1 + the thread of those that have one. */
static uint32_t thread_of(const struct story *s, struct story_index *x, uint32_t tid, uint64_t ts)
{
	uint32_t *at = tid && tid != TID_UNKNOWN ? story_index_at(x, tid, false) : NULL;

	if (!at)
		return STORY_NOBODY;
	return *at ? *at - 1 : story_thread_at(s, tid, ts);
}

static int name_tids(struct story *s, struct story_index *x)
{
	for (size_t i = 0; i < s->n_threads; i++) {
		uint32_t *at = story_index_at(x, s->threads[i].tid, true);

		if (!at)
			return -ENOMEM;
		*at = i && s->threads[i - 1].tid == s->threads[i].tid ? 0 : i + 1;
	}
	return 0;
}

int story_resolve(struct story *s)
{
	struct story_index x = { 0 };
	int err = name_tids(s, &x);

	for (size_t i = 0; i < s->n_runs && !err; i++)
		s->runs[i].thread = thread_of(s, &x, s->runs[i].thread, s->runs[i].start);
	for (size_t i = 0; i < s->n_wakes && !err; i++) {
		s->wakes[i].thread = thread_of(s, &x, s->wakes[i].thread, s->wakes[i].ts);
		s->wakes[i].waker = thread_of(s, &x, s->wakes[i].waker, s->wakes[i].ts);
	}
	for (size_t i = 0; i < s->n_waits && !err; i++) {
		struct story_wait *w = &s->waits[i];
		uint32_t owner = w->owner;

		w->thread = thread_of(s, &x, w->thread, w->start);
		w->owner = thread_of(s, &x, owner, w->start);
		w->owner_tid = w->owner == STORY_NOBODY && owner != TID_UNKNOWN ? owner : 0;
		w->sender = thread_of(s, &x, w->sender, w->end);
		w->waker = thread_of(s, &x, w->waker, w->end);
	}
	free(x.places);
	return err;
}

