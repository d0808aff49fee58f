/* SPDX-License-Identifier: GPL-2.0 */
/* story_calls.c - what threads did in system calls that have no slice of their own. */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "story_private.h"

#define CALL_MIN_NS 50000u /* a shorter one explains nothing */
#define NUMBERS 1024

static int compare_calls(const void *a, const void *b)
{
	const struct call_end *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return x->exit - y->exit;
}

/* A thread that stayed on its CPU is in order already. */
static void order_thread(struct call_end *calls, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (compare_calls(&calls[i - 1], &calls[i]) > 0) {
			qsort(calls, n, sizeof(*calls), compare_calls);
			return;
		}
}

/* Of millions: by thread with a count, then within each. */
static int order_calls(struct story_builder *b)
{
	struct call_end *sorted = calloc(b->n_calls + 1, sizeof(*sorted));
	struct story_index counts = { 0 };
	uint32_t *at = NULL, sum = 0;
	int err = sorted ? 0 : -ENOMEM;

	for (size_t i = 0; i < b->n_calls && !err; i++) {
		at = story_index_at(&counts, (uint32_t)b->calls[i].tid, true);
		if (at)
			++*at;
		else
			err = -ENOMEM;
	}
	for (size_t i = 0; i < counts.size && !err; i++) {
		uint32_t n = counts.places[i].value;

		counts.places[i].value = sum;
		sum += n;
	}
	for (size_t i = 0; i < b->n_calls && !err; i++)
		sorted[(*story_index_at(&counts, (uint32_t)b->calls[i].tid, false))++] =
			b->calls[i];
	for (size_t i = 0, end; i < b->n_calls && !err; i = end) {
		for (end = i; end < b->n_calls && sorted[end].tid == sorted[i].tid; end++)
			;
		order_thread(sorted + i, end - i);
	}
	free(counts.places);
	if (err) {
		free(sorted);
		return err;
	}
	free(b->calls);
	b->calls = sorted;
	return 0;
}

/* The wait of the first n that overlaps this call, or NULL. They are sorted and do not overlap. */
static struct story_wait *told_by(const struct story *s, size_t n, const struct call_end *enter,
				  uint64_t end)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct story_wait *w = &s->waits[mid];

		if (w->thread < (uint32_t)enter->tid ||
		    (w->thread == (uint32_t)enter->tid && w->start < end))
			low = mid + 1;
		else
			high = mid;
	}
	return low && s->waits[low - 1].thread == (uint32_t)enter->tid &&
			       s->waits[low - 1].end > enter->ts
		       ? &s->waits[low - 1]
		       : NULL;
}

/* Of a poll, where its list of descriptors is: each time another one may be ready. */
static void add_args(struct story_wait *w, const char *call, const struct call_end *enter)
{
	if (!w->args[0] && !w->args[1] && strcmp(w->name, call) == 0 &&
	    (strstr(call, "poll") || strstr(call, "select")))
		memcpy(w->args, enter->args, sizeof(w->args));
}

static const char *call_name(struct story_builder *b, const char *names[NUMBERS], int nr)
{
	char *name;

	if (nr < 0 || nr >= NUMBERS)
		return "syscall";
	if (!names[nr]) {
		name = seccomp_syscall_resolve_num_arch(b->arch, nr);
		names[nr] = name ? story_keep(b->s, name) : "syscall";
		free(name);
	}
	return names[nr];
}

int story_add_calls(struct story_builder *b)
{
	const char *names[NUMBERS] = { 0 };
	struct story *s = b->s;
	size_t n = s->n_waits;

	if (order_calls(b))
		return -ENOMEM;
	if (n)
		qsort(s->waits, n, sizeof(*s->waits), story_compare_waits);
	for (size_t i = 0; i < b->n_calls; i++) {
		const struct call_end *enter = &b->calls[i], *exit = enter + 1;
		bool ends = i + 1 < b->n_calls && exit->tid == enter->tid;
		uint64_t end = ends ? exit->ts : s->end;
		struct story_wait *told;
		int err;

		if (enter->exit || (ends && (!exit->exit || exit->nr != enter->nr)))
			continue; /* when it ended, nobody saw */
		if (end < enter->ts || end - enter->ts < CALL_MIN_NS)
			continue;
		told = told_by(s, n, enter, end);
		if (told) {
			add_args(told, call_name(b, names, enter->nr), enter);
			continue;
		}
		err = story_grow(&s->waits, s->n_waits, &b->size_waits, sizeof(*s->waits));
		if (err)
			return err;
		s->waits[s->n_waits++] = (struct story_wait){
			.start = enter->ts, .end = end, .open = !ends, .thread = enter->tid,
			.interrupted = ends && exit->interrupted,
			.owner = TID_UNKNOWN, .waker = TID_UNKNOWN, .sender = TID_UNKNOWN,
			.fd = -1,
			.name = call_name(b, names, enter->nr),
			.args = { enter->args[0], enter->args[1] }
		};
	}
	return 0;
}
