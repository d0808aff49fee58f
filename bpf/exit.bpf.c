// SPDX-License-Identifier: GPL-2.0
/*
 * exit.bpf.c - processes that end other than they should: by a signal, by the OOM killer, or with
 * an exit code that somebody wants to know of. Attached only while a trigger wants it.
 *
 * A signal is told of when it is delivered: the process' memory still stands. Where one that dumps
 * no core ends a process, the kernel turns it into a SIGKILL of each thread; the first to come
 * tells. All run in the thread that dies, under its siglock, and may not sleep.
 */
#include "path.bpf.h"
#include "stack.bpf.h"
#include "wait.bpf.h"

/* Of the running CPU: IRQ_HARD, IRQ_SOFT or 0. In sched.bpf.c, which has variants for it. */
extern int irq_now(void);

#define SIGKILL_ 9
#define SIGNALS_ 64
#define BIT_(sig) (1ull << ((sig) - 1))

/* By default QUIT ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS dump core … */
#define DUMPS_CORE                                                                         \
	(BIT_(3) | BIT_(4) | BIT_(5) | BIT_(6) | BIT_(7) | BIT_(8) | BIT_(11) | BIT_(24) | \
	 BIT_(25) | BIT_(31))
/* … and CHLD CONT STOP TSTP TTIN TTOU URG WINCH end nothing. */
#define ENDS_NOTHING \
	(BIT_(17) | BIT_(18) | BIT_(19) | BIT_(20) | BIT_(21) | BIT_(22) | BIT_(23) | BIT_(28))

#define LAST_NS 1000000000ull /* before its end: what the trigger is about */
#define PAGE_SIZE_ 4096u

/* Who sent a process a signal that may end it; and whether its end has been told. */
struct death {
	u64 start; /* of the leader */
	u32 sender_tid, sender_tgid;
	u32 sig;
	u32 told;
	char sender_comm[COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tgid */
	__type(value, struct death);
} deaths SEC(".maps");

static __always_inline u64 leader_start(struct task_struct *t)
{
	return BPF_CORE_READ(t, group_leader, start_time);
}

/* ---- who sends ---- */

static __always_inline bool signal_ends(struct task_struct *t, u32 sig)
{
	struct sighand_struct *hand = BPF_CORE_READ(t, sighand);
	struct k_sigaction *action;

	if (!sig || sig > SIGNALS_ || ENDS_NOTHING & BIT_(sig))
		return false;
	if (sig == SIGKILL_)
		return true;
	action = (void *)hand + bpf_core_field_offset(struct sighand_struct, action) +
		 (sig - 1) * bpf_core_type_size(struct k_sigaction);
	return !BPF_CORE_READ(action, sa.sa_handler);
}

/* info: 0 is of a process, 1 of the kernel; others say so. */
static __always_inline bool sent_by_process(u64 info)
{
	int code = 1;

	if (info <= 1)
		return !info;
	bpf_probe_read_kernel(&code, sizeof(code),
			      (void *)info + bpf_core_field_offset(struct kernel_siginfo, si_code));
	return code <= 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal_generate, int sig, struct kernel_siginfo *info, struct task_struct *t,
	     int group, int result)
{
	u64 me = bpf_get_current_pid_tgid();
	struct death d = { .sig = sig }, *old;
	u32 tgid;

	/* who dies already, or has it pending, is not sent it */
	if (result || !signal_ends(t, sig))
		return 0;
	tgid = t->tgid;
	d.start = leader_start(t);
	old = bpf_map_lookup_elem(&deaths, &tgid);
	if (old && old->start == d.start && (old->sig == (u32)sig || old->told))
		return 0; /* the first to send it did it */
	if (sent_by_process((u64)info) && !irq_now()) {
		d.sender_tid = me;
		d.sender_tgid = me >> 32;
		bpf_get_current_comm(d.sender_comm, sizeof(d.sender_comm));
	}
	bpf_map_update_elem(&deaths, &tgid, &d, BPF_ANY);
	return 0;
}

/* ---- who dies of it ---- */

/* What ends the process of t, which is being given sig; 0: nothing, or another thread has told. */
static __always_inline u32 end_of(struct task_struct *t, u32 sig, u64 action)
{
	struct signal_struct *s = t->signal;
	u32 flags = s->flags, death = s->group_exit_code & 0x7f;
	void *handler = NULL;

	if (sig == SIGKILL_) {
		/* threads that another one's exec, exit or core dump ends are given it too */
		if (!(flags & SIGNAL_GROUP_EXIT_) || !death || death > SIGNALS_ ||
		    DUMPS_CORE & BIT_(death))
			return 0;
		return s->oom_mm && death == SIGKILL_ ? END_OOM : death;
	}
	bpf_probe_read_kernel(&handler, sizeof(handler),
			      (void *)action + bpf_core_field_offset(struct k_sigaction, sa) +
				      bpf_core_field_offset(struct sigaction, sa_handler));
	if (handler || !sig || sig > SIGNALS_ || ENDS_NOTHING & BIT_(sig) ||
	    flags & SIGNAL_UNKILLABLE_)
		return 0;
	return sig;
}

static __always_inline bool end_wanted(const struct control *ctl, u32 end)
{
	u64 word = end / 64; /* 6.1 forgets the bounds of 32 bits */

	barrier_var(word);
	return ctl->exit_ends[word & (SYSCALL_WORDS - 1)] >> (end & 63) & 1;
}

/* True for the first thread of the process that comes here; with who sent it. */
static __always_inline bool end_first(struct task_struct *t, u32 sig, struct ev_exit *e)
{
	struct death d = { .sig = sig, .told = 1 }, *known;
	u32 tgid = t->tgid;

	d.start = leader_start(t);
	known = bpf_map_lookup_elem(&deaths, &tgid);
	if (!known || known->start != d.start) {
		bpf_map_update_elem(&deaths, &tgid, &d, BPF_ANY);
		return true;
	}
	if (__sync_lock_test_and_set(&known->told, 1))
		return false;
	if (known->sig != sig || !known->sender_tid)
		return true;
	e->sender_tid = known->sender_tid;
	e->sender_tgid = known->sender_tgid;
	__builtin_memcpy(e->sender_comm, known->sender_comm, sizeof(e->sender_comm));
	return true;
}

/* Of the memory cgroups around t the one that is fullest. */
static __always_inline void end_memory(struct ev_exit *e, struct task_struct *t)
{
	struct cgroup_subsys_state *css = NULL;
	struct css_set *set = BPF_CORE_READ(t, cgroups);
	u32 id;

	e->rss = mm_rss(t->mm) * PAGE_SIZE_;
	e->oom_score_adj = t->signal->oom_score_adj;
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return;
	id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      id * sizeof(css));
	for (u32 i = 0; i < 6 && css; i++) {
		struct mem_cgroup *m = (void *)css - bpf_core_field_offset(struct mem_cgroup, css);
		u64 usage = BPF_CORE_READ(m, memory.usage.counter),
		    max = BPF_CORE_READ(m, memory.max);

		usage *= PAGE_SIZE_;
		max *= PAGE_SIZE_;
		/* without a limit, max is near 2^63 bytes */
		if (max >> 50 == 0 && max && (!e->limit || max - usage < e->limit - e->usage)) {
			e->usage = usage;
			e->limit = max;
		}
		css = BPF_CORE_READ(css, parent);
	}
}

/* The last second of the thread is the interval that the trigger is about. */
static __always_inline void end_facts(struct wait_facts *w, const struct ev_exit *e,
				      struct task_struct *t)
{
	u64 now = e->h.ts, born = t->start_time;

	__builtin_memset(w, 0, sizeof(*w));
	w->start = now - born < LAST_NS ? born : now - LAST_NS;
	w->in = now;
	w->end = now;
	w->task_start = born;
	w->tid = t->pid;
	w->tgid = t->tgid;
	w->nr = e->end;
	/* the process is what dies: its name is what is compared */
	bpf_probe_read_kernel(w->comm, sizeof(w->comm), &t->group_leader->comm);
}

/* Returns how many triggers it has passed. */
static __always_inline int end_judge(struct scratch *s, struct control *ctl, u32 cpu,
				     struct task_struct *t)
{
	end_facts(&s->facts, &s->exit, t);
	s->task_address = (u64)t;
	judge_one(s, ctl, cpu, s->exit.h.ts, TRIGGER_EXIT, 1); /* whatever it took */
	return trigger_run(SCRATCH_EXIT);
}

static __always_inline void end_fill(struct ev_exit *e, struct task_struct *t, u32 end, u64 now,
				     u32 cpu)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->h.ts = now;
	e->h.kind = EV_EXIT;
	e->h.cpu = cpu;
	e->h.len = sizeof(*e);
	e->task_start = t->start_time;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->end = end;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), t->comm);
}

static __always_inline void end_siginfo(struct ev_exit *e, u64 info)
{
	struct kernel_siginfo *i = (void *)info;

	if (info <= 1)
		return;
	e->code = BPF_CORE_READ(i, si_code);
	if (e->code > 0) /* else the kernel raised it for a fault */
		e->address = (u64)BPF_CORE_READ(i, _sifields._sigfault._addr);
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal_deliver, int sig, struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct task_struct *t = bpf_get_current_task_btf();
	u32 end = end_of(t, sig, (u64)action), cpu;
	struct scratch *s = scratch_get(SCRATCH_EXIT);
	u64 now = bpf_ktime_get_ns();
	struct control *ctl;
	struct cpu_state *c;

	c = cpu_self(&cpu);
	if (!c || !s)
		return 0;
	s->ended = 0;
	if (!end)
		return 0;
	ctl = control_live(now, c);
	if (!ctl || !end_wanted(ctl, end))
		return 0;
	end_fill(&s->exit, t, end, now, cpu);
	if (!end_first(t, end == END_OOM ? SIGKILL_ : end, &s->exit))
		return 0;
	end_siginfo(&s->exit, (u64)info);
	end_memory(&s->exit, t);
	evidence_output(ctl, c, now, BUDGET_EXIT, &s->exit, sizeof(struct ev_exit));
	stack_take_user(STACK_EXIT, t->pid, now, STACK_ROOM_EXIT, BUDGET_FIRES);
	if (end_judge(s, ctl, cpu, t))
		s->ended = (u64)t;
	return 0;
}

/* ---- who exits ---- */

/* The last thread of a process is gone: with which code; or killed, and nobody has seen by whom. */
static __always_inline u32 end_of_exit(struct task_struct *t)
{
	struct signal_struct *s = t->signal;
	u32 code = s->flags & SIGNAL_GROUP_EXIT_ ? s->group_exit_code : t->exit_code;

	if (s->live.counter > 0)
		return 0;
	/* the killer marks its victim after it has sent the signal: it may have been too late */
	if (code & 0x7f)
		return (code & 0x7f) == SIGKILL_ && s->oom_mm ? END_OOM : 0;
	return code >> 8 & 255 ? END_CODE + (code >> 8 & 255) : 0;
}

static __always_inline void exit_tell(struct task_struct *t, u64 mm)
{
	u32 end = end_of_exit(t), cpu;
	struct scratch *s = scratch_get(SCRATCH_EXIT);
	u64 now = bpf_ktime_get_ns();
	struct control *ctl;
	struct cpu_state *c;

	c = end ? cpu_self(&cpu) : NULL;
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl || !s || !end_wanted(ctl, end))
		return;
	end_fill(&s->exit, t, end, now, cpu);
	if (!end_first(t, SIGKILL_, &s->exit))
		return;
	if (end == END_OOM)
		end_memory(&s->exit, t);
	evidence_output(ctl, c, now, BUDGET_EXIT, &s->exit, sizeof(struct ev_exit));
	s->mm_address = mm;
	end_judge(s, ctl, cpu, t);
	s->mm_address = 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_process_end, struct task_struct *t)
{
	exit_tell(t, 0);
	return 0;
}

/* Before 6.16 the above comes when its memory is gone, and which program it was with that. */
SEC("tp_btf/exit_mmap")
int BPF_PROG(on_exit_mmap, struct mm_struct *mm)
{
	struct task_struct *t = bpf_get_current_task_btf();

	/* others may be the last to look into it */
	if (t->flags & PF_EXITING && !t->mm)
		exit_tell(t, (u64)mm);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
