// SPDX-License-Identifier: GPL-2.0
/* iter.bpf.c - walks over all threads: once at the start, and for each snapshot. */
#include "life.bpf.h"

/* At the start: a state and a place in the table for every thread that lives. */
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
	s = task_state_make(t, c);
	if (s && !s->slot)
		task_slot_claim(s, c, t->pid, t->tgid);
	life_ns_tid(t);
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
	s->task.state = t->__state & 0x7f;
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
