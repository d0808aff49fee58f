/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_cpus.c - the hot window, CPU by CPU, with the events of evidence that
 * happened there, into the trace.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

/* ---- extras: lives and slow syscalls, by CPU and time ---- */

static int extra_order(const void *a, const void *b)
{
	const struct extra *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return (int)x->what - (int)y->what;
}

static int collect(struct worker *w)
{
	struct extra *x = calloc(w->n_lives + 2 * w->n_waits + w->n_open + 1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	w->extras = x;
	for (size_t i = 0; i < w->n_lives; i++)
		if (w->lives[i]->h.ts >= w->h->from)
			*x++ = (struct extra){w->lives[i]->h.ts, EXTRA_TASK, w->lives[i]->h.cpu,
					      w->lives[i]};
	for (size_t i = 0; i < w->n_waits; i++) {
		const struct ev_wait *e = w->waits[i];
		uint64_t start;

		if (!(w->told[i] & TOLD_SYSCALL))
			continue;
		start = worker_wait_start(w, worker_task(w, e->w.tid, e->w.end), &e->w);
		/* one ns before the sleep, so that the slice of the wait lies inside */
		*x++ = (struct extra){start - 1, EXTRA_ENTER, e->h.cpu, e};
		if (w->h->syscalls != SYSCALLS_ALL) /* it is in the window */
			*x++ = (struct extra){e->w.end, EXTRA_EXIT, e->h.cpu, e};
	}
	for (size_t i = 0; i < w->n_open; i++) {
		const struct ev_wait *e = w->open[i];
		const struct task *t = worker_task(w, e->w.tid, e->w.end);
		/* in mode all the entry is in the window, unless the wait began before */
		bool told = w->h->syscalls == SYSCALLS_OFF ||
			    (w->h->syscalls == SYSCALLS_ALL && e->w.enter > w->h->held_since);

		if (!told && t && t->detailed && e->w.nr >= 0 && !(e->w.flags & WAIT_COMPAT))
			*x++ = (struct extra){ worker_wait_start(w, t, &e->w) - 1, EXTRA_ENTER,
					       e->h.cpu, e };
	}
	w->n_extras = x - w->extras;
	qsort(w->extras, w->n_extras, sizeof(*x), extra_order);
	return 0;
}

/* ---- slots ---- */

/* A slot and, of a HOT_SYS_ENTER, the arguments behind it. */
struct event {
	const struct hot_slot *slot, *args;
	unsigned int kind;
};

/*
 * Nested interrupts put a few slots out of order, by less than a dozen: a
 * short sorted queue in front of the output straightens that.
 */
#define QUEUE 16

struct stream {
	struct worker *w;
	struct trace_cpu *c;
	const struct extra *x, *x_end;
	struct event queue[QUEUE];
	unsigned int n;
	uint64_t since; /* the CPU's events are complete from here on */
	bool running; /* what ran when the window began has been said */
	int64_t current; /* who runs here; -1: unknown */
	int64_t before; /* who ran when the window began, by the last switch before it; -1: none seen */
	bool torn;	/* a slot behind the last good one; those at the very end are still being written */
	struct trace_cpu_stats stats;
};

static bool is_detailed(struct worker *w, uint32_t tid, uint64_t ts)
{
	struct task *t = worker_task(w, tid, ts);

	return t && t->detailed;
}

/* Whoever the file has running here is not; tid is. */
static void put_takeover(struct stream *s, uint64_t ts, uint32_t tid)
{
	struct worker *w = s->w;
	const struct task *t = worker_task(w, s->current, ts);
	struct trace_switch n = {
		.ts = worker_boot(w, ts),
		.prev_tid = s->current,
		.prev_prio = 120,
		.next_prio = 120,
		.prev_comm = worker_comm(w, s->current, ts),
		.next_tid = tid,
		.next_comm = worker_comm(w, tid, ts),
		.prev_state = t && t->exited ? TASK_REPORT_DEAD : TASK_REPORT_SLEEPING,
	};

	if (s->current < 0 || s->current == tid)
		return;
	if (!s->current)
		n.prev_state = 0;
	trace_cpu_switch(s->c, &n);
	s->current = tid;
}

/* Until a process's exec it is "other", so this is the first that is known to have run here. */
static void begin_as_other(struct stream *s, uint32_t cpu)
{
	if (s->running)
		return;
	s->running = true;
	s->current = WORKER_OTHER + 1 + cpu;
	trace_cpu_running(s->c, worker_boot(s->w, s->since), s->current, "other", 120);
}

static void put_task_event(struct worker *w, struct stream *s, const struct ev_task *e)
{
	uint64_t ts = worker_boot(w, e->h.ts);
	char comm[COMM_LEN + 1] = "", filename[EV_CMDLINE_MAX] = "";
	struct trace_cpu *c = s->c;

	if (w->h->only && !is_detailed(w, e->tid, e->h.ts + 1))
		return;
	memcpy(comm, e->comm, COMM_LEN);
	if (e->event == TASK_NEW) {
		struct trace_newtask n = {.ts = ts,
					  .creator_tid = e->old_tid ? e->old_tid : e->ppid,
					  .tid = e->tid,
					  .comm = comm,
					  .clone_flags = e->tid != e->tgid ? 0x10000 : 0};

		/* before, nobody would end the "runnable" that this begins */
		if (e->h.ts >= w->held)
			trace_cpu_newtask(c, &n);
	} else if (e->event == TASK_RENAME) {
		struct trace_rename n = {.ts = ts, .tid = e->tid, .old_comm = "", .new_comm = comm};

		trace_cpu_rename(c, &n);
	} else {
		struct trace_task n = { .ts = ts,
					.current_tid = e->tid,
					.tid = e->tid,
					.tgid = e->tgid,
					.old_tid = e->old_tid ? e->old_tid : e->tid,
					.comm = comm,
					.filename = filename };

		if (e->event == TASK_EXEC && e->cmdline_len)
			strncpy(filename, (const char *)(e + 1) + e->cgroup_len,
				sizeof(filename) - 1);
		if (e->event == TASK_EXEC && w->h->anonymous)
			begin_as_other(s, e->h.cpu);
		if (e->event == TASK_EXEC && (e->old_tid || w->h->anonymous))
			put_takeover(s, e->h.ts, e->tid);
		if (e->event == TASK_EXEC)
			trace_cpu_exec(c, &n);
		else if (e->event == TASK_EXIT)
			trace_cpu_exit(c, &n);
	}
}

static void put_extra(struct worker *w, struct stream *s, const struct extra *x)
{
	struct trace_cpu *c = s->c;
	const struct ev_wait *e = x->record;

	if (x->what == EXTRA_TASK) {
		put_task_event(w, s, x->record);
	} else if (x->what == EXTRA_ENTER) {
		struct trace_sys_enter n = { .ts = worker_boot(w, x->ts),
					     .tid = e->w.tid,
					     .nr = e->w.nr,
					     .n_args = worker_syscall_args(e->w.nr) };

		memcpy(n.args, e->w.args, sizeof(n.args));
		trace_cpu_sys_enter(c, &n);
		w->events[HOT_SYS_ENTER]++;
	} else {
		struct trace_sys_exit n = {
			.ts = worker_boot(w, x->ts), .tid = e->w.tid, .nr = e->w.nr, .ret = e->w.ret
		};

		trace_cpu_sys_exit(c, &n);
		w->events[HOT_SYS_EXIT]++;
	}
}


/* An instant on its thread: what follows is no queueing for a CPU. */
static void put_throttled(struct stream *s, struct task *t, uint64_t ts)
{
	struct trace_slice n = {.ts = ts, .track = worker_track(s->w, t), .type = TRACE_INSTANT,
				.name = "throttled", .category = "frec"};

	trace_put_slice(s->w->out, &n);
}

/* What becomes of the thread that is switched out. */
static void note_leaving(struct stream *s, const struct hot_slot *h, uint64_t ts, uint32_t tid)
{
	struct task *prev = worker_task(s->w, tid, h->ts);

	if (prev && (h->sw.prev_state & (TASK_REPORT_DEAD | TASK_REPORT_ZOMBIE)) && prev->exited &&
	    prev->exited <= h->ts && prev->gone < h->ts)
		prev->gone = h->ts;
	if (prev && prev->detailed && (h->sw.flags & SWITCH_THROTTLED))
		put_throttled(s, prev, ts);
	if (h->sw.prev_state == TASK_REPORT_DISK) {
		struct trace_blocked b = {.ts = ts + 1, .current_tid = tid, .tid = tid,
					  .io_wait = h->sw.flags & SWITCH_IOWAIT};

		trace_cpu_blocked(s->c, &b);
	}
}

static void put_switch(struct stream *s, const struct hot_slot *h)
{
	struct worker *w = s->w;
	uint32_t prev_tid = h->sw.prev_tid, next_tid = h->sw.next_tid;
	struct trace_switch n = {.ts = worker_boot(w, h->ts), .prev_prio = 120,
				 .prev_state = h->sw.prev_state, .next_prio = h->sw.next_prio};

	/* --only: for others the CPU is idle, so that the chain closes */
	if (w->h->only && !is_detailed(w, prev_tid, h->ts))
		prev_tid = n.prev_state = 0;
	if (w->h->only && !is_detailed(w, next_tid, h->ts))
		next_tid = 0;
	if (w->h->only && !prev_tid && !next_tid)
		return;
	n.prev_tid = prev_tid;
	n.next_tid = next_tid;
	n.prev_comm = worker_comm(w, prev_tid, h->ts);
	n.next_comm = worker_comm(w, next_tid, h->ts);
	if (!s->running) {
		s->running = true;
		if (h->ts > s->since)
			trace_cpu_running(s->c, worker_boot(w, s->since), n.prev_tid, n.prev_comm,
					  120);
		s->current = prev_tid;
	}
	trace_cpu_switch(s->c, &n);
	s->current = next_tid;
	if (prev_tid)
		note_leaving(s, h, n.ts, prev_tid);
}

static void put_waking(struct stream *s, const struct event *e)
{
	const struct hot_slot *h = e->slot;
	struct trace_waking n = {
		.ts = worker_boot(s->w, h->ts),
		.tid = h->waking.tid,
		.prio = h->waking.prio,
		.target_cpu = h->waking.target_cpu,
		.waker_tid = s->w->h->only && !is_detailed(s->w, h->waking.waker_tid, h->ts)
				     ? 0 : h->waking.waker_tid,
		.irq = h->waking.irq,
		.comm = worker_comm(s->w, h->waking.tid, h->ts),
	};

	struct task *t = h->waking.throttled ? worker_task(s->w, n.tid, h->ts) : NULL;

	if (e->kind == HOT_WAKING) /* a new thread's first is told by its task_newtask */
		trace_cpu_waking(s->c, &n);
	if (t && t->detailed)
		put_throttled(s, t, n.ts);
}

static void put_syscall(struct stream *s, const struct event *e)
{
	const struct hot_slot *h = e->slot;
	uint64_t ts = worker_boot(s->w, h->ts);
	int nr = h->sys.nr;
	struct task *t;

	/* a return from a signal has taken over the registers of who was interrupted */
	if (e->kind == HOT_SYS_EXIT && nr < 0)
		nr = seccomp_syscall_resolve_name("rt_sigreturn");
	/* the trace has one table of names: the host's own */
	if (h->sys.compat || !is_detailed(s->w, h->sys.tid, h->ts))
		return;
	if (e->kind == HOT_SYS_ENTER) {
		struct trace_sys_enter n = {.ts = ts, .tid = h->sys.tid, .nr = nr, .n_args = 1};
		unsigned int n_args = worker_syscall_args(nr);

		n.args[0] = h->sys.value;
		if (e->args) {
			n.args[1] = e->args->ts;
			n.args[2] = e->args->args[0];
			n.args[3] = e->args->args[1];
			n.n_args = 4;
		}
		if (n.n_args > n_args)
			n.n_args = n_args;
		trace_cpu_sys_enter(s->c, &n);
		t = worker_syscall_returns(nr) ? NULL : worker_task(s->w, h->sys.tid, h->ts);
		if (t && t->exited > h->ts) {
			struct trace_sys_exit x = {.ts = worker_boot(s->w, t->exited),
						   .tid = h->sys.tid, .nr = nr};

			trace_cpu_sys_exit(s->c, &x);
		}
	} else {
		struct trace_sys_exit n = {.ts = ts, .tid = h->sys.tid, .nr = nr,
					   .ret = h->sys.value};

		trace_cpu_sys_exit(s->c, &n);
	}
}

static void put_event(struct stream *s, const struct event *e)
{
	while (s->x < s->x_end && s->x->ts <= e->slot->ts)
		put_extra(s->w, s, s->x++);
	s->w->events[e->kind & 7]++;
	if (e->kind == HOT_SWITCH)
		put_switch(s, e->slot);
	else if (e->kind == HOT_WAKING || e->kind == HOT_WAKEUP_NEW)
		put_waking(s, e);
	else
		put_syscall(s, e);
}

static void queue_flush(struct stream *s, unsigned int keep)
{
	unsigned int out = s->n > keep ? s->n - keep : 0;

	for (unsigned int i = 0; i < out; i++)
		put_event(s, &s->queue[i]);
	memmove(s->queue, s->queue + out, (s->n - out) * sizeof(s->queue[0]));
	s->n -= out;
}

/* Each member is put where it belongs: a copy of what was just put together waits for its parts. */
static void queue_add(struct stream *s, const struct hot_slot *h, const struct hot_slot *args,
		      unsigned int kind)
{
	unsigned int i;

	if (s->n == QUEUE)
		queue_flush(s, QUEUE / 2);
	for (i = s->n; i > 0 && s->queue[i - 1].slot->ts > h->ts; i--)
		s->queue[i] = s->queue[i - 1];
	s->queue[i].slot = h;
	s->queue[i].args = args;
	s->queue[i].kind = kind;
	s->n++;
}

/* --only: a switch that none of the wanted threads has part in is left out. */
static bool only_wants(struct worker *w, const struct hot_slot *h, unsigned int kind)
{
	if (!w->h->only)
		return true;
	if (kind == HOT_SWITCH)
		return is_detailed(w, h->sw.prev_tid, h->ts) ||
		       is_detailed(w, h->sw.next_tid, h->ts);
	if (kind == HOT_WAKING || kind == HOT_WAKEUP_NEW)
		return is_detailed(w, h->waking.tid, h->ts);
	return true;
}

static void read_slots(struct stream *s, const struct capture_cpu *cpu)
{
	const struct hot_slot *slots = capture_at(s->w->h, cpu->slots);
	uint64_t pos = cpu->good > cpu->begin ? cpu->good : cpu->begin;

	for (; pos < cpu->end; pos += HOT_SLOT_SIZE) {
		const struct hot_slot *h = &slots[(pos - cpu->begin) / HOT_SLOT_SIZE];
		const struct hot_slot *args = NULL;
		unsigned int kind = window_good(h, pos);

		if (!kind || kind > HOT_KIND_MAX) {
			s->w->torn++;
			s->torn = true;
		}
		if (!kind || kind >= HOT_EXIT || kind == HOT_SYS_ARGS ||
		    h->ts > s->w->h->clocks.monotonic)
			continue;
		if (h->ts < s->w->held) {
			if (kind == HOT_SWITCH)
				s->before = h->sw.next_tid;
			s->torn = false;
			continue;
		}
		if (s->torn) {
			queue_flush(s, 0);
			trace_cpu_lost(s->c);
			s->torn = false;
		}
		s->stats.read_events++;
		if (kind == HOT_SYS_ENTER && pos + HOT_SLOT_SIZE < cpu->end &&
		    window_good(h + 1, pos + HOT_SLOT_SIZE) == HOT_SYS_ARGS)
			args = h + 1;
		if (only_wants(s->w, h, kind))
			queue_add(s, h, args, kind);
	}
}

static const struct extra *extras_of(struct worker *w, uint32_t cpu, const struct extra **ret_end)
{
	const struct extra *x = w->extras, *end = x + w->n_extras;

	while (x < end && x->cpu < cpu)
		x++;
	*ret_end = x;
	while (*ret_end < end && (*ret_end)->cpu == cpu)
		(*ret_end)++;
	return x;
}

/* Ends of threads and processes, each after its last switch-out; a process after all its threads. */
static int write_ends(struct worker *w)
{
	struct trace_cpu *c;
	int err;

	if (!w->h->n_cpus)
		return 0;
	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i], *leader;

		if (t->tid == t->tgid || !t->exited)
			continue;
		leader = worker_task(w, t->tgid, t->start);
		if (leader && !t->gone && t->exited >= w->held)
			leader->threads_live = true; /* still on its way */
		else if (leader && leader->gone < t->gone)
			leader->gone = t->gone;
	}
	err = trace_cpu_open(w->out, w->h->cpus[0].cpu, 0, &c);
	for (size_t i = 0; !err && i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];
		uint64_t ts = t->gone > t->exited ? t->gone : t->exited;
		struct trace_task end = {.ts = worker_boot(w, ts) + 1 + (t->tid == t->tgid),
					 .tid = t->tid,
					 .comm = t->comm};

		if (!t->exited || t->exited < w->h->from || t->threads_live ||
		    (!t->gone && t->exited >= w->held && t->last->event != TASK_EXEC))
			continue;
		if (!w->h->only || t->detailed)
			trace_cpu_free_task(c, &end);
	}
	return err ? err : trace_cpu_close(c);
}

/* At the end only: the recorder does not know what it had lost when the window began. */
static void put_stats(struct worker *w, const struct stream *s, const struct capture_cpu *cpu)
{
	struct trace_cpu_stats stats = s->stats;

	stats.cpu = cpu->cpu;
	stats.entries = cpu->end / HOT_SLOT_SIZE;
	stats.overrun = cpu->good > cpu->begin ? (cpu->good - cpu->begin) / HOT_SLOT_SIZE : 0;
	stats.dropped_events = cpu->lost;
	trace_put_cpu_stats(w->out, true, &stats, 1);
}

int worker_write_cpus(struct worker *w)
{
	int err = collect(w);

	for (uint32_t i = 0; !err && i < w->h->n_cpus; i++) {
		const struct capture_cpu *cpu = &w->h->cpus[i];
		struct stream s = {.w = w, .since = w->held, .current = -1, .before = -1};

		err = trace_cpu_open(w->out, cpu->cpu, 0, &s.c);
		if (err)
			break;
		s.x = extras_of(w, cpu->cpu, &s.x_end);
		read_slots(&s, cpu);
		queue_flush(&s, 0);
		if (!s.running && s.before >= 0 &&
		    (!w->h->only || is_detailed(w, s.before, w->held)))
			trace_cpu_running(s.c, worker_boot(w, w->held), s.before,
					  worker_comm(w, s.before, w->held), 120);
		while (s.x < s.x_end)
			put_extra(w, &s, s.x++);
		err = trace_cpu_close(s.c);
		put_stats(w, &s, cpu);
	}
	return err ? err : write_ends(w);
}
