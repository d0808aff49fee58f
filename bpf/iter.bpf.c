// SPDX-License-Identifier: GPL-2.0
/* iter.bpf.c - walks over all threads: at the start, after a pause, and for each snapshot. */
#include "life.bpf.h"

/*
 * At the start and after a pause: a state and a place in the table for every
 * thread that lives, and nothing in them that the thread has outrun unseen.
 */
SEC("iter/task")
int iter_adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct task_state *s;
	struct cpu_state *c;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!t || !c)
		return 0;
	if (t->flags & PF_EXITING)
		return 0;
	s = task_state_make(t, c);
	if (!s)
		return 0;
	task_state_forget(t, s);
	task_slot_claim(t, s, c);
	ns_tid_add(t, c);
	/* it may have exited since the first look, before it had a state to clean up */
	if (*(volatile unsigned int *)&t->flags & PF_EXITING) {
		task_slot_release(s);
		ns_tid_remove(t);
	}
	return 0;
}

/* For a snapshot: an ev_task of every thread that lives. */
SEC("iter/task")
int iter_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct scratch *s = scratch_get(SCRATCH_ITER);
	u32 len = sizeof(s->task);

	if (!t || !s)
		return 0;
	life_fill(s, t, TASK_ALIVE, bpf_ktime_get_ns(), 0);
	s->task.state = state_report(false, t->__state, t->exit_state);
	if (t->pid == t->tgid)
		len += life_cgroup(s, SCRATCH_ITER, t);
	len = (len + 7) & ~7u;
	if (len > sizeof(s->task) + EV_CGROUP_MAX + 8)
		return 0;
	s->task.h.len = len;
	bpf_seq_write(ctx->meta->seq, &s->task, len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
