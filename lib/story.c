/* SPDX-License-Identifier: GPL-2.0 */
/* story.c - from what was read to threads that can be asked. */
#include <errno.h>
#include <stdlib.h>

#include "story_private.h"

void story_free(struct story *s)
{
	if (!s)
		return;
	free(s->threads);
	free(s->processes);
	free(s->names);
	free(s->runs);
	free(s->by_thread);
	free(s->wakes);
	free(s->waits);
	free(s->blocked);
	free(s->ends);
	free(s->triggers);
	free(s->cpu_runs);
	free(s->holds);
	story_text_free(s->text);
	free(s);
}

/* ---- numbers by number ---- */

/* Tids and tracks are numbered one after the other: neighbours stand side by side. */
static size_t hash(uint64_t key, size_t size)
{
	return (((key >> 16) * 0x9e3779b97f4a7c15ull >> 20) + (key & 0xffff)) & (size - 1);
}

static int index_rehash(struct story_index *x)
{
	struct story_index bigger = { .size = x->size ? x->size * 2 : 256 };

	bigger.places = calloc(bigger.size, sizeof(*bigger.places));
	if (!bigger.places)
		return -ENOMEM;
	for (size_t i = 0; i < x->size; i++)
		if (x->places[i].used)
			*story_index_at(&bigger, x->places[i].key, true) = x->places[i].value;
	free(x->places);
	*x = bigger;
	return 0;
}

uint32_t *story_index_at(struct story_index *x, uint64_t key, bool add)
{
	size_t i;

	if (add && 2 * (x->n + 1) > x->size && index_rehash(x))
		return NULL;
	if (!x->size)
		return NULL;
	for (i = hash(key, x->size); x->places[i].used; i = (i + 1) & (x->size - 1))
		if (x->places[i].key == key)
			return &x->places[i].value;
	if (!add)
		return NULL;
	x->n++;
	x->places[i].used = true;
	x->places[i].key = key;
	return &x->places[i].value;
}

/* ---- order ---- */

static int compare_runs(const void *a, const void *b)
{
	const struct story_run *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static int index_cpus(struct story *s)
{
	size_t at = 0;

	for (size_t i = 1; i < s->n_runs; i++)
		if (compare_runs(&s->runs[i - 1], &s->runs[i]) > 0) {
			qsort(s->runs, s->n_runs, sizeof(*s->runs), compare_runs);
			break;
		}
	s->cpu_runs = calloc(s->n_cpus + 1, sizeof(*s->cpu_runs));
	if (!s->cpu_runs)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++) {
		s->cpu_runs[cpu] = at;
		while (at < s->n_runs && s->runs[at].cpu == cpu)
			at++;
	}
	s->cpu_runs[s->n_cpus] = at;
	return 0;
}

static int compare_by_time(const void *a, const void *b, void *runs)
{
	const struct story_run *x = (struct story_run *)runs + *(const uint32_t *)a;
	const struct story_run *y = (struct story_run *)runs + *(const uint32_t *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* A thread that stayed on its CPU is in order already. */
static void order_runs(struct story *s, const struct story_thread *t)
{
	uint32_t *order = s->by_thread + t->runs;

	for (uint32_t i = 1; i < t->n_runs; i++)
		if (s->runs[order[i - 1]].start > s->runs[order[i]].start) {
			qsort_r(order, t->n_runs, sizeof(*order), compare_by_time, s->runs);
			return;
		}
}

static int index_runs(struct story *s)
{
	uint32_t at = 0;

	for (size_t i = 0; i < s->n_runs; i++)
		if (s->runs[i].thread != STORY_NOBODY)
			s->threads[s->runs[i].thread].n_runs++;
	for (size_t i = 0; i < s->n_threads; i++) {
		s->threads[i].runs = at;
		at += s->threads[i].n_runs;
		s->threads[i].n_runs = 0;
	}
	s->by_thread = calloc(at + 1, sizeof(*s->by_thread));
	if (!s->by_thread)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_runs; i++)
		if (s->runs[i].thread != STORY_NOBODY) {
			struct story_thread *t = &s->threads[s->runs[i].thread];

			s->by_thread[t->runs + t->n_runs++] = i;
		}
	for (size_t i = 0; i < s->n_threads; i++)
		order_runs(s, &s->threads[i]);
	return 0;
}

static int compare_wakes(const void *a, const void *b)
{
	const struct story_wake *x = a, *y = b;

	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

/* Of some hundred thousand: by thread with a count, then within each thread, mostly in order. */
static int index_wakes(struct story *s)
{
	struct story_wake *sorted = calloc(s->n_wakes + 1, sizeof(*sorted));
	uint32_t at = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_wakes; i++)
		if (s->wakes[i].thread != STORY_NOBODY)
			s->threads[s->wakes[i].thread].n_wakes++;
	for (size_t i = 0; i < s->n_threads; i++) {
		s->threads[i].wakes = at;
		at += s->threads[i].n_wakes;
		s->threads[i].n_wakes = 0;
	}
	for (size_t i = 0; i < s->n_wakes; i++)
		if (s->wakes[i].thread != STORY_NOBODY) {
			struct story_thread *t = &s->threads[s->wakes[i].thread];

			sorted[t->wakes + t->n_wakes++] = s->wakes[i];
		}
	free(s->wakes);
	s->wakes = sorted;
	s->n_wakes = at;
	for (size_t i = 0; i < s->n_threads; i++) {
		struct story_thread *t = &s->threads[i];

		for (uint32_t k = 1; k < t->n_wakes; k++)
			if (sorted[t->wakes + k - 1].ts > sorted[t->wakes + k].ts) {
				qsort(sorted + t->wakes, t->n_wakes, sizeof(*sorted),
				      compare_wakes);
				break;
			}
	}
	return 0;
}

int story_compare_waits(const void *a, const void *b)
{
	const struct story_wait *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void index_waits(struct story *s)
{
	if (s->n_waits)
		qsort(s->waits, s->n_waits, sizeof(*s->waits), story_compare_waits);
	for (size_t i = 0; i < s->n_waits; i++) {
		struct story_wait *w = &s->waits[i];

		if (w->open)
			w->end = s->end;
		if (w->end < w->start)
			w->end = w->start;
		if (w->thread == STORY_NOBODY)
			break; /* they are last */
		if (!s->threads[w->thread].n_waits++)
			s->threads[w->thread].waits = i;
	}
}

static int compare_blocked(const void *a, const void *b)
{
	const struct story_blocked *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

int story_finish(struct story_builder *b)
{
	struct story *s = b->s;
	int err;

	err = story_make_threads(b);
	if (!err)
		err = story_resolve(s);
	if (!err)
		err = index_cpus(s);
	if (!err)
		err = index_runs(s);
	if (!err)
		err = index_wakes(s);
	if (err)
		return err;
	index_waits(s);
	if (s->n_blocked)
		qsort(s->blocked, s->n_blocked, sizeof(*s->blocked), compare_blocked);
	return story_make_holds(s);
}
