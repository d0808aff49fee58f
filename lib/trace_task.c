/* SPDX-License-Identifier: GPL-2.0 */
/* Events of tasks and syscalls, in the bundle of the CPU where they happened. */
#include <errno.h>

#include "trace_private.h"

/* --- tasks --- */

int trace_cpu_newtask(struct trace_cpu *c, const struct trace_newtask *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->creator_tid, EVENT_NEWTASK, m);

	if (r)
		return r;
	pb_int(&c->events, 1, e->tid);
	pb_string_max(&c->events, 2, e->comm, TRACE_COMM_LEN);
	pb_uint(&c->events, 3, e->clone_flags);
	return trace_event_end(c, m);
}

int trace_cpu_rename(struct trace_cpu *c, const struct trace_rename *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->tid, EVENT_RENAME, m);

	if (r)
		return r;
	pb_int(&c->events, 1, e->tid);
	pb_string_max(&c->events, 2, e->old_comm, TRACE_COMM_LEN);
	pb_string_max(&c->events, 3, e->new_comm, TRACE_COMM_LEN);
	return trace_event_end(c, m);
}

int trace_cpu_exec(struct trace_cpu *c, const struct trace_task *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->current_tid, EVENT_EXEC, m);

	if (r)
		return r;
	pb_string_max(&c->events, 1, e->filename, EVENT_FILENAME_MAX);
	pb_int(&c->events, 2, e->tid);
	pb_int(&c->events, 3, e->old_tid);
	return trace_event_end(c, m);
}

int trace_cpu_exit(struct trace_cpu *c, const struct trace_task *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->current_tid, EVENT_EXIT, m);

	if (r)
		return r;
	pb_string_max(&c->events, 1, e->comm, TRACE_COMM_LEN);
	pb_int(&c->events, 2, e->tid);
	pb_int(&c->events, 3, e->tgid);
	pb_int(&c->events, 4, e->prio);
	return trace_event_end(c, m);
}

int trace_cpu_free_task(struct trace_cpu *c, const struct trace_task *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->current_tid, EVENT_FREE, m);

	if (r)
		return r;
	pb_string_max(&c->events, 1, e->comm, TRACE_COMM_LEN);
	pb_int(&c->events, 2, e->tid);
	pb_int(&c->events, 3, e->prio);
	return trace_event_end(c, m);
}

/*
 * A name is put into the file at once, so it stands before every bundle that refers to it, of
 * whatever CPU.
 */
static uint64_t symbol_iid(struct trace_writer *w, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;
	struct pb *b;
	size_t m, string;
	uint32_t i;

	if (!name)
		name = ""; /* the importer counts an event without as an error */
	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
	hash |= 1; /* 0 is an empty place */
	for (i = hash >> 40; w->symbols[i % TRACE_SYMBOLS]; i++)
		if (w->symbols[i % TRACE_SYMBOLS] == hash)
			return i % TRACE_SYMBOLS + 1;
	if (w->n_symbols > TRACE_SYMBOLS * 3 / 4)
		return 0;
	b = trace_packet_begin(w, 0, SEQUENCE_CPUS);
	if (!b)
		return 0;
	m = pb_open(b, PACKET_INTERNED_DATA);
	string = pb_open(b, 26);
	pb_uint(b, 1, i % TRACE_SYMBOLS + 1);
	pb_string(b, 2, name);
	pb_close(b, string);
	pb_close(b, m);
	if (trace_packet_end(w))
		return 0;
	w->symbols[i % TRACE_SYMBOLS] = hash;
	w->n_symbols++;
	return i % TRACE_SYMBOLS + 1;
}

int trace_cpu_blocked(struct trace_cpu *c, const struct trace_blocked *e)
{
	uint64_t iid = symbol_iid(c->w, e->function);
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->current_tid, EVENT_BLOCKED_REASON, m);

	if (r)
		return r;
	pb_int(&c->events, 1, e->tid);
	if (iid)
		pb_uint(&c->events, 2, iid);
	pb_uint(&c->events, 3, e->io_wait);
	return trace_event_end(c, m);
}

/* --- syscalls --- */

int trace_cpu_sys_enter(struct trace_cpu *c, const struct trace_sys_enter *e)
{
	size_t m[2];
	int r;

	if (e->n_args > TRACE_SYSCALL_ARGS)
		return trace_reject(c->w, -EINVAL);
	r = trace_event_begin(c, e->ts, e->tid, EVENT_SYS_ENTER, m);
	if (r)
		return r;
	pb_int(&c->events, 1, e->nr);
	for (uint32_t i = 0; i < e->n_args; i++)
		pb_uint(&c->events, 2, e->args[i]);
	return trace_event_end(c, m);
}

int trace_cpu_sys_exit(struct trace_cpu *c, const struct trace_sys_exit *e)
{
	size_t m[2];
	int r = trace_event_begin(c, e->ts, e->tid, EVENT_SYS_EXIT, m);

	if (r)
		return r;
	pb_int(&c->events, 1, e->nr);
	pb_int(&c->events, 2, e->ret);
	return trace_event_end(c, m);
}
