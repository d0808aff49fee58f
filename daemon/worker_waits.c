/* SPDX-License-Identifier: GPL-2.0 */
/* worker_waits.c - slow waits and triggers as slices, and whose details are wanted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "governor.h"
#include "worker_internal.h"
#include "worker_stacks.h"

const char *worker_wait_name(const struct wait_facts *f, char *buf, size_t size)
{
	if (f->flags & WAIT_LOCK)
		return "lock";
	if (f->flags & WAIT_FUTEX)
		return "futex";
	if (f->state & (TASK_REPORT_STOPPED | TASK_REPORT_TRACED))
		return "stopped"; /* on the way back from whatever syscall it was */
	if (f->flags & WAIT_KTHREAD)
		return "kernel thread";
	if (f->nr < 0)
		return "fault";
	return worker_syscall_name(f->nr, f->flags & WAIT_COMPAT, buf, size);
}

/* ---- tracks ---- */

#define TRACK_TRIGGERS 2u
#define TRACK_LOSS 3u
#define TRACK_DETAIL 4u
#define TRACK_HITS 16u /* + index of the hit */
#define TRACK_THREADS 0x1000ull /* beyond hits; small numbers take less room */

uint64_t worker_track(struct worker *w, struct task *t)
{
	uint64_t uuid = TRACK_THREADS + (uint64_t)(t - w->tasks.list);
	struct trace_track track = {.uuid = uuid, .tgid = t->tgid, .tid = t->tid,
		.ts = worker_boot(w, worker_known(w, t))};
	char cgroup[EV_CGROUP_MAX + 8];

	if (!t->declared) {
		/* there is no field for it */
		if (t->tid == t->tgid && worker_cgroup(w, t)) {
			snprintf(cgroup, sizeof(cgroup), "cgroup %s", worker_cgroup(w, t));
			track.description = cgroup;
		}
		t->declared = true;
		trace_put_track(w->out, &track);
	}
	return uuid;
}

uint64_t worker_wait_start(const struct worker *w, const struct task *t, const struct wait_facts *f)
{
	const struct ev_task *e = t->exec;
	uint64_t start = f->start > w->h->from ? f->start : w->h->from + 1;

	/* exec from a thread that was no leader: until then the tid was the dying leader's */
	if (e && e->old_tid && start <= e->h.ts && e->h.ts < f->end)
		start = e->h.ts + 1;
	return start;
}

/* ---- whose details ---- */

static bool mark_process(struct worker *w, uint32_t tgid, uint64_t when)
{
	const struct task *leader = tgid ? worker_task(w, tgid, when) : NULL;
	bool changed = false;

	if (leader && leader->tid == leader->tgid && leader->detailed)
		return false; /* all of it was marked together; a walk for each wait takes too long */

	for (size_t i = 0; tgid && i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];

		if (t->tgid == tgid && !t->detailed)
			changed = t->detailed = true;
	}
	return changed;
}

static bool mark_children(struct worker *w, uint32_t tgid)
{
	bool changed = false;

	for (size_t i = 0; i < w->tasks.n; i++) {
		const struct task *t = &w->tasks.list[i];

		if (t->tid == t->tgid && t->last && t->last->ppid == tgid)
			changed |= mark_process(w, t->tgid,
						t->exited ? t->exited : w->h->clocks.monotonic);
	}
	return changed;
}

static bool waits_for_child(const struct wait_facts *f)
{
	char buf[64];
	const char *name = worker_wait_name(f, buf, sizeof(buf));

	return strcmp(name, "wait4") == 0 || strcmp(name, "waitid") == 0;
}

/* Whom this wait is for: the lock's owner, who ended it, who has the other end. */
static bool mark_partner(struct worker *w, const struct wait_facts *f)
{
	struct task *t = worker_task(w, f->tid, f->end), *owner;
	const struct ev_file *file;
	bool changed = false;

	if (!t || !t->detailed)
		return false;
	if (!f->waker_irq || f->flags & WAIT_SENT)
		changed |= mark_process(w, f->waker_tgid, f->end);
	owner = f->owner_tid ? worker_task(w, f->owner_tid, f->end) : NULL;
	if (owner)
		changed |= mark_process(w, owner->tgid, f->end);
	file = worker_file(w, f);
	if (file)
		changed |= mark_process(w, worker_peer(w, f, file), f->end);
	if (f->flags & WAIT_OPEN && waits_for_child(f))
		changed |= mark_children(w, t->tgid);
	return changed;
}

/* One step along "waited for". */
static bool mark_partners(struct worker *w)
{
	bool changed = false;

	for (size_t i = 0; i < w->n_waits; i++)
		changed |= mark_partner(w, &w->waits[i]->w);
	for (size_t i = 0; i < w->n_open; i++)
		changed |= mark_partner(w, &w->open[i]->w);
	return changed;
}

int worker_mark_details(struct worker *w)
{
	if (!w->h->focus_pid) {
		for (size_t i = 0; i < w->tasks.n; i++)
			w->tasks.list[i].detailed = true;
		return 0;
	}
	if (!mark_process(w, w->h->focus_pid, w->h->clocks.monotonic))
		return -ESRCH;
	for (int hop = 0; hop < 8 && mark_partners(w); hop++)
		;
	return 0;
}

/* ---- waits ---- */

#define ARGS_MAX 32

struct args {
	struct trace_arg list[ARGS_MAX];
	size_t n;
};

static void arg(struct args *a, struct trace_arg v)
{
	if (a->n < ARGS_MAX)
		a->list[a->n++] = v;
}

static const char *irq_name(uint8_t irq)
{
	return irq & IRQ_HARD ? "interrupt" : irq & IRQ_SOFT ? "softirq" : "";
}

/* Who traces a thread that is stopped now; 0: nobody, not known. */
static uint32_t tracer_of(struct worker *w, const struct wait_facts *f)
{
	uint64_t offset = w->h->clocks.boottime - w->h->clocks.monotonic;
	uint32_t tracer = 0;

	if (!(f->flags & WAIT_OPEN) || w->h->anonymous ||
	    !(f->state & (TASK_REPORT_STOPPED | TASK_REPORT_TRACED)))
		return 0;
	opener_tracer(&w->opener, f->tid, f->task_start, offset, &tracer);
	return tracer;
}

/* The facts of a wait as arguments of its slice. Strings must outlive the call that writes them. */
static void wait_args(struct worker *w, const struct wait_facts *f, const char *waker_comm,
		      struct args *a)
{
	uint32_t tracer = tracer_of(w, f);

	arg(a, TRACE_UINT("waited_ns", f->in - f->start));
	if (f->flags & WAIT_AT_LEAST)
		arg(a, TRACE_BOOL("at_least", true));
	if (f->flags & WAIT_FUTEX) {
		arg(a, TRACE_POINTER("address", wait_futex(f)));
		if (stacks_variable(w->stack_index, f))
			arg(a, TRACE_STRING("variable", stacks_variable(w->stack_index, f)));
		if (f->nr == NR_FUTEX_WAIT)
			arg(a, TRACE_UINT("val", f->args[1]));
	}
	if ((f->flags & WAIT_FUTEX) && f->nr != NR_FUTEX_WAIT && f->nr != NR_FUTEX_WAITV) {
		arg(a, TRACE_UINT("op", f->args[1] & 0xffffffff));
		arg(a, TRACE_UINT("val", f->args[2] & 0xffffffff));
	}
	if (f->owner_tid) {
		arg(a, TRACE_UINT("owner_tid", f->owner_tid));
		arg(a, TRACE_STRING("owner_comm", worker_comm(w, f->owner_tid, f->start)));
	}
	if (f->woken) {
		arg(a, TRACE_UINT("runnable_ns", f->in > f->woken ? f->in - f->woken : 0));
		if (f->waker_irq) {
			arg(a, TRACE_STRING("woken_by", irq_name(f->waker_irq)));
			if (f->flags & WAIT_SENT)
				arg(a, TRACE_UINT("sender_tid", f->waker_tid));
			if (f->flags & WAIT_SENT_HERE)
				arg(a, TRACE_BOOL("sent_here", true));
		} else {
			arg(a, TRACE_UINT("waker_tid", f->waker_tid));
			arg(a, TRACE_STRING("waker_comm", waker_comm));
		}
	}
	if (f->sleeps > 1)
		arg(a, TRACE_UINT("sleeps", f->sleeps));
	if (worker_interrupted(f))
		arg(a, TRACE_BOOL("interrupted", true));
	if (f->nr >= 0 && f->state == TASK_REPORT_SLEEPING &&
	    !(f->flags & (WAIT_HAS_RET | WAIT_OPEN)))
		arg(a, TRACE_BOOL("result_unknown", true));
	if (f->flags & WAIT_OPEN)
		arg(a, TRACE_BOOL("still_waiting", true));
	if (tracer)
		arg(a, TRACE_UINT("tracer_pid", tracer));
}

/* What the wait's descriptor is, and who has the other end; text must outlive the call that writes it. */
static void file_args(struct worker *w, const struct wait_facts *f, char *text, size_t size,
		      struct args *a)
{
	const struct ev_file *file = worker_file(w, f);
	uint32_t peer = file ? worker_peer(w, f, file) : 0;

	if (!file)
		return;
	arg(a, TRACE_UINT("fd", file->fd));
	arg(a, TRACE_STRING("file", worker_file_text(file, text, size)));
	arg(a, TRACE_STRING("file_type", worker_file_type(file)));
	if (peer)
		arg(a, TRACE_UINT("peer_pid", peer));
}

static const char *waker_name(struct worker *w, const struct wait_facts *f, char buf[COMM_LEN + 1])
{
	if (!f->waker_comm[0])
		return worker_comm(w, f->waker_tid, f->woken);
	memcpy(buf, f->waker_comm, COMM_LEN);
	buf[COMM_LEN] = 0;
	return buf;
}

/* "wait: lock stats_lock (0x…) held by worker/1234", "wait: recvfrom fd 7 127.0.0.1:8091", … */
static const char *wait_title(struct worker *w, const struct wait_facts *f, char *buf, size_t size)
{
	const struct ev_file *file = worker_file(w, f);
	char name[64], text[EV_FILE_PATH_MAX + 64];
	int n = snprintf(buf, size, "wait: %s", worker_wait_name(f, name, sizeof(name)));

	if (file)
		snprintf(buf + n, size - n, " fd %u %s", file->fd,
			 worker_file_text(file, text, sizeof(text)));

	if ((f->flags & WAIT_FUTEX) && stacks_variable(w->stack_index, f))
		n += snprintf(buf + n, size - n, " %s (0x%llx)", stacks_variable(w->stack_index, f),
			      (unsigned long long)wait_futex(f));
	else if (f->flags & WAIT_FUTEX)
		n += snprintf(buf + n, size - n, " 0x%llx", (unsigned long long)wait_futex(f));
	if (f->owner_tid)
		snprintf(buf + n, size - n, " held by %s/%u",
			 worker_comm(w, f->owner_tid, f->start), f->owner_tid);
	for (char *p = buf; *p; p++) /* paths and names may hold anything */
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	return buf;
}

/* An arrow from the moment of the waking to the woken thread's slice. */
static void put_waker(struct worker *w, const struct wait_facts *f, uint64_t flow)
{
	struct task *waker = worker_task(w, f->waker_tid, f->woken);
	const struct stack *stack =
		stacks_find(w->stack_index, STACK_WAKER, f->tid, f->start, f->woken);
	struct trace_arg args[] = {TRACE_UINT("woken_tid", f->tid),
				   TRACE_STRING("woken_comm", worker_comm(w, f->tid, f->woken))};
	struct trace_slice s = { .ts = worker_boot(w, f->woken),
				 .type = TRACE_INSTANT,
				 .name = "wake",
				 .category = "frec",
				 .args = args,
				 .n_args = 2,
				 .flows = &flow,
				 .n_flows = 1 };

	if (!waker)
		return;
	s.track = worker_track(w, waker);
	s.stack_id = stacks_put(w->stack_index, stack);
	trace_put_slice(w->out, &s);
}

/* Waiting for a CPU, at the end of the wait whose slice is open. */
static void put_runnable(struct worker *w, const struct wait_facts *f, uint64_t track,
			 const uint64_t *flow, bool has_waker)
{
	struct trace_slice s = {.ts = worker_boot(w, f->woken), .track = track,
				.type = TRACE_SLICE_BEGIN, .name = "runnable", .category = "frec",
				.flow_ends = flow, .n_flow_ends = has_waker};

	trace_put_slice(w->out, &s);
	s = (struct trace_slice){ .ts = worker_boot(w, f->in),
				  .track = track,
				  .type = TRACE_SLICE_END,
				  .name = "runnable",
				  .category = "frec" };
	trace_put_slice(w->out, &s);
}

static void put_wait(struct worker *w, struct task *t, const struct wait_facts *f)
{
	uint64_t start = worker_wait_start(w, t, f), flow = ++w->flows;
	char waker[COMM_LEN + 1], name[512], waker_text[1024], file[EV_FILE_PATH_MAX + 64];
	const struct stack *stack =
		stacks_find(w->stack_index, STACK_SLEEPER, f->tid, f->start, f->in), *by = NULL;
	bool has_waker = f->woken > start && !f->waker_irq && f->waker_tid;
	struct args a = {.n = 0};
	struct trace_slice s = {
		.ts = worker_boot(w, start),
		.track = worker_track(w, t),
		.type = TRACE_SLICE_BEGIN,
		.name = name,
		.category = "frec",
		.args = a.list,
	};

	if (has_waker)
		by = stacks_find(w->stack_index, STACK_WAKER, f->tid, f->start, f->woken);
	wait_title(w, f, name, sizeof(name));
	wait_args(w, f, waker_name(w, f, waker), &a);
	file_args(w, f, file, sizeof(file), &a);
	if (by)
		arg(&a,
		    TRACE_STRING("waker_stack", stacks_text(by, waker_text, sizeof(waker_text))));
	if (stack && stack->cut)
		arg(&a, TRACE_BOOL("stack_cut", true));
	s.stack_id = stacks_put(w->stack_index, stack);
	s.n_args = a.n;
	trace_put_slice(w->out, &s);
	if (f->flags & WAIT_OPEN) /* its slice reaches the end of the trace */
		return;
	if (s.stack_id)
		trace_put_offcpu(w->out, worker_boot(w, f->in), t->tgid, t->tid, f->in - f->start,
				 s.stack_id);
	if (has_waker)
		put_waker(w, f, flow);
	if (f->woken > start && f->woken < f->in)
		put_runnable(w, f, s.track, &flow, has_waker);
	/* named: the importer closes the innermost slice where an end has no name */
	s = (struct trace_slice){.ts = worker_boot(w, f->in), .track = s.track,
				 .type = TRACE_SLICE_END, .name = name, .category = "frec"};
	trace_put_slice(w->out, &s);
}

/* What it was and with which stack: who woke it is in the switches, how long it took its length. */
static void put_brief(struct worker *w, struct task *t, const struct wait_facts *f)
{
	const struct stack *stack =
		stacks_find(w->stack_index, STACK_SLEEPER, f->tid, f->start, f->in);
	const struct trace_arg cut = TRACE_BOOL("stack_cut", true);
	char name[512];
	struct trace_slice s = {.ts = worker_boot(w, worker_wait_start(w, t, f)),
				.track = worker_track(w, t), .type = TRACE_SLICE_BEGIN,
				.name = name, .category = "frec", .args = &cut,
				.n_args = stack && stack->cut};

	wait_title(w, f, name, sizeof(name));
	s.stack_id = stacks_put(w->stack_index, stack);
	trace_put_slice(w->out, &s);
	if (s.stack_id)
		trace_put_offcpu(w->out, worker_boot(w, f->in), t->tgid, t->tid, f->in - f->start,
				 s.stack_id);
	s = (struct trace_slice){.ts = worker_boot(w, f->in), .track = s.track,
				 .type = TRACE_SLICE_END, .name = name, .category = "frec"};
	trace_put_slice(w->out, &s);
}

/*
 * A 32-bit syscall: its number is not the trace's, so it gets a slice of its
 * own, with all that a syscall's slice has.
 */
static void put_compat(struct worker *w, struct task *t, const struct wait_facts *f)
{
	static const char *const keys[6] = {"arg0", "arg1", "arg2", "arg3", "arg4", "arg5"};
	uint64_t start = worker_wait_start(w, t, f);
	char buf[64], name[96];
	struct args a = {.n = 0};
	struct trace_slice s = {
		.ts = worker_boot(w, start - 1), /* the wait's slice lies inside */
		.track = worker_track(w, t),
		.type = TRACE_SLICE_BEGIN,
		.name = name,
		.category = "frec",
		.args = a.list,
	};

	snprintf(name, sizeof(name), "sys_%s (32 bit)",
		 worker_syscall_name(f->nr, true, buf, sizeof(buf)));
	for (int i = 0; i < 6; i++)
		arg(&a, TRACE_POINTER(keys[i], f->args[i]));
	arg(&a, TRACE_INT("ret", f->ret));
	s.n_args = a.n;
	trace_put_slice(w->out, &s);
	if ((f->flags & WAIT_FUTEX) ||
	    stacks_find(w->stack_index, STACK_SLEEPER, f->tid, f->start, f->in))
		put_wait(w, t, f);
	s = (struct trace_slice){.ts = worker_boot(w, f->end), .track = s.track,
				 .type = TRACE_SLICE_END};
	trace_put_slice(w->out, &s);
}

/*
 * Waits that go on: the last thing on their thread's track. 32-bit syscalls have
 * no slice around it, the others' entry is a CPU's (worker_cpus.c).
 */
static void put_open(struct worker *w)
{
	for (size_t i = 0; i < w->n_open; i++) {
		const struct wait_facts *f = &w->open[i]->w;
		struct task *t = worker_task(w, f->tid, f->end);

		if (!t || !t->detailed || f->in <= w->h->from || f->in < f->start)
			continue;
		put_wait(w, t, f);
		w->n_open_told++;
	}
}

void worker_write_waits(struct worker *w)
{
	for (size_t i = 0; i < w->n_waits; i++) {
		const struct wait_facts *f = &w->waits[i]->w;
		struct task *t = worker_task(w, f->tid, f->end);

		if (!(w->told[i] & TOLD_SLICE))
			continue;
		if ((f->flags & WAIT_COMPAT) && (f->flags & WAIT_HAS_RET))
			put_compat(w, t, f);
		else if (w->told[i] & TOLD_BRIEF)
			put_brief(w, t, f);
		else
			put_wait(w, t, f);
	}
	put_open(w);
}

/* ---- triggers ---- */

/* Do its facts say what system call, lock or fault that was? */
static bool tells_wait(const struct policy_hit *hit)
{
	return hit->kind != TRIGGER_APP && hit->kind != TRIGGER_PRESSURE &&
	       hit->kind != TRIGGER_PERCENTILE;
}

static void put_hit(struct worker *w, const struct policy_hit *hit, uint64_t track)
{
	const struct wait_facts *f = &hit->record.w;
	struct task *t = worker_task(w, f->tid, f->end);
	char waker[COMM_LEN + 1], comm[COMM_LEN + 1], name[CONFIG_NAME_MAX + 16], buf[64];
	const struct ev_request *request = worker_request(w, hit);
	const struct ev_exit *end = worker_end(w, hit);
	const struct ev_span *span = worker_span(w, hit);
	char text[WORKER_REQUEST_TEXT];
	uint64_t start = f->start > w->h->from ? f->start : w->h->from;
	const struct stack *stack;
	struct args a = {.n = 0};
	struct trace_slice s = {.ts = worker_boot(w, start), .track = track,
				.type = TRACE_SLICE_BEGIN, .name = name, .category = "frec",
				.args = a.list};

	snprintf(name, sizeof(name), "trigger: %s", hit->name);
	memcpy(comm, f->comm, COMM_LEN);
	comm[COMM_LEN] = 0;
	arg(&a, TRACE_STRING("trigger", hit->name));
	arg(&a, TRACE_STRING("kind", config_kind_name(hit->kind)));
	arg(&a, TRACE_UINT("threshold_ns", hit->threshold));
	arg(&a, TRACE_UINT("duration_ns", hit->record.duration));
	if (f->tid) {
		arg(&a, TRACE_UINT("pid", f->tgid));
		arg(&a, TRACE_UINT("tid", f->tid));
		arg(&a, TRACE_STRING("comm", comm));
	}
	if (t && worker_cgroup(w, t))
		arg(&a, TRACE_STRING("cgroup", worker_cgroup(w, t)));
	if (*hit->text)
		arg(&a, TRACE_STRING("text", hit->text));
	if (end) {
		a.n += worker_end_args(end, a.list + a.n, text);
	} else if (request) {
		a.n += worker_request_args(w, request, a.list + a.n, text);
	} else if (hit->kind == TRIGGER_SPAN) {
		if (span)
			a.n += worker_span_args(w, span, a.list + a.n);
		if (f->flags & WAIT_OPEN)
			arg(&a, TRACE_BOOL("still_waiting", true));
	} else if (tells_wait(hit)) {
		arg(&a, TRACE_STRING("wait", worker_wait_name(f, buf, sizeof(buf))));
		wait_args(w, f, waker_name(w, f, waker), &a);
	}
	if (hit == w->h->hits && *w->verdict.text)
		arg(&a, TRACE_STRING("verdict", w->verdict.text));
	s.n_args = a.n;
	if (tells_wait(hit)) {
		stack = end ? stacks_find(w->stack_index, STACK_EXIT, f->tid, f->in, f->in)
			    : stacks_find(w->stack_index, STACK_SLEEPER, f->tid, f->start, f->in);
		s.stack_id = stacks_put(w->stack_index, stack);
	}
	trace_put_slice(w->out, &s);
	if (f->flags & WAIT_OPEN)
		return;
	s = (struct trace_slice){ .ts = worker_boot(w, f->end > start ? f->end : start),
				  .track = track,
				  .type = TRACE_SLICE_END };
	trace_put_slice(w->out, &s);
}

static void put_loss(struct worker *w)
{
	struct trace_track loss = { .uuid = TRACK_LOSS,
				    .parent = WORKER_TRACK_ROOT,
				    .name = "data loss" };
	struct trace_arg args[] = {
		TRACE_UINT("lost_since_start", w->h->lost),
		TRACE_UINT("refused_since_start", w->h->refused),
		TRACE_UINT("torn", w->torn),
		TRACE_UINT("malformed", w->bad),
	};
	struct trace_slice s = {.ts = w->h->clocks.boottime, .track = TRACK_LOSS,
				.type = TRACE_INSTANT, .name = "losses", .category = "frec",
				.args = args, .n_args = 4};

	trace_put_track(w->out, &loss);
	trace_put_slice(w->out, &s);
}

/* When more or less was left out, as recording cost too much: since then, until the next one. */
static void put_steps(struct worker *w)
{
	struct trace_track track = { .uuid = TRACK_DETAIL,
				     .parent = WORKER_TRACK_ROOT,
				     .name = "detail" };

	if (w->h->n_steps)
		trace_put_track(w->out, &track);
	for (uint32_t i = 0; i < w->h->n_steps; i++) {
		const struct capture_step *step = &w->h->steps[i];
		struct trace_arg args[] = {
			TRACE_UINT("level", step->level),
			TRACE_UINT("share_ppm", (uint64_t)(step->share * 1e6)),
		};
		char name[64];
		uint64_t at = step->at > w->h->from ? step->at : w->h->from;
		struct trace_slice s = { .ts = worker_boot(w, at),
					 .track = TRACK_DETAIL,
					 .type = TRACE_INSTANT,
					 .name = name,
					 .category = "frec",
					 .args = args,
					 .n_args = 2 };

		if (i + 1 < w->h->n_steps && step[1].at <= w->h->from)
			continue; /* over before the window begins */
		snprintf(name, sizeof(name), "left out: %s", governor_sheds(step->level));
		trace_put_slice(w->out, &s);
	}
}

void worker_write_triggers(struct worker *w)
{
	struct trace_track root = {.uuid = WORKER_TRACK_ROOT, .name = "frec"};
	struct trace_track parent = { .uuid = TRACK_TRIGGERS,
				      .parent = WORKER_TRACK_ROOT,
				      .name = "triggers" };
	struct trace_trigger trigger = {.ts = w->h->clocks.boottime, .name = "manual"};

	trace_put_track(w->out, &root);
	trace_put_track(w->out, &parent);
	for (uint32_t i = 0; i < w->h->n_hits; i++) {
		/* they overlap: a lane each, which the UI lays together by name */
		struct trace_track lane = {.uuid = TRACK_HITS + i, .parent = TRACK_TRIGGERS,
					   .name = "slow"};

		trace_put_track(w->out, &lane);
		put_hit(w, &w->h->hits[i], lane.uuid);
	}
	put_loss(w);
	put_steps(w);
	if (w->h->n_hits) {
		trigger.name = w->h->hits[0].name;
		trigger.ts = worker_boot(w, w->h->hits[0].record.h.ts);
	}
	trace_put_trigger(w->out, &trigger);
}
