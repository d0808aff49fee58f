// SPDX-License-Identifier: GPL-2.0
/* iter.bpf.c - walks over all threads: at the start, after a pause, and for each snapshot. */
#include "file.bpf.h"
#include "futex.bpf.h"
#include "life.bpf.h"
#include "stack_dump.bpf.h"
#include "wait.bpf.h"

/* Is what s says of a sleep about the one that t is in? */
static __always_inline bool sleep_known(const struct control *ctl, struct task_struct *t,
					const struct task_state *s)
{
	return s->out && !t->on_cpu &&
	       (s->out >= ctl->live_since || s->switches == task_switches(t));
}

/* Does it run, or wait for a CPU, in the syscall that it slept in? */
static __always_inline bool call_known(const struct control *ctl, struct task_struct *t,
				       const struct task_state *s)
{
	return s->first_out >= ctl->live_since && s->bank == ctl->bank &&
	       ctl->syscalls != SYSCALLS_OFF && !call_left(ctl, t);
}

/*
 * t sleeps since nobody knows when: at least since now. While nothing is
 * recorded, as no switch may write into the state at the same time.
 */
static __always_inline void sleep_adopt(struct control *ctl, struct task_struct *t,
					struct task_state *s, u64 now)
{
	bool kthread = t->flags & PF_NO_REGS, compat = !kthread && task_compat(t);
	unsigned int state = t->__state;
	struct task_slot *e = task_slot_of(s);
	struct futex_call f;
	u64 args[6];

	s->nr = kthread ? -1 : regs_syscall((void *)bpf_task_pt_regs(t));
	s->first_out = 0;
	s->first_out = wait_pends(ctl, t, s, state, s->nr,
				  regs_in_call((void *)bpf_task_pt_regs(t)))
			       ? now
			       : 0;
	s->bank = ctl->bank;
	s->sleeps = 1;
	s->announced = 0;
	s->runnable = 0;
	s->owner = 0;
	s->enter = 0;
	s->futex = 0;
	s->state = state_report(false, state, t->exit_state);
	s->iowait = BPF_CORE_READ_BITFIELD(t, in_iowait);
	s->flags = WAIT_AT_LEAST | (compat ? WAIT_COMPAT : 0) | (kthread ? WAIT_KTHREAD : 0) |
		   (state & TASK_FROZEN_ ? WAIT_FROZEN : 0);
	if (s->nr >= 0 && futex_is_wait(s->nr, compat)) {
		regs_args((void *)bpf_task_pt_regs(t), compat, args);
		if (futex_call(s->nr, args, &f)) {
			s->flags |= WAIT_FUTEX;
			s->futex = f.address;
		}
	}
	s->switches = task_switches(t);
	s->out = now;
	if (!e)
		return;
	e->call = s->first_out;
	e->nr = s->nr;
	e->state = s->state;
	e->flags = s->flags;
	e->owner = 0;
	e->since = now;
}

/*
 * At the start and after a pause: a state and a place in the table for every
 * thread that lives, and nothing in them that the thread has outrun unseen.
 */
SEC("iter/task")
int iter_adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct task_state *s;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu, zero = 0;

	c = cpu_self(&cpu);
	ctl = bpf_map_lookup_elem(&control, &zero);
	if (!t || !c || !ctl)
		return 0;
	if (t->flags & PF_EXITING)
		return 0;
	s = task_state_make(t, c);
	if (!s)
		return 0;
	task_state_forget(t, s);
	task_slot_claim(t, s, c);
	ns_tid_add(t, c);
	if (!(t->flags & PF_NO_REGS)) { /* in two steps: what is read from a map is a number */
		*(volatile u64 *)&ctl->regs_offset = bpf_task_pt_regs(t);
		*(volatile u64 *)&ctl->regs_offset -= (u64)t->stack;
	}
	if (t->pid && !t->on_cpu && t->__state & TASK_ASLEEP_ && !s->out)
		sleep_adopt(ctl, t, s, bpf_ktime_get_ns());
	/* it may have exited since the first look, before it had a state to clean up */
	if (*(volatile unsigned int *)&t->flags & PF_EXITING) {
		task_slot_release(s);
		task_state_release(t);
		ns_tid_remove(t);
	}
	return 0;
}

/* What descriptor fd is, of the thread in room, which waits on it since wait_at. */
static __always_inline void write_file(struct seq_file *seq, struct scratch *room, int fd, u32 tid,
				       u64 wait_at, u64 now)
{
	u32 len = fd < 0 ? 0 : file_look(SCRATCH_WALK, fd) & 0x1ff;

	barrier_var(len);
	if (!len || len > sizeof(room->file) + EV_FILE_PATH_MAX)
		return;
	room->file.h.ts = now;
	room->file.h.cpu = 0;
	room->file.wait_at = wait_at;
	room->file.wait_tid = tid;
	bpf_seq_write(seq, &room->file, len);
}

/* The wait that t is in, as an ev_wait that has not ended, and its kernel stack. */
static __always_inline void write_wait(struct seq_file *seq, struct task_struct *t,
				       struct task_state *s, struct scratch *room, u64 now)
{
	u32 which = STACK_ROOM_ITER, zero = 0;
	struct stack_room *stack = bpf_map_lookup_elem(&stack_rooms, &which);
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct wait_facts *w = &room->open.w;
	struct ev_header *h = &room->open.h;
	long n;

	h->ts = now;
	h->kind = EV_WAIT;
	h->cpu = t->thread_info.cpu;
	h->len = sizeof(room->open);
	wait_fill(w, t, s, s->first_out ? s->first_out : s->out, now);
	w->in = now;
	w->flags |= WAIT_OPEN;
	if (s->woken < s->out)
		wait_no_waker(w);
	bpf_seq_write(seq, &room->open, sizeof(room->open));
	if (ctl && !(w->flags & WAIT_COMPAT))
		write_file(seq, room, file_of_call(ctl, w->nr, w->args, NULL), w->tid, w->start,
			   now);
	if (!stack)
		return;
	stack_key(&stack->frames.key, t, STACK_KERNEL, t->pid, s->out);
	n = bpf_get_task_stack(t, stack->pcs, STACK_FRAMES_MAX * 8, 0);
	if (n <= 0)
		return;
	n &= 0x3f8;
	stack->frames.n = n / 8;
	stack->frames.pad = 0;
	h = &stack->frames.h;
	h->ts = now;
	h->kind = EV_FRAMES;
	h->cpu = 0;
	h->len = sizeof(stack->frames) + n;
	stack->frames.key.id = 0; /* content is here: no other stack refers to it */
	bpf_seq_write(seq, &stack->frames, sizeof(stack->frames) + n);
}

/* For a snapshot: an ev_task of every thread that lives, and what it waits for. */
SEC("iter/task")
int iter_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct scratch *s = scratch_get(SCRATCH_WALK);
	u32 len = sizeof(s->task), zero = 0;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct task_state *state;
	u64 now;

	if (!t || !s || !ctl)
		return 0;
	now = bpf_ktime_get_ns();
	life_fill(s, t, TASK_ALIVE, now, 0);
	s->task.state = state_report(false, t->__state, t->exit_state);
	if (t->pid == t->tgid)
		len += life_cgroup(s, SCRATCH_WALK, t);
	len = (len + 7) & ~7u;
	if (len > sizeof(s->task) + EV_CGROUP_MAX + 8)
		return 0;
	s->task.h.len = len;
	bpf_seq_write(ctx->meta->seq, &s->task, len);
	s->task_address = (u64)t;
	state = task_state_get(t);
	if (state && sleep_known(ctl, t, state))
		write_wait(ctx->meta->seq, t, state, s, now);
	return 0;
}

struct sleeper_walk {
	struct dump_walk w;
	struct task_struct *t;
};

/* As dump_page(), of any thread; only iterators that may sleep can. */
static long copy_page(u32 i, struct sleeper_walk *walk)
{
	struct dump_walk *w = &walk->w;
	u64 at = w->len, n = dump_span(w);

	if (!n || n > 4096 || at >= STACK_DUMP_MAX ||
	    bpf_copy_from_user_task(&w->room->bytes[at], n, (void *)(w->sp + at), walk->t, 0))
		return 1;
	w->len = at + n;
	return 0;
}

#define COPY_MAX (24u << 10) /* a record must fit the iterator's buffer of eight pages */

/* A poll of one descriptor: which that is stands in t's memory. */
static __always_inline void write_polled(struct seq_file *seq, const struct control *ctl,
					 struct task_struct *t, const struct task_state *s, u64 now)
{
	struct scratch *room = scratch_get(SCRATCH_WALK);
	u64 args[6];
	int fd = -1;

	if (!room || (s->flags & WAIT_COMPAT) || !syscall_in(ctl->poll_syscalls, s->nr))
		return;
	regs_args((void *)bpf_task_pt_regs(t), false, args);
	if (args[1] != 1 || bpf_copy_from_user_task(&fd, sizeof(fd), (void *)args[0], t, 0))
		return;
	room->task_address = (u64)t;
	write_file(seq, room, fd, t->pid, s->first_out ? s->first_out : s->out, now);
}

/*
 * Registers and stack of one thread that sleeps now, which cannot be taken at
 * the end of its wait. May have to fault pages in, so it may take its time.
 */
SEC("iter.s/task")
int iter_sleeper(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	u32 zero = 0, index, len;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct sleeper_walk walk = {.t = t};
	struct scratch *scratch = scratch_get(SCRATCH_WALK);
	struct task_state *s;
	struct ev_dump *e;
	u64 top;

	if (!t || !ctl || !scratch || t->flags & PF_NO_REGS)
		return 0;
	scratch->task_address = (u64)t;
	if (stack_excluded(SCRATCH_WALK))
		return 0;
	s = task_state_get(t);
	index = ctl->sleeper_room;
	walk.w.room = bpf_map_lookup_elem(&dump_rooms, &index);
	if (!s || !sleep_known(ctl, t, s) || !walk.w.room || !ctl->stack_dump)
		return 0;
	e = &walk.w.room->e;
	stack_key(&e->key, t, STACK_SLEEPER, t->pid, s->first_out ? s->first_out : s->out);
	walk.w.sp = e->sp = regs_copy((void *)bpf_task_pt_regs(t), e);
	walk.w.want = ctl->stack_dump < COPY_MAX ? ctl->stack_dump : COPY_MAX;
	top = stack_top(t, walk.w.sp);
	if (top - walk.w.sp <= walk.w.want)
		walk.w.want = top - walk.w.sp;
	bpf_loop(COPY_MAX / 4096 + 2, copy_page, &walk, 0);
	len = walk.w.len & ~7u;
	if (len > COPY_MAX)
		return 0;
	e->len = len;
	/* of no other stack; the lowest bit keeps it from being 0 */
	e->key.id = hash_add(hash_add(e->key.task_start, t->pid), s->out) | 1;
	e->h.ts = bpf_ktime_get_ns();
	e->h.kind = EV_DUMP;
	e->h.cpu = 0;
	e->h.len = sizeof(*e) + len;
	bpf_seq_write(ctx->meta->seq, e, sizeof(*e) + len);
	write_polled(ctx->meta->seq, ctl, t, s, e->h.ts);
	return 0;
}

/*
 * For one thread that the task table shows to have waited for long: is that
 * wait past a trigger's threshold? Each wait is told of once.
 */
SEC("iter/task")
int iter_overdue(struct bpf_iter__task *ctx)
{
	struct scratch *scratch = scratch_get(SCRATCH_ITER);
	u64 now = bpf_ktime_get_ns(), slept = 0, queued = 0, out, runnable, call;
	struct task_struct *t = ctx->task;
	struct task_state *s;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu;
	u8 told;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!t || !scratch || !ctl)
		return 0;
	s = task_state_get(t);
	if (!s)
		return 0;
	out = s->out;
	runnable = out && s->woken >= out ? s->woken : s->runnable;
	if (sleep_known(ctl, t, s) && now > out && s->woken < out)
		slept = now - out;
	if (runnable && runnable >= ctl->live_since && now > runnable)
		queued = now - runnable;
	call = call_known(ctl, t, s) || slept ? s->first_out : 0;
	if (!slept && !queued && !call)
		return 0;
	scratch->task_address = (u64)t;
	wait_fill(&scratch->facts, t, s, slept ? out : queued ? runnable : call, now);
	scratch->facts.in = now;
	scratch->facts.flags |= WAIT_OPEN;
	if (slept || !queued) /* what s says of a waker is about an earlier wait */
		wait_no_waker(&scratch->facts);
	judge_fill(scratch, ctl, s, cpu, now, slept, queued);
	told = s->announced;
	if (!(told & ANNOUNCED_SLEEP) && trigger_run(SCRATCH_ITER))
		told |= ANNOUNCED_SLEEP;
	if (call && !(told & ANNOUNCED_CALL)) {
		scratch->facts.start = call;
		judge_one(scratch, ctl, cpu, now, TRIGGER_SYSCALL, now - call);
		if (trigger_run(SCRATCH_ITER))
			told |= ANNOUNCED_CALL;
	}
	s->announced = told;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
