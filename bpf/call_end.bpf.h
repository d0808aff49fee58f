/* SPDX-License-Identifier: GPL-2.0 */
/*
 * call_end.bpf.h - who tells where a syscall ends that a thread slept in, in mode slow. Before 6.18 a
 * tracepoint at the end of each syscall, which costs all of them. Since, a thread on its first way to
 * user space after a switch: one that has registered for rseq(2), as glibc does since 2.35, passes a
 * tracepoint there, until 6.18; of others we ask it after a sleep that was long, by an interrupt. Where
 * switches are very many and long sleeps few, all are asked: the daemon weighs it (daemon/call_ends.h).
 */
#ifndef FREC_CALL_END_BPF_H
#define FREC_CALL_END_BPF_H

#include "wait.bpf.h"

struct call_end {
	struct bpf_task_work work;
};

/* By place in the task table. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16); /* set by the daemon */
	__type(key, u32);
	__type(value, struct call_end);
} call_ends SEC(".maps");

/* It might be preempted, and two on a CPU would share their scratch. */
static int on_call_end(struct bpf_map *map, void *key, void *value)
{
	bpf_preempt_disable();
	call_ended(true);
	bpf_preempt_enable();
	return 0;
}

/*
 * The current thread does not go on to user space from the syscall that it slept in: it is stopped
 * on the way, or exits. What slept there has ended, and nothing else will tell.
 */
static __always_inline void call_end_passed(const struct control *ctl, const struct task_state *s)
{
	if (s->first_out && ctl->returned_flag)
		call_ended(true);
}

/* Compute time between two sleeps of a syscall that is not watched yet, at most. */
#define CALL_RUN_NS 1000000ull

/*
 * t, which leaves the CPU, may have slept in a syscall before. Has it left that one since? Not if it
 * is still armed there and would have passed rseq_update. Else, until it is watched, what the kernel
 * keeps for itself must do: whether its FPU registers were put aside at the last switch and have not
 * been wanted since. The kernel may have put them aside again for its own use: then it must not have
 * run for long.
 */
static __always_inline void call_end_look(const struct control *ctl,
					  const struct cpu_state *c,
					  struct task_struct *t, struct task_state *s, u64 now)
{
	bool within = c->armed == (u64)t && rseq_update_comes(ctl, t);

	if (!s->first_out || s->watched || !ctl->returned_flag)
		return;
	if (call_left(ctl, t) ||
	    (ctl->syscalls == SYSCALLS_SLOW && !within && now - s->in > CALL_RUN_NS))
		s->first_out = 0;
}

/*
 * t, which now goes on, will end the syscall that it slept in; that it does so will be told of if
 * it has lasted for long, or if all calls tell. Else the sleep is all there is to tell of.
 */
static __always_inline void call_end_watch(struct control *ctl, struct cpu_state *c,
					   struct task_struct *t, struct task_state *s, u64 now)
{
	u64 lasted = now - s->first_out;
	bool brief = lasted < ctl->slow_ns && lasted < ctl->stacks_ns &&
		     lasted < ctl->min_syscall_ns;
	u32 place = s->slot - 1;
	struct call_end *e;

	if (!brief)
		c->long_ends++;
	if (!ctl->returned_flag || !bpf_task_work_schedule_resume_impl) {
		c->armed = (u64)t;
		return;
	}
	if (rseq_update_comes(ctl, t)) {
		c->armed = (u64)t;
		c->armed_tick = brief ? bpf_jiffies64() : 0;
		/* there a call that a signal cut short has lost its result, and a new program passes nothing */
		if (!(t->thread_info.flags & SIGNAL_FLAGS) && s->nr != NR_EXECVE &&
		    s->nr != NR_EXECVEAT)
			return;
	}
	if (ctl->syscalls != SYSCALLS_SLOW || s->watched || brief)
		return;
	e = bpf_map_lookup_elem(&call_ends, &place);
	if (e && !bpf_task_work_schedule_resume_impl(t, &e->work, &call_ends, on_call_end, NULL))
		s->watched = 1;
	else
		s->first_out = 0;
}

#endif
