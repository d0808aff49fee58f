/* SPDX-License-Identifier: GPL-2.0 */
/* Events of one CPU: the ordinary ones and the two compact columns, merged by time. */
#include <errno.h>
#include <string.h>

#include "trace_read_private.h"

static int damaged_bundle(struct trace_reader *r, const char *what)
{
	return trace_reader_fail(r, -EBADMSG, "damaged trace: %s", what);
}

/* --- who runs --- */

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static void set_running(struct trace_reader *r, uint32_t cpu, int32_t tid, int32_t prio,
			const char *comm)
{
	struct cpu_state *c = &r->cpus[cpu];
	size_t n = strnlen(comm, sizeof(c->comm) - 1);

	c->tid = tid;
	c->prio = prio;
	memcpy(c->comm, comm, n);
	c->comm[n] = '\0';
}

static void compact_switch(struct trace_reader *r, const Pft__FtraceEventBundle__CompactSched *c,
			   struct trace_event *e)
{
	size_t i = r->n_switch++;

	/* A copy, for the event's prev_comm outlives the state. */
	r->prev = r->cpus[e->cpu];
	e->kind = TRACE_EVENT_SWITCH;
	e->ts = r->switch_time;
	e->sw = (struct trace_switch){
		.ts = e->ts,
		.prev_tid = r->prev.tid,
		.prev_prio = r->prev.prio,
		.prev_state = c->switch_prev_state[i],
		.next_tid = c->switch_next_pid[i],
		.next_prio = c->switch_next_prio[i],
		.prev_comm = r->prev.comm,
		.next_comm = c->intern_table[c->switch_next_comm_index[i]],
		.chained = r->prev.tid != -1,
	};
	set_running(r, e->cpu, e->sw.next_tid, e->sw.next_prio, e->sw.next_comm);
	if (r->n_switch < c->n_switch_timestamp)
		r->switch_time += c->switch_timestamp[r->n_switch];
}

static void compact_waking(struct trace_reader *r, const Pft__FtraceEventBundle__CompactSched *c,
			   struct trace_event *e)
{
	size_t i = r->n_waking++;

	e->kind = TRACE_EVENT_WAKING;
	e->ts = r->waking_time;
	e->waking = (struct trace_waking){
		.ts = e->ts,
		.tid = c->waking_pid[i],
		.prio = c->waking_prio[i],
		.target_cpu = c->waking_target_cpu[i],
		.waker_tid = r->cpus[e->cpu].tid,
		.irq = i < c->n_waking_common_flags
			       ? c->waking_common_flags[i] & (TRACE_IRQ_HARD | TRACE_IRQ_SOFT)
			       : 0,
		.comm = c->intern_table[c->waking_comm_index[i]],
	};
	if (r->n_waking < c->n_waking_timestamp)
		r->waking_time += c->waking_timestamp[r->n_waking];
}

static void full_switch(struct trace_reader *r, const Pft__SchedSwitchFtraceEvent *s,
			struct trace_event *e)
{
	e->kind = TRACE_EVENT_SWITCH;
	e->sw = (struct trace_switch){
		.ts = e->ts,
		.prev_tid = s->prev_pid,
		.prev_prio = s->prev_prio,
		.prev_state = s->prev_state,
		.next_tid = s->next_pid,
		.next_prio = s->next_prio,
		.prev_comm = or_empty(s->prev_comm),
		.next_comm = or_empty(s->next_comm),
		.chained = r->cpus[e->cpu].tid == s->prev_pid,
	};
	set_running(r, e->cpu, s->next_pid, s->next_prio, e->sw.next_comm);
}

/* --- the ordinary events --- */

static void full_waking(const Pft__FtraceEvent *f, struct trace_event *e)
{
	const Pft__SchedWakingFtraceEvent *s = f->sched_waking;

	e->kind = TRACE_EVENT_WAKING;
	e->waking = (struct trace_waking){
		.ts = e->ts,
		.tid = s->pid,
		.prio = s->prio,
		.target_cpu = s->target_cpu,
		.waker_tid = f->pid,
		.comm = or_empty(s->comm),
	};
}

static bool task_life(const Pft__FtraceEvent *f, struct trace_event *e)
{
	const Pft__SchedProcessExecFtraceEvent *x = f->sched_process_exec;

	e->task = (struct trace_task){ .ts = e->ts, .current_tid = f->pid };
	if (x) {
		e->kind = TRACE_EVENT_EXEC;
		e->task.tid = x->pid;
		e->task.old_tid = x->old_pid;
		e->task.filename = or_empty(x->filename);
	} else if (f->sched_process_exit) {
		e->kind = TRACE_EVENT_EXIT;
		e->task.tid = f->sched_process_exit->pid;
		e->task.tgid = f->sched_process_exit->tgid;
		e->task.prio = f->sched_process_exit->prio;
		e->task.comm = or_empty(f->sched_process_exit->comm);
	} else if (f->sched_process_free) {
		e->kind = TRACE_EVENT_FREE;
		e->task.tid = f->sched_process_free->pid;
		e->task.prio = f->sched_process_free->prio;
		e->task.comm = or_empty(f->sched_process_free->comm);
	}
	return x || f->sched_process_exit || f->sched_process_free;
}

static bool syscall_or_block(const struct trace_reader *r, const Pft__FtraceEvent *f,
			     struct trace_event *e)
{
	const Pft__SysEnterFtraceEvent *enter = f->sys_enter;
	const Pft__SchedBlockedReasonFtraceEvent *b = f->sched_blocked_reason;

	if (enter) {
		e->kind = TRACE_EVENT_SYS_ENTER;
		e->sys_enter =
			(struct trace_sys_enter){ .ts = e->ts, .tid = f->pid, .nr = enter->id };
		for (; e->sys_enter.n_args < enter->n_args &&
		       e->sys_enter.n_args < TRACE_SYSCALL_ARGS;
		     e->sys_enter.n_args++)
			e->sys_enter.args[e->sys_enter.n_args] = enter->args[e->sys_enter.n_args];
	} else if (f->sys_exit) {
		e->kind = TRACE_EVENT_SYS_EXIT;
		e->sys_exit =
			(struct trace_sys_exit){ e->ts, f->pid, f->sys_exit->id, f->sys_exit->ret };
	} else if (b) {
		e->kind = TRACE_EVENT_BLOCKED;
		e->blocked = (struct trace_blocked){
			e->ts,
			f->pid,
			b->pid,
			b->io_wait != 0,
			b->has_caller ? trace_reader_text(r, INTERNED_SYMBOL, b->caller) : NULL,
		};
	}
	return enter || f->sys_exit || b;
}

/* False for what frec does not know. */
static bool full_event(struct trace_reader *r, const Pft__FtraceEvent *f, struct trace_event *e)
{
	const Pft__TaskNewtaskFtraceEvent *task = f->task_newtask;
	const Pft__TaskRenameFtraceEvent *rename = f->task_rename;

	e->ts = f->timestamp;
	if (f->sched_switch) {
		full_switch(r, f->sched_switch, e);
	} else if (f->sched_waking) {
		full_waking(f, e);
	} else if (task) {
		e->kind = TRACE_EVENT_NEWTASK;
		e->newtask = (struct trace_newtask){
			e->ts, f->pid, task->pid, task->clone_flags, or_empty(task->comm),
		};
	} else if (rename) {
		e->kind = TRACE_EVENT_RENAME;
		e->rename = (struct trace_rename){
			e->ts,
			rename->pid,
			or_empty(rename->oldcomm),
			or_empty(rename->newcomm),
		};
	} else {
		return task_life(f, e) || syscall_or_block(r, f, e);
	}
	return true;
}

/* --- the bundle --- */

static bool indexes_ok(const uint32_t *index, size_t n, size_t limit)
{
	for (size_t i = 0; i < n; i++)
		if (index[i] >= limit)
			return false;
	return true;
}

static int bundle_check(struct trace_reader *r, const Pft__FtraceEventBundle *b)
{
	const Pft__FtraceEventBundle__CompactSched *c = b->compact_sched;
	size_t n;

	if (!b->has_cpu || b->cpu >= TRACE_MAX_CPUS)
		return damaged_bundle(r, "events of a CPU that cannot be");
	if (!c)
		return 0;
	n = c->n_switch_timestamp;
	if (c->n_switch_prev_state != n || c->n_switch_next_pid != n ||
	    c->n_switch_next_prio != n || c->n_switch_next_comm_index != n)
		return damaged_bundle(r, "columns of switches differ in length");
	n = c->n_waking_timestamp;
	if (c->n_waking_pid != n || c->n_waking_target_cpu != n || c->n_waking_prio != n ||
	    c->n_waking_comm_index != n || c->n_waking_common_flags > n)
		return damaged_bundle(r, "columns of wake-ups differ in length");
	if (!indexes_ok(c->switch_next_comm_index, c->n_switch_timestamp, c->n_intern_table) ||
	    !indexes_ok(c->waking_comm_index, n, c->n_intern_table))
		return damaged_bundle(r, "a name that is not in its table");
	return 0;
}

static int bundle_begin(struct trace_reader *r, const Pft__FtraceEventBundle *b,
			struct trace_event *e)
{
	const Pft__FtraceEventBundle__CompactSched *c = b->compact_sched;
	int n = bundle_check(r, b);

	if (n)
		return n;
	r->n_event = r->n_switch = r->n_waking = 0;
	r->switch_time = c && c->n_switch_timestamp ? c->switch_timestamp[0] : 0;
	r->waking_time = c && c->n_waking_timestamp ? c->waking_timestamp[0] : 0;
	if (!b->lost_events && !b->previous_bundle_end_timestamp)
		return 0;
	e->kind = TRACE_EVENT_CPU;
	e->cpu = b->cpu;
	e->ts = b->previous_bundle_end_timestamp;
	e->of_cpu.lost = b->lost_events;
	e->of_cpu.since = b->previous_bundle_end_timestamp;
	return 1;
}

/* Of equal times a wake-up goes before a switch: it is by the thread that ran until then. */
static int bundle_next(struct trace_reader *r, const Pft__FtraceEventBundle *b,
		       struct trace_event *e)
{
	const Pft__FtraceEventBundle__CompactSched *c = b->compact_sched;

	for (;;) {
		bool has_event = r->n_event < b->n_event;
		bool has_switch = c && r->n_switch < c->n_switch_timestamp;
		bool has_waking = c && r->n_waking < c->n_waking_timestamp;
		uint64_t event_time = has_event ? b->event[r->n_event]->timestamp : 0;

		e->cpu = b->cpu;
		if (has_event && (!has_switch || event_time <= r->switch_time) &&
		    (!has_waking || event_time <= r->waking_time)) {
			if (full_event(r, b->event[r->n_event++], e))
				return 1;
			continue;
		}
		if (has_waking && (!has_switch || r->waking_time <= r->switch_time))
			compact_waking(r, c, e);
		else if (has_switch)
			compact_switch(r, c, e);
		else
			return 0;
		return 1;
	}
}

int trace_reader_bundle_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__FtraceEventBundle *b = r->packet->ftrace_events;
	int n;

	if (!b)
		return 0;
	if (!r->index++) {
		n = bundle_begin(r, b, e);
		if (n)
			return n;
	}
	return bundle_next(r, b, e);
}
