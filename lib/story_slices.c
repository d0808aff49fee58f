/* SPDX-License-Identifier: GPL-2.0 */
/* story_slices.c - from the slices of a trace, and their tracks, to waits and triggers. */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

#include "story_private.h"

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
	struct story_stack stack = {
		.n = slice->n_stack < TRACE_STACK_MAX ? slice->n_stack : TRACE_STACK_MAX
	};
	struct story_frame frames[TRACE_STACK_MAX];

	if (!stack.n)
		return stack;
	memset(frames, 0, stack.n * sizeof(*frames));
	for (size_t i = 0; i < stack.n; i++) {
		const struct trace_frame *f = slice->stack[slice->n_stack - 1 - i];
		const char *path = f->mapping ? f->mapping->path : NULL;

		frames[i].function = f->function && *f->function ? story_keep(s, f->function)
								 : NULL;
		frames[i].module = path ? story_keep(s, story_base_name(path)) : NULL;
		frames[i].kernel = f->kind == TRACE_FRAME_KERNEL;
	}
	stack.frames = story_keep_frames(s, frames, stack.n);
	return stack;
}

/* "wait: recvfrom fd 7 127.0.0.1:8091" */
static const char *wait_name(struct story *s, const char *title)
{
	size_t len = strcspn(title, " ");

	if (strncmp(title, "kernel thread", 13) == 0)
		len = 13;
	return story_keep_part(s, title, len);
}

/* Waits told in brief have no arguments: "wait: lock 0x4a30e0 held by worker/1234". */
static void read_title(const char *title, uint64_t *ret_address, uint32_t *ret_owner)
{
	const char *address = strstr(title, " 0x"), *held = strstr(title, " held by ");
	const char *slash = held ? strrchr(held, '/') : NULL; /* a comm may hold others */

	if (strncmp(title, "lock ", 5) != 0 && strncmp(title, "futex ", 6) != 0)
		return;
	if (address)
		*ret_address = strtoull(address + 1, NULL, 16);
	if (slash && slash[1] >= '1' && slash[1] <= '9')
		*ret_owner = strtoul(slash + 1, NULL, 10);
}

static int begin_wait(struct story_builder *b, struct open_track *t,
		      const struct trace_slice *slice)
{
	struct story *s = b->s;
	const char *title = slice->name + strlen("wait: ");
	uint64_t waited = number(slice, "waited_ns", 0), address = 0;
	uint32_t owner = TID_UNKNOWN;
	int err = story_grow(&s->waits, s->n_waits, &b->size_waits, sizeof(*s->waits));

	if (err)
		return err;
	read_title(title, &address, &owner);
	s->waits[s->n_waits++] = (struct story_wait){
		.start = slice->ts,
		.end = waited < UINT64_MAX - slice->ts ? slice->ts + waited : UINT64_MAX,
		.thread = t->tid,
		.owner = number(slice, "owner_tid", owner),
		.waker = number(slice, "waker_tid", TID_UNKNOWN),
		.sender = number(slice, "sender_tid", TID_UNKNOWN),
		.sent_here = number(slice, "sent_here", 0),
		.peer_pid = number(slice, "peer_pid", 0),
		.name = wait_name(s, title),
		.file = text(s, slice, "file"),
		.type = text(s, slice, "file_type"),
		.symbol = text(s, slice, "variable"),
		.fd = number(slice, "fd", -1), .at_least = number(slice, "at_least", 0),
		.address = number(slice, "address", address),
		.is_private = number(slice, "op", 0) & FUTEX_PRIVATE_FLAG,
		.value = number(slice, "val", 0),
		.args = { number(slice, "arg0", 0), number(slice, "arg1", 0) },
		.open = number(slice, "still_waiting", 0),
		.tracer_pid = number(slice, "tracer_pid", 0), .waited = waited,
		.interrupted = number(slice, "interrupted", 0),
		.unreturned = number(slice, "result_unknown", 0),
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
		.start = slice->ts, .duration = duration, /* without an end it goes on */
		.end = number(slice, "still_waiting", 0) || duration > UINT64_MAX - slice->ts
			       ? UINT64_MAX
			       : slice->ts + duration,
		.threshold = number(slice, "threshold_ns", 0),
		.pid = number(slice, "pid", 0), .tid = number(slice, "tid", 0),
		.name = text(s, slice, "trigger"), .kind = text(s, slice, "kind"),
		.comm = text(s, slice, "comm"), .text = text(s, slice, "text"),
		.server = text(s, slice, "server"), .client = text(s, slice, "client"),
		.reader = number(slice, "reader_tid", 0),
		.read = slice->ts + number(slice, "unread_ns", 0),
		.beginner = number(slice, "begin_tid", 0),
		.open = number(slice, "still_waiting", 0)
	};
	t->trigger = s->n_triggers;
	return 0;
}

int story_add_track(struct story_builder *b, const struct trace_track *t)
{
	static const char cgroup[] = "cgroup ";
	struct story_process *of = NULL;
	int err = story_grow(&b->tracks, b->n_tracks, &b->size_tracks, sizeof(*b->tracks));
	uint32_t *at = err ? NULL : story_index_at(&b->track_index, t->uuid, true);

	if (!at)
		return err ? err : -ENOMEM;
	b->tracks[b->n_tracks++] = (struct open_track){ .tid = t->tid, .pid = t->tgid };
	*at = b->n_tracks;
	if (!t->tid)
		return 0;
	if (t->description && strncmp(t->description, cgroup, strlen(cgroup)) == 0)
		of = story_process_of(b, t->tgid);
	if (of)
		of->cgroup = story_keep(b->s, t->description + strlen(cgroup));
	return story_add_birth(
		b, (struct birth){ .ts = t->ts, .tid = t->tid, .pid = t->tgid > 0 ? t->tgid : 0 });
}

int story_add_slice(struct story_builder *b, const struct trace_slice *slice)
{
	uint32_t *at = story_index_at(&b->track_index, slice->track, false);
	struct open_track *t = at ? &b->tracks[*at - 1] : NULL;
	const char *name = slice->name ? slice->name : "";

	if (t && t->tid && slice->type == TRACE_INSTANT && strcmp(name, "throttled") == 0)
		return story_add_blocked(b, &(struct story_blocked){ .ts = slice->ts, .tid = t->tid,
							       .throttled = true });
	if (t && t->pid > 0 && slice->type == TRACE_INSTANT && story_tells_end(name))
		return story_add_told_end(b, slice, t->pid);
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
		struct story_trigger *trigger = &b->s->triggers[t->trigger - 1];

		trigger->end = slice->ts > trigger->start ? slice->ts : trigger->start;
		t->trigger = 0;
	}
	return 0;
}
