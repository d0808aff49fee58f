/* SPDX-License-Identifier: GPL-2.0 */
/* worker_ends.c - processes that ended other than they should: an instant each, and a verdict. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/signals.h"
#include "../lib/text.h"
#include "../lib/units.h"
#include "worker_internal.h"
#include "worker_stacks.h"

const struct ev_exit *worker_end(const struct worker *w, const struct policy_hit *hit)
{
	if (hit->kind != TRIGGER_EXIT)
		return NULL;
	for (size_t i = w->n_ends; i-- > 0;)
		if (w->ends[i]->tid == hit->record.w.tid && w->ends[i]->h.ts == hit->record.h.ts)
			return w->ends[i];
	return NULL;
}

bool worker_end_ok(const struct ev_exit *e, uint64_t len)
{
	return len >= sizeof(*e) && e->end && e->end < END_CODE + 256;
}

/* What the naming of stacks wants to know of an end. */
void worker_end_facts(const struct ev_exit *e, struct wait_facts *ret)
{
	*ret = (struct wait_facts){ .start = e->h.ts,
				    .in = e->h.ts,
				    .end = e->h.ts,
				    .tid = e->tid,
				    .tgid = e->tgid,
				    .task_start = e->task_start,
				    .nr = -1 };
}

static const struct stack *stack_of(struct worker *w, const struct ev_exit *e)
{
	return stacks_find(w->stack_index, STACK_EXIT, e->tid, e->h.ts, e->h.ts);
}

/* By the kernel, and not by a signal of that number that somebody sent. */
static bool by_kernel(const struct ev_exit *e)
{
	return e->end <= 64 && e->code > 0;
}

/* The kernel says where only for these, and not with SI_KERNEL. */
static bool has_address(const struct ev_exit *e)
{
	return by_kernel(e) && e->code < SI_KERNEL &&
	       (e->end == SIGSEGV || e->end == SIGBUS || e->end == SIGILL || e->end == SIGFPE ||
		e->end == SIGTRAP);
}

static bool is_signal(const struct ev_exit *e)
{
	return e->end <= END_OOM;
}

static const char *sender_name(const struct ev_exit *e, char buf[COMM_LEN + 1])
{
	memcpy(buf, e->sender_comm, COMM_LEN);
	buf[COMM_LEN] = '\0';
	text_clean(buf);
	return buf;
}

/* ---- for programs ---- */

size_t worker_end_args(const struct ev_exit *e, struct trace_arg ret[WORKER_END_ARGS],
		       char text[WORKER_END_TEXT])
{
	char *signal = text, *sender = text + 32;
	const char *reason = by_kernel(e) ? signal_reason(e->end, e->code) : NULL;
	size_t n = 0;

	if (!is_signal(e)) {
		ret[n++] = TRACE_UINT("exit_code", e->end - END_CODE);
		return n;
	}
	ret[n++] = TRACE_STRING("signal",
				e->end == END_OOM ? "SIGKILL" : signal_name(e->end, signal, 32));
	if (e->end == END_OOM)
		ret[n++] = TRACE_BOOL("oom", true);
	if (has_address(e))
		ret[n++] = TRACE_POINTER("address", e->address);
	if (by_kernel(e))
		ret[n++] = TRACE_INT("signal_code", e->code);
	if (reason)
		ret[n++] = TRACE_STRING("reason", reason);
	if (e->sender_tid) {
		ret[n++] = TRACE_UINT("sender_pid", e->sender_tgid);
		ret[n++] = TRACE_STRING("sender_comm", sender_name(e, sender));
	}
	ret[n++] = TRACE_UINT("rss", e->rss);
	if (e->limit) {
		ret[n++] = TRACE_UINT("cgroup_usage", e->usage);
		ret[n++] = TRACE_UINT("cgroup_limit", e->limit);
	}
	if (e->end == END_OOM)
		ret[n++] = TRACE_INT("oom_score_adj", e->oom_score_adj);
	return n;
}

static void put_end(struct worker *w, const struct ev_exit *e)
{
	struct trace_arg args[WORKER_END_ARGS];
	struct task *t = worker_task(w, e->tid, e->h.ts);
	char text[WORKER_END_TEXT], name[96];
	struct trace_slice s = { .ts = worker_boot(w, e->h.ts),
				 .type = TRACE_INSTANT,
				 .name = name,
				 .category = "frec",
				 .args = args };
	int n;

	if (!t || e->h.ts <= w->h->from)
		return;
	signal_end_text(e->end, name, sizeof(name));
	n = strlen(name);
	if (has_address(e))
		snprintf(name + n, sizeof(name) - n, " at 0x%" PRIx64, (uint64_t)e->address);
	s.n_args = worker_end_args(e, args, text);
	s.track = worker_track(w, t);
	s.stack_id = stacks_put(w->stack_index, stack_of(w, e));
	trace_put_slice(w->out, &s);
}

static bool is_told(const struct worker *w, const struct ev_task *e)
{
	for (size_t i = 0; i < w->n_ends; i++)
		if (w->ends[i]->tgid == e->tgid)
			return true;
	return false;
}

/* Where nothing is armed that looks at ends, the leader's exit tells how; of success nobody asks. */
static void put_exit(struct worker *w, const struct ev_task *e)
{
	uint32_t signal = e->exit_code & 0x7f, code = e->exit_code >> 8 & 0xff;
	struct task *t = worker_task(w, e->tid, e->h.ts);
	char name[96];
	struct trace_slice s = { .ts = worker_boot(w, e->h.ts),
				 .type = TRACE_INSTANT,
				 .name = name,
				 .category = "frec" };

	if (e->exit_code < 0 || (!e->exit_code && e->tgid != w->h->focus_pid))
		return;
	if (!t || !t->exited || !t->detailed || t->threads_live || e->h.ts <= w->h->from ||
	    is_told(w, e))
		return;
	signal_end_text(signal ? signal : END_CODE + code, name, sizeof(name));
	s.track = worker_track(w, t);
	trace_put_slice(w->out, &s);
}

void worker_write_ends(struct worker *w)
{
	for (size_t i = 0; i < w->n_ends; i++)
		put_end(w, w->ends[i]);
	for (size_t i = 0; i < w->n_lives; i++)
		if (w->lives[i]->event == TASK_EXIT && w->lives[i]->tid == w->lives[i]->tgid)
			put_exit(w, w->lives[i]);
}

/* ---- for people ---- */

static void say(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(FILE *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
}

static bool is_library(const struct trace_frame *f)
{
	static const char *const names[] = { "libc.so", "libc-", "libpthread", "ld-linux",
					     "ld-musl" };
	const char *path = f->mapping && f->mapping->path ? f->mapping->path : "";
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(base, names[i], strlen(names[i])))
			return true;
	return false;
}

#define CALLERS 4u

/* ", in abort, called by check, parse, main": from the C library's outermost function on. */
static void say_stack(FILE *f, const struct stack *s)
{
	size_t first = 0, said = 0;

	if (!s)
		return;
	while (first < s->n && (is_library(s->frames[first]) || !s->frames[first]->function))
		first++;
	if (first == s->n)
		first = 0;
	else if (first && s->frames[first - 1]->function)
		first--;
	for (size_t i = first; i < s->n && said < CALLERS; i++) {
		const char *name = s->frames[i]->function;

		if (!name)
			continue;
		say(f, "%s%s", said == 0 ? ", in " : said == 1 ? ", called by " : ", ", name);
		said++;
		if (!strncmp(name, "main", 4) && (!name[4] || name[4] == '.'))
			break; /* "main.cold" is part of it */
	}
}

static void say_sender(FILE *f, const struct ev_exit *e)
{
	char name[COMM_LEN + 1];

	if (!e->sender_tid || e->end == END_OOM || by_kernel(e))
		return;
	if (e->sender_tgid == e->tgid)
		say(f, ", which it sent itself");
	else
		say(f, ", sent by %s (pid %u)", sender_name(e, name), e->sender_tgid);
}

static void say_memory(FILE *f, const struct ev_exit *e)
{
	char usage[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX], rss[UNITS_TEXT_MAX];

	if (e->end != END_OOM)
		return;
	say(f, ": it had %s", units_format_size(e->rss, rss, sizeof(rss)));
	if (e->limit)
		say(f, ", its memory cgroup %s of at most %s",
		    units_format_size(e->usage, usage, sizeof(usage)),
		    units_format_size(e->limit, limit, sizeof(limit)));
}

/* "reporter (pid 7) was killed by SIGSEGV at address 0x10 (nothing is mapped there), in …" */
static void say_end(FILE *f, struct worker *w, const struct ev_exit *e)
{
	const struct task *leader;
	const char *reason = by_kernel(e) ? signal_reason(e->end, e->code) : NULL;
	char text[64];

	leader = worker_task(w, e->tgid, e->h.ts);
	say(f, "%.*s (pid %u) %s", COMM_LEN, leader ? leader->comm : e->comm, e->tgid,
	    signal_end_text(e->end, text, sizeof(text)));
	if (has_address(e))
		say(f, " at address 0x%" PRIx64, (uint64_t)e->address);
	if (reason)
		say(f, " (%s)", reason);
	say_sender(f, e);
	say_memory(f, e);
	if (e->tid != e->tgid)
		say(f, ", in thread %.*s (tid %u)", COMM_LEN, e->comm, e->tid);
	say_stack(f, stack_of(w, e));
}

void worker_judge_end(struct worker *w)
{
	const struct ev_exit *e = worker_end(w, &w->h->hits[0]);
	struct worker_verdict *v = &w->verdict;
	FILE *f;

	if (!e)
		return;
	f = fmemopen(v->text, sizeof(v->text), "w");
	if (!f)
		return;
	say_end(f, w, e);
	fclose(f); /* what does not fit is cut off */
	v->text[sizeof(v->text) - 1] = '\0';
	text_clean(v->text);
	strcpy(v->wait, "exit");
	snprintf(v->comm, sizeof(v->comm), "%.*s", COMM_LEN - 1, e->comm);
	v->pid = e->tgid;
	v->tid = e->tid;
}
