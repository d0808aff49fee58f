/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_runtime.c - run time by the switches against the scheduler's own account of it. Both ends of
 * what is compared are switch-ins of the thread, of which both have the time.
 */
#include <errno.h>
#include <stdlib.h>

#include "worker_internal.h"

/*
 * By so much they may differ: the scheduler reads its clock a little before the switch is told, which
 * an interrupt, or the host of a virtual machine, may prolong now and then (on a crowded one by 13 ms);
 * and its clock is none that NTP corrects. What interrupts and other guests take, some kernels do not count as the thread's (with
 * CONFIG_IRQ_TIME_ACCOUNTING, CONFIG_PARAVIRT_TIME_ACCOUNTING): then the switches say more.
 */
#define MAY_DIFFER_NS 30000000ull
#define MAY_DIFFER_RUN_NS 5000ull
#define MAY_DIFFER_PART 100
#define OTHERS_PART 2
/* Of threads that ran for less, a relative error says nothing. */
#define WORST_MIN_NS 100000000ull

struct run {
	const struct ev_ran *from, *to;
	uint64_t events; /* ns */
	uint64_t runs;
};

struct runs {
	struct worker *w;
	struct run *of; /* each task of the worker */
	uint8_t tids[8192]; /* bit set: a thread whose tid ends so is wanted */
};

static void want(struct runs *r, const struct ev_ran *e)
{
	struct task *t = worker_task(r->w, e->tid, e->h.ts);
	struct run *run = t ? &r->of[t - r->w->tasks.list] : NULL;

	/* before, the switches of some CPU may not be there */
	if (!run || !t->detailed || t->start != e->task_start || e->h.ts < r->w->held)
		return;
	if (!run->from || e->h.ts < run->from->h.ts)
		run->from = e;
	if (!run->to || e->h.ts > run->to->h.ts)
		run->to = e;
	r->tids[e->tid / 8 % sizeof(r->tids)] |= 1u << e->tid % 8;
}

/* Thread tid ran on some CPU all the time. */
static void add(struct runs *r, uint32_t tid, uint64_t from, uint64_t to)
{
	struct task *t = NULL;
	struct run *run;

	if (r->tids[tid / 8 % sizeof(r->tids)] & 1u << tid % 8)
		t = worker_task(r->w, tid, from);
	run = t ? &r->of[t - r->w->tasks.list] : NULL;
	if (!run || !run->from || from < run->from->h.ts || from >= run->to->h.ts || to < from)
		return;
	run->events += to - from;
	run->runs++;
}

static void read_cpu(struct runs *r, const struct capture_cpu *c)
{
	const struct hot_slot *slots = capture_at(r->w->h, c->slots), *in = NULL;

	for (uint64_t pos = c->good > c->begin ? c->good : c->begin; pos < c->end;
	     pos += HOT_SLOT_SIZE) {
		const struct hot_slot *h = &slots[(pos - c->begin) / HOT_SLOT_SIZE];

		if (window_good(h, pos) != HOT_SWITCH)
			continue;
		if (in && in->sw.next_tid && in->sw.next_tid == h->sw.prev_tid)
			add(r, h->sw.prev_tid, in->ts, h->ts);
		in = h;
	}
}

static bool differs(const struct run *run, uint64_t kernel)
{
	uint64_t may = MAY_DIFFER_NS + run->runs * MAY_DIFFER_RUN_NS + kernel / MAY_DIFFER_PART;

	if (run->events < kernel)
		return kernel - run->events > may;
	return run->events - kernel > may + kernel / OTHERS_PART;
}

static void judge(const struct run *run, struct worker_runtime *ret)
{
	uint64_t kernel = run->to->ran - run->from->ran, off, failed;

	off = kernel > run->events ? kernel - run->events : run->events - kernel;
	ret->threads++;
	ret->kernel += kernel;
	ret->events += run->events;
	if (kernel >= WORST_MIN_NS && off * 1000 / (kernel / 1000) > ret->worst_ppm)
		ret->worst_ppm = off * 1000 / (kernel / 1000);
	if (!differs(run, kernel))
		return;
	failed = ret->failed_kernel > ret->failed_events ? ret->failed_kernel - ret->failed_events
							 : ret->failed_events - ret->failed_kernel;
	if (!ret->failed++ || off > failed) {
		ret->tid = run->to->tid;
		ret->failed_kernel = kernel;
		ret->failed_events = run->events;
	}
}

int worker_check_runtime(struct worker *w, struct worker_runtime *ret)
{
	struct runs *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	*ret = (struct worker_runtime){0};
	if (!r)
		return err;
	r->w = w;
	r->of = calloc(w->tasks.n + 1, sizeof(*r->of));
	if (!r->of)
		goto out;
	for (size_t i = 0; i < w->n_rans; i++)
		want(r, w->rans[i]);
	for (uint32_t i = 0; i < w->h->n_cpus; i++)
		read_cpu(r, &w->h->cpus[i]);
	for (size_t i = 0; i < w->tasks.n; i++)
		if (r->of[i].from && r->of[i].to != r->of[i].from &&
		    r->of[i].to->ran >= r->of[i].from->ran)
			judge(&r->of[i], ret);
	err = 0;
out:
	free(r->of);
	free(r);
	return err;
}
