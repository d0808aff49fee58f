// SPDX-License-Identifier: GPL-2.0
/* sched.bpf.c - switches and wake-ups: the hot window, and where every wait is measured. */
#include "call_end.bpf.h"
#include "futex.bpf.h"
#include "stack.bpf.h"
#include "file.bpf.h"
#include "histogram.bpf.h"
#include "irq.bpf.h"
#include "wait.bpf.h"

/* ---- switch-out ---- */

/* The syscall that t is in by its registers, -1 without, and whether that has no result yet. */
static __always_inline bool regs_look(const struct control *ctl, struct task_struct *t, int *ret_nr)
{
	const struct pt_regs *r;
	bool in_call;

	if (bpf_rdonly_cast && ctl->regs_offset) { /* a call of a helper costs as much as ten loads */
		r = bpf_rdonly_cast(t->stack + ctl->regs_offset,
				    bpf_core_type_id_kernel(struct pt_regs));
		*ret_nr = regs_syscall(r);
		in_call = regs_in_call(r);
		barrier_var(in_call);
		return in_call;
	}
	r = (void *)bpf_task_pt_regs(t);
	*ret_nr = regs_syscall(r);
	return regs_in_call(r);
}

/* Forgets a syscall whose end was not seen: during a pause, or while nothing told of ends. */
static __always_inline void wait_distrust(struct control *ctl, struct task_state *s, u32 switches)
{
	if (ctl->syscalls != SYSCALLS_ALL)
		s->enter = 0;
	if (s->first_out && (s->bank != ctl->bank || (s->first_out < ctl->live_since &&
						      switches != s->switches + 1)))
		s->first_out = 0;
}

/* A function of its own: its stack would be part of everybody's, of which 6.1 has too little. */
static __noinline void futex_look_apart(struct task_struct *prev, struct task_state *s, bool compat)
{
	futex_look(prev, s, compat);
}

/* prev goes to sleep. */
static __always_inline void wait_begin(struct control *ctl, struct cpu_state *c,
				       struct task_struct *prev, u64 now, unsigned int prev_state,
				       u16 state, int nr, bool in_call, u8 hot_flags)
{
	struct task_state *s = task_state_make(prev, c);
	u32 switches = task_switches(prev);
	struct task_slot *e;
	bool pending;

	if (!s)
		return;
	task_slot_claim(prev, s, c);
	wait_distrust(ctl, s, switches);
	call_end_look(ctl, c, prev, s, now);
	pending = wait_pends(ctl, prev, s, prev_state, nr, in_call);
	if (!pending)
		call_end_passed(ctl, s);
	if (!pending || !s->first_out || s->nr != nr) {
		s->first_out = pending ? now : 0;
		s->bank = ctl->bank;
		s->watched = 0;
		s->sleeps = 0;
		s->flags = 0;
		s->announced = 0;
	}
	s->sleeps++;
	s->announced &= ANNOUNCED_CALL; /* the walk may have set it just after the wait it saw had ended */
	/* woken and the waker stay: a wake-up may have come just before this, see wait_woken() */
	s->runnable = 0;
	s->owner = 0;
	s->nr = nr;
	s->state = state;
	s->iowait = !!(hot_flags & SWITCH_IOWAIT);
	s->flags = (s->flags & WAIT_AT_LEAST) | (hot_flags & SWITCH_COMPAT ? WAIT_COMPAT : 0) |
		   (hot_flags & SWITCH_KTHREAD ? WAIT_KTHREAD : 0) |
		   (prev_state & TASK_FROZEN_ ? WAIT_FROZEN : 0);
	s->switches = switches;
	barrier();
	*(volatile u64 *)&s->out = now;
	if (futex_is_wait(nr, hot_flags & SWITCH_COMPAT)) /* a call, even of ours, is not free */
		futex_look_apart(prev, s, hot_flags & SWITCH_COMPAT);
	e = task_slot_of(s);
	if (!e)
		return;
	e->call = s->first_out;
	e->nr = nr;
	e->state = state;
	e->flags = s->flags;
	e->owner = s->owner;
	*(volatile u64 *)&e->since = now;
}

/* From now on the thread waits for a CPU and nothing else. */
static __always_inline void slot_runnable(struct task_state *s, u64 now)
{
	struct task_slot *e = task_slot_of(s);

	if (!e)
		return;
	e->state = TASK_REPORT_RUNNING;
	e->flags = 0;
	e->owner = 0;
	*(volatile u64 *)&e->since = now;
}

/* prev would go on running, if it were let. */
static __always_inline void wait_preempted(const struct control *ctl, const struct cpu_state *c,
					   struct task_struct *prev, u64 now)
{
	struct task_state *s = prev->pid ? task_state_get(prev) : NULL;

	if (!s)
		return;
	call_end_look(ctl, c, prev, s, now);
	s->switches = task_switches(prev);
	s->out = 0; /* a switch-in that was not seen */
	barrier();
	*(volatile u64 *)&s->runnable = now;
	slot_runnable(s, now);
}

/* ---- switch-in ---- */

#define WAKEUP_RACE_NS 1000000ull

/*
 * When the sleep that ends now was ended, 0: unknown. The waker traces before it
 * takes the run queue's lock, the sleeper switches while it holds it: a wake-up
 * may stand before the sleep that it ends, but not before the thread ran: that
 * one has ended the sleep before.
 */
static __always_inline u64 wait_woken(const struct control *ctl, const struct task_state *s)
{
	if (s->woken >= s->out)
		return s->woken;
	return s->out >= ctl->live_since && s->woken > s->in &&
			       s->out - s->woken < WAKEUP_RACE_NS
		       ? s->out
		       : 0;
}

/* Now and then how long next has run, for a snapshot to compare with what its switches say. */
static __noinline void ran_tell(struct control *ctl, struct task_struct *next,
				struct task_state *s, u64 now)
{
	u32 cpu, at = now >> 20;
	struct cpu_state *c;
	struct ev_ran *e;

	c = cpu_self(&cpu);
	if (!c || at - s->ran_told < ctl->stack_memory_ns >> 20)
		return;
	s->ran_told = at;
	e = evidence_reserve(ctl, c, cpu, now, BUDGET_STACK, EV_RAN, sizeof(*e));
	if (!e)
		return;
	e->task_start = next->start_time;
	e->ran = next->se.sum_exec_runtime;
	e->tid = next->pid;
	e->pad = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static __always_inline void wait_judge(struct control *ctl, struct cpu_state *c, u32 cpu,
				       struct task_struct *next, struct task_state *s, u64 now,
				       u64 slept, u64 queued)
{
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);

	if (!scratch)
		return;
	if (slept >= ctl->slow_ns)
		ran_tell(ctl, next, s, now);
	scratch->task_address = (u64)next;
	wait_fill(&scratch->facts, next, s, slept ? s->out : s->runnable, now);
	if (!slept) { /* preempted: the rest of s is about an earlier wait */
		scratch->facts.in = now;
		scratch->facts.nr = -1;
		scratch->facts.flags = 0;
		scratch->facts.state = 0;
		scratch->facts.iowait = 0;
		scratch->facts.sleeps = 0;
		scratch->facts.owner_tid = 0;
		wait_no_waker(&scratch->facts);
	}
	/* where the end of a syscall will not be told, this is that of the wait */
	if (slept >= ctl->slow_ns && !s->first_out)
		wait_emit(ctl, c, cpu, now, &scratch->facts);
	if (slept >= ctl->stacks_ns)
		stack_take_next(ctl, c, cpu, now, next, s->out, STACK_KERNEL,
				stack_class(ctl, s, slept));
	if (slept >= ctl->stacks_ns && s->nr < 0 && !(next->flags & PF_NO_REGS))
		stack_take_next(ctl, c, cpu, now, next, s->out, STACK_SLEEPER,
				stack_class(ctl, s, slept));
	if (slept < ctl->min_sleep_ns && queued < ctl->min_runqueue_ns &&
	    !(s->announced & ANNOUNCED_SLEEP))
		return;
	judge_fill(scratch, ctl, s, cpu, now, slept, queued);
	if (s->announced & ANNOUNCED_SLEEP)
		trigger_ended(SCRATCH_SWITCH, 0);
	else
		trigger_run(SCRATCH_SWITCH);
}

/* As futex_look_apart(). */
static __noinline void wait_count(const struct control *ctl, struct task_struct *next,
				  struct task_state *s, u64 now, u64 queued)
{
	u32 wanted = ctl->queue_histograms, cpu = bpf_get_smp_processor_id();
	struct histogram *h;

	h = wanted & 1u << HISTOGRAM_RUNQUEUE ? histogram_at(cpu, HISTOGRAM_RUNQUEUE) : NULL;
	if (h)
		histogram_add(h, next, now, now - queued, queued, 0);
	if (wanted >> HISTOGRAM_OWN)
		histogram_add_own(ctl, SCRATCH_SWITCH, cpu, next, s, wanted, now, now - queued,
				  queued, 0);
}

static __always_inline void wait_end(struct control *ctl, struct cpu_state *c, u32 cpu,
				     struct task_struct *next, u64 now)
{
	struct task_state *s = task_state_get(next);
	struct task_slot *e;
	u64 slept = 0, queued = 0, since;

	if (!s)
		return;
	since = s->out | s->runnable; /* one of them is 0 */
	if (since && since < ctl->live_since)
		task_state_forget(next, s);
	if (ctl->syscalls == SYSCALLS_OFF)
		s->first_out = 0;
	if (s->out) {
		slept = now > s->out ? now - s->out : 0;
		s->woken = wait_woken(ctl, s);
		if (!s->woken)
			wait_unwake(s);
		queued = s->woken && now > s->woken ? now - s->woken : 0;
		s->in = now;
	} else if (s->runnable) {
		queued = now > s->runnable ? now - s->runnable : 0;
		if (!s->in) /* it is new */
			s->in = now;
	}
	e = task_slot_of(s);
	if (e)
		*(volatile u64 *)&e->since = 0;
	if (queued && ctl->queue_histograms)
		wait_count(ctl, next, s, now, queued);
	if (s->first_out)
		call_end_watch(ctl, c, next, s, now);
	if (slept >= ctl->slow_ns || slept >= ctl->min_sleep_ns || slept >= ctl->stacks_ns ||
	    queued >= ctl->min_runqueue_ns || s->announced & ANNOUNCED_SLEEP)
		wait_judge(ctl, c, cpu, next, s, now, slept, queued);
	s->out = 0;
	s->runnable = 0;
	s->announced &= ANNOUNCED_CALL;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	u64 now = bpf_ktime_get_ns(), pos;
	bool compat = false, in_call = false, kthread = prev->flags & PF_NO_REGS;
	struct control *ctl;
	struct cpu_state *c;
	struct hot_slot *h;
	u8 flags = 0;
	int nr = -1;
	u16 state;
	u32 cpu;
	void *base;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	ctl = control_live(now, c);
	if (!ctl)
		return 0;
	state = state_report(preempt, prev_state, prev->exit_state);
	if (!kthread) {
		in_call = regs_look(ctl, prev, &nr);
		compat = task_compat(prev);
	}
	if (BPF_CORE_READ_BITFIELD(prev, in_iowait))
		flags |= SWITCH_IOWAIT;
	flags |= (preempt ? SWITCH_PREEMPT : 0) | (compat ? SWITCH_COMPAT : 0) |
		 (kthread ? SWITCH_KTHREAD : 0);
	if (!prev_state && prev->pid && task_throttled(prev))
		flags |= SWITCH_THROTTLED;

	base = hot_base(c, cpu, 1);
	if (base) {
		pos = hot_claim(c, 1);
		h = hot_open(base, pos);
		h->ts = now;
		h->sw.prev_tid = prev->pid;
		h->sw.next_tid = next->pid;
		h->sw.prev_state = state;
		h->sw.prev_nr = nr;
		h->sw.next_prio = next->prio;
		h->sw.flags = flags;
		hot_close(h, pos, HOT_SWITCH);
	}

	if (!switch_sleeps(preempt, prev, prev_state))
		wait_preempted(ctl, c, prev, now);
	else if (prev_state & TASK_DEAD_)
		task_state_release(prev);
	else if (prev->pid)
		wait_begin(ctl, c, prev, now, prev_state, state, nr, in_call, flags);
	c->armed = 0;
	if (next->pid)
		wait_end(ctl, c, cpu, next, now);
	cost_count(c, now, HOT_SWITCH);
	return 0;
}

__noinline int irq_now(void)
{
	return irq_context(bpf_get_current_task_btf());
}

/* ---- wake-ups ---- */

/* The user stack of `me`, which wakes t; a kernel thread has none. */
static __always_inline void wakeup_stack(const struct control *ctl, struct task_struct *me,
					 struct task_struct *t, const struct task_state *s, u64 now)
{
	if (!(me->flags & PF_KTHREAD))
		stack_take_user(STACK_WAKER, t->pid, s->out, STACK_ROOM_WAKING,
			   stack_class(ctl, s, now - s->out));
}

/*
 * What arrives over loopback is handled by the soft interrupt that the sending
 * itself has raised: then `me` is the sender. Of other data it is innocent.
 */
static __always_inline bool wakeup_sent(const struct control *ctl, struct task_struct *me)
{
	return !(me->flags & PF_NO_REGS) && !task_compat(me) &&
	       syscall_in(ctl->send_syscalls, regs_syscall((void *)bpf_task_pt_regs(me)));
}

/* What arrives while somebody sends to another host is not his. */
static __always_inline u16 wakeup_sent_to(void)
{
	switch (file_sends_to()) {
	case SENDS_HERE:
		return WAIT_SENT | WAIT_SENT_HERE;
	case SENDS_AWAY:
		return 0;
	default:
		return WAIT_SENT;
	}
}

/* What the wake-up means for t, which s is about. */
static __always_inline void wakeup_note(struct control *ctl, struct task_struct *me,
					struct task_struct *t, struct task_state *s, u64 now,
					u32 kind, u8 irq)
{
	if (kind == HOT_WAKEUP_NEW)
		s->runnable = now;
	s->woken = now;
	s->waker_tid = me->pid;
	s->waker_tgid = me->tgid;
	s->waker_irq = irq;
	if (s->out)
		slot_runnable(s, now);
	s->flags &= ~(WAIT_SENT | WAIT_SENT_HERE);
	if (s->out && (now - s->out >= ctl->slow_ns || now - s->out >= ctl->min_sleep_ns)) {
		bpf_get_current_comm(s->waker_comm, sizeof(s->waker_comm));
		if (irq == IRQ_SOFT && me->pid && wakeup_sent(ctl, me))
			s->flags |= wakeup_sent_to();
	} else {
		s->waker_comm[0] = 0;
	}
	if (!irq && me->pid && s->out && now - s->out >= ctl->stacks_ns)
		wakeup_stack(ctl, me, t, s, now);
}

static __always_inline void wakeup(struct task_struct *t, u32 kind)
{
	struct task_struct *me = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_ns(), pos;
	struct task_state *s;
	struct control *ctl;
	struct cpu_state *c;
	struct hot_slot *h;
	void *base;
	u32 cpu;
	u8 irq;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl)
		return;
	irq = irq_context(me);
	base = hot_base(c, cpu, 1);
	if (base) {
		pos = hot_claim(c, 1);
		h = hot_open(base, pos);
		h->ts = now;
		h->waking.tid = t->pid;
		h->waking.waker_tid = me->pid;
		h->waking.target_cpu = t->thread_info.cpu;
		h->waking.prio = t->prio;
		h->waking.irq = irq;
		h->waking.throttled = group_throttled(t);
		hot_close(h, pos, kind);
	}
	s = task_state_get(t);
	if (s)
		wakeup_note(ctl, me, t, s, now, kind, irq);
	cost_count(c, now, kind);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_sched_waking, struct task_struct *t)
{
	wakeup(t, HOT_WAKING);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_sched_wakeup_new, struct task_struct *t)
{
	wakeup(t, HOT_WAKEUP_NEW);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
