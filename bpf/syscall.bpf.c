// SPDX-License-Identifier: GPL-2.0
/*
 * syscall.bpf.c - where a syscall ends. Mode slow does nothing there unless
 * this thread slept inside this syscall (cpu_state.armed), and asks where that
 * costs least: see call_end.bpf.h. Mode all also records every entry and exit.
 */
#include "file.bpf.h"
#include "stack.bpf.h"
#include "wait.bpf.h"

/* What the syscall waited on, into the evidence. Needs the facts of the wait. */
static __noinline void syscall_file(struct control *ctl, struct cpu_state *c, u32 cpu,
				    struct scratch *scratch, u64 now)
{
	struct wait_facts *w = &scratch->facts;
	int fd = w->flags & WAIT_COMPAT ? -1 : file_of_call(ctl, w->nr, w->args, scratch);
	u64 len; /* 6.1 forgets the bounds of 32 bits that are spilled */

	if (fd < 0)
		return;
	len = file_look(SCRATCH_EXIT, fd) & 0x1ff;
	barrier_var(len);
	if (!len || len > sizeof(scratch->file) + EV_FILE_PATH_MAX)
		return;
	scratch->file.h.ts = now;
	scratch->file.h.cpu = cpu;
	scratch->file.wait_at = w->start;
	scratch->file.wait_tid = w->tid;
	/* small, and what explains the wait */
	if (!evidence_afford(ctl, c, now, len,
			     budget_fires(ctl, w->end - w->start) ? BUDGET_FIRES : BUDGET_LONG,
			     EV_FILE))
		return;
	barrier_var(len);
	len &= 0x1ff;
	evidence_count(c, bpf_ringbuf_output(&evidence, &scratch->file, len, BPF_RB_NO_WAKEUP),
		       len, EV_FILE);
}

/* t leaves a syscall in which it slept, or which mode all timed. ret: NULL if nobody knows. */
static __always_inline void syscall_judge(struct control *ctl, struct cpu_state *c,
					  u32 cpu, struct task_struct *t, struct task_state *s,
					  u64 now, u64 start, const long *ret)
{
	struct scratch *scratch;
	u64 duration = now - start;
	bool slept = s->first_out;

	if (s->first_out && duration >= ctl->stacks_ns)
		stack_take_user(STACK_SLEEPER, t->pid, s->first_out, STACK_ROOM_EXIT,
			   stack_class(ctl, s, duration));
	if (duration < ctl->slow_ns && duration < ctl->min_syscall_ns)
		return;
	scratch = scratch_get(SCRATCH_EXIT);
	if (!scratch)
		return;
	wait_fill(&scratch->facts, t, s, slept ? s->first_out : start, now);
	if (ret) {
		scratch->facts.ret = *ret;
		scratch->facts.flags |= WAIT_HAS_RET;
	}
	if (!slept) { /* what s says is of an earlier wait */
		scratch->facts.in = start;
		scratch->facts.flags &= WAIT_HAS_RET | WAIT_COMPAT;
		scratch->facts.state = 0;
		scratch->facts.iowait = 0;
		scratch->facts.owner_tid = 0;
		wait_no_waker(&scratch->facts);
	}
	if (duration >= ctl->slow_ns && slept)
		wait_emit(ctl, c, cpu, now, &scratch->facts);
	scratch->task_address = (u64)t;
	if (slept && duration >= ctl->stacks_ns)
		syscall_file(ctl, c, cpu, scratch, now);
	if (duration < ctl->min_syscall_ns)
		return;
	judge_one(scratch, ctl, cpu, now, TRIGGER_SYSCALL, duration);
	if (s->announced & ANNOUNCED_CALL)
		trigger_ended(SCRATCH_EXIT, TRIGGER_SYSCALL);
	else
		trigger_run(SCRATCH_EXIT);
	s->announced = 0;
}

/*
 * The current thread leaves the syscall that it slept in. Where threads tell themselves, some pass
 * there within a call: those that run a virtual machine, which is no end (1 is returned), and those
 * that were asked and do such work while they wait, as io_uring does, just before the end mostly.
 */
__noinline int call_ended(bool asked)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	struct task_state *s = task_state_get(t);
	long ret = regs_ret(regs);
	struct control *ctl;
	struct cpu_state *c;
	bool told;
	u64 now;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!s || !c)
		return 0;
	if (!s->first_out) {
		s->watched = 0;
		return 0;
	}
	now = bpf_ktime_get_ns();
	ctl = control_live(now, c);
	if (ctl && s->nr == regs_syscall(regs)) {
		told = !ctl->returned_flag || !regs_in_call(regs);
		if (!asked && !told)
			return 1;
		s->enter = 0;
		syscall_judge(ctl, c, cpu, t, s, now, s->first_out, told ? &ret : NULL);
	}
	s->first_out = 0;
	s->watched = 0;
	return 0;
}

static __always_inline int call_may_end(void)
{
	struct cpu_state *c;
	u64 now;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	c->runs[0]++;
	if (!c->armed)
		return 0;
	if (c->armed_tick == bpf_jiffies64()) { /* most: looking would cost more than all the rest */
		c->armed = 0;
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (c->armed != bpf_get_current_task() || !call_ended(false))
		c->armed = 0;
	c->cost_ns += bpf_ktime_get_ns() - now;
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit_slow)
{
	return call_may_end();
}

SEC("tp_btf/rseq_update")
int BPF_PROG(on_rseq_update)
{
	return call_may_end();
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter_all, struct pt_regs *regs, long nr)
{
	u64 now = bpf_ktime_get_ns(), pos, args[6];
	struct task_struct *t;
	struct task_state *s;
	struct control *ctl;
	struct cpu_state *c;
	struct hot_slot *h;
	void *base;
	bool compat;
	u32 cpu;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl)
		return 0;
	t = bpf_get_current_task_btf();
	s = task_state_make(t, c);
	if (s) {
		s->out = 0; /* a switch-in that was not seen: it runs */
		s->enter = now;
		s->first_out = 0;
		s->sleeps = 0;
		s->nr = nr;
		s->enter_nr = nr;
		s->enter_compat = task_compat(t);
		s->flags = task_compat(t) ? WAIT_COMPAT : 0;
	}
	base = hot_base(c, cpu, 2);
	if (!base)
		goto out;
	compat = task_compat(t);
	regs_args(regs, compat, args);
	pos = hot_claim(c, 2);
	h = hot_open(base, pos);
	h->ts = now;
	h->sys.tid = t->pid;
	h->sys.nr = nr;
	h->sys.compat = compat;
	h->sys.value = args[0];
	hot_close(h, pos, HOT_SYS_ENTER);
	pos += HOT_SLOT_SIZE;
	h = hot_open(base, pos);
	h->ts = args[1];
	h->args[0] = args[2];
	h->args[1] = args[3];
	hot_close(h, pos, HOT_SYS_ARGS);
out:
	cost_count(c, now, HOT_SYS_ENTER);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit_all, struct pt_regs *regs, long ret)
{
	u64 now = bpf_ktime_get_ns(), pos, start;
	int nr = regs_syscall(regs);
	struct task_struct *t;
	struct task_state *s;
	struct control *ctl;
	struct cpu_state *c;
	struct hot_slot *h;
	void *base;
	bool compat;
	u32 cpu;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl)
		return 0;
	c->armed = 0;
	t = bpf_get_current_task_btf();
	base = hot_base(c, cpu, 1);
	s = task_state_get(t);
	compat = task_compat(t);
	if (s)
		s->out = 0;
	if (s && s->enter) {
		nr = s->enter_nr;
		compat = s->enter_compat;
	}
	if (base) {
		pos = hot_claim(c, 1);
		h = hot_open(base, pos);
		h->ts = now;
		h->sys.tid = t->pid;
		h->sys.nr = nr;
		h->sys.compat = compat;
		h->sys.value = ret;
		hot_close(h, pos, HOT_SYS_EXIT);
	}
	if (!s)
		goto out;
	/* an entry before a pause may be that of an earlier syscall; first_out is looked after */
	if (s->enter && s->enter < ctl->live_since)
		s->enter = 0;
	start = s->enter ? s->enter : s->first_out;
	if (start && (s->enter || s->nr == (s16)nr))
		syscall_judge(ctl, c, cpu, t, s, now, start, &ret);
	s->enter = 0;
	s->first_out = 0;
out:
	cost_count(c, now, HOT_SYS_EXIT);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
