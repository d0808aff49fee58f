/* SPDX-License-Identifier: GPL-2.0 */
/* wait.bpf.h - a wait is over and was long: its facts and its evidence. */
#ifndef FREC_WAIT_BPF_H
#define FREC_WAIT_BPF_H

#include "life.bpf.h"

/* Has t been in user space since it got its CPU? Then it has left the syscall that it slept in. */
static __always_inline bool call_left(const struct control *ctl, struct task_struct *t)
{
	return ctl->returned_flag && !(t->thread_info.flags & ctl->returned_flag);
}

/*
 * Will the end of the syscall that prev sleeps in be told? Not for a thread
 * that exits, nor for one that is stopped, traced or frozen on the way back to
 * user space, nor for task work there: the syscall is over then.
 */
static __always_inline bool wait_pends(struct control *ctl, struct task_struct *prev,
				       const struct task_state *s, unsigned int prev_state, int nr,
				       bool in_call)
{
	if (nr < 0 || ctl->syscalls == SYSCALLS_OFF || prev->flags & PF_EXITING ||
	    prev_state & (TASK_STOPPED_ | TASK_TRACED_ | TASK_FROZEN_))
		return false;
	return (s->first_out && s->nr == nr && !ctl->returned_flag) || in_call;
}

static __always_inline void wait_fill(struct wait_facts *w, struct task_struct *t,
				      struct task_state *s, u64 start, u64 end)
{
	w->start = start;
	w->woken = s->woken;
	w->in = s->in;
	w->end = end;
	w->enter = s->enter;
	w->task_start = t->start_time;
	w->ret = 0;
	w->tid = t->pid;
	w->tgid = t->tgid;
	w->waker_tid = s->waker_tid;
	w->waker_tgid = s->waker_tgid;
	w->owner_tid = s->owner;
	w->sleeps = s->sleeps;
	w->nr = s->nr;
	w->state = s->state;
	w->flags = s->flags;
	w->waker_irq = s->waker_irq;
	w->iowait = s->iowait;
	bpf_probe_read_kernel(w->comm, sizeof(w->comm), t->comm);
	__builtin_memcpy(w->waker_comm, s->waker_comm, sizeof(w->waker_comm));
	if (s->nr >= 0 && !(t->flags & PF_NO_REGS))
		regs_args((void *)bpf_task_pt_regs(t), s->flags & WAIT_COMPAT, w->args);
	else
		__builtin_memset(w->args, 0, sizeof(w->args));
	if (w->nr == NR_FUTEX_WAITV)
		w->args[5] = s->flags & WAIT_FUTEX ? s->futex : 0;
}

static __always_inline void wait_no_waker(struct wait_facts *w)
{
	w->woken = 0;
	w->waker_tid = 0;
	w->waker_tgid = 0;
	w->waker_irq = 0;
	w->waker_comm[0] = 0;
}

static __always_inline void wait_unwake(struct task_state *s)
{
	s->waker_tid = 0;
	s->waker_tgid = 0;
	s->waker_irq = 0;
	s->waker_comm[0] = 0;
}

static __always_inline void wait_emit(struct control *ctl, struct cpu_state *c, u32 cpu, u64 now,
				      const struct wait_facts *w)
{
	struct ev_wait *e = evidence_reserve(ctl, c, cpu, now, budget_of(ctl, w->end - w->start),
					     EV_WAIT, sizeof(*e));

	if (!e)
		return;
	__builtin_memcpy(&e->w, w, sizeof(*w));
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* In syscall.bpf.c: the current thread leaves the syscall that it slept in. */
extern int call_ended(bool asked);

/*
 * Tests all triggers against what judge and facts of this scratch say, and
 * returns how many it has passed; tells of the end of a wait that passed one
 * while it lasted. Both in trigger.bpf.c.
 */
extern int trigger_run(u32 which);
extern int trigger_ended(u32 which, u32 kind);

/* What task_state.announced says: a trigger was told of this sleep, of this syscall. */
#define ANNOUNCED_SLEEP 1u
#define ANNOUNCED_CALL 2u

/* Begins to fill judge: nothing is of any kind yet. */
static __always_inline void judge_begin(struct scratch *scratch, const struct control *ctl, u32 cpu,
					u64 now)
{
	__builtin_memset(scratch->judge.durations, 0, sizeof(scratch->judge.durations));
	scratch->judge.now = now;
	scratch->judge.before = 0;
	scratch->judge.bank = ctl->bank;
	scratch->judge.cpu = cpu;
}

/* Fills judge: this kind alone. */
static __always_inline void judge_one(struct scratch *scratch, const struct control *ctl, u32 cpu,
				      u64 now, enum trigger_kind kind, u64 duration)
{
	judge_begin(scratch, ctl, cpu, now);
	scratch->judge.durations[kind] = duration;
}

/* Fills judge: a sleep of s that has lasted `slept`, a run-queue wait of `queued` ns; 0: none. */
static __always_inline void judge_fill(struct scratch *scratch, const struct control *ctl,
				       const struct task_state *s, u32 cpu, u64 now, u64 slept,
				       u64 queued)
{
	u64 *durations = scratch->judge.durations;

	judge_begin(scratch, ctl, cpu, now);
	scratch->judge.runnable = now - queued;
	durations[TRIGGER_OFFCPU] = slept;
	durations[TRIGGER_IOWAIT] =
		s->state == TASK_REPORT_DISK && !(s->flags & WAIT_FROZEN) ? slept : 0;
	durations[TRIGGER_FUTEX] = s->flags & WAIT_FUTEX ? slept : 0;
	durations[TRIGGER_LOCK] = s->flags & WAIT_LOCK ? slept : 0;
	durations[TRIGGER_RUNQUEUE] = queued;
}

#endif
