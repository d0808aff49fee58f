/* SPDX-License-Identifier: GPL-2.0 */
/* story_read.c - collects what the events of a trace say. */
#include <errno.h>
#include <string.h>

#include <seccomp.h>

#include "story_private.h"

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

const char *story_keep(struct story *s, const char *text)
{
	return text ? obstack_copy0(s->strings, text, strlen(text)) : NULL;
}

/* ---- threads and processes ---- */

static int add_birth(struct story_builder *b, uint64_t ts, int32_t tid, int32_t pid,
		     const char *comm)
{
	int err = story_grow(&b->births, b->n_births, &b->size_births, sizeof(*b->births));

	if (err)
		return err;
	b->births[b->n_births++] =
		(struct birth){ .ts = ts, .tid = tid, .pid = pid, .comm = story_keep(b->s, comm) };
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int add_process(struct story_builder *b, const struct trace_process *p)
{
	struct story *s = b->s;
	const char *name = p->n_argv ? p->argv[0] : NULL;
	int err = story_grow(&s->processes, s->n_processes, &b->size_processes,
			     sizeof(*s->processes));

	if (err)
		return err;
	if (name && !p->argv_is_comm)
		name = base_name(name);
	s->processes[s->n_processes++] = (struct story_process){
		.pid = p->pid, .ppid = p->ppid, .kthread = p->kthread, .name = story_keep(s, name)
	};
	return add_birth(b, 0, p->pid, p->pid, NULL);
}

/* ---- the streams of the CPUs ---- */

/* Foreign traces have threads that nothing but their switches tells of. */
static int see(struct story_builder *b, int32_t tid, const char *comm)
{
	uint32_t *at;

	if (tid <= 0)
		return 0;
	at = story_index_at(&b->seen, tid, true);
	if (!at)
		return -ENOMEM;
	return (*at)++ ? 0 : add_birth(b, 0, tid, 0, comm);
}

static int add_run(struct story_builder *b, const struct cpu_cursor *c, uint64_t end, uint32_t cpu,
		   uint16_t state)
{
	struct story *s = b->s;
	int err;

	if (c->tid == TID_UNKNOWN || end < c->since)
		return 0;
	err = story_grow(&s->runs, s->n_runs, &b->size_runs, sizeof(*s->runs));
	if (!err)
		s->runs[s->n_runs++] = (struct story_run){ .start = c->since, .end = end,
							   .thread = c->tid, .cpu = cpu,
							   .state = state };
	return err;
}

static int add_switch(struct story_builder *b, uint32_t cpu, const struct trace_switch *sw)
{
	struct cpu_cursor *c = &b->cursors[cpu];
	bool known = sw->prev_tid >= 0 && (!c->since || c->tid == (uint32_t)sw->prev_tid);
	int err = see(b, sw->prev_tid, sw->prev_comm);

	if (!err)
		err = see(b, sw->next_tid, sw->next_comm);
	if (err)
		return err;
	if (!c->since) /* whoever is seen leaving ran from the window's beginning */
		*c = (struct cpu_cursor){ b->s->start ? b->s->start : sw->ts,
					  sw->prev_tid >= 0 ? (uint32_t)sw->prev_tid : TID_UNKNOWN };
	err = add_run(b, c, sw->ts, cpu, known ? sw->prev_state : STORY_LEFT_UNKNOWN);
	*c = (struct cpu_cursor){ sw->ts, sw->next_tid };
	if (!err && cpu >= b->s->n_cpus)
		b->s->n_cpus = cpu + 1;
	return err;
}

static int add_wake(struct story_builder *b, const struct trace_waking *w)
{
	struct story *s = b->s;
	int err = story_grow(&s->wakes, s->n_wakes, &b->size_wakes, sizeof(*s->wakes));

	if (err)
		return err;
	s->wakes[s->n_wakes++] = (struct story_wake){
		.ts = w->ts, .thread = w->tid, .cpu = w->target_cpu, .irq = w->irq,
		.waker = w->waker_tid < 0 ? TID_UNKNOWN : (uint32_t)w->waker_tid
	};
	return 0;
}

static int add_blocked(struct story_builder *b, const struct trace_blocked *e)
{
	struct story *s = b->s;
	int err = story_grow(&s->blocked, s->n_blocked, &b->size_blocked, sizeof(*s->blocked));

	if (!err)
		s->blocked[s->n_blocked++] = (struct story_blocked){
			.ts = e->ts, .tid = e->tid, .io = e->io_wait,
			.function = e->function && *e->function ? story_keep(s, e->function) : NULL
		};
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

/* ---- slices ---- */

static const struct trace_arg *find_arg(const struct trace_slice *s, const char *key)
{
	for (size_t i = 0; i < s->n_args; i++)
		if (s->args[i].key && strcmp(s->args[i].key, key) == 0)
			return &s->args[i];
	return NULL;
}

static uint64_t number(const struct trace_slice *s, const char *key, uint64_t missing)
{
	const struct trace_arg *a = find_arg(s, key);

	switch (a ? a->type : TRACE_ARG_STRING) {
	case TRACE_ARG_INT:
	case TRACE_ARG_UINT:
	case TRACE_ARG_POINTER:
		return a->u;
	case TRACE_ARG_BOOL:
		return a->b;
	default:
		return missing;
	}
}

static const char *text(struct story *s, const struct trace_slice *slice, const char *key)
{
	const struct trace_arg *a = find_arg(slice, key);

	return a && a->type == TRACE_ARG_STRING ? story_keep(s, a->string) : NULL;
}

static struct story_stack keep_stack(struct story *s, const struct trace_slice *slice)
{
	struct story_stack stack = { .n = slice->n_stack };
	struct story_frame *frames;

	if (!stack.n)
		return stack;
	frames = obstack_alloc(s->strings, stack.n * sizeof(*frames));
	for (size_t i = 0; i < stack.n; i++) {
		const struct trace_frame *f = slice->stack[stack.n - 1 - i];
		const char *path = f->mapping ? f->mapping->path : NULL;

		frames[i] = (struct story_frame){ .function = story_keep(s, f->function),
						  .module = path ? story_keep(s, base_name(path)) : NULL,
						  .kernel = f->kind == TRACE_FRAME_KERNEL };
	}
	stack.frames = frames;
	return stack;
}

/* "wait: recvfrom fd 7 127.0.0.1:8091" */
static const char *wait_name(struct story *s, const char *title)
{
	size_t len = strcspn(title, " ");

	if (strncmp(title, "kernel thread", 13) == 0)
		len = 13;
	return obstack_copy0(s->strings, title, len);
}

static int begin_wait(struct story_builder *b, struct open_track *t, const struct trace_slice *slice)
{
	struct story *s = b->s;
	uint64_t waited = number(slice, "waited_ns", 0);
	int err = story_grow(&s->waits, s->n_waits, &b->size_waits, sizeof(*s->waits));

	if (err)
		return err;
	s->waits[s->n_waits++] = (struct story_wait){
		.start = slice->ts,
		.end = slice->ts + waited,
		.thread = t->tid,
		.owner = number(slice, "owner_tid", TID_UNKNOWN),
		.waker = number(slice, "waker_tid", TID_UNKNOWN),
		.peer_pid = number(slice, "peer_pid", 0),
		.name = wait_name(s, slice->name + strlen("wait: ")),
		.file = text(s, slice, "file"),
		.type = text(s, slice, "file_type"),
		.symbol = text(s, slice, "symbol"),
		.fd = number(slice, "fd", -1),
		.address = number(slice, "address", 0),
		.args = { number(slice, "arg0", 0), number(slice, "arg1", 0) },
		.open = number(slice, "still_waiting", 0),
		.stack = keep_stack(s, slice),
		.waker_stack = text(s, slice, "waker_stack"),
	};
	t->wait = s->n_waits;
	return 0;
}

static int begin_trigger(struct story_builder *b, struct open_track *t,
			 const struct trace_slice *slice)
{
	struct story *s = b->s;
	uint64_t duration = number(slice, "duration_ns", 0);
	int err = story_grow(&s->triggers, s->n_triggers, &b->size_triggers, sizeof(*s->triggers));

	if (err)
		return err;
	s->triggers[s->n_triggers++] = (struct story_trigger){
		.start = slice->ts, .end = slice->ts + duration, .duration = duration,
		.threshold = number(slice, "threshold_ns", 0),
		.pid = number(slice, "pid", 0), .tid = number(slice, "tid", 0),
		.name = text(s, slice, "trigger"), .kind = text(s, slice, "kind"),
		.comm = text(s, slice, "comm")
	};
	t->trigger = s->n_triggers;
	return 0;
}

static int add_track(struct story_builder *b, const struct trace_track *t)
{
	static const char cgroup[] = "cgroup ";
	struct story *s = b->s;
	int err = story_grow(&b->tracks, b->n_tracks, &b->size_tracks, sizeof(*b->tracks));
	uint32_t *at = err ? NULL : story_index_at(&b->track_index, t->uuid, true);

	if (!at)
		return err ? err : -ENOMEM;
	b->tracks[b->n_tracks++] = (struct open_track){ .tid = t->tid };
	*at = b->n_tracks;
	if (!t->tid)
		return 0;
	if (t->description && strncmp(t->description, cgroup, strlen(cgroup)) == 0)
		for (size_t i = 0; i < s->n_processes; i++)
			if (s->processes[i].pid == t->tgid)
				s->processes[i].cgroup =
					story_keep(s, t->description + strlen(cgroup));
	return add_birth(b, 0, t->tid, t->tgid, NULL);
}

static int add_slice(struct story_builder *b, const struct trace_slice *slice)
{
	uint32_t *at = story_index_at(&b->track_index, slice->track, false);
	struct open_track *t = at ? &b->tracks[*at - 1] : NULL;
	const char *name = slice->name ? slice->name : "";

	if (!t || slice->type == TRACE_INSTANT)
		return 0;
	if (slice->type == TRACE_SLICE_BEGIN) {
		if (t->tid && strncmp(name, "wait: ", 6) == 0)
			return begin_wait(b, t, slice);
		if (!t->tid && strncmp(name, "trigger: ", 9) == 0)
			return begin_trigger(b, t, slice);
		return 0;
	}
	if (t->wait && strncmp(name, "wait: ", 6) == 0) {
		b->s->waits[t->wait - 1].end = slice->ts;
		t->wait = 0;
	}
	if (!t->tid && t->trigger) {
		b->s->triggers[t->trigger - 1].end = slice->ts;
		t->trigger = 0;
	}
	return 0;
}

/* ---- all events ---- */

static void add_attribute(struct story *s, const struct trace_attribute *a)
{
	if (!a->key || a->string)
		return;
	if (strcmp(a->key, "frec.window.start_ns") == 0)
		s->start = a->number;
	else if (strcmp(a->key, "frec.window.end_ns") == 0)
		s->end = a->number;
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
		return add_birth(b, 0, e->thread.tid, e->thread.tgid, e->thread.name);
	case TRACE_EVENT_TRACK:
		return add_track(b, &e->track);
	case TRACE_EVENT_SLICE:
		return add_slice(b, &e->slice);
	case TRACE_EVENT_SWITCH:
		return add_switch(b, e->cpu, &e->sw);
	case TRACE_EVENT_WAKING:
		return add_wake(b, &e->waking);
	case TRACE_EVENT_NEWTASK:
		return add_birth(b, e->ts, e->newtask.tid, 0, e->newtask.comm);
	case TRACE_EVENT_BLOCKED:
		return add_blocked(b, &e->blocked);
	case TRACE_EVENT_SYS_ENTER:
		call.tid = e->sys_enter.tid;
		call.nr = e->sys_enter.nr;
		memcpy(call.args, e->sys_enter.args, sizeof(call.args));
		return add_call(b, &call);
	case TRACE_EVENT_SYS_EXIT:
		call.tid = e->sys_exit.tid;
		call.nr = e->sys_exit.nr;
		call.exit = true;
		return add_call(b, &call);
	default:
		return 0;
	}
}

/* Whoever runs at the end has not left its CPU. */
static int end_runs(struct story_builder *b)
{
	int err = 0;

	if (b->s->end < b->last)
		b->s->end = b->last;
	for (uint32_t cpu = 0; cpu < b->s->n_cpus && !err; cpu++)
		if (b->cursors[cpu].since)
			err = add_run(b, &b->cursors[cpu], b->s->end, cpu, TRACE_STATE_RUNNING);
	return err;
}

int story_read(struct trace_reader *r, struct story **ret)
{
	struct story_builder *b = calloc(1, sizeof(*b));
	struct trace_event e;
	size_t n = 0;
	int more = 0, err = -ENOMEM;

	if (!b)
		return -ENOMEM;
	b->s = calloc(1, sizeof(*b->s));
	if (b->s)
		b->s->strings = malloc(sizeof(struct obstack));
	if (!b->s || !b->s->strings)
		goto out;
	obstack_init((struct obstack *)b->s->strings);
	err = 0;
	while (!err && (more = trace_reader_event(r, &e)) > 0)
		err = ++n > STORY_EVENTS_MAX ? -E2BIG : add_event(b, &e);
	if (!err)
		err = more < 0 ? more : end_runs(b);
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
	free(b);
	return err;
}
