/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From packets to events. A packet is walked in stages; each stage yields the events of one part of
 * it, one a call, counted by r->index, and says when it has no more.
 */
#include <errno.h>
#include <string.h>

#include "trace_read_private.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Of BuiltinClock */
#define CLOCK_ID_REALTIME 1
#define CLOCK_ID_MONOTONIC 3
#define CLOCK_ID_BOOTTIME 6

static int too_much(struct trace_reader *r)
{
	return trace_reader_fail(r, r->arena.full ? -EBADMSG : -ENOMEM,
				 "a packet holds more than frec reads");
}

static int clocks_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__ClockSnapshot *s = r->packet->clock_snapshot;

	if (!s || r->index++)
		return 0;
	e->kind = TRACE_EVENT_CLOCKS;
	e->clocks = (struct trace_clocks){ 0 };
	for (size_t i = 0; i < s->n_clocks; i++) {
		uint64_t ts = s->clocks[i]->timestamp;

		if (s->clocks[i]->clock_id == CLOCK_ID_BOOTTIME)
			e->clocks.boottime = ts;
		else if (s->clocks[i]->clock_id == CLOCK_ID_MONOTONIC)
			e->clocks.monotonic = ts;
		else if (s->clocks[i]->clock_id == CLOCK_ID_REALTIME)
			e->clocks.realtime = ts;
	}
	e->ts = e->clocks.boottime;
	return 1;
}

static int system_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__SystemInfo *s = r->packet->system_info;
	const Pft__Utsname *u = s ? s->utsname : NULL;

	if (!s || r->index++)
		return 0;
	e->kind = TRACE_EVENT_SYSTEM;
	e->system = (struct trace_system){
		.sysname = u ? u->sysname : NULL,
		.version = u ? u->version : NULL,
		.release = u ? u->release : NULL,
		.machine = u ? u->machine : NULL,
		.recorder = s->tracing_service_version,
		.page_size = s->page_size,
		.cpus = s->num_cpus,
		.ram_bytes = s->system_ram_bytes,
		.timezone_min = s->timezone_off_mins,
	};
	return 1;
}

static int uuid_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__TraceUuid *u = r->packet->trace_uuid;

	if (!u || r->index++)
		return 0;
	e->kind = TRACE_EVENT_UUID;
	for (int i = 0; i < 8; i++) {
		e->uuid[i] = (uint64_t)u->msb >> (56 - 8 * i);
		e->uuid[8 + i] = (uint64_t)u->lsb >> (56 - 8 * i);
	}
	return 1;
}

static int attribute_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__TraceAttributes *all = r->packet->trace_attributes;
	const Pft__TraceAttributes__Attribute *a;

	if (!all || r->index >= all->n_attribute)
		return 0;
	a = all->attribute[r->index++];
	e->kind = TRACE_EVENT_ATTRIBUTE;
	e->attribute = (struct trace_attribute){
		.key = a->key ? a->key : "",
		.string = a->string_value,
		.number = a->long_value,
	};
	return 1;
}

static int process_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__ProcessTree *tree = r->packet->process_tree;
	const Pft__ProcessTree__Process *p;

	if (!tree || r->index >= tree->n_processes)
		return 0;
	p = tree->processes[r->index++];
	e->kind = TRACE_EVENT_PROCESS;
	e->process = (struct trace_process){
		.ts = e->ts,
		.pid = p->pid,
		.ppid = p->ppid,
		.uid = p->uid,
		.nspid = p->n_nspid ? p->nspid[0] : 0,
		.start = p->process_start_from_boot,
		.argv = (const char *const *)p->cmdline,
		.n_argv = p->n_cmdline,
		.argv_is_comm = p->cmdline_is_comm,
		.kthread = p->is_kthread,
	};
	return 1;
}

static int thread_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__ProcessTree *tree = r->packet->process_tree;
	const Pft__ProcessTree__Thread *t;

	if (!tree || r->index >= tree->n_threads)
		return 0;
	t = tree->threads[r->index++];
	e->kind = TRACE_EVENT_THREAD;
	e->thread = (struct trace_thread){
		.ts = e->ts,
		.tid = t->tid,
		.tgid = t->tgid,
		.nstid = t->n_nstid ? t->nstid[0] : 0,
		.name = t->name,
	};
	return 1;
}

static int trigger_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__Trigger *t = r->packet->clone_snapshot_trigger;

	if (!t || r->index++)
		return 0;
	e->kind = TRACE_EVENT_TRIGGER;
	e->trigger = (struct trace_trigger){ .ts = e->ts,
					     .name = t->trigger_name,
					     .producer = t->producer_name };
	return 1;
}

static int cpu_stats_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__FtraceStats *s = r->packet->ftrace_stats;
	const Pft__FtraceCpuStats *c;

	if (!s || r->index >= s->n_cpu_stats)
		return 0;
	c = s->cpu_stats[r->index++];
	e->kind = TRACE_EVENT_CPU_STATS;
	e->cpu_stats.at_end = s->phase == 2;
	e->cpu_stats.stats = (struct trace_cpu_stats){
		.cpu = c->cpu > UINT32_MAX ? UINT32_MAX : c->cpu,
		.entries = c->entries,
		.overrun = c->overrun,
		.dropped_events = c->dropped_events,
		.read_events = c->read_events,
	};
	return 1;
}

static int track_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__TrackDescriptor *t = r->packet->track_descriptor;
	int64_t tid = t && t->thread ? t->thread->tid : 0;

	if (!t || r->index++)
		return 0;
	e->kind = TRACE_EVENT_TRACK;
	e->track = (struct trace_track){
		.uuid = t->uuid,
		.parent = t->parent_uuid,
		.name = t->name,
		.description = t->description,
		.child_order = t->child_ordering <= TRACE_ORDER_RANK ? t->child_ordering
								     : TRACE_ORDER_UNKNOWN,
		.rank = t->sibling_order_rank,
		.tgid = t->thread ? t->thread->pid : 0,
		.tid = tid > 0 && tid <= INT32_MAX ? tid : 0,
		.separate = t->disallow_merging_with_system_tracks,
	};
	return 1;
}

/* --- slices --- */

/* In full or by number; NULL if neither. */
static const char *read_text(const struct trace_reader *r, enum interned_list list,
			     const char *in_full, uint64_t iid)
{
	return in_full ? in_full : trace_reader_text(r, list, iid);
}

static void read_value(const struct trace_reader *r, struct trace_arg *a,
		       const Pft__DebugAnnotation *d)
{
	const char *text = read_text(r, INTERNED_VALUE, d->string_value, d->string_value_iid);

	if (d->has_bool_value)
		*a = TRACE_BOOL(a->key, d->bool_value);
	else if (d->has_uint_value)
		*a = TRACE_UINT(a->key, d->uint_value);
	else if (d->has_int_value)
		*a = TRACE_INT(a->key, d->int_value);
	else if (d->has_double_value)
		*a = TRACE_DOUBLE(a->key, d->double_value);
	else if (d->has_pointer_value)
		*a = TRACE_POINTER(a->key, d->pointer_value);
	else
		*a = TRACE_STRING(a->key, text ? text : "");
}

static const struct trace_arg *read_args(struct trace_reader *r, Pft__DebugAnnotation *const *from,
					 size_t n, bool nested)
{
	struct trace_arg *args = trace_reader_alloc(r, n, sizeof(*args));

	for (size_t i = 0; args && i < n; i++) {
		struct trace_arg *a = &args[i];
		size_t n_dict = from[i]->n_dict_entries;

		a->key = read_text(r, INTERNED_KEY, from[i]->name, from[i]->name_iid);
		if (!a->key)
			a->key = "";
		if (!n_dict || nested) {
			read_value(r, a, from[i]);
			continue;
		}
		*a = TRACE_DICT(a->key, read_args(r, from[i]->dict_entries, n_dict, true), n_dict);
		if (!a->dict.entries)
			return NULL;
	}
	return args;
}

/* Of older or foreign files: names only. */
static int read_inline(struct trace_reader *r, const Pft__InlineCallstack *from,
		       const struct trace_frame *const **ret, size_t *ret_n)
{
	size_t n = from->n_frames;
	const struct trace_frame **stack = trace_reader_alloc(r, n, sizeof(*stack));
	struct trace_frame *frames = trace_reader_alloc(r, n, sizeof(*frames));

	if (!stack || !frames)
		return too_much(r);
	for (size_t i = 0; i < n; i++) {
		frames[i].function = from->frames[i]->function_name;
		frames[i].file = from->frames[i]->source_file;
		frames[i].line = from->frames[i]->line_number;
		stack[i] = &frames[i];
	}
	*ret = stack;
	*ret_n = n;
	return 0;
}

/* Returns 0, also if there is no stack. */
static int read_stack(struct trace_reader *r, uint64_t iid, const Pft__InlineCallstack *from,
		      const struct trace_frame *const **ret, size_t *ret_n)
{
	const struct interned_stack *stack = iid ? trace_reader_stack(r, iid) : NULL;

	*ret = stack ? stack->frames : NULL;
	*ret_n = stack ? stack->n : 0;
	return stack || !from || !from->n_frames ? 0 : read_inline(r, from, ret, ret_n);
}

static int slice_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__TrackEvent *t = r->packet->track_event;
	int n;

	if (!t || r->index++ || t->type < TRACE_SLICE_BEGIN || t->type > TRACE_INSTANT)
		return 0;
	e->kind = TRACE_EVENT_SLICE;
	e->slice = (struct trace_slice){
		.ts = e->ts,
		.track = t->track_uuid,
		.type = t->type,
		.name = read_text(r, INTERNED_NAME, t->name, t->name_iid),
		.category = read_text(r, INTERNED_CATEGORY,
				      t->n_categories ? t->categories[0] : NULL,
				      t->n_category_iids ? t->category_iids[0] : 0),
		.n_args = t->n_debug_annotations,
		.flows = t->flow_ids,
		.n_flows = t->n_flow_ids,
		.flow_ends = t->terminating_flow_ids,
		.n_flow_ends = t->n_terminating_flow_ids,
	};
	if (t->n_debug_annotations)
		e->slice.args = read_args(r, t->debug_annotations, t->n_debug_annotations, false);
	if (t->n_debug_annotations && !e->slice.args)
		return too_much(r);
	n = read_stack(r, t->callstack_iid, t->callstack, &e->slice.stack, &e->slice.n_stack);
	return n ? n : 1;
}

static int offcpu_event(struct trace_reader *r, struct trace_event *e)
{
	const Pft__StackSample *s = r->packet->stack_sample;
	int n;

	if (!s || r->index++)
		return 0;
	e->kind = TRACE_EVENT_OFFCPU;
	e->offcpu.pid = s->task_context ? (int32_t)s->task_context->pid : 0;
	e->offcpu.tid = s->task_context ? (int32_t)s->task_context->tid : 0;
	e->offcpu.ns = s->primary_weight;
	n = read_stack(r, s->callstack_iid, s->callstack, &e->offcpu.stack, &e->offcpu.n_stack);
	return n ? n : 1;
}

/* --- one packet after the other --- */

static int (*const stages[])(struct trace_reader *r, struct trace_event *e) = {
	clocks_event,  system_event, uuid_event,    attribute_event,
	process_event, thread_event, trigger_event, cpu_stats_event,
	track_event,   slice_event,  offcpu_event,  trace_reader_bundle_event,
};

int trace_reader_event(struct trace_reader *r, struct trace_event *ret)
{
	const Pft__TracePacket *p;
	int n;

	if (r->error)
		return r->error;
	for (;;) {
		while (r->in_packet && r->stage < N(stages)) {
			ret->ts = r->packet->timestamp;
			n = stages[r->stage](r, ret);
			if (n)
				return n;
			r->stage++;
			r->index = 0;
		}
		r->in_packet = false;
		n = trace_reader_packet(r, &p);
		if (n <= 0)
			return n;
		n = trace_reader_intern(r);
		if (n)
			return n;
		r->in_packet = true;
		r->stage = 0;
		r->index = 0;
	}
}
