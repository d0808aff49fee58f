/* SPDX-License-Identifier: GPL-2.0 */
#include "worker_naming.h"

#include <errno.h>
#include <stdlib.h>

struct process {
	uint32_t tgid, hops;
	uint64_t ns;
};

struct order {
	struct worker *w;
	struct naming *list;
	size_t n;
	struct process *processes; /* by tgid */
	size_t n_processes;
};

static void add(struct order *o, const struct wait_facts *f, bool brief)
{
	struct naming n = {.f = f, .tgid = f->tgid, .ns = f->in > f->start ? f->in - f->start : 0};
	struct task *waker;

	if (f->flags & WAIT_FUTEX) {
		n.what = NAMING_VARIABLE;
		o->list[o->n++] = n;
	}
	n.what = NAMING_SLEEPER;
	o->list[o->n++] = n;
	waker = brief || f->waker_irq || !f->woken ? NULL
						   : worker_task(o->w, f->waker_tid, f->woken);
	if (waker) {
		n.what = NAMING_WAKER;
		n.tgid = waker->tgid;
		o->list[o->n++] = n;
	}
}

static void add_all(struct order *o)
{
	struct worker *w = o->w;

	for (uint32_t i = 0; i < w->h->n_hits; i++)
		add(o, &w->h->hits[i].record.w, false);
	for (size_t i = 0; i < w->n_waits; i++)
		if (w->told[i] & TOLD_SLICE)
			add(o, &w->waits[i]->w, w->told[i] & TOLD_BRIEF);
	for (size_t i = 0; i < w->n_open; i++) {
		const struct wait_facts *f = &w->open[i]->w;
		const struct task *t = worker_task(w, f->tid, f->end);

		if (t && t->detailed)
			add(o, f, false);
	}
	for (size_t i = 0; i < w->n_ends; i++)
		o->list[o->n++] = (struct naming){.what = NAMING_EXIT, .tgid = w->end_facts[i].tgid,
						  .f = &w->end_facts[i]};
}

/* ---- how near ---- */

static int by_tgid(const void *a, const void *b)
{
	const struct naming *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

static int process_by_tgid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

static struct process *find(const struct order *o, uint32_t tgid)
{
	const struct process wanted = {.tgid = tgid};

	return bsearch(&wanted, o->processes, o->n_processes, sizeof(wanted), process_by_tgid);
}

static void list_processes(struct order *o)
{
	qsort(o->list, o->n, sizeof(*o->list), by_tgid);
	for (size_t i = 0; i < o->n; i++) {
		struct process *p = &o->processes[o->n_processes];

		if (!i || o->list[i].tgid != o->list[i - 1].tgid)
			*p = (struct process){ .tgid = o->list[i].tgid, .hops = NAMING_FAR },
			o->n_processes++;
		else
			p--;
		if (o->list[i].ns > p->ns)
			p->ns = o->list[i].ns;
	}
}

static void come_nearer(struct order *o, uint32_t tid, uint64_t at, uint32_t hops)
{
	struct task *t = tid ? worker_task(o->w, tid, at) : NULL;
	struct process *p = t ? find(o, t->tgid) : NULL;

	if (p && p->hops > hops)
		p->hops = hops;
}

static void measure(struct order *o)
{
	for (uint32_t i = 0; i < o->w->h->n_hits; i++)
		come_nearer(o, o->w->h->hits[i].record.w.tid, o->w->h->hits[i].record.w.in, 0);
	if (o->w->h->focus_pid)
		come_nearer(o, o->w->h->focus_pid, o->w->h->clocks.monotonic, 0);
	for (uint32_t hops = 0; hops + 1 < NAMING_FAR; hops++) {
		for (size_t i = 0; i < o->n; i++) {
			const struct wait_facts *f = o->list[i].f;
			struct process *p = o->list[i].what == NAMING_SLEEPER ? find(o, f->tgid)
									      : NULL;

			if (!p || p->hops != hops)
				continue;
			come_nearer(o, f->owner_tid, f->start, hops + 1);
			if (!f->waker_irq)
				come_nearer(o, f->waker_tid, f->woken, hops + 1);
		}
	}
}

/* ---- the order ---- */

static int by_need(const void *a, const void *b)
{
	const struct naming *x = a, *y = b;

	if (x->hops != y->hops)
		return x->hops < y->hops ? -1 : 1;
	if (x->process_ns != y->process_ns)
		return x->process_ns > y->process_ns ? -1 : 1;
	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return (x->f > y->f) - (x->f < y->f);
}

int naming_order(struct worker *w, struct naming **ret, size_t *ret_n)
{
	size_t max = 3 * (w->h->n_hits + w->n_waits + w->n_open) + w->n_ends;
	struct order o = {.w = w};

	o.list = calloc(max + 1, sizeof(*o.list));
	o.processes = calloc(max + 1, sizeof(*o.processes));
	if (!o.list || !o.processes) {
		free(o.list);
		free(o.processes);
		return -ENOMEM;
	}
	w->end_facts = calloc(w->n_ends + 1, sizeof(*w->end_facts));
	if (!w->end_facts)
		w->n_ends = 0;
	for (size_t i = 0; i < w->n_ends; i++)
		worker_end_facts(w->ends[i], &w->end_facts[i]);
	add_all(&o);
	list_processes(&o);
	measure(&o);
	for (size_t i = 0; i < o.n; i++) {
		const struct process *p = find(&o, o.list[i].tgid);

		o.list[i].hops = p->hops;
		o.list[i].process_ns = p->ns;
	}
	free(o.processes);
	qsort(o.list, o.n, sizeof(*o.list), by_need);
	*ret = o.list;
	*ret_n = o.n;
	return 0;
}
