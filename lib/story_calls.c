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

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return x->exit - y->exit;
}

static int compare_waits(const void *a, const void *b)
{
	const struct story_wait *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* Is there a wait of the first n that overlaps this call? They are sorted and do not overlap. */
static bool is_told(const struct story *s, size_t n, const struct call_end *enter, uint64_t end)
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
	       s->waits[low - 1].end > enter->ts;
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

	if (b->n_calls)
		qsort(b->calls, b->n_calls, sizeof(*b->calls), compare_calls);
	if (n)
		qsort(s->waits, n, sizeof(*s->waits), compare_waits);
	for (size_t i = 0; i < b->n_calls; i++) {
		const struct call_end *enter = &b->calls[i], *exit = enter + 1;
		bool ends = i + 1 < b->n_calls && exit->tid == enter->tid;
		uint64_t end = ends ? exit->ts : s->end;
		int err;

		if (enter->exit || (ends && (!exit->exit || exit->nr != enter->nr)))
			continue; /* when it ended, nobody saw */
		if (end < enter->ts || end - enter->ts < CALL_MIN_NS || is_told(s, n, enter, end))
			continue;
		err = story_grow(&s->waits, s->n_waits, &b->size_waits, sizeof(*s->waits));
		if (err)
			return err;
		s->waits[s->n_waits++] = (struct story_wait){
			.start = enter->ts, .end = end, .open = !ends, .thread = enter->tid,
			.owner = TID_UNKNOWN, .waker = TID_UNKNOWN, .fd = -1,
			.name = call_name(b, names, enter->nr),
			.args = { enter->args[0], enter->args[1] }
		};
	}
	return 0;
}
