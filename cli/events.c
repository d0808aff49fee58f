/* SPDX-License-Identifier: GPL-2.0 */
/* events.c - events of a trace as lines of JSON. */
#include "events.h"

#include <stddef.h>

#include "line.h"

enum type { TYPE_I32, TYPE_U32, TYPE_I64, TYPE_U64, TYPE_BOOL, TYPE_STRING };

struct member {
	const char *name; /* NULL ends the list */
	enum type type;
	size_t at; /* in struct trace_event */
};

#define MEMBER(name, type, path)                               \
	{                                                      \
		name, type, offsetof(struct trace_event, path) \
	}
#define END                \
	{                  \
		NULL, 0, 0 \
	}

/* ---- what is no plain member ---- */

static void more_uuid(FILE *file, const struct trace_event *e)
{
	char text[33];

	for (size_t i = 0; i < sizeof(e->uuid); i++)
		snprintf(text + 2 * i, 3, "%02x", e->uuid[i]);
	line_text(file, "uuid", text);
}

static void more_attribute(FILE *file, const struct trace_event *e)
{
	if (e->attribute.string)
		line_text(file, "value", e->attribute.string);
	else
		line_i64(file, "value", e->attribute.number);
}

static void more_process(FILE *file, const struct trace_event *e)
{
	line_strings(file, "argv", e->process.argv, e->process.n_argv);
}

static void put_module(FILE *file, const struct trace_frame *f)
{
	const struct trace_mapping *m = f->mapping;
	char hex[2 * TRACE_BUILD_ID_MAX + 1];

	line_text(file, "module", m->path);
	/* The kernel's mapping says nothing that an address could be counted from. */
	if (f->kind == TRACE_FRAME_KERNEL)
		return;
	line_u64(file, "address", f->rel_pc);
	line_u64(file, "offset", f->rel_pc - m->load_bias);
	if (!m->build_id_len)
		return;
	for (size_t i = 0; i < m->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
	line_text(file, "build_id", hex);
}

/* What is not known of a frame is left out. */
static void put_frame(FILE *file, const struct trace_frame *f)
{
	static const char *const kinds[] = { "unknown", "native", "kernel", "interpreted", "jit" };

	fprintf(file, "{\"kind\":\"%s\"", kinds[f->kind <= TRACE_FRAME_JIT ? f->kind : 0]);
	if (f->function)
		line_text(file, "function", f->function);
	if (f->mapping)
		put_module(file, f);
	if (f->file)
		line_text(file, "file", f->file);
	if (f->line)
		line_u64(file, "line", f->line);
	putc_unlocked('}', file);
}

static void put_stack(FILE *file, const struct trace_frame *const *stack, size_t n)
{
	fputs(",\"stack\":[", file);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', file);
		put_frame(file, stack[i]);
	}
	putc_unlocked(']', file);
}

static void more_offcpu(FILE *file, const struct trace_event *e)
{
	put_stack(file, e->offcpu.stack, e->offcpu.n_stack);
}

static void more_sys_enter(FILE *file, const struct trace_event *e)
{
	uint32_t n = e->sys_enter.n_args;

	line_numbers(file, "args", e->sys_enter.args,
		     n < TRACE_SYSCALL_ARGS ? n : TRACE_SYSCALL_ARGS);
}

static void put_args(FILE *file, const char *key, const struct trace_arg *args, size_t n,
		     int depth);

static void put_arg(FILE *file, const struct trace_arg *arg, int depth)
{
	switch (arg->type) {
	case TRACE_ARG_STRING:
		line_text(file, arg->key, arg->string);
		break;
	case TRACE_ARG_INT:
		line_i64(file, arg->key, arg->i);
		break;
	case TRACE_ARG_UINT:
	case TRACE_ARG_POINTER:
		line_u64(file, arg->key, arg->u);
		break;
	case TRACE_ARG_DOUBLE:
		line_double(file, arg->key, arg->d);
		break;
	case TRACE_ARG_BOOL:
		line_bool(file, arg->key, arg->b);
		break;
	case TRACE_ARG_DICT:
		if (depth < 2)
			put_args(file, arg->key, arg->dict.entries, arg->dict.n, depth + 1);
		break;
	}
}

/* A list of {"key":value}: a hostile file may use one key twice. */
static void put_args(FILE *file, const char *key, const struct trace_arg *args, size_t n, int depth)
{
	putc_unlocked(',', file);
	line_string(file, key);
	fputs(":[", file);
	for (size_t i = 0; i < n; i++) {
		struct trace_arg value = args[i];

		value.key = "value";
		fprintf(file, "%s{\"key\":", i ? "," : "");
		line_string(file, args[i].key);
		put_arg(file, &value, depth);
		putc_unlocked('}', file);
	}
	putc_unlocked(']', file);
}

static void more_slice(FILE *file, const struct trace_event *e)
{
	static const char *const types[] = { "unknown", "begin", "end", "instant" };
	const struct trace_slice *s = &e->slice;

	line_text(file, "phase", types[s->type <= TRACE_INSTANT ? s->type : 0]);
	put_args(file, "args", s->args, s->n_args, 0);
	line_numbers(file, "flows", s->flows, s->n_flows);
	line_numbers(file, "flow_ends", s->flow_ends, s->n_flow_ends);
	put_stack(file, s->stack, s->n_stack);
}

/* ---- the kinds ---- */

static const struct member clocks[] = {
	MEMBER("boottime", TYPE_U64, clocks.boottime),
	MEMBER("monotonic", TYPE_U64, clocks.monotonic),
	MEMBER("realtime", TYPE_U64, clocks.realtime),
	END,
};
static const struct member system_members[] = {
	MEMBER("sysname", TYPE_STRING, system.sysname),
	MEMBER("release", TYPE_STRING, system.release),
	MEMBER("version", TYPE_STRING, system.version),
	MEMBER("machine", TYPE_STRING, system.machine),
	MEMBER("recorder", TYPE_STRING, system.recorder),
	MEMBER("cpus", TYPE_U32, system.cpus),
	MEMBER("page_size", TYPE_U32, system.page_size),
	MEMBER("ram_bytes", TYPE_U64, system.ram_bytes),
	MEMBER("timezone_min", TYPE_I32, system.timezone_min),
	END,
};
static const struct member attribute[] = { MEMBER("key", TYPE_STRING, attribute.key), END };
static const struct member process[] = {
	MEMBER("pid", TYPE_I32, process.pid),
	MEMBER("ppid", TYPE_I32, process.ppid),
	MEMBER("uid", TYPE_I32, process.uid),
	MEMBER("nspid", TYPE_I32, process.nspid),
	MEMBER("start", TYPE_U64, process.start),
	MEMBER("kthread", TYPE_BOOL, process.kthread),
	END,
};
static const struct member thread[] = {
	MEMBER("tid", TYPE_I32, thread.tid),
	MEMBER("tgid", TYPE_I32, thread.tgid),
	MEMBER("nstid", TYPE_I32, thread.nstid),
	MEMBER("name", TYPE_STRING, thread.name),
	END,
};
static const struct member trigger[] = {
	MEMBER("name", TYPE_STRING, trigger.name),
	MEMBER("producer", TYPE_STRING, trigger.producer),
	END,
};
static const struct member cpu_stats[] = {
	MEMBER("of_cpu", TYPE_U32, cpu_stats.stats.cpu),
	MEMBER("at_end", TYPE_BOOL, cpu_stats.at_end),
	MEMBER("entries", TYPE_U64, cpu_stats.stats.entries),
	MEMBER("overrun", TYPE_U64, cpu_stats.stats.overrun),
	MEMBER("dropped_events", TYPE_U64, cpu_stats.stats.dropped_events),
	MEMBER("read_events", TYPE_U64, cpu_stats.stats.read_events),
	END,
};
static const struct member track[] = {
	MEMBER("uuid", TYPE_U64, track.uuid),	 MEMBER("parent", TYPE_U64, track.parent),
	MEMBER("name", TYPE_STRING, track.name), MEMBER("tgid", TYPE_I32, track.tgid),
	MEMBER("description", TYPE_STRING, track.description),
	MEMBER("tid", TYPE_I32, track.tid),	 END,
};
static const struct member slice[] = {
	MEMBER("track", TYPE_U64, slice.track),
	MEMBER("name", TYPE_STRING, slice.name),
	MEMBER("category", TYPE_STRING, slice.category),
	END,
};
static const struct member offcpu[] = {
	MEMBER("pid", TYPE_I32, offcpu.pid),
	MEMBER("tid", TYPE_I32, offcpu.tid),
	MEMBER("ns", TYPE_U64, offcpu.ns),
	END,
};
static const struct member of_cpu[] = {
	MEMBER("lost", TYPE_BOOL, of_cpu.lost),
	MEMBER("since", TYPE_U64, of_cpu.since),
	END,
};
static const struct member switches[] = {
	MEMBER("prev_tid", TYPE_I32, sw.prev_tid),   MEMBER("prev_comm", TYPE_STRING, sw.prev_comm),
	MEMBER("prev_prio", TYPE_I32, sw.prev_prio), MEMBER("prev_state", TYPE_I64, sw.prev_state),
	MEMBER("next_tid", TYPE_I32, sw.next_tid),   MEMBER("next_comm", TYPE_STRING, sw.next_comm),
	MEMBER("next_prio", TYPE_I32, sw.next_prio), END,
};
static const struct member waking[] = {
	MEMBER("tid", TYPE_I32, waking.tid),
	MEMBER("comm", TYPE_STRING, waking.comm),
	MEMBER("prio", TYPE_I32, waking.prio),
	MEMBER("target_cpu", TYPE_I32, waking.target_cpu),
	MEMBER("waker_tid", TYPE_I32, waking.waker_tid),
	MEMBER("irq", TYPE_U32, waking.irq),
	END,
};
static const struct member newtask[] = {
	MEMBER("creator_tid", TYPE_I32, newtask.creator_tid),
	MEMBER("tid", TYPE_I32, newtask.tid),
	MEMBER("comm", TYPE_STRING, newtask.comm),
	MEMBER("clone_flags", TYPE_U64, newtask.clone_flags),
	END,
};
static const struct member rename_members[] = {
	MEMBER("tid", TYPE_I32, rename.tid),
	MEMBER("old_comm", TYPE_STRING, rename.old_comm),
	MEMBER("new_comm", TYPE_STRING, rename.new_comm),
	END,
};
static const struct member exec[] = {
	MEMBER("tid", TYPE_I32, task.tid),
	MEMBER("old_tid", TYPE_I32, task.old_tid),
	MEMBER("filename", TYPE_STRING, task.filename),
	END,
};
static const struct member task[] = {
	MEMBER("tid", TYPE_I32, task.tid),
	MEMBER("tgid", TYPE_I32, task.tgid),
	MEMBER("comm", TYPE_STRING, task.comm),
	MEMBER("prio", TYPE_I32, task.prio),
	END,
};
static const struct member blocked[] = {
	MEMBER("tid", TYPE_I32, blocked.tid),
	MEMBER("waker_tid", TYPE_I32, blocked.current_tid),
	MEMBER("io_wait", TYPE_BOOL, blocked.io_wait),
	MEMBER("function", TYPE_STRING, blocked.function),
	END,
};
static const struct member sys_enter[] = {
	MEMBER("tid", TYPE_I32, sys_enter.tid),
	MEMBER("nr", TYPE_I64, sys_enter.nr),
	END,
};
static const struct member sys_exit[] = {
	MEMBER("tid", TYPE_I32, sys_exit.tid),
	MEMBER("nr", TYPE_I64, sys_exit.nr),
	MEMBER("ret", TYPE_I64, sys_exit.ret),
	END,
};

static const struct kind {
	const char *name;
	const struct member *members;
	void (*more)(FILE *file, const struct trace_event *e);
	bool has_ts;
} kinds[EVENT_KINDS] = {
	[TRACE_EVENT_CLOCKS] = { "clocks", clocks, NULL, false },
	[TRACE_EVENT_SYSTEM] = { "system", system_members, NULL, false },
	[TRACE_EVENT_UUID] = { "uuid", NULL, more_uuid, false },
	[TRACE_EVENT_ATTRIBUTE] = { "attribute", attribute, more_attribute, false },
	[TRACE_EVENT_PROCESS] = { "process", process, more_process, true },
	[TRACE_EVENT_THREAD] = { "thread", thread, NULL, true },
	[TRACE_EVENT_TRIGGER] = { "trigger", trigger, NULL, true },
	[TRACE_EVENT_CPU_STATS] = { "cpu_stats", cpu_stats, NULL, false },
	[TRACE_EVENT_TRACK] = { "track", track, NULL, false },
	[TRACE_EVENT_SLICE] = { "slice", slice, more_slice, true },
	[TRACE_EVENT_OFFCPU] = { "offcpu", offcpu, more_offcpu, true },
	[TRACE_EVENT_CPU] = { "cpu", of_cpu, NULL, false },
	[TRACE_EVENT_SWITCH] = { "switch", switches, NULL, true },
	[TRACE_EVENT_WAKING] = { "waking", waking, NULL, true },
	[TRACE_EVENT_NEWTASK] = { "newtask", newtask, NULL, true },
	[TRACE_EVENT_RENAME] = { "rename", rename_members, NULL, true },
	[TRACE_EVENT_EXEC] = { "exec", exec, NULL, true },
	[TRACE_EVENT_EXIT] = { "exit", task, NULL, true },
	[TRACE_EVENT_FREE] = { "free", task, NULL, true },
	[TRACE_EVENT_BLOCKED] = { "blocked", blocked, NULL, true },
	[TRACE_EVENT_SYS_ENTER] = { "sys_enter", sys_enter, more_sys_enter, true },
	[TRACE_EVENT_SYS_EXIT] = { "sys_exit", sys_exit, NULL, true },
};

const char *event_name(unsigned int kind)
{
	return kind < EVENT_KINDS && kinds[kind].name ? kinds[kind].name : "unknown";
}

static void put_member(FILE *file, const struct member *m, const struct trace_event *event)
{
	const void *at = (const char *)event + m->at;

	switch (m->type) {
	case TYPE_I32:
		line_i64(file, m->name, *(const int32_t *)at);
		break;
	case TYPE_U32:
		line_u64(file, m->name, *(const uint32_t *)at);
		break;
	case TYPE_I64:
		line_i64(file, m->name, *(const int64_t *)at);
		break;
	case TYPE_U64:
		line_u64(file, m->name, *(const uint64_t *)at);
		break;
	case TYPE_BOOL:
		line_bool(file, m->name, *(const bool *)at);
		break;
	case TYPE_STRING:
		line_text(file, m->name, *(const char *const *)at);
		break;
	}
}

void event_print(FILE *file, const struct trace_event *event)
{
	const struct kind *kind = &kinds[event->kind < EVENT_KINDS ? event->kind : 0];

	fprintf(file, "{\"type\":\"%s\"", event_name(event->kind));
	if (event->kind >= TRACE_EVENT_CPU)
		line_u64(file, "cpu", event->cpu);
	if (kind->has_ts)
		line_u64(file, "ts", event->ts);
	for (const struct member *m = kind->members; m && m->name; m++)
		put_member(file, m, event);
	if (kind->more)
		kind->more(file, event);
	fputs("}\n", file);
}
