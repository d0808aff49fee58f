/* SPDX-License-Identifier: GPL-2.0 */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void scan_configure(struct scan *s, const struct config *c)
{
	memset(s, 0, sizeof(*s));
	for (unsigned int i = 0; i < c->n_triggers; i++) {
		const struct trigger_filter *f = &c->triggers[i].filter;

		if (f->kind >= TRIGGER_LOCK && f->kind <= TRIGGER_IOWAIT)
			s->thresholds[f->kind][s->n[f->kind]++] = f->threshold;
	}
	for (unsigned int k = 0; k <= TRIGGER_IOWAIT; k++)
		qsort(s->thresholds[k], s->n[k], sizeof(uint64_t), ascending);
}

struct scan_ages scan_ages(uint64_t began, uint64_t since, uint64_t now)
{
	uint64_t from = began + SCAN_GRACE_NS;

	return (struct scan_ages){now > from ? now - from : 0, since > from ? since - from : 0};
}

bool scan_passed(const struct scan_ages *ages, uint64_t threshold)
{
	return threshold <= ages->now && threshold > ages->before;
}

/* Has what began then passed a threshold of this kind since the last scan? */
static bool passed(const struct scan *s, unsigned int kind, uint64_t began, uint64_t now)
{
	struct scan_ages ages = scan_ages(began, s->since, now);

	for (unsigned int i = 0; i < s->n[kind] && s->thresholds[kind][i] <= ages.now; i++)
		if (scan_passed(&ages, s->thresholds[kind][i]))
			return true;
	return false;
}

static bool is_overdue(const struct scan *s, const struct task_slot *t, uint64_t now)
{
	/* one that runs may have left the call: the kernel knows */
	if (t->call && passed(s, TRIGGER_SYSCALL, t->call, now))
		return true;
	if (!t->since)
		return false;
	if (t->state == TASK_REPORT_RUNNING)
		return passed(s, TRIGGER_RUNQUEUE, t->since, now);
	return passed(s, TRIGGER_OFFCPU, t->since, now) ||
	       (t->nr >= 0 && !t->call && passed(s, TRIGGER_SYSCALL, t->since, now)) ||
	       (t->state == TASK_REPORT_DISK && passed(s, TRIGGER_IOWAIT, t->since, now)) ||
	       ((t->flags & WAIT_FUTEX) && passed(s, TRIGGER_FUTEX, t->since, now)) ||
	       ((t->flags & WAIT_LOCK) && passed(s, TRIGGER_LOCK, t->since, now));
}

size_t scan_find(struct scan *s, const struct task_slot *slots, size_t n_slots, uint64_t now,
		 uint32_t *tids, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < n_slots && n < max; i++) {
		struct task_slot t = slots[i]; /* it changes while we look */

		if (t.tid && t.since < now && t.call < now && is_overdue(s, &t, now))
			tids[n++] = t.tid;
	}
	s->since = now;
	return n;
}
