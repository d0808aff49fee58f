// SPDX-License-Identifier: GPL-2.0
/* call_end.bpf.c - which flag of a thread says that it has been in user space: see call_end.bpf.h. */
#include "maps.bpf.h"

/* The thread to look at; the daemon itself. */
SEC("iter/task")
int iter_call_end(struct bpf_iter__task *ctx)
{
	u32 zero = 0;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);

	if (ctx->task && ctl)
		ctl->probe = (u64)ctx->task;
	return 0;
}

/* It comes from user space and sleeps; then it is put back: flags that this sets, each time. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_call_end_probe, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 zero = 0;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);

	if (!ctl)
		return 0;
	if (ctl->probe == (u64)prev)
		ctl->probe_flags = prev->thread_info.flags;
	if (ctl->probe != (u64)next)
		return 0;
	if (ctl->probes++)
		ctl->returned_flag &= next->thread_info.flags & ~ctl->probe_flags;
	else
		ctl->returned_flag = next->thread_info.flags & ~ctl->probe_flags;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
