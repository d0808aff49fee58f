/* SPDX-License-Identifier: GPL-2.0 */
/* span_scan.c - spans under way: those that last too long, and those whose program has gone. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon.h"
#include "log.h"

#define SWEEP_NS 1000000000ull
#define JUDGED_MAX 256u /* at one scan, as each costs some 20 µs; the others fire when they end */

/* Has it passed the threshold of a trigger that means it since the last scan? */
static bool passed(const struct daemon *d, const struct recorder_span *s, uint64_t now)
{
	struct scan_ages ages = scan_ages(s->open.begin, d->spans.scanned, now);

	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		const struct trigger_filter *f = &d->config.triggers[i].filter;

		if (d->spans.of[i] && f->syscalls[s->key.def / 64] >> (s->key.def % 64) & 1 &&
		    scan_passed(&ages, f->threshold))
			return true;
	}
	return false;
}

/* Nobody is left who could end it. */
static bool is_over(const struct spans *s, const struct recorder_span *r)
{
	pid_t tgid = (pid_t)r->key.tgid;

	if (!s->names[(size_t)r->key.def * SPAN_NAME_MAX])
		return true;
	return (r->open.sp ? tgkill(tgid, (pid_t)r->open.tid, 0) : kill(tgid, 0)) && errno == ESRCH;
}

static int by_process(const void *a, const void *b)
{
	const struct recorder_span *x = a, *y = b;

	if (x->key.tgid != y->key.tgid)
		return x->key.tgid < y->key.tgid ? -1 : 1;
	return x->open.begin < y->open.begin ? -1 : x->open.begin > y->open.begin;
}

/*
 * A program that begins spans which it never ends would leave no place for those of any other: of
 * the process that has the most under way the older half is forgotten.
 */
static void make_room(struct daemon *d, struct recorder_span *list, size_t n)
{
	size_t first = 0, most = 0;

	qsort(list, n, sizeof(*list), by_process);
	for (size_t i = 0, from = 0; i < n; i++) {
		if (list[i].key.tgid != list[from].key.tgid)
			from = i;
		if (i + 1 - from > most) {
			most = i + 1 - from;
			first = from;
		}
	}
	for (size_t i = first; i < first + most / 2; i++)
		recorder_span_forget(d->recorder, &list[i].key);
	d->spans.forgotten += most / 2;
	if (d->spans.forgotten <= d->spans.forgotten_said)
		return;
	log_warning(
		"%zu spans are under way, %zu of pid %u, which may not end them: %llu were forgotten",
		n, most, list[first].key.tgid, (unsigned long long)d->spans.forgotten);
	d->spans.forgotten_said = d->spans.forgotten * 2; /* as of losses: for each doubling */
}

void span_scan(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;
	struct recorder_span *list;
	bool sweeps = now >= s->next_sweep;
	unsigned int judged = 0;
	size_t n;

	if (!s->names || recorder_spans(d->recorder, &list, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (list[i].key.def >= SPAN_DEFS_MAX || (sweeps && is_over(s, &list[i])))
			recorder_span_forget(d->recorder, &list[i].key);
		else if (judged < JUDGED_MAX && !list[i].open.announced &&
			 passed(d, &list[i], now)) {
			recorder_span_judge(d->recorder, &list[i]);
			judged++;
		}
	}
	if (n > SPAN_OPENS_MAX / 4 * 3)
		make_room(d, list, n);
	free(list);
	if (!s->n && !n) { /* no trigger is about them any more */
		free(s->names);
		s->names = NULL;
	}
	s->scanned = now;
	if (sweeps)
		s->next_sweep = now + SWEEP_NS;
}
