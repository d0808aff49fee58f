/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_owners.c - owners of locks that processes share. The tid in such a lock is that of its
 * owner's pid namespace, or of a thread that died with it: elsewhere, or later, it is somebody
 * else's. Who has not mapped the memory that the lock lies in does not have the lock.
 */
#include <linux/futex.h>
#include <stdlib.h>

#include "clock.h"
#include "proc_maps.h"
#include "worker_images.h"
#include "worker_internal.h"

#define PROCESSES_MAX 64 /* whose mappings are read; later ones count as unknown */
#define OWNERS_NS 300000000ull

struct process {
	const struct task *leader;
	struct proc_maps maps; /* empty: unknown */
};

struct owners {
	struct worker *w;
	uint64_t deadline;
	struct process list[PROCESSES_MAX];
	size_t n;
};

static const struct proc_maps *maps_of(struct owners *o, uint32_t tgid, uint64_t when)
{
	static const struct proc_maps unknown;
	const struct task *leader = worker_task(o->w, tgid, when);
	struct process *p = &o->list[o->n];

	for (size_t i = 0; i < o->n; i++)
		if (o->list[i].leader == leader)
			return &o->list[i].maps;
	if (!leader || o->n == PROCESSES_MAX || clock_monotonic() > o->deadline)
		return &unknown;
	p->leader = leader;
	images_maps(o->w, leader, when, &p->maps);
	o->n++;
	return &p->maps;
}

/* Is the memory at this address of a mapped in b, too, for both to write? */
static bool is_shared(const struct proc_maps *a, uint64_t address, const struct proc_maps *b)
{
	const struct proc_mapping *m = proc_maps_find(a, address);
	uint64_t offset;

	if (!m || !m->shared || !m->inode)
		return false;
	offset = m->offset + (address - m->start);
	for (size_t i = 0; i < b->n; i++) {
		const struct proc_mapping *k = &b->list[i];

		if (k->shared && k->inode == m->inode && k->dev_major == m->dev_major &&
		    k->dev_minor == m->dev_minor && offset - k->offset < k->end - k->start)
			return true;
	}
	return false;
}

/* Then the owner was one of the process's own threads as the wait began. */
static bool is_private(const struct wait_facts *f)
{
	return f->nr != NR_FUTEX_WAITV &&
	       f->args[f->nr == NR_FUTEX_WAIT ? 3 : 1] & FUTEX_PRIVATE_FLAG;
}

static bool owner_stands(struct owners *o, const struct wait_facts *f)
{
	const struct task *owner = worker_task(o->w, f->owner_tid, f->start);

	if (is_private(f) || (owner && owner->tgid == f->tgid))
		return true;
	if (!owner)
		return false;
	if (f->woken && !f->waker_irq && f->waker_tid == f->owner_tid && !worker_interrupted(f))
		return true;
	return is_shared(maps_of(o, f->tgid, f->in), wait_futex(f),
			 maps_of(o, owner->tgid, f->start));
}

/* Was that a thread of the process, which ended before, and took the lock with it? */
static bool has_ended(const struct owners *o, const struct wait_facts *f)
{
	const struct task *t = worker_task(o->w, f->owner_tid, f->start);

	return t && t->tgid == f->tgid && t->last && t->last->ns_tid == t->tid && t->exited &&
	       t->exited <= f->start;
}

/* The capture is the worker's alone to write, and a second worker comes to the same. */
static void check(struct owners *o, const struct wait_facts *f)
{
	struct wait_facts *mine = (struct wait_facts *)(uintptr_t)f;

	if (!f->owner_tid)
		return;
	if (!(f->flags & WAIT_LOCK) && has_ended(o, f)) {
		mine->flags |= WAIT_LOCK;
		return;
	}
	if (f->flags & WAIT_LOCK && owner_stands(o, f))
		return;
	mine->owner_tid = 0;
	mine->flags &= ~(WAIT_LOCK | WAIT_OWNER_WORD);
}

void worker_check_owners(struct worker *w)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return;
	o->w = w;
	o->deadline = clock_monotonic() + OWNERS_NS;
	for (uint32_t i = 0; i < w->h->n_hits; i++)
		check(o, &w->h->hits[i].record.w);
	for (size_t i = 0; i < w->n_open; i++)
		check(o, &w->open[i]->w);
	for (size_t i = 0; i < w->n_waits; i++)
		check(o, &w->waits[i]->w);
	for (size_t i = 0; i < o->n; i++)
		proc_maps_free(&o->list[i].maps);
	free(o);
}
