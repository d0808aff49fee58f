/* SPDX-License-Identifier: GPL-2.0 */
/* story_read.c - collects what the events of a trace say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <seccomp.h>

#include "story_private.h"

/* story_read_since(): who was woken earlier and still has no CPU seems to sleep. */
#define QUEUE_MAX_NS 1000000000u

int story_grow(void *list, size_t n, size_t *size, size_t element)
{
	void **array = list, *bigger;
	size_t more = *size ? *size * 2 : 64;

	if (n < *size)
		return 0;
	if (more > (1u << 31))
		return -E2BIG;
	bigger = reallocarray(*array, more, element);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*size = more;
	return 0;
}

/* ---- threads and processes ---- */

int story_add_birth(struct story_builder *b, struct birth birth)
{
	int err = story_grow(&b->births, b->n_births, &b->size_births, sizeof(*b->births));

	if (err)
		return err;
	birth.comm = birth.comm && *birth.comm ? story_keep(b->s, birth.comm) : NULL;
	b->births[b->n_births++] = birth;
	return 0;
}

static int add_name(struct story_builder *b, int32_t tid, uint64_t ts, const char *comm)
{
	struct story *s = b->s;
	int err = story_grow(&s->names, s->n_names, &b->size_names, sizeof(*s->names));

	if (err || tid <= 0 || !comm || !*comm)
		return err;
	comm = story_keep(s, comm);
	if (comm)
		s->names[s->n_names++] = (struct story_name){ tid, ts, comm };
	return comm ? 0 : -ENOMEM;
}

static int add_newtask(struct story_builder *b, const struct trace_newtask *n)
{
	bool thread = n->clone_flags & 0x10000; /* CLONE_THREAD */
	int32_t creator = n->creator_tid > 0 ? n->creator_tid : 0;
	int err;

	if (n->tid <= 0)
		return 0;
	err = add_name(b, n->tid, n->ts, n->comm);
	if (err)
		return err;
	return story_add_birth(b, (struct birth){ .ts = n->ts,
						  .tid = n->tid,
						  .comm = n->comm,
						  .is_new = true,
						  .creator = creator,
						  .pid = thread ? -creator : n->tid });
}

const char *story_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

struct story_process *story_process_of(struct story_builder *b, int32_t pid)
{
	struct story *s = b->s;
	uint32_t *at = story_index_at(&b->process_index, (uint32_t)pid, true);

	if (!at || story_grow(&s->processes, s->n_processes, &b->size_processes,
			      sizeof(*s->processes)))
		return NULL;
	if (!*at) {
		s->processes[s->n_processes++] = (struct story_process){ .pid = pid };
		*at = s->n_processes;
	}
	return &s->processes[*at - 1];
}

static const char *keep_command(struct story *s, const struct trace_process *p)
{
	char text[STORY_COMMAND];
	size_t used = 0;

	if (p->argv_is_comm || p->kthread || !p->n_argv)
		return NULL;
	for (size_t i = 0; i < p->n_argv && used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
				 p->argv[i] ? p->argv[i] : "");
	return story_keep(s, text);
}

/* The last one said of a pid stands. */
static int add_process(struct story_builder *b, const struct trace_process *p)
{
	struct story_process *of = story_process_of(b, p->pid);
	const char *name = p->n_argv ? p->argv[0] : NULL;

	if (!of)
		return -ENOMEM;
	if (name && !p->argv_is_comm)
		name = story_base_name(name);
	of->ppid = p->ppid;
	of->kthread = p->kthread;
	of->name = name && *name ? story_keep(b->s, name) : NULL;
	of->command = keep_command(b->s, p);
	return story_add_birth(b, (struct birth){ .ts = p->ts, .tid = p->pid, .pid = p->pid });
}

/* ---- the streams of the CPUs ---- */

/* Foreign traces have threads that nothing but their switches tells of. */
static int see(struct story_builder *b, uint64_t ts, int32_t tid, const char *comm)
{
	uint32_t *at;

	if (tid <= 0)
		return 0;
	at = story_index_at(&b->seen, tid, true);
	if (!at)
		return -ENOMEM;
	if ((*at)++)
		return 0;
	return story_add_birth(
		b, (struct birth){ .ts = ts, .tid = tid, .comm = comm, .is_guess = true });
}

/* Before the time that is asked for, only the last run of each thread: it tells how it waits. */
static int add_former(struct story_builder *b, const struct story_run *run)
{
	struct story *s = b->s;
	uint32_t *at = run->thread ? story_index_at(&b->former, run->thread, true) : NULL;
	int err;

	if (!at)
		return run->thread ? -ENOMEM : 0;
	if (*at) {
		if (s->runs[*at - 1].end <= run->end)
			s->runs[*at - 1] = *run;
		return 0;
	}
	err = story_grow(&s->runs, s->n_runs, &b->size_runs, sizeof(*s->runs));
	if (err)
		return err;
	s->runs[s->n_runs++] = *run;
	*at = s->n_runs;
	return 0;
}

static int add_run(struct story_builder *b, const struct cpu_cursor *c, uint64_t end, uint32_t cpu,
		   uint16_t state)
{
	struct story_run run = { .start = c->since, .end = end, .thread = c->tid, .cpu = cpu,
				 .state = state };
	struct story *s = b->s;
	int err;

	if (c->tid == TID_UNKNOWN || end < c->since)
		return 0;
	if (end < b->since)
		return add_former(b, &run);
	err = story_grow(&s->runs, s->n_runs, &b->size_runs, sizeof(*s->runs));
	if (!err)
		s->runs[s->n_runs++] = run;
	return err;
}

/* One came at its time, but at ts it was prev that left. */
static int add_both(struct story_builder *b, const struct cpu_cursor *came, uint64_t ts,
		    uint32_t cpu, uint32_t prev, uint16_t state)
{
	const struct cpu_cursor left = { .since = ts, .tid = prev };
	int err = add_run(b, came, came->since, cpu, STORY_LEFT_UNKNOWN);

	return err ? err : add_run(b, &left, ts, cpu, state);
}

static int add_switch(struct story_builder *b, uint32_t cpu, const struct trace_switch *sw)
{
	struct cpu_cursor *c = &b->cursors[cpu];
	uint32_t prev = sw->prev_tid >= 0 ? (uint32_t)sw->prev_tid : TID_UNKNOWN;
	bool odd = sw->prev_state < 0 || sw->prev_state >= STORY_LEFT_UNKNOWN;
	int err = 0;

	if (!c->known || c->tid != prev) /* else it was seen when it came */
		err = see(b, sw->ts, sw->prev_tid, sw->prev_comm);
	if (!err)
		err = see(b, sw->ts, sw->next_tid, sw->next_comm);
	if (err)
		return err;
	if (!c->known) /* whoever is seen leaving ran from the window's beginning */
		*c = (struct cpu_cursor){ .tid = prev, .known = true };
	if (c->tid == prev)
		err = add_run(b, c, sw->ts, cpu, odd ? STORY_LEFT_UNKNOWN : sw->prev_state);
	else /* when one left and the other came, nobody saw; but how the other one left */
		err = add_both(b, c, sw->ts, cpu, prev, odd ? STORY_LEFT_UNKNOWN : sw->prev_state);
	*c = (struct cpu_cursor){ sw->ts, sw->next_tid >= 0 ? (uint32_t)sw->next_tid : TID_UNKNOWN,
				  true };
	if (!err && cpu >= b->s->n_cpus)
		b->s->n_cpus = cpu + 1;
	return err;
}

/* Who ran before and who after: between, anything. */
static int add_loss(struct story_builder *b, uint32_t cpu)
{
	struct cpu_cursor *c = &b->cursors[cpu];
	int err = c->known ? add_run(b, c, c->since, cpu, STORY_LEFT_UNKNOWN) : 0;

	*c = (struct cpu_cursor){ .since = c->since, .tid = TID_UNKNOWN, .known = true };
	return err;
}

static int add_wake(struct story_builder *b, const struct trace_waking *w)
{
	struct story *s = b->s;
	int err = story_grow(&s->wakes, s->n_wakes, &b->size_wakes, sizeof(*s->wakes));

	if (err || w->ts < b->wakes_since)
		return err;
	s->wakes[s->n_wakes++] = (struct story_wake){
		.ts = w->ts, .thread = w->tid, .irq = w->irq,
		.cpu = (uint32_t)w->target_cpu < TRACE_MAX_CPUS ? w->target_cpu : STORY_NO_CPU,
		.waker = w->waker_tid < 0 ? TID_UNKNOWN : (uint32_t)w->waker_tid
	};
	return 0;
}

int story_add_blocked(struct story_builder *b, const struct story_blocked *e)
{
	struct story *s = b->s;
	int err = story_grow(&s->blocked, s->n_blocked, &b->size_blocked, sizeof(*s->blocked));

	if (!err)
		s->blocked[s->n_blocked++] = *e;
	return err;
}

static int add_call(struct story_builder *b, const struct call_end *c)
{
	int err;

	if (!b->arch)
		return 0;
	err = story_grow(&b->calls, b->n_calls, &b->size_calls, sizeof(*b->calls));
	if (!err)
		b->calls[b->n_calls++] = *c;
	return err;
}

/* ---- all events ---- */

static void add_attribute(struct story *s, const struct trace_attribute *a)
{
	if (!a->key || a->string || a->number < 0)
		return;
	if (strcmp(a->key, "frec.window.start_ns") == 0)
		s->start = a->number;
	else if (strcmp(a->key, "frec.window.end_ns") == 0)
		s->end = a->number;
	else if (strcmp(a->key, "frec.window.refused") == 0)
		s->refused = a->number;
	else if (strcmp(a->key, "frec.window.refused_within") == 0)
		s->refused_within = a->number;
	else if (strcmp(a->key, "frec.window.lost") == 0)
		s->lost = a->number;
}

static int add_event(struct story_builder *b, const struct trace_event *e)
{
	struct call_end call = { .ts = e->ts };

	if (e->kind >= TRACE_EVENT_CPU) {
		if (e->cpu >= TRACE_MAX_CPUS)
			return 0;
		if (e->ts > b->last)
			b->last = e->ts;
		if (e->ts && (!b->first || e->ts < b->first))
			b->first = e->ts;
	}
	switch (e->kind) {
	case TRACE_EVENT_SYSTEM:
		b->arch = e->system.machine ? seccomp_arch_resolve_name(e->system.machine) : 0;
		return 0;
	case TRACE_EVENT_ATTRIBUTE:
		add_attribute(b->s, &e->attribute);
		return 0;
	case TRACE_EVENT_PROCESS:
		return add_process(b, &e->process);
	case TRACE_EVENT_THREAD:
		return story_add_birth(b, (struct birth){
					    .ts = e->thread.ts, .tid = e->thread.tid,
					    .pid = e->thread.tgid > 0 ? e->thread.tgid : 0,
					    .comm = e->thread.name });
	case TRACE_EVENT_TRACK:
		return story_add_track(b, &e->track);
	case TRACE_EVENT_SLICE:
		return story_add_slice(b, &e->slice);
	case TRACE_EVENT_SWITCH:
		return add_switch(b, e->cpu, &e->sw);
	case TRACE_EVENT_WAKING:
		return add_wake(b, &e->waking);
	case TRACE_EVENT_NEWTASK:
		return add_newtask(b, &e->newtask);
	case TRACE_EVENT_RENAME:
		return add_name(b, e->rename.tid, e->rename.ts, e->rename.new_comm);
	case TRACE_EVENT_EXIT:
		return story_add_exit(b, &e->task);
	case TRACE_EVENT_CPU:
		return e->of_cpu.lost ? add_loss(b, e->cpu) : 0;
	case TRACE_EVENT_BLOCKED:
		return story_add_blocked(b, &(struct story_blocked){ .ts = e->blocked.ts,
							       .tid = e->blocked.tid,
							       .io = e->blocked.io_wait });
	case TRACE_EVENT_SYS_ENTER:
		call.tid = e->sys_enter.tid;
		call.nr = e->sys_enter.nr;
		memcpy(call.args, e->sys_enter.args, sizeof(call.args));
		return add_call(b, &call);
	case TRACE_EVENT_SYS_EXIT:
		call.tid = e->sys_exit.tid;
		call.nr = e->sys_exit.nr;
		call.exit = true;
		call.interrupted = trace_interrupted(e->sys_exit.ret);
		return add_call(b, &call);
	default:
		return 0;
	}
}

/* Attributes come last, so only now it is known where the window begins and ends. */
static void set_window(struct story_builder *b)
{
	struct story *s = b->s;

	if (!s->start)
		s->start = b->first;
	if (s->end < b->last)
		s->end = b->last;
	if (s->start > s->end)
		s->start = s->end;
	for (size_t i = 0; i < s->n_runs; i++)
		if (!s->runs[i].start)
			s->runs[i].start = s->start < s->runs[i].end ? s->start : s->runs[i].end;
	for (size_t i = 0; i < s->n_triggers; i++)
		if (s->triggers[i].end == UINT64_MAX || s->triggers[i].end > s->end)
			s->triggers[i].end = s->end > s->triggers[i].start ? s->end
									   : s->triggers[i].start;
}

/* Whoever runs at the end has not left its CPU. */
static int end_runs(struct story_builder *b)
{
	int err = 0;

	for (uint32_t cpu = 0; cpu < b->s->n_cpus && !err; cpu++)
		if (b->cursors[cpu].known)
			err = add_run(b, &b->cursors[cpu], b->s->end, cpu, TRACE_STATE_RUNNING);
	return err;
}

/* A thread's part of an empty list is pointed to as well: so none is NULL. -ENOMEM. */
static int make_lists(struct story_builder *b)
{
	struct story *s = b->s;
	int err = story_grow(&s->runs, s->n_runs, &b->size_runs, sizeof(*s->runs));

	if (!err)
		err = story_grow(&s->wakes, s->n_wakes, &b->size_wakes, sizeof(*s->wakes));
	if (!err)
		err = story_grow(&s->waits, s->n_waits, &b->size_waits, sizeof(*s->waits));
	if (!err)
		err = story_grow(&s->blocked, s->n_blocked, &b->size_blocked, sizeof(*s->blocked));
	return err;
}

int story_read(struct trace_reader *r, struct story **ret)
{
	return story_read_since(r, 0, ret);
}

int story_read_since(struct trace_reader *r, uint64_t since, struct story **ret)
{
	struct story_builder *b = calloc(1, sizeof(*b));
	struct trace_event e;
	size_t n = 0;
	int more = 0, err = -ENOMEM;

	if (!b)
		return -ENOMEM;
	b->since = since;
	b->wakes_since = since > QUEUE_MAX_NS ? since - QUEUE_MAX_NS : 0;
	b->s = calloc(1, sizeof(*b->s));
	if (b->s)
		b->s->text = story_text_new();
	if (!b->s || !b->s->text)
		goto out;
	err = make_lists(b);
	while (!err && (more = trace_reader_event(r, &e)) > 0)
		err = ++n > STORY_EVENTS_MAX ? -E2BIG : add_event(b, &e);
	if (!err)
		err = more < 0 ? more : story_text_error(b->s->text);
	if (!err) {
		set_window(b);
		err = end_runs(b);
	}
	if (!err)
		err = story_add_calls(b);
	if (!err)
		err = story_finish(b);
out:
	if (err)
		story_free(b->s);
	else
		*ret = b->s;
	free(b->births);
	free(b->calls);
	free(b->tracks);
	free(b->track_index.places);
	free(b->seen.places);
	free(b->process_index.places);
	free(b->former.places);
	free(b);
	return err;
}
