/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_plan.c - which waits are told, and how fully.
 *
 * Switches and wake-ups are always whole. A host where every thread waits for every other has as
 * many slow waits as a tenth of its switches, each of which takes the room of a dozen: there the
 * shortest are left out, and then the shortest of those with stacks are told in brief. That keeps
 * the file in proportion to the window. What is left out is counted in the trace.
 */
#include <errno.h>
#include <stdlib.h>

#include "worker_internal.h"

/* The file, by what it deflates to. A small one is fine whatever is in it. */
#define FILE_SMALL (1u << 20)
#define FILE_PER_SWITCH 6u
/* Measured; the wait with its waker and its time on the run queue. */
#define BYTES_SYSCALL 15u
#define BYTES_SLICE 52u
#define BYTES_BRIEF 16u
#define BYTES_OPEN 40u
#define BYTES_TASK 40u
#define BYTES_LIFE 12u
#define BYTES_DISK 5u

/* ---- what switches and wake-ups will take ---- */

/* log2(v) in sixteenths, v not 0: linear between powers of two, which is at most 1.4 too little */
static uint64_t log16(uint64_t v)
{
	unsigned int k = 63 - __builtin_clzll(v);

	return 16 * k + (k < 4 ? (v - (1ull << k)) << (4 - k) : (v - (1ull << k)) >> (k - 4));
}

/* Sixteenths of bits that n things take, of which `of` are equal. */
static uint64_t choice16(uint64_t of, uint64_t n)
{
	return of ? of * (log16(n) - log16(of)) : 0;
}

#define TID_COUNTS 4096u

struct tally {
	uint64_t n;
	uint64_t last;		   /* time of the last one on this CPU */
	uint64_t gaps[64];	   /* between neighbours, by their log2 */
	uint64_t tids[TID_COUNTS]; /* who, by a part of the number */
};

static void tally_add(struct tally *t, uint64_t ts, uint32_t tid)
{
	uint64_t gap = ts > t->last ? ts - t->last : 1;

	t->n++;
	t->gaps[63 - __builtin_clzll(gap)]++;
	t->tids[tid % TID_COUNTS]++;
	t->last = ts;
}

/* Times and tids hardly shrink beyond what chance leaves; states, names and CPUs nearly vanish. */
static uint64_t tally_bytes(const struct tally *t)
{
	uint64_t bits16 = t->n * 3 * 16;

	for (unsigned int k = 0; k < 64; k++)
		bits16 += choice16(t->gaps[k], t->n) + t->gaps[k] * 16 * k;
	for (unsigned int i = 0; i < TID_COUNTS; i++)
		bits16 += choice16(t->tids[i], t->n);
	return bits16 / 128;
}

struct sums {
	struct tally switches, wakings;
	uint64_t disk;
};

static void tally_cpu(struct worker *w, const struct capture_cpu *cpu, struct sums *s)
{
	const struct hot_slot *h = capture_at(w->h, cpu->slots);
	uint64_t pos = cpu->good > cpu->begin ? cpu->good : cpu->begin;

	s->switches.last = s->wakings.last = w->held;
	for (h += (pos - cpu->begin) / HOT_SLOT_SIZE; pos < cpu->end; pos += HOT_SLOT_SIZE, h++) {
		unsigned int kind = window_good(h, pos);

		if (kind == HOT_SWITCH && h->ts >= w->held) {
			tally_add(&s->switches, h->ts, h->sw.next_tid);
			s->disk += h->sw.prev_state == TASK_REPORT_DISK;
		} else if (kind == HOT_WAKING && h->ts >= w->held) {
			tally_add(&s->wakings, h->ts, h->waking.tid);
		}
	}
}

/* Bytes that are left for waits; -ENOMEM. */
static int room_for_waits(struct worker *w, uint64_t *ret)
{
	struct sums *s = calloc(1, sizeof(*s));
	uint64_t limit, base;

	if (!s)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->h->n_cpus; i++)
		tally_cpu(w, &w->h->cpus[i], s);
	limit = s->switches.n * FILE_PER_SWITCH;
	if (limit < FILE_SMALL)
		limit = FILE_SMALL;
	base = tally_bytes(&s->switches) + tally_bytes(&s->wakings) + s->disk * BYTES_DISK +
	       w->tasks.n * BYTES_TASK + w->n_lives * BYTES_LIFE + w->n_open * BYTES_OPEN;
	free(s);
	*ret = limit > base ? limit - base : 0;
	return 0;
}

/* ---- what could be told ---- */

static bool wait_sane(const struct worker *w, const struct task *t, const struct wait_facts *f)
{
	return t && t->detailed && f->in > w->h->from && f->in >= f->start && f->end >= f->in;
}

/* While what the snapshot is about went on, what ended before the switches begin may matter. */
static bool wait_matters(const struct worker *w, const struct wait_facts *f)
{
	if (f->end >= w->held)
		return true;
	for (uint32_t i = 0; i < w->h->n_hits; i++)
		if (f->end >= w->h->hits[i].record.w.start &&
		    f->start <= w->h->hits[i].record.w.end)
			return true;
	return false;
}

/*
 * In mode all the window itself has every entry and exit, but for what was entered before it; 32-bit
 * syscalls have a slice instead.
 */
static bool syscall_told(const struct worker *w, const struct wait_facts *f)
{
	if (w->h->syscalls == SYSCALLS_ALL && !(f->flags & WAIT_AT_LEAST))
		return false;
	return (f->flags & WAIT_HAS_RET) && !(f->flags & WAIT_COMPAT) && f->nr >= 0;
}

/* Short waits in a syscall are its slice and no more. */
static bool slice_told(const struct worker *w, const struct wait_facts *f)
{
	if ((f->flags & WAIT_COMPAT) && (f->flags & WAIT_HAS_RET))
		return true;
	if (f->flags & WAIT_OF_HIT)
		return true;
	return (f->flags & WAIT_FUTEX) || !(f->flags & WAIT_HAS_RET) ||
	       f->in - f->start >= w->h->stacks_ns;
}

static uint8_t how_told(struct worker *w, const struct wait_facts *f)
{
	const struct task *t = worker_task(w, f->tid, f->end);

	if (!wait_sane(w, t, f) || !wait_matters(w, f))
		return 0;
	return (syscall_told(w, f) ? TOLD_SYSCALL : 0) | (slice_told(w, f) ? TOLD_SLICE : 0);
}

static uint64_t bytes_of(uint8_t told)
{
	if (told & TOLD_BRIEF)
		return BYTES_BRIEF;
	return (told & TOLD_SYSCALL ? BYTES_SYSCALL : 0) + (told & TOLD_SLICE ? BYTES_SLICE : 0);
}

/* ---- what has to go ---- */

struct candidate {
	uint64_t ns;
	size_t i; /* of w->waits */
};

static int shorter(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

/* Of the threads that the snapshot is about, all is told. */
static bool is_central(const struct worker *w, uint32_t tid)
{
	for (uint32_t i = 0; i < w->h->n_hits; i++) {
		const struct wait_facts *f = &w->h->hits[i].record.w;

		if (tid == f->tid || tid == f->owner_tid || (tid == f->waker_tid && !f->waker_irq))
			return true;
	}
	return false;
}

static void shed(struct worker *w, const struct candidate *c, size_t n, uint64_t need,
		 uint64_t room)
{
	size_t i;

	for (i = 0; i < n && need > room && c[i].ns < w->h->stacks_ns; i++) {
		need -= bytes_of(w->told[c[i].i]);
		w->told[c[i].i] = 0;
		w->dropped++;
		w->dropped_ns = c[i].ns;
	}
	for (; i < n && need > room; i++) {
		uint8_t *told = &w->told[c[i].i];

		need -= bytes_of(*told);
		*told = TOLD_SLICE | TOLD_BRIEF;
		need += bytes_of(*told);
		w->brief++;
		w->brief_ns = c[i].ns;
	}
}

int worker_plan(struct worker *w)
{
	struct candidate *c = calloc(w->n_waits + 1, sizeof(*c));
	uint64_t need = 0, room = 0;
	size_t n = 0;
	int err;

	w->told = calloc(w->n_waits + 1, sizeof(*w->told));
	err = c && w->told ? 0 : -ENOMEM;
	w->held = w->h->from;
	for (uint32_t i = 0; i < w->h->n_cpus; i++)
		if (w->h->cpus[i].held_since > w->held)
			w->held = w->h->cpus[i].held_since;
	for (size_t i = 0; !err && i < w->n_waits; i++) {
		const struct wait_facts *f = &w->waits[i]->w;

		w->told[i] = how_told(w, f);
		need += bytes_of(w->told[i]);
		if (w->told[i] && !is_central(w, f->tid) && !(f->flags & WAIT_COMPAT) &&
		    !worker_interrupted(f)) /* in brief, the waker would be taken for who ended it */
			c[n++] = (struct candidate){f->in - f->start, i};
	}
	/* most hosts are far from it; in mode all it is the syscalls that take the room */
	if (!err && need > FILE_SMALL / 4 && w->h->syscalls != SYSCALLS_ALL)
		err = room_for_waits(w, &room);
	else
		room = need;
	if (!err && need > room) {
		qsort(c, n, sizeof(*c), shorter);
		shed(w, c, n, need, room);
	}
	for (size_t i = 0; !err && i < w->n_waits; i++)
		w->n_told += !!w->told[i];
	free(c);
	return err;
}
