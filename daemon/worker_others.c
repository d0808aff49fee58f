/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_others.c - takes all but one process out of what was read, before anything is written.
 *
 * Whoever else ran becomes a thread "other" of each CPU, whoever else woke a thread of the process
 * the first thread of "other": when, but not who. What was recorded of others is forgotten here, so
 * that none of those who write has to think of it. The capture is changed in place, in a way that
 * a second worker comes to the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

struct only {
	struct worker *w;
	uint32_t tgid;
	uint64_t since; /* of its last exec: before, it may have been another user's program */
};

static bool is_mine(const struct only *o, uint32_t tid, uint64_t ts)
{
	const struct task *t = tid && ts >= o->since ? worker_task(o->w, tid, ts) : NULL;

	return t && t->detailed;
}

/* ---- evidence ---- */

static void hide_from_life(const struct only *o, const struct ev_task *e)
{
	struct ev_task *mine = (struct ev_task *)(uintptr_t)e;

	if (e->ppid != o->tgid)
		mine->ppid = WORKER_OTHER;
	if (e->event == TASK_NEW && !is_mine(o, e->old_tid, e->h.ts))
		mine->old_tid = WORKER_OTHER;
}

static void hide_from_wait(const struct only *o, const struct ev_wait *e)
{
	struct wait_facts *f = (struct wait_facts *)(uintptr_t)&e->w;

	if (f->owner_tid && !is_mine(o, f->owner_tid, f->start))
		f->owner_tid = 0;
	if (!f->waker_tid || (f->waker_tgid == o->tgid && is_mine(o, f->waker_tid, f->woken)))
		return;
	f->waker_tid = f->waker_tgid = WORKER_OTHER;
	memset(f->waker_comm, 0, sizeof(f->waker_comm));
	strcpy(f->waker_comm, "other");
}

static void filter_waits(const struct only *o, const struct ev_wait **list, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		const struct ev_wait *e = list[i];

		if (e->w.start < o->since || !is_mine(o, e->w.tid, e->w.end))
			continue;
		hide_from_wait(o, e);
		list[kept++] = e;
	}
	*n = kept;
}

static void filter_lives(const struct only *o)
{
	struct worker *w = o->w;
	size_t kept = 0;

	for (size_t i = 0; i < w->n_lives; i++)
		if (is_mine(o, w->lives[i]->tid, w->lives[i]->h.ts))
			w->lives[kept++] = w->lives[i];
	w->n_lives = kept;
}

static void filter_files(const struct only *o)
{
	struct worker *w = o->w;
	size_t kept = 0;

	for (size_t i = 0; i < w->n_files; i++) {
		struct ev_file *e = (struct ev_file *)(uintptr_t)w->files[i];

		if (!is_mine(o, e->wait_tid, e->h.ts))
			continue;
		if (e->peer_pid != o->tgid)
			e->peer_pid = 0;
		w->files[kept++] = e;
	}
	w->n_files = kept;
}

static void filter_stacks(const struct only *o)
{
	struct worker *w = o->w;
	size_t kept = 0;

	for (size_t i = 0; i < w->n_stacks; i++) {
		const struct stack_record *r = &w->stacks[i];

		if (r->h->ts >= o->since && r->key->tgid == o->tgid &&
		    is_mine(o, r->key->wait_tid, r->h->ts))
			w->stacks[kept++] = *r;
	}
	w->n_stacks = kept;
}

/* ---- the hot window ---- */

static uint32_t shown(const struct only *o, uint32_t tid, uint64_t ts, uint32_t cpu)
{
	return !tid || is_mine(o, tid, ts) ? tid : WORKER_OTHER + 1 + cpu;
}

/* Keeps its place; a HOT_SYS_ARGS that follows nothing is passed over. */
static void blank(struct hot_slot *h, uint64_t pos)
{
	memset(h, 0, sizeof(*h));
	h->seq = pos | HOT_SYS_ARGS;
}

static void hide_from_switch(const struct only *o, struct hot_slot *h, uint64_t pos, uint32_t cpu)
{
	uint32_t prev = shown(o, h->sw.prev_tid, h->ts, cpu),
		 next = shown(o, h->sw.next_tid, h->ts, cpu);

	if (prev == next) {
		blank(h, pos);
		return;
	}
	if (prev > WORKER_OTHER) {
		h->sw.prev_state = TASK_REPORT_SLEEPING;
		h->sw.prev_nr = -1;
		h->sw.flags = 0;
	}
	if (next > WORKER_OTHER)
		h->sw.next_prio = 120;
	h->sw.prev_tid = prev;
	h->sw.next_tid = next;
}

static void hide_from_slot(const struct only *o, struct hot_slot *h, uint64_t pos, uint32_t cpu)
{
	switch (window_good(h, pos)) {
	case HOT_SWITCH:
		hide_from_switch(o, h, pos, cpu);
		break;
	case HOT_WAKING:
	case HOT_WAKEUP_NEW:
		if (is_mine(o, h->waking.tid, h->ts))
			h->waking.waker_tid = shown(o, h->waking.waker_tid, h->ts, cpu);
		else
			blank(h, pos);
		break;
	case HOT_SYS_ENTER:
	case HOT_SYS_EXIT:
		if (!is_mine(o, h->sys.tid, h->ts))
			blank(h, pos);
		break;
	case HOT_EXIT: /* read already */
		blank(h, pos);
		break;
	}
}

static void filter_cpu(const struct only *o, const struct capture_cpu *cpu)
{
	struct hot_slot *slots = capture_at(o->w->h, cpu->slots);
	uint64_t pos = cpu->good > cpu->begin ? cpu->good : cpu->begin;
	bool args_wanted = false;

	for (; pos < cpu->end; pos += HOT_SLOT_SIZE) {
		struct hot_slot *h = &slots[(pos - cpu->begin) / HOT_SLOT_SIZE];

		if (window_good(h, pos) == HOT_SYS_ARGS && !args_wanted)
			blank(h, pos);
		hide_from_slot(o, h, pos, cpu->cpu);
		args_wanted = window_good(h, pos) == HOT_SYS_ENTER;
	}
}

/* ---- tasks ---- */

/* One of "other", alive all the time. */
static int add_other(const struct only *o, struct tasks *ts, uint32_t tid)
{
	struct ev_task *e = calloc(1, sizeof(*e));
	struct task *t = e ? worker_add_task(ts, tid, WORKER_OTHER, o->w->h->from) : NULL;

	if (!t) {
		free(e);
		return -ENOMEM;
	}
	*e = (struct ev_task){.h = {.ts = o->w->h->from, .kind = EV_TASK, .len = sizeof(*e)},
			      .start = o->w->h->from, .tid = tid, .tgid = WORKER_OTHER,
			      .ns_tid = tid, .event = TASK_ALIVE, .comm = "other"};
	t->last = e;
	memcpy(t->comm, e->comm, COMM_LEN);
	return 0;
}

static int add_mine(const struct only *o, struct tasks *ts, const struct task *mine)
{
	struct task *t = worker_add_task(ts, mine->tid, mine->tgid, mine->start);
	uint32_t next;

	if (!t)
		return -ENOMEM;
	next = t->next;
	*t = *mine;
	t->next = next;
	t->detailed = false; /* who is, is marked later */
	if (t->born && t->born->h.ts < o->since)
		t->born = NULL;
	for (const struct ev_task *e = t->last; e; e = e == t->last ? t->born : NULL)
		hide_from_life(o, e);
	return 0;
}

static int filter_tasks(const struct only *o)
{
	struct worker *w = o->w;
	struct tasks *ts = calloc(1, sizeof(*ts));
	int err = ts ? add_other(o, ts, WORKER_OTHER) : -ENOMEM;

	for (uint32_t i = 0; !err && i < w->h->n_cpus; i++)
		err = add_other(o, ts, WORKER_OTHER + 1 + w->h->cpus[i].cpu);
	for (size_t i = 0; !err && i < w->tasks.n; i++)
		if (w->tasks.list[i].detailed)
			err = add_mine(o, ts, &w->tasks.list[i]);
	if (!err)
		w->tasks = *ts;
	free(ts);
	return err;
}

static void filter_spans(struct only *o)
{
	struct worker *w = o->w;
	size_t n = 0;

	for (size_t i = 0; i < w->n_spans; i++)
		if (w->spans[i]->tgid == o->tgid && w->spans[i]->begin >= o->since)
			w->spans[n++] = w->spans[i];
	w->n_spans = n;
}

int worker_hide_others(struct worker *w)
{
	struct only o = {.w = w, .tgid = w->h->focus_pid};
	const struct task *leader = worker_task(w, o.tgid, w->h->clocks.monotonic);

	if (!leader || leader->tid != leader->tgid || leader->exited)
		return -ESRCH;
	o.since = leader->exec && leader->exec->h.ts > leader->start ? leader->exec->h.ts
								     : leader->start;
	for (size_t i = 0; i < w->tasks.n; i++)
		w->tasks.list[i].detailed = w->tasks.list[i].tgid == o.tgid &&
					    w->tasks.list[i].start >= leader->start;
	filter_waits(&o, w->waits, &w->n_waits);
	filter_waits(&o, w->open, &w->n_open);
	filter_lives(&o);
	for (size_t i = 0; i < w->n_lives; i++)
		hide_from_life(&o, w->lives[i]);
	filter_files(&o);
	filter_spans(&o);
	filter_stacks(&o);
	w->n_requests = w->n_ends = 0; /* the process lives */
	for (uint32_t i = 0; i < w->h->n_cpus; i++)
		filter_cpu(&o, &w->h->cpus[i]);
	w->h->refused = w->h->refused_stacks = w->h->refused_distinct = w->h->excluded_stacks = 0;
	return filter_tasks(&o);
}
