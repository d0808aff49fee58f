// SPDX-License-Identifier: GPL-2.0
/* life.bpf.c - fork, exec, rename, exit: so that every tid in the window has a name. */
#include "wait.bpf.h"

/*
 * In a storm of forks not even the exits fit the evidence. What gives a thread
 * its name goes into the hot window then, where it stands as long as the thread's
 * last switch does.
 */
static __always_inline void life_hot(struct cpu_state *c, const struct ev_task *e)
{
	void *base = hot_base(c, e->h.cpu, 2);
	struct hot_slot *h;
	u64 pos;

	if (!base)
		goto out;
	pos = hot_claim(c, 2);
	h = hot_open(base, pos);
	h->ts = e->h.ts;
	h->exit.tid = e->tid;
	h->exit.tgid = e->tgid;
	h->exit.start = e->start;
	hot_close(h, pos, HOT_EXIT);
	pos += HOT_SLOT_SIZE;
	h = hot_open(base, pos);
	h->ts = (u64)e->uid << 32 | e->ppid;
	__builtin_memcpy(h->args, e->comm, COMM_LEN);
	hot_close(h, pos, HOT_SYS_ARGS);
out:
	c->runs[HOT_EXIT]++;
}

/* Writes the scratch record of `len` bytes into the evidence. */
static __always_inline void life_emit(struct control *ctl, struct cpu_state *c, struct scratch *s,
				      u64 now, u32 len, enum budget_class class)
{
	if (len > sizeof(s->task) + EV_CGROUP_MAX + EV_CMDLINE_MAX + 8)
		return;
	if (!evidence_afford(ctl, c, now, len, class, EV_TASK)) {
		if (class == BUDGET_EXIT)
			life_hot(c, &s->task);
		return;
	}
	evidence_count(c, bpf_ringbuf_output(&evidence, &s->task, len, BPF_RB_NO_WAKEUP), len,
		       EV_TASK);
}

static __always_inline enum budget_class life_class(u32 event)
{
	return event == TASK_EXIT ? BUDGET_EXIT :
	       event == TASK_EXEC ? BUDGET_EXEC :
	       event == TASK_NEW  ? BUDGET_NEW :
				    BUDGET_RENAME;
}

static __always_inline void life_record(struct task_struct *t, u32 event, u32 old_tid,
					const char *comm, u32 creator, bool strings, bool cmdline)
{
	u64 now = bpf_ktime_get_ns();
	struct control *ctl;
	struct cpu_state *c;
	struct scratch *s;
	u32 cpu, len = sizeof(s->task);

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	s = scratch_get(SCRATCH_LIFE);
	if (!ctl || !s)
		return;
	life_fill(s, t, event, now, cpu);
	s->task.old_tid = old_tid;
	if (comm)
		bpf_probe_read_kernel_str(s->task.comm, sizeof(s->task.comm), comm);
	if (creator)
		s->task.ppid = creator;
	/* the path of a cgroup once in a while: in a storm of forks it would be most of the bytes */
	if (strings && !evidence_known(ctl, ~s->task.cgroup_id, now))
		len += life_cgroup(s, SCRATCH_LIFE, t);
	if (cmdline)
		len += life_cmdline(s, t);
	len = (len + 7) & ~7u;
	s->task.h.len = len;
	life_emit(ctl, c, s, now, len, life_class(event));
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_task_newtask, struct task_struct *t, u64 clone_flags)
{
	struct cpu_state *c;
	struct task_state *s;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	s = task_state_make(t, c);
	if (s)
		task_slot_claim(t, s, c);
	ns_tid_add(t, c);
	life_record(t, TASK_NEW, bpf_get_current_pid_tgid(), NULL,
		    bpf_get_current_pid_tgid() >> 32, !(clone_flags & CLONE_THREAD), false);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_sched_process_exec, struct task_struct *t, pid_t old_pid)
{
	struct task_state *s;
	struct cpu_state *c;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	if (old_pid != t->pid)
		task_state_move(t, old_pid, c);
	s = task_state_get(t);
	/* a thread that was no leader is one now, with the leader's tid */
	if (old_pid != t->pid && s) {
		task_slot_release(s);
		task_slot_claim(t, s, c);
		ns_tid_add(t, c);
	}
	life_record(t, TASK_EXEC, old_pid != t->pid ? old_pid : 0, NULL, 0, true, true);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_task_rename, struct task_struct *t, const char *comm)
{
	struct task_state *s = task_state_get(t);

	if (s) /* exec is one, too */
		s->histograms_bank = 0;
	life_record(t, TASK_RENAME, 0, comm, 0, false, false);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_sched_process_exit, struct task_struct *t)
{
	struct task_state *s = task_state_get(t);

	if (s) {
		call_ended(true); /* a syscall that it was killed in */
		task_slot_release(s);
	}
	ns_tid_remove(t);
	life_record(t, TASK_EXIT, 0, NULL, 0, t->pid == t->tgid, false);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
