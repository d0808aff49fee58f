/* SPDX-License-Identifier: GPL-2.0 */
/* task_state.bpf.h - what is known of each thread, and its place in the task table. */
#ifndef FREC_TASK_STATE_BPF_H
#define FREC_TASK_STATE_BPF_H

#include "maps.bpf.h"

/* ---- task table ---- */

static __always_inline u32 task_hash(u32 tid, u32 probe)
{
	return (tid * 0x9e3779b1u >> 7) + probe;
}

static __always_inline struct task_slot *task_slot_at(u32 index)
{
	index &= task_mask;
	return bpf_map_lookup_elem(&task_table, &index);
}

static __always_inline struct task_slot *task_slot_find(u32 tid)
{
	for (u32 i = 0; i < TASK_PROBES; i++) {
		struct task_slot *e = task_slot_at(task_hash(tid, i));

		if (e && e->tid == tid)
			return e;
	}
	return NULL;
}

static __always_inline void task_slot_free(struct task_slot *e)
{
	e->since = 0;
	e->tgid = 0;
	*(volatile u32 *)&e->tid = 0;
}

/*
 * Finds the thread a place unless it has one; s->slot stays 0 (counted once)
 * where the table is full. A thread that exits gets none: nobody would free it.
 */
static __always_inline void task_slot_claim(struct task_struct *t, struct task_state *s,
					    struct cpu_state *c)
{
	u32 tid = t->pid;

	if (s->slot || t->flags & PF_EXITING)
		return;
	for (u32 i = 0; i < TASK_PROBES; i++) {
		u32 index = task_hash(tid, i) & task_mask;
		struct task_slot *e = task_slot_at(index);

		if (!e || e->tid || __sync_val_compare_and_swap(&e->tid, 0, tid))
			continue;
		e->since = 0;
		e->call = 0;
		e->tgid = t->tgid;
		e->owner = 0;
		e->flags = 0;
		/* the walk over all tasks and the thread's own switch may both come here */
		if (__sync_val_compare_and_swap(&s->slot, 0, index + 1))
			task_slot_free(e);
		return;
	}
	if (!s->unplaced)
		__sync_fetch_and_add(&c->lost_slot, 1);
	s->unplaced = 1;
}

static __always_inline struct task_slot *task_slot_of(struct task_state *s)
{
	u32 slot = s->slot;

	return slot ? task_slot_at(slot - 1) : NULL;
}

static __always_inline void task_slot_release(struct task_state *s)
{
	u32 slot = __sync_lock_test_and_set(&s->slot, 0);
	struct task_slot *e = slot ? task_slot_at(slot - 1) : NULL;

	if (e)
		task_slot_free(e);
}

/* ---- state ---- */

static __always_inline struct near_state *near_state_at(u32 tid)
{
	tid &= NEAR_STATES - 1;
	return bpf_map_lookup_elem(&near_states, &tid);
}

static __always_inline bool near_state_is(const struct near_state *n, const struct task_struct *t)
{
	return n && n->task == (u64)t && n->start == t->start_time;
}

static __always_inline struct task_state *task_state_get(struct task_struct *t)
{
	struct near_state *n = near_state_at(t->pid);

	if (near_state_is(n, t))
		return &n->state;
	return bpf_task_storage_get(&task_states, t, 0, 0);
}

/* Of a thread that has no state yet: false where the place is another's. */
static __always_inline bool near_state_claim(struct near_state *n, struct task_struct *t)
{
	u64 task = *(volatile u64 *)&n->task;

	/* whoever was at this address has ended unseen */
	if (task && task != (u64)t)
		return false;
	if (__sync_val_compare_and_swap(&n->task, task, 1) != task)
		return false;
	task_slot_release(&n->state);
	__builtin_memset(&n->state, 0, sizeof(n->state));
	n->start = t->start_time;
	__sync_lock_test_and_set(&n->task, (u64)t); /* not before what it is about, on any CPU */
	return true;
}

static __always_inline struct task_state *task_state_make(struct task_struct *t,
							  struct cpu_state *c)
{
	struct task_state *s = task_state_get(t);
	struct near_state *n;

	if (s)
		return s;
	n = near_state_at(t->pid);
	if (n && near_state_claim(n, t))
		return &n->state;
	s = bpf_task_storage_get(&task_states, t, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		__sync_fetch_and_add(&c->lost_task, 1);
	return s;
}

/* By exec, a thread that was no leader has got the leader's tid and time of start. */
static __always_inline void task_state_move(struct task_struct *t, u32 old_tid,
					    struct cpu_state *c)
{
	struct near_state *n = near_state_at(old_tid);
	struct task_state *s;

	if (!n || n->task != (u64)t)
		return;
	if (n == near_state_at(t->pid)) {
		n->start = t->start_time;
		return;
	}
	s = task_state_get(t);
	if (s) { /* made since */
		task_slot_release(&n->state);
	} else {
		s = task_state_make(t, c);
		if (s)
			__builtin_memcpy(s, &n->state, sizeof(*s));
	}
	*(volatile u64 *)&n->task = 0;
}

/* The thread leaves its CPU for the last time. */
static __always_inline void task_state_release(struct task_struct *t)
{
	struct near_state *n = near_state_at(t->pid);

	if (!near_state_is(n, t))
		return;
	task_slot_release(&n->state);
	*(volatile u64 *)&n->task = 0;
}

/* ---- what a pause has made of a thread's state ---- */

/* How often it has left a CPU: raised right before sched_switch. */
static __always_inline u32 task_switches(struct task_struct *t)
{
	return t->nvcsw + t->nivcsw;
}

/*
 * Drops what is known of a thread that has run unseen since it left its CPU.
 * True: it was so. Safe against the thread's own switches on another CPU: while
 * out or runnable are set, switches is of the same departure.
 */
static __always_inline bool task_state_forget(struct task_struct *t, struct task_state *s)
{
	u64 out = *(volatile u64 *)&s->out, runnable = *(volatile u64 *)&s->runnable;
	struct task_slot *e;

	if ((!out && !runnable) || *(volatile u32 *)&s->switches == task_switches(t))
		return false;
	__sync_val_compare_and_swap(&s->runnable, runnable, 0);
	if (__sync_val_compare_and_swap(&s->out, out, 0) != out)
		return false;
	s->first_out = 0;
	s->enter = 0;
	e = task_slot_of(s);
	if (e && out)
		__sync_val_compare_and_swap(&e->since, out, 0);
	return true;
}

#endif
