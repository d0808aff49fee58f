/* SPDX-License-Identifier: GPL-2.0 */
/* life.bpf.h - filling an ev_task, for the life of tasks and for their iterator. */
#ifndef FREC_LIFE_BPF_H
#define FREC_LIFE_BPF_H

#include "path.bpf.h"
#include "task_state.bpf.h"

/* Fills s->task but for its strings; they are put behind it, into s->text. */
static __always_inline void life_fill(struct scratch *s, struct task_struct *t, u32 event, u64 now,
				      u32 cpu)
{
	struct ev_task *e = &s->task;
	u32 level = BPF_CORE_READ(t, thread_pid, level);
	struct pid *pid = BPF_CORE_READ(t, thread_pid); /* a plain number: 6.1 refuses sums with a pointer */
	u32 ns_tid = t->pid;
	struct upid *inner;

	if (level && level < 32) {
		inner = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			level * bpf_core_type_size(struct upid);
		ns_tid = BPF_CORE_READ(inner, nr);
	}
	e->h.ts = now;
	e->h.kind = EV_TASK;
	e->h.cpu = cpu;
	e->h.len = sizeof(*e);
	e->start = t->start_time;
	e->cgroup_id = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->ppid = BPF_CORE_READ(t, real_parent, tgid);
	e->ns_tid = ns_tid;
	e->uid = BPF_CORE_READ(t, real_cred, uid.val);
	e->old_tid = 0;
	e->exit_code = t->exit_code;
	e->event = event;
	e->flags = (t->flags & PF_KTHREAD ? TASK_KTHREAD : 0) |
		   (t->pid == t->tgid ? TASK_LEADER : 0);
	e->cgroup_len = 0;
	e->cmdline_len = 0;
	e->state = 0;
	e->cpu = t->thread_info.cpu;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), t->comm);
}

/* Appends the cgroup's path, NUL included; returns its length. */
static __always_inline u32 life_cgroup(struct scratch *s, u32 which, struct task_struct *t)
{
	u32 pos, len;

	s->task_address = (u64)t;
	pos = path_cgroup(which);
	if (pos & PATH_CLIPPED)
		s->task.flags |= TASK_CLIPPED;
	pos &= PATH_MAX_ - 1;
	len = PATH_MAX_ - pos;
	bpf_probe_read_kernel(s->text, len, &s->path[pos]);
	s->task.cgroup_len = len;
	return len;
}

/* Appends the arguments of the current task behind the cgroup; returns their length. */
static __always_inline u32 life_cmdline(struct scratch *s, struct task_struct *t)
{
	u64 from = BPF_CORE_READ(t, mm, arg_start);
	u64 to = BPF_CORE_READ(t, mm, arg_end);
	u32 at = s->task.cgroup_len;
	u64 len = to - from;

	if (to <= from || at > EV_CGROUP_MAX)
		return 0;
	if (len > EV_CMDLINE_MAX - 1) {
		len = EV_CMDLINE_MAX - 1;
		s->task.flags |= TASK_CLIPPED;
	}
	if (bpf_probe_read_user(&s->text[at], len & (EV_CMDLINE_MAX - 1), (void *)from))
		return 0;
	s->text[at + (len & (EV_CMDLINE_MAX - 1))] = 0;
	s->task.cmdline_len = len + 1;
	return len + 1;
}

/*
 * The key of a thread in ns_tids, which says what a tid of an inner pid
 * namespace means outside. False for threads of the initial one.
 */
static __always_inline bool ns_tid_key(struct task_struct *t, u64 *ret_key)
{
	struct pid *pid = BPF_CORE_READ(t, thread_pid); /* a plain number: 6.1 refuses sums with a pointer */
	u32 level = BPF_CORE_READ(pid, level);
	struct upid *inner;

	if (!level || level >= 32)
		return false;
	inner = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
		level * bpf_core_type_size(struct upid);
	*ret_key = (u64)BPF_CORE_READ(inner, ns, ns.inum) << 32 | (u32)BPF_CORE_READ(inner, nr);
	return true;
}

/* tid is one of the pid namespace of t, a thread of the same process. */
static __always_inline u64 thread_ended_key(const struct task_struct *t, u32 tid)
{
	return (u64)t->tgid << 32 | tid;
}

static __always_inline void ns_tid_add(struct task_struct *t, struct cpu_state *c)
{
	u32 tid = t->pid;
	u64 key;

	if (ns_tid_key(t, &key) && bpf_map_update_elem(&ns_tids, &key, &tid, BPF_ANY))
		__sync_fetch_and_add(&c->lost_slot, 1);
}

/* t ends: nobody has its tid any more, and what it holds while its process lives on is nobody's. */
static __always_inline void ns_tid_remove(struct task_struct *t)
{
	u64 key = t->pid;
	u8 yes = 1;

	if (ns_tid_key(t, &key))
		bpf_map_delete_elem(&ns_tids, &key);
	if (!BPF_CORE_READ(t, signal, live.counter) ||
	    BPF_CORE_READ(t, signal, flags) & SIGNAL_GROUP_EXIT_)
		return;
	key = thread_ended_key(t, key);
	bpf_map_update_elem(&ended_threads, &key, &yes, BPF_ANY);
}

#endif
