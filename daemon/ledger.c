/* SPDX-License-Identifier: GPL-2.0 */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 16
/* Of each kind one: more slots cannot be claimed by programs that have not ended. */
#define SLOTS_UNDER_WAY 8u

static uint64_t load(const volatile uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

void ledger_mark(const volatile struct cpu_state *c, struct ledger_mark *ret)
{
	for (int i = 0; i < TRIES; i++) {
		ret->pos = load((const volatile uint64_t *)&c->pos);
		ret->lost = load((const volatile uint64_t *)&c->lost_hot);
		for (unsigned int k = 0; k <= HOT_KIND_MAX; k++)
			ret->runs[k] = load((const volatile uint64_t *)&c->runs[k]);
		if (ret->pos == load((const volatile uint64_t *)&c->pos) &&
		    ret->lost == load((const volatile uint64_t *)&c->lost_hot))
			return;
	}
	ret->pos = LEDGER_NO_MARK;
}

uint64_t ledger_hot(const struct ledger_mark *m)
{
	uint64_t claimed = m->pos / HOT_SLOT_SIZE + m->lost, ran = 0;

	for (unsigned int k = 0; k <= HOT_KIND_MAX; k++)
		ran += hot_slots(k) * m->runs[k];
	if (ran > claimed)
		return ran - claimed;
	return claimed - ran > SLOTS_UNDER_WAY ? claimed - ran : 0;
}

uint64_t ledger_window(const struct ledger_mark *from, const struct ledger_mark *to,
		       const uint64_t slots[HOT_KIND_MAX + 1], uint64_t unreadable)
{
	uint64_t too_many = 0, missing = 0;

	for (unsigned int k = 0; k <= HOT_KIND_MAX; k++) {
		uint64_t ran = to->runs[k] - from->runs[k];

		if (!hot_slots(k))
			continue;
		/* one may have begun before either mark and ended after it */
		if (slots[k] > ran + 1)
			too_many += slots[k] - ran;
		else if (ran > slots[k] + 1)
			missing += ran - slots[k];
	}
	return too_many + (missing > unreadable ? missing - unreadable : 0);
}

const char *ledger_hot_name(unsigned int kind)
{
	static const char *const names[] = {
		[HOT_SWITCH] = "switches",   [HOT_WAKING] = "wakeups",
		[HOT_SYS_ENTER] = "enters",  [HOT_SYS_ARGS] = "arguments",
		[HOT_SYS_EXIT] = "exits",    [HOT_WAKEUP_NEW] = "new_threads",
		[HOT_EXIT] = "ends",
	};

	return names[kind];
}

const char *ledger_evidence_name(unsigned int kind)
{
	static const char *const names[] = {
		[EV_TASK] = "lives",	 [EV_WAIT] = "waits", [EV_FRAMES] = "frames",
		[EV_DUMP] = "dumps",	 [EV_FILE] = "files", [EV_REQUEST] = "requests",
		[EV_EXIT] = "deaths", [EV_SPAN] = "spans", [EV_RAN] = "run_times",
	};

	return names[kind];
}

void ledger_add(struct evidence_count *sum, const volatile struct evidence_count *n)
{
	sum->tried += n->tried;
	sum->written += n->written;
	sum->lost += n->lost;
	sum->refused += n->refused;
}

/* ---- all the time ---- */

int ledger_init(struct ledger *l, unsigned int n_cpus)
{
	memset(l, 0, sizeof(*l));
	l->cpus = calloc(n_cpus, sizeof(*l->cpus));
	if (!l->cpus)
		return -ENOMEM;
	l->n_cpus = n_cpus;
	return 0;
}

void ledger_free(struct ledger *l)
{
	free(l->cpus);
	memset(l, 0, sizeof(*l));
}

/* What becomes of a record is counted after it was tried: read in that order, it cannot be more. */
static uint64_t evidence_open(const volatile struct cpu_state *c)
{
	uint64_t open = 0;

	for (unsigned int k = 0; k < EV_KINDS; k++) {
		const volatile struct evidence_count *n = &c->evidence[k];
		uint64_t became = load((const volatile uint64_t *)&n->written) +
				  load((const volatile uint64_t *)&n->lost) +
				  load((const volatile uint64_t *)&n->refused);
		uint64_t tried = load((const volatile uint64_t *)&n->tried);

		open += tried > became ? tried - became : became - tried;
	}
	return open;
}

static void keep(struct ledger_cpu *c, const struct ledger_mark *m)
{
	if (c->n_marks == LEDGER_MARKS)
		memmove(c->marks, c->marks + 1, --c->n_marks * sizeof(c->marks[0]));
	c->marks[c->n_marks++] = *m;
}

void ledger_look(struct ledger *l, uint64_t now, const volatile struct cpu_state *cpus,
		 const volatile unsigned long *producer, uint64_t every)
{
	bool due = every && now - l->marked >= every;
	unsigned int look = l->looks++ % LEDGER_LOOKS;
	uint64_t bytes = 0, stands;

	for (unsigned int i = 0; i < l->n_cpus; i++) {
		struct ledger_cpu *c = &l->cpus[i];
		struct ledger_mark m;

		bytes += load((const volatile uint64_t *)&cpus[i].evidence_bytes);
		c->evidence[look] = evidence_open(&cpus[i]);
		ledger_mark(&cpus[i], &m);
		if (m.pos == LEDGER_NO_MARK)
			continue;
		c->hot = ledger_hot(&m);
		if (due)
			keep(c, &m);
	}
	stands = __atomic_load_n(producer, __ATOMIC_ACQUIRE);
	l->ring[look] = stands > bytes ? stands - bytes : bytes - stands;
	if (due)
		l->marked = now;
}

/* Programs may be under way on all CPUs when either count begins or ends. */
static uint64_t switches_gap(const struct ledger *l)
{
	const struct ledger_switches *a = &l->first, *b = &l->last;
	uint64_t counted = b->counted - a->counted, missed = b->missed - a->missed;
	uint64_t most = b->after - a->before + missed + l->n_cpus;
	uint64_t least = b->before > a->after ? b->before - a->after : 0;

	if (counted > most)
		return counted - most;
	return least > counted + l->n_cpus ? least - counted - l->n_cpus : 0;
}

void ledger_switches(struct ledger *l, const struct ledger_switches *s, uint64_t live_since)
{
	if (!l->first.counted || live_since != l->first_live) {
		l->first = *s;
		l->first_live = live_since;
	}
	l->last = *s;
}

static uint64_t least(const uint64_t gaps[LEDGER_LOOKS], unsigned int looks)
{
	uint64_t min = looks < LEDGER_LOOKS ? 0 : gaps[0]; /* too early to tell */

	for (unsigned int i = 0; i < LEDGER_LOOKS; i++)
		min = gaps[i] < min ? gaps[i] : min;
	return min;
}

struct ledger_gaps ledger_gaps(const struct ledger *l)
{
	struct ledger_gaps g = {.ring = least(l->ring, l->looks), .untold = switches_gap(l)};
	uint64_t counted = l->last.counted - l->first.counted;

	if (counted >= LEDGER_SWITCHES_MIN && g.untold > LEDGER_UNTOLD(counted))
		g.switches = g.untold;

	for (unsigned int i = 0; i < l->n_cpus; i++) {
		g.hot += l->cpus[i].hot;
		g.evidence += least(l->cpus[i].evidence, l->looks);
	}
	return g;
}

const struct ledger_mark *ledger_oldest(const struct ledger *l, unsigned int cpu, uint64_t pos)
{
	const struct ledger_cpu *c = cpu < l->n_cpus ? &l->cpus[cpu] : NULL;

	for (unsigned int i = 0; c && i < c->n_marks; i++)
		if (c->marks[i].pos >= pos)
			return &c->marks[i];
	return NULL;
}
