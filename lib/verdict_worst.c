/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_worst.c - of a snapshot that no wait fired: the waits that hurt most. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict_idle.h"

#define QUEUE_MIN_NS 1000000u /* a shorter turn in the run queue hurts nobody */

/* Waiting for work is what threads are for; of a process that was asked for, all counts. */
static bool hurts(enum verdict_wait w, bool all)
{
	switch (w) {
	case VERDICT_RUNNING:
	case VERDICT_UNKNOWN:
		return false;
	case VERDICT_POLL:
	case VERDICT_SLEEP:
	case VERDICT_FUTEX:
	case VERDICT_PIPE:
	case VERDICT_SOCKET:
	case VERDICT_NETWORK:
	case VERDICT_CHILD:
		return all;
	default:
		return true;
	}
}

struct wanted {
	int32_t pid;	  /* 0: any */
	const char *unit; /* NULL: any */
	uint32_t thread;  /* STORY_NOBODY: any */
	uint64_t until;	  /* only what began before */
	uint32_t kinds;	  /* 1 << enum verdict_wait: these first */
};

struct groups {
	const struct story *s;
	struct verdict_group *list;
	size_t n, size;
	struct verdict_deeds deeds;
	uint64_t queued; /* ns, all together */
	uint32_t busiest; /* STORY_NOBODY: nobody was looked at */
	uint64_t ran;	  /* by that one, ns */
};

static struct verdict_group *group_of(struct groups *g, int32_t pid, enum verdict_wait wait,
				      enum verdict_idleness idle)
{
	struct verdict_group *bigger;
	size_t size = g->size ? g->size * 2 : 64;

	for (size_t i = g->n; i-- > 0 && g->list[i].pid == pid;) /* threads come by process */
		if (g->list[i].wait == wait && g->list[i].idle == idle)
			return &g->list[i];
	if (g->n == g->size) {
		bigger = reallocarray(g->list, size, sizeof(*bigger));
		if (!bigger)
			return NULL;
		g->list = bigger;
		g->size = size;
	}
	g->list[g->n] = (struct verdict_group){ .pid = pid, .wait = wait, .idle = idle };
	return &g->list[g->n++];
}

static int add(struct groups *g, uint32_t thread, enum verdict_wait wait,
	       enum verdict_idleness idle, const struct story_wait *w, uint64_t start, uint64_t end)
{
	struct verdict_group *group = group_of(g, g->s->threads[thread].pid, wait, idle);

	if (!group)
		return -ENOMEM;
	group->count++;
	group->ns += end - start;
	if (end - start > group->longest_ns) {
		group->longest_ns = end - start;
		group->longest = w;
		group->thread = thread;
		group->start = start;
		group->end = end;
	}
	return 0;
}

/* On a host nobody's waiting for work was looked for. */
static enum verdict_idleness idleness(const struct groups *g, const struct story_wait *w,
				      enum verdict_wait kind, const struct story_wait *haunt)
{
	return g->deeds.list ? verdict_idleness(g->s, &g->deeds, w, kind, haunt) : VERDICT_NEEDED;
}

static int add_waits(struct groups *g, uint32_t thread, bool all, uint64_t until)
{
	const struct story *s = g->s;
	const struct story_thread *t = &s->threads[thread];
	const struct story_wait *haunt = all ? verdict_haunt(s, thread) : NULL;

	for (uint32_t i = 0; i < t->n_waits; i++) {
		const struct story_wait *w = &s->waits[t->waits + i];
		uint64_t start = w->start > s->start ? w->start : s->start;
		struct story_segment g_at;
		enum verdict_wait kind;
		int err;

		if (w->end <= start || start >= until)
			continue;
		story_segment(s, thread, start, &g_at);
		if (g_at.state != STORY_SLEEPING)
			continue;
		kind = verdict_kind(s, thread, &g_at, w);
		if (!hurts(kind, all))
			continue;
		err = add(g, thread, kind, idleness(g, w, kind, haunt), w, start, w->end);
		if (err)
			return err;
	}
	return 0;
}

/* Before each run of a thread and after its last one, from when it was ready. */
static int add_queueing(struct groups *g, uint32_t thread, uint64_t until)
{
	const struct story *s = g->s;
	const struct story_thread *t = &s->threads[thread];
	uint64_t before = s->start;

	for (uint32_t i = 0; i <= t->n_runs; i++) {
		const struct story_run *r = i < t->n_runs ? &s->runs[s->by_thread[t->runs + i]]
							  : NULL;
		uint64_t ready = r ? r->start : s->end;
		struct story_segment at = { 0 };
		enum verdict_wait kind;
		int err;

		if (ready > before && ready - before >= QUEUE_MIN_NS)
			story_segment(s, thread, ready - 1, &at);
		before = r ? r->end : ready;
		if (at.start >= until || at.state != STORY_RUNNABLE ||
		    at.end - at.start < QUEUE_MIN_NS)
			continue;
		kind = verdict_kind(s, thread, &at, story_wait_at(s, thread, at.start));
		if (kind == VERDICT_RUNQUEUE)
			g->queued += at.end - at.start;
		err = add(g, thread, kind, VERDICT_NEEDED, NULL, at.start, at.end);
		if (err)
			return err;
	}
	return 0;
}

enum rank {
	RANK_SOUGHT, /* what the pressure is about */
	RANK_HURTS,  /* by its nature */
	RANK_NEEDED, /* what else the work at hand waited for */
	RANK_MAYBE,
	RANK_TINY, /* next to nothing */
	RANK_POLLS, /* waiting for work, which is long */
	RANK_PARKS,
};

static int compare_groups(const void *a, const void *b)
{
	const struct verdict_group *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->ns > y->ns ? -1 : x->ns < y->ns;
}

/* On a host somebody may have stopped a process on purpose. */
static enum rank rank_of(const struct story *s, const struct verdict_group *g, uint32_t kinds,
			 bool some)
{
	if (kinds >> g->wait & 1)
		return RANK_SOUGHT;
	if (g->idle == VERDICT_IDLE)
		return g->wait == VERDICT_POLL ? RANK_POLLS : RANK_PARKS;
	if ((g->idle ? g->longest_ns : g->ns) < (s->end - s->start) / 50)
		return RANK_TINY;
	if (g->idle || (g->wait == VERDICT_STOPPED && !some))
		return RANK_MAYBE;
	return hurts(g->wait, false) ? RANK_HURTS : RANK_NEEDED;
}

static int compare_by_process(const void *a, const void *b, void *story)
{
	const struct story *s = story;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (s->threads[x].pid != s->threads[y].pid)
		return s->threads[x].pid < s->threads[y].pid ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* All threads, those of one process side by side. */
static uint32_t *by_process(const struct story *s)
{
	uint32_t *order = calloc(s->n_threads + 1, sizeof(*order));

	if (!order)
		return NULL;
	for (size_t i = 0; i < s->n_threads; i++)
		order[i] = i;
	qsort_r(order, s->n_threads, sizeof(*order), compare_by_process, (void *)s);
	return order;
}

/* Is unit a part of the process's cgroup path? */
static bool in_unit(const struct story_process *p, const char *unit)
{
	size_t len = strlen(unit);

	for (const char *at = p ? p->cgroup : NULL; at && (at = strstr(at, unit)); at++)
		if (len && (at == p->cgroup || at[-1] == '/' || *unit == '/') &&
		    (at[len] == '/' || !at[len]))
			return true;
	return false;
}

static bool is_wanted(const struct story *s, uint32_t thread, const struct wanted *wanted)
{
	const struct story_process *p = story_process(s, s->threads[thread].pid);
	const char *unit = wanted->unit;
	int32_t pid = wanted->pid;

	if (wanted->thread != STORY_NOBODY)
		return thread == wanted->thread;
	if (pid && s->threads[thread].pid != pid)
		return false;
	if (unit && !in_unit(p, unit))
		return false;
	/* who looks at a host does not look for us */
	return pid || unit || !p || !(p->kthread || verdict_is_recorder(s, thread));
}

/* How many threads wanted a CPU on average: those that had one, and those that queued. */
static void add_load(const struct story *s, uint64_t queued, struct verdict *v)
{
	uint64_t ran = 0;

	if (s->end <= s->start)
		return;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++)
		v->cpus += s->cpu_runs[cpu + 1] > s->cpu_runs[cpu];
	for (size_t i = 0; i < s->n_runs; i++) {
		const struct story_run *r = &s->runs[i];
		uint64_t start = r->start > s->start ? r->start : s->start;

		if (r->thread != STORY_NOBODY && r->end > start)
			ran += r->end - start;
	}
	v->wanted_cpus = (double)(ran + queued) / (s->end - s->start);
}

bool verdict_is_overload(const struct verdict *v)
{
	return v->cpus && v->wanted_cpus > 1.5 * v->cpus;
}

static void note_busy(struct groups *g, uint32_t thread)
{
	const struct story *s = g->s;
	const struct story_thread *t = &s->threads[thread];
	uint64_t ns = 0;

	for (uint32_t i = 0; i < t->n_runs; i++) {
		const struct story_run *r = &s->runs[s->by_thread[t->runs + i]];
		uint64_t start = r->start > s->start ? r->start : s->start;

		if (r->end > start)
			ns += r->end - start;
	}
	if (g->busiest != STORY_NOBODY && ns <= g->ran)
		return;
	g->busiest = thread;
	g->ran = ns;
}

/* Which tells most: what is next to nothing only if there is nothing else. */
static const struct verdict_group *find_telling(const struct groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->list[i].rank != RANK_TINY)
			return &g->list[i];
	return g->n ? g->list : NULL;
}

/* The worst waits; of a process that hardly waited, but computed, that it did. */
static int explain_worst(const struct story *s, const struct groups *g, struct verdict *ret)
{
	const struct verdict_group *first = find_telling(g);
	uint64_t from = s->start;

	if (g->busiest != STORY_NOBODY && s->threads[g->busiest].from > from)
		from = s->threads[g->busiest].from;
	if (g->ran > (s->end - from) / 2 &&
	    (!first || first->rank > RANK_HURTS || first->ns < g->ran / 4))
		return verdict_of(s, g->busiest, from, s->end, ret);
	if (!first)
		return 0;
	if (first->idle != VERDICT_IDLE || first->wait == VERDICT_SLEEP ||
	    verdict_runtime(first->longest))
		return verdict_of(s, first->thread, first->start, first->end, ret);
	from = s->threads[first->thread].from;
	return verdict_of_idle(s, first->thread, from > s->start ? from : s->start, s->end, ret);
}

static int add_threads(struct groups *g, const struct wanted *wanted, const uint32_t *order,
		       const bool *mine, bool some)
{
	int err = 0;

	for (size_t i = 0; i < g->s->n_threads && !err; i++) {
		if (!mine[order[i]])
			continue;
		if (wanted->pid)
			note_busy(g, order[i]);
		err = add_waits(g, order[i], some, wanted->until);
		if (!err)
			err = add_queueing(g, order[i], wanted->until);
	}
	for (size_t i = 0; i < g->n; i++)
		g->list[i].rank = rank_of(g->s, &g->list[i], wanted->kinds, some);
	if (!err && g->n)
		qsort(g->list, g->n, sizeof(*g->list), compare_groups);
	return err;
}

static int worst(const struct story *s, const struct wanted *wanted, struct verdict *ret)
{
	bool some = wanted->pid || wanted->unit || wanted->thread != STORY_NOBODY, found = false;
	struct groups g = { .s = s, .busiest = STORY_NOBODY };
	bool *mine = calloc(s->n_threads + 1, sizeof(*mine));
	uint32_t *order = by_process(s);
	int err = order && mine ? 0 : -ENOMEM;

	*ret = (struct verdict){ .thread = STORY_NOBODY, .culprit = STORY_NOBODY };
	for (uint32_t i = 0; i < s->n_threads && !err; i++)
		found |= mine[i] = is_wanted(s, i, wanted);
	if (!err && !found && some)
		err = -ESRCH;
	if (!err && some)
		err = verdict_deeds_of(s, mine, &g.deeds);
	if (!err)
		err = add_threads(&g, wanted, order, mine, some);
	if (!err)
		err = explain_worst(s, &g, ret);
	if (!err && g.n) {
		ret->n_groups = g.n < VERDICT_GROUPS ? g.n : VERDICT_GROUPS;
		memcpy(ret->groups, g.list, ret->n_groups * sizeof(*g.list));
	}
	if (!some)
		add_load(s, g.queued, ret);
	if (wanted->pid)
		ret->end_of = story_end_of(s, wanted->pid);
	free(order);
	free(mine);
	free(g.deeds.list);
	free(g.list);
	return err;
}

int verdict_worst(const struct story *s, int32_t pid, const char *unit, struct verdict *ret)
{
	const struct wanted wanted = {
		.pid = pid, .unit = unit, .thread = STORY_NOBODY, .until = UINT64_MAX
	};

	return worst(s, &wanted, ret);
}

int verdict_worst_kinds(const struct story *s, uint32_t kinds, const char *unit,
			struct verdict *ret)
{
	const struct wanted wanted = { .unit = unit, .thread = STORY_NOBODY,
				       .until = UINT64_MAX, .kinds = kinds };

	return worst(s, &wanted, ret);
}

int verdict_worst_of(const struct story *s, uint32_t thread, uint64_t until, struct verdict *ret)
{
	const struct wanted wanted = { .thread = thread, .until = until };

	return thread == STORY_NOBODY ? verdict_of(s, thread, until, until, ret)
				      : worst(s, &wanted, ret);
}
