/* SPDX-License-Identifier: GPL-2.0 */
/* worker_summary.c - the trace's attributes: host, window, trigger, and what happened in words. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../lib/units.h"
#include "governor.h"
#include "worker_internal.h"
#include "worker_stacks.h"

#define ATTRIBUTES_MAX 384
#define TEXT_MAX 16384

struct attributes {
	struct trace_attribute list[ATTRIBUTES_MAX];
	size_t n;
	char text[TEXT_MAX]; /* keys and strings that are made here */
	size_t used;
	unsigned int lines; /* of the summary */
};

static const char *keep(struct attributes *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static const char *keep(struct attributes *a, const char *format, ...)
{
	char *at = a->text + a->used;
	size_t room = sizeof(a->text) - a->used;
	va_list ap;
	int n;

	if (room < 2)
		return "";
	va_start(ap, format);
	n = vsnprintf(at, room, format, ap);
	va_end(ap);
	a->used += n < 0 ? 0 : (size_t)n + 1 < room ? (size_t)n + 1 : room;
	return at;
}

static void put_string(struct attributes *a, const char *key, const char *value)
{
	if (a->n < ATTRIBUTES_MAX)
		a->list[a->n++] = (struct trace_attribute){.key = key, .string = value};
}

static void put_number(struct attributes *a, const char *key, int64_t value)
{
	if (a->n < ATTRIBUTES_MAX)
		a->list[a->n++] = (struct trace_attribute){.key = key, .number = value};
}

static void put_line(struct attributes *a, const char *text)
{
	put_string(a, keep(a, "frec.summary.%u", ++a->lines), text);
}

static const char *duration(struct attributes *a, uint64_t ns)
{
	char text[UNITS_TEXT_MAX];

	units_format_duration(ns, text, sizeof(text));
	return keep(a, "%s", text);
}

/* ---- the daemon's own attributes: "key=value\0" … ---- */

/* Sizes and durations are to be reckoned with; a host may be called 4711. */
static bool is_number(const char *key, const char *value)
{
	size_t len = strlen(key), digits = strspn(value, "0123456789");

	return digits && digits < 19 && !value[digits] &&
	       (strstr(key, ".memory.") || (len > 3 && !strcmp(key + len - 3, "_ns")) ||
		(len > 7 && !strcmp(key + len - 7, "_within")) ||
		!strcmp(key, "frec.rescue.pid"));
}

static void put_pair(struct attributes *a, const char *key, const char *value)
{
	if (is_number(key, value))
		put_number(a, key, strtoll(value, NULL, 10));
	else
		put_string(a, key, value);
}

static void put_text(struct worker *w, struct attributes *a)
{
	const char *p = capture_at(w->h, w->h->text), *end = p + w->h->text.len;

	while (p < end && a->n < ATTRIBUTES_MAX) {
		size_t len = strnlen(p, end - p);
		const char *eq = memchr(p, '=', len);

		if (p + len == end)
			break; /* not ended: not ours */
		if (eq)
			put_pair(a, keep(a, "%.*s", (int)(eq - p), p), eq + 1);
		p += len + 1;
	}
}

static void put_window(struct worker *w, struct attributes *a)
{
	const struct capture_header *h = w->h;
	uint64_t held = h->held_since > h->from ? h->held_since : h->from;

	put_number(a, "frec.window.start_ns", worker_boot(w, held));
	put_number(a, "frec.window.end_ns", h->clocks.boottime);
	put_number(a, "frec.window.held_ns", h->clocks.monotonic - held);
	put_number(a, "frec.window.lost", h->lost);
	put_number(a, "frec.window.refused", h->refused);
	for (uint32_t i = 0; i < h->n_cpus; i++) {
		const struct capture_cpu *c = &h->cpus[i];

		if (i < 64) /* attributes are for people; thousands of CPUs are not */
			put_number(a, keep(a, "frec.window.cpu%u.held_ns", c->cpu),
				   h->clocks.monotonic -
					   (c->held_since > h->from ? c->held_since : h->from));
	}
}

/* What was left out as recording cost too much: the most of it, and from when to when something was. */
static void put_detail(struct worker *w, struct attributes *a)
{
	const struct capture_header *h = w->h;
	uint64_t from = 0, until = 0;
	uint32_t level = 0;

	for (uint32_t i = 0; i < h->n_steps; i++) {
		const struct capture_step *step = &h->steps[i];

		if (i + 1 < h->n_steps && step[1].at <= h->from)
			continue; /* over before the window begins */
		if (step->level && !from)
			from = step->at > h->from ? step->at : h->from;
		until = step->level ? 0 : step->at;
		level = step->level > level ? step->level : level;
	}
	if (!level)
		return;
	put_string(a, "frec.detail.left_out", governor_left_out(level));
	put_number(a, "frec.detail.from_ns", worker_boot(w, from));
	if (until)
		put_number(a, "frec.detail.until_ns", worker_boot(w, until));
}

/* What was left out for room: see worker_plan.c. */
static void put_shed(struct worker *w, struct attributes *a)
{
	put_number(a, "frec.waits.dropped", w->dropped);
	put_number(a, "frec.waits.dropped_ns", w->dropped_ns);
	put_number(a, "frec.waits.brief", w->brief);
	put_number(a, "frec.waits.brief_ns", w->brief_ns);
}

static void put_stacks(struct worker *w, struct attributes *a)
{
	const struct stack_counters *c = stacks_counters(w->stack_index);

	put_number(a, "frec.stacks.found", c->records);
	put_number(a, "frec.stacks.distinct", c->distinct);
	put_number(a, "frec.stacks.complete", c->complete);
	put_number(a, "frec.stacks.cut", c->cut);
	put_number(a, "frec.stacks.broken", c->broken);
	put_number(a, "frec.stacks.gone", c->gone);
	put_number(a, "frec.stacks.late", c->late);
	put_number(a, "frec.stacks.missing", c->missing);
	put_number(a, "frec.stacks.refused", w->h->refused_stacks);
	put_number(a, "frec.stacks.refused_distinct", w->h->refused_distinct);
	put_number(a, "frec.stacks.excluded", w->h->excluded_stacks);
	if (w->opener.error)
		put_string(a, "frec.opener", w->opener.error == -ETIMEDOUT ? "did not answer"
					     : w->opener.error == -ENOTSUP ? "was not asked"
									   : "is gone");
}

static void put_kind(struct attributes *a, const char *kind, const struct evidence_count *n,
		     uint64_t window)
{
	if (!n->tried)
		return;
	put_number(a, keep(a, "frec.ledger.%s.tried", kind), n->tried);
	put_number(a, keep(a, "frec.ledger.%s.window", kind), window);
	/* one that was counted only after it had been copied is not gone */
	put_number(a, keep(a, "frec.ledger.%s.gone", kind),
		   n->written > window ? n->written - window : 0);
	put_number(a, keep(a, "frec.ledger.%s.lost", kind), n->lost);
	put_number(a, keep(a, "frec.ledger.%s.refused", kind), n->refused);
}

static void put_runtime(struct worker *w, struct attributes *a)
{
	struct worker_runtime r;

	if (worker_check_runtime(w, &r) || !r.threads)
		return;
	put_number(a, "frec.runtime_check.threads", r.threads);
	put_number(a, "frec.runtime_check.kernel_ns", r.kernel);
	put_number(a, "frec.runtime_check.events_ns", r.events);
	put_number(a, "frec.runtime_check.worst_ppm", r.worst_ppm);
	put_number(a, "frec.runtime_check.failed", r.failed);
	if (!r.failed)
		return;
	put_number(a, "frec.runtime_check.failed_tid", r.tid);
	put_number(a, "frec.runtime_check.failed_kernel_ns", r.failed_kernel);
	put_number(a, "frec.runtime_check.failed_events_ns", r.failed_events);
}

/* Of the hot window, what is gone follows from the rest; where marks are, the rest is compared. */
static void put_ledger(struct worker *w, struct attributes *a)
{
	const struct ledger_gaps *g = &w->h->gaps;
	struct worker_ledger l;

	worker_look_at_ledger(w, &l);
	put_number(a, "frec.ledger.unexplained",
		   l.unexplained + g->hot + g->evidence + g->ring + g->switches);
	put_number(a, "frec.ledger.unexplained.window", l.unexplained);
	put_number(a, "frec.ledger.unexplained.slots", g->hot);
	put_number(a, "frec.ledger.unexplained.evidence", g->evidence);
	put_number(a, "frec.ledger.unexplained.ring_bytes", g->ring);
	put_number(a, "frec.ledger.unexplained.switches", g->switches);
	put_number(a, "frec.ledger.untold", g->untold);
	put_number(a, "frec.ledger.compared", l.compared);
	put_number(a, "frec.ledger.unreadable", l.unreadable);
	put_number(a, "frec.ledger.missed", w->h->missed);
	put_number(a, "frec.ledger.lost_slots", l.lost);
	for (unsigned int k = 1; k <= HOT_KIND_MAX; k++) {
		struct evidence_count n = {.tried = l.runs[k], .written = l.runs[k]};

		if (hot_slots(k))
			put_kind(a, ledger_hot_name(k), &n, l.slots[k]);
	}
	for (unsigned int k = 0; k < EV_KIND_MAX; k++)
		put_kind(a, ledger_evidence_name(k + 1), &w->h->counts[k], w->evidence[k]);
}

static void put_hit(struct attributes *a, const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;

	put_string(a, "frec.trigger.name", hit->name);
	put_string(a, "frec.trigger.kind", config_kind_name(hit->kind));
	if (f->tid) { /* pressure has no thread */
		put_number(a, "frec.trigger.pid", f->tgid);
		put_number(a, "frec.trigger.tid", f->tid);
		put_string(a, "frec.trigger.comm", keep(a, "%.16s", f->comm));
	}
	put_number(a, "frec.trigger.duration_ns", hit->record.duration);
	put_number(a, "frec.trigger.threshold_ns", hit->threshold);
	if (*hit->text)
		put_string(a, "frec.trigger.text", hit->text);
	if (f->flags & WAIT_FUTEX)
		put_string(a, "frec.trigger.address",
			   keep(a, "0x%llx", (unsigned long long)wait_futex(f)));
	if (f->owner_tid)
		put_number(a, "frec.trigger.owner_tid", f->owner_tid);
	if (f->woken && f->waker_tid && !f->waker_irq)
		put_number(a, "frec.trigger.waker_tid", f->waker_tid);
}

/* Other triggers that fired until the snapshot was taken, each once. */
static void put_merged(struct worker *w, struct attributes *a)
{
	const struct policy_hit *hits = w->h->hits;
	char names[POLICY_HITS_MAX * (CONFIG_NAME_MAX + 2)];
	size_t n = 0;

	for (uint32_t i = 1; i < w->h->n_hits; i++) {
		uint32_t k = 0;

		while (k < i && strcmp(hits[k].name, hits[i].name))
			k++;
		if (k == i)
			n += snprintf(names + n, sizeof(names) - n, "%s%.*s", n ? ", " : "",
				      (int)CONFIG_NAME_MAX - 1, hits[i].name);
	}
	put_number(a, "frec.trigger.merged", w->h->n_merged);
	if (n)
		put_string(a, "frec.trigger.also", keep(a, "%s", names));
}

static void put_args(struct attributes *a, const struct trace_arg *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *key = keep(a, "frec.trigger.%s", args[i].key);

		if (args[i].type == TRACE_ARG_STRING)
			put_string(a, key, keep(a, "%s", args[i].string));
		else if (args[i].type == TRACE_ARG_POINTER)
			put_string(a, key, keep(a, "0x%llx", (unsigned long long)args[i].u));
		else if (args[i].type == TRACE_ARG_BOOL)
			put_number(a, key, args[i].b);
		else
			put_number(a, key, args[i].u);
	}
}

static void put_request(struct worker *w, struct attributes *a, const struct ev_request *e)
{
	struct trace_arg args[WORKER_REQUEST_ARGS];
	char text[WORKER_REQUEST_TEXT];

	put_args(a, args, worker_request_args(w, e, args, text));
}

static void put_span(struct worker *w, struct attributes *a, const struct ev_span *e)
{
	struct trace_arg args[WORKER_SPAN_ARGS];

	put_args(a, args, worker_span_args(w, e, args));
}

static void put_end(struct attributes *a, const struct ev_exit *e)
{
	struct trace_arg args[WORKER_END_ARGS];
	char text[WORKER_END_TEXT];

	put_args(a, args, worker_end_args(e, args, text));
}

static void put_verdict(struct attributes *a, const struct worker_verdict *v)
{
	if (!*v->text)
		return;
	put_string(a, "frec.verdict.text", v->text);
	put_string(a, "frec.verdict.wait", v->wait);
	put_string(a, "frec.verdict.comm", v->comm);
	put_number(a, "frec.verdict.pid", v->pid);
	put_number(a, "frec.verdict.tid", v->tid);
	put_number(a, "frec.verdict.ns", v->ns);
}

/* ---- the story ---- */

static const char *who(struct worker *w, struct attributes *a, uint32_t tid, uint64_t when)
{
	struct task *t = worker_task(w, tid, when), *leader;

	if (!t)
		return keep(a, "thread %u", tid);
	leader = t->tid == t->tgid ? t : worker_task(w, t->tgid, when);
	if (leader && leader != t && strcmp(leader->comm, t->comm))
		return keep(a, "%s (tid %u of %s, pid %u)", t->comm, tid, leader->comm, t->tgid);
	return keep(a, "%s (tid %u, pid %u)", t->comm, tid, t->tgid);
}

/* "recvfrom(7, …)" or "lock 0x…" */
static const char *what(struct worker *w, struct attributes *a, const struct wait_facts *f)
{
	const struct ev_file *file = worker_file(w, f);
	char buf[64], text[EV_FILE_PATH_MAX + 64];
	const char *name = worker_wait_name(f, buf, sizeof(buf));

	if ((f->flags & WAIT_FUTEX) && stacks_variable(w->stack_index, f))
		return keep(a, "%s %s (0x%llx)", name, stacks_variable(w->stack_index, f),
			    (unsigned long long)wait_futex(f));
	if (f->flags & WAIT_FUTEX)
		return keep(a, "%s 0x%llx", name, (unsigned long long)wait_futex(f));
	if (f->nr < 0 || (f->flags & WAIT_KTHREAD))
		return keep(a, "a %s", name);
	if (file)
		return keep(a, "%s fd %u %s", name, file->fd,
			    worker_file_text(file, text, sizeof(text)));
	return keep(a, "%s(%lld, 0x%llx, %lld)", name, (long long)f->args[0],
		    (unsigned long long)f->args[1], (long long)f->args[2]);
}

static uint64_t overlap(const struct wait_facts *f, uint64_t from, uint64_t to)
{
	uint64_t a = f->start > from ? f->start : from, b = f->in < to ? f->in : to;

	return b > a ? b - a : 0;
}

/* What tid waited for longest within [from, to]; it may still. */
static const struct wait_facts *longest(struct worker *w, uint32_t tid, uint64_t from, uint64_t to)
{
	const struct wait_facts *best = NULL;

	for (size_t i = 0; i < w->n_waits + w->n_open; i++) {
		const struct wait_facts *f =
			i < w->n_waits ? &w->waits[i]->w : &w->open[i - w->n_waits]->w;

		if (f->tid == tid && overlap(f, from, to) &&
		    (!best || overlap(f, from, to) > overlap(best, from, to)))
			best = f;
	}
	return best;
}

static void tell_owner(struct worker *w, struct attributes *a, uint32_t tid, uint64_t from,
		       uint64_t to)
{
	const struct wait_facts *f = longest(w, tid, from, to);

	if (f)
		put_line(a,
			 keep(a, "meanwhile %s was waiting for %s: %s of that time%s",
			      who(w, a, tid, to), what(w, a, f), duration(a, overlap(f, from, to)),
			      f->flags & WAIT_OPEN ? ", and still is" : ""));
	else
		put_line(
			a,
			keep(a,
			     "meanwhile no wait of %s over %s is on record: it ran, or was ready to",
			     who(w, a, tid, to), duration(a, w->h->slow_ns)));
}

/* Of many, the one that it is about. */
static uint64_t hit_took(const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;

	return hit->kind == TRIGGER_PERCENTILE ? f->end - f->start : hit->record.duration;
}

static void tell_request(struct worker *w, struct attributes *a, const struct policy_hit *hit)
{
	const struct ev_request *e = worker_request(w, hit);
	const struct wait_facts *f = &hit->record.w;
	const char *hand = f->tid ? who(w, a, f->tid, f->end) : "nobody that is known";
	const char *took = duration(a, hit_took(hit));

	if (!e || !(e->flags & (REQUEST_OPEN | REQUEST_CLOSED)))
		put_line(a, keep(a, "%s answered a request after %s", hand, took));
	else if (e->flags & REQUEST_CLOSED)
		put_line(a,
			 keep(a,
			      "a request to %s was not answered: %s closed the connection after %s",
			      hand, e->flags & REQUEST_LEFT ? "its client" : "it", took));
	else
		put_line(a,
			 keep(a, "a request to %s had not been answered after %s, and still is not",
			      hand, took));
	if (e && !e->read)
		put_line(a, keep(a, e->flags & REQUEST_QUEUED ?
					    "nobody accepted its connection, or read it" :
					    "nobody read it"));
}

static void tell_hit(struct worker *w, struct attributes *a, const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;

	if (hit->kind == TRIGGER_EXIT || hit->kind == TRIGGER_PRESSURE) {
		put_line(a, w->verdict.text);
		return;
	}
	if (hit->kind == TRIGGER_PERCENTILE) /* then about the slowest of them */
		put_line(a, hit->text);
	if (hit->kind == TRIGGER_PERCENTILE && !f->tid)
		return;
	if (worker_hit_of(hit) == TRIGGER_REQUEST) {
		tell_request(w, a, hit);
		return;
	}
	if (hit->kind == TRIGGER_SPAN) {
		const struct ev_span *e = worker_span(w, hit);

		put_line(a,
			 keep(a, "span %s of %s %s %s", e ? e->name : "", who(w, a, f->tid, f->end),
			      f->flags & WAIT_OPEN ? "has not ended after" : "took",
			      duration(a, hit->record.duration)));
		return;
	}
	if (hit->kind == TRIGGER_APP)
		put_line(a, keep(a, "%s said that something took too long%s%s",
				 who(w, a, f->tid, f->end), *hit->text ? ": " : "", hit->text));
	else if (worker_hit_of(hit) == TRIGGER_RUNQUEUE)
		put_line(a, keep(a, "%s was ready to run for %s without getting a CPU",
				 who(w, a, f->tid, f->end), duration(a, hit_took(hit))));
	else
		put_line(a, keep(a, "%s waited %s for %s", who(w, a, f->tid, f->end),
				 duration(a, hit->record.duration), what(w, a, f)));
	if (f->owner_tid)
		put_line(a, keep(a, "the lock's owner was %s", who(w, a, f->owner_tid, f->start)));
	if (f->woken && f->waker_irq)
		put_line(a, keep(a, "it was woken by an interrupt"));
	else if (f->woken)
		put_line(a, keep(a, "it was woken by %s", who(w, a, f->waker_tid, f->woken)));
	if (f->owner_tid && worker_task(w, f->owner_tid, f->start))
		tell_owner(w, a, f->owner_tid, f->start, f->end);
}

static int longer(const void *a, const void *b)
{
	const struct wait_facts *x = &(*(const struct ev_wait *const *)a)->w;
	const struct wait_facts *y = &(*(const struct ev_wait *const *)b)->w;
	uint64_t dx = x->in - x->start, dy = y->in - y->start;

	return dx > dy ? -1 : dx < dy;
}

/* Of a manual snapshot: the longest waits for locks and disks; idle ones say nothing. */
static void tell_worst(struct worker *w, struct attributes *a)
{
	const struct ev_wait **list = calloc(w->n_waits + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < w->n_waits; i++) {
		const struct wait_facts *f = &w->waits[i]->w;
		struct task *t = worker_task(w, f->tid, f->end);

		if (t && t->detailed && f->end > w->h->from &&
		    ((f->flags & WAIT_LOCK) || f->state == TASK_REPORT_DISK))
			list[n++] = w->waits[i];
	}
	if (n)
		qsort(list, n, sizeof(*list), longer);
	for (size_t i = 0; i < n && i < 5; i++) {
		const struct wait_facts *f = &list[i]->w;

		put_line(a, keep(a, "%s waited %s for %s%s%s", who(w, a, f->tid, f->end),
				 duration(a, f->in - f->start), what(w, a, f),
				 f->owner_tid ? ", owned by " : "",
				 f->owner_tid ? who(w, a, f->owner_tid, f->start) : ""));
	}
	if (list && !n)
		put_line(a, keep(a, "no wait for a lock or a disk over %s is on record",
				 duration(a, w->h->slow_ns)));
	free(list);
}

/* Random, as RFC 9562 has it. */
static void put_uuid(struct worker *w)
{
	uint8_t uuid[16];

	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return;
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	trace_put_uuid(w->out, uuid);
}

void worker_write_head(struct worker *w)
{
	struct trace_clocks clocks = {w->h->clocks.boottime, w->h->clocks.monotonic,
				      w->h->clocks.realtime};
	struct utsname u;
	struct trace_system system = {.recorder = "frec " FREC_VERSION};

	uname(&u);
	system.sysname = u.sysname;
	system.version = u.version;
	system.release = u.release;
	system.machine = u.machine;
	system.page_size = sysconf(_SC_PAGESIZE);
	system.cpus = w->cpus;
	system.ram_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * system.page_size;
	trace_put_clocks(w->out, &clocks);
	trace_put_system(w->out, &system);
	put_uuid(w);
}

void worker_write_summary(struct worker *w)
{
	struct attributes *a = calloc(1, sizeof(*a));

	if (!a)
		return;
	put_text(w, a);
	put_window(w, a);
	if (w->h->n_hits) {
		const struct ev_request *request = worker_request(w, &w->h->hits[0]);

		put_hit(a, &w->h->hits[0]);
		if (request)
			put_request(w, a, request);
		if (worker_span(w, &w->h->hits[0]))
			put_span(w, a, worker_span(w, &w->h->hits[0]));
		if (worker_end(w, &w->h->hits[0]))
			put_end(a, worker_end(w, &w->h->hits[0]));
		put_merged(w, a);
		put_verdict(a, &w->verdict);
		tell_hit(w, a, &w->h->hits[0]);
	} else {
		tell_worst(w, a);
	}
	if (w->h->focus_pid)
		put_number(a, "frec.snapshot.pid", w->h->focus_pid);
	if (w->h->anonymous)
		put_number(a, "frec.snapshot.anonymous", 1);
	put_number(a, "frec.events.switches", w->events[HOT_SWITCH]);
	put_number(a, "frec.events.wakeups", w->events[HOT_WAKING] + w->events[HOT_WAKEUP_NEW]);
	put_number(a, "frec.events.syscalls", w->events[HOT_SYS_ENTER]);
	put_number(a, "frec.events.waits", w->n_told + w->n_open_told);
	put_shed(w, a);
	put_detail(w, a);
	put_number(a, "frec.events.torn", w->torn);
	put_number(a, "frec.events.malformed", w->bad);
	if (!w->h->anonymous) {
		put_ledger(w, a);
		put_runtime(w, a);
	}
	put_stacks(w, a);
	put_number(a, "frec.events.rejected", trace_writer_counters(w->out)->rejected);
	trace_put_attributes(w->out, a->list, a->n);
	free(a);
}
