/* SPDX-License-Identifier: GPL-2.0 */
/* worker_ledger.c - what is in the copy of the hot window, by kind, against what was counted. */
#include <string.h>

#include "worker_internal.h"

/* Where this slot was to be: its kind, or 0. */
static unsigned int kind_at(const struct hot_slot *slots, const struct capture_cpu *c, uint64_t pos)
{
	unsigned int kind = window_good(&slots[(pos - c->begin) / HOT_SLOT_SIZE], pos);

	return kind <= HOT_KIND_MAX ? kind : 0;
}

static bool comparable(const struct capture_cpu *c, uint64_t from)
{
	return c->first.pos != LEDGER_NO_MARK && c->last.pos == c->end && c->first.pos >= from &&
	       c->first.pos <= c->end;
}

static void look_at_cpu(const struct worker *w, const struct capture_cpu *c,
			struct worker_ledger *l)
{
	const struct hot_slot *slots = capture_at(w->h, c->slots);
	uint64_t from = c->good > c->begin ? c->good : c->begin;
	uint64_t between[HOT_KIND_MAX + 1] = {0}, unreadable = 0;
	bool compare = comparable(c, from);

	for (uint64_t pos = from; pos < c->end; pos += HOT_SLOT_SIZE) {
		unsigned int kind = kind_at(slots, c, pos);

		l->slots[kind]++;
		if (!compare || pos < c->first.pos)
			continue;
		between[kind]++;
		unreadable += !kind;
	}
	for (unsigned int k = 0; k <= HOT_KIND_MAX; k++) {
		l->runs[k] += c->last.runs[k];
		if (compare && hot_slots(k))
			l->compared += between[k];
	}
	l->lost += c->last.lost;
	if (compare)
		l->unexplained += ledger_window(&c->first, &c->last, between, unreadable);
}

void worker_look_at_ledger(const struct worker *w, struct worker_ledger *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < w->h->n_cpus; i++)
		look_at_cpu(w, &w->h->cpus[i], ret);
	ret->unreadable = ret->slots[0] + w->bad;
}
