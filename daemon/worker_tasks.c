/* SPDX-License-Identifier: GPL-2.0 */
/* worker_tasks.c - reads the evidence and tells the lives of every tid apart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

uint64_t worker_boot(const struct worker *w, uint64_t mono)
{
	const struct capture_header *h = w->h;
	uint64_t offset = h->clocks.boottime - h->clocks.monotonic;

	for (uint32_t i = h->n_offsets; i-- > 0;)
		if (mono >= h->offsets[i].since || i == 0)
			return mono + h->offsets[i].offset;
	return mono + offset;
}

/* ---- lives ---- */

static uint32_t bucket_of(uint32_t tid)
{
	return tid * 0x9e3779b1u >> 17 & (TASK_BUCKETS - 1);
}

static struct task *task_of_start(struct tasks *ts, uint32_t tid, uint64_t start)
{
	for (uint32_t i = ts->buckets[bucket_of(tid)]; i; i = ts->list[i - 1].next)
		if (ts->list[i - 1].tid == tid && ts->list[i - 1].start == start)
			return &ts->list[i - 1];
	return NULL;
}

static struct task *task_add(struct tasks *ts, uint32_t tid, uint32_t tgid, uint64_t start)
{
	uint32_t *bucket = &ts->buckets[bucket_of(tid)];
	struct task *t;

	if (ts->n == ts->size) {
		size_t size = ts->size ? ts->size * 2 : 1024;

		t = realloc(ts->list, size * sizeof(*t));
		if (!t)
			return NULL;
		ts->list = t;
		ts->size = size;
	}
	t = &ts->list[ts->n++];
	memset(t, 0, sizeof(*t));
	t->tid = tid;
	t->tgid = tgid;
	t->start = start;
	t->next = *bucket;
	*bucket = ts->n;
	return t;
}

struct task *worker_task(struct worker *w, uint32_t tid, uint64_t when)
{
	struct tasks *ts = &w->tasks;
	struct task *best = NULL;

	for (uint32_t i = ts->buckets[bucket_of(tid)]; i; i = ts->list[i - 1].next) {
		struct task *t = &ts->list[i - 1];

		if (t->tid != tid)
			continue;
		/* the latest that had started; a fork's first events may come a little early */
		if (!best || (t->start <= when && (best->start > when || t->start > best->start)))
			best = t;
	}
	return best;
}

const char *worker_comm(struct worker *w, uint32_t tid, uint64_t when)
{
	struct task *t;

	if (!tid)
		return "swapper";
	t = worker_task(w, tid, when);
	return t ? t->comm : "?";
}

/* ---- reading ---- */

static bool task_ok(const struct ev_task *e, uint64_t len)
{
	const char *text;

	if (len < sizeof(*e) || e->h.kind != EV_TASK)
		return false;
	if (e->cgroup_len > len - sizeof(*e) ||
	    e->cmdline_len > len - sizeof(*e) - e->cgroup_len)
		return false;
	text = (const char *)(e + 1);
	return (!e->cgroup_len || !text[e->cgroup_len - 1]) &&
	       (!e->cmdline_len || !text[e->cgroup_len + e->cmdline_len - 1]);
}

static int learn_task(struct worker *w, const struct ev_task *e)
{
	struct task *t = task_of_start(&w->tasks, e->tid, e->start), *old;

	if (!t)
		t = task_add(&w->tasks, e->tid, e->tgid, e->start);
	if (!t)
		return -ENOMEM;
	if (e->event == TASK_NEW)
		t->born = e;
	if (e->event == TASK_EXIT)
		t->exited = e->h.ts;
	else if (e->event == TASK_EXEC)
		t->exited = 0; /* a thread that exec'ed has taken over the life of its dead leader */
	if (e->event == TASK_EXEC) {
		t->exec = e;
		old = e->old_tid ? worker_task(w, e->old_tid, e->h.ts) : NULL;
		if (old)
			old->exited = e->h.ts;
	}
	if (e->cgroup_len)
		t->cgroup = e;
	if (!t->last || e->h.ts >= t->last->h.ts) {
		t->last = e;
		memcpy(t->comm, e->comm, COMM_LEN);
	}
	return 0;
}

static int list_add(void *list, size_t *n, size_t *size, const void *record)
{
	const void ***array = list, **more;

	if (*n == *size) {
		size_t new = *size ? *size * 2 : 4096;

		more = realloc(*array, new * sizeof(*more));
		if (!more)
			return -ENOMEM;
		*array = more;
		*size = new;
	}
	(*array)[(*n)++] = record;
	return 0;
}

static int learn(struct worker *w, const struct ev_header *e, uint64_t len)
{
	int err;

	if (e->kind == EV_TASK && task_ok((const void *)e, len)) {
		err = learn_task(w, (const void *)e);
		return err ? err : list_add(&w->lives, &w->n_lives, &w->size_lives, e);
	}
	if (e->kind == EV_WAIT && len >= sizeof(struct ev_wait))
		return list_add(&w->waits, &w->n_waits, &w->size_waits, e);
	w->bad++;
	return 0;
}

/* linux/bpf.h, BPF_RINGBUF_*: a record is { u32 len and flags, u32 page offset }, then its bytes */
#define RING_BUSY (1u << 31)
#define RING_DISCARD (1u << 30)

static int read_evidence(struct worker *w)
{
	const uint8_t *p = capture_at(w->h, w->h->evidence);
	uint64_t left = w->h->evidence.len;
	int err;

	while (left >= 8) {
		uint32_t head, len;
		uint64_t step;

		memcpy(&head, p, sizeof(head));
		len = head & ~(RING_BUSY | RING_DISCARD);
		step = (len + 8ull + 7) & ~7ull;
		if (step > left)
			break;
		if (head & RING_BUSY)
			w->torn++;
		else if (!(head & RING_DISCARD) && len >= sizeof(struct ev_header)) {
			err = learn(w, (const void *)(p + 8), len);
			if (err)
				return err;
		}
		p += step;
		left -= step;
	}
	return 0;
}

static int read_walk(struct worker *w)
{
	uint8_t *p = capture_at(w->h, w->h->walked);
	uint64_t left = w->h->walked.len;
	int err;

	while (left >= sizeof(struct ev_task)) {
		struct ev_header head;

		memcpy(&head, p, sizeof(head));
		if (head.len < sizeof(struct ev_task) || head.len > left || head.len % 8)
			break;
		if (task_ok((const void *)p, head.len)) {
			err = learn_task(w, (const void *)p);
			if (err)
				return err;
		}
		p += head.len;
		left -= head.len;
	}
	return 0;
}

/* A leader that is gone while a thread of it lives must not end the process in the trace. */
static void mark_leaders(struct worker *w)
{
	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i], *leader;

		if (t->tid == t->tgid || t->exited)
			continue;
		leader = worker_task(w, t->tgid, t->start);
		if (leader)
			leader->threads_live = true;
	}
}

int worker_read(struct worker *w)
{
	int err = read_evidence(w);

	if (!err)
		err = read_walk(w);
	if (!err)
		mark_leaders(w);
	return err;
}

/* ---- writing ---- */

#define ARGV_MAX 64

/* Splits "a\0b\0c" of len bytes; a missing NUL at its end is the caller's. */
static size_t split(const char *text, size_t len, const char **argv)
{
	size_t n = 0;

	for (size_t at = 0; at < len && n < ARGV_MAX; at += strnlen(text + at, len - at) + 1)
		argv[n++] = text + at;
	return n;
}

static const char *record_text(const struct ev_task *e, uint32_t offset)
{
	return (const char *)(e + 1) + offset;
}

static void put_process(struct worker *w, struct task *t, uint64_t ts, const char **argv, size_t n,
			bool is_comm)
{
	const struct ev_task *e = t->last;
	struct trace_process p = {
		.ts = ts,
		.pid = t->tgid,
		.ppid = e->ppid,
		.uid = e->uid,
		.nspid = e->ns_tid != t->tid ? e->ns_tid : 0,
		.start = worker_boot(w, t->start),
		.argv = argv,
		.n_argv = n,
		.argv_is_comm = is_comm,
		.kthread = e->flags & TASK_KTHREAD,
	};

	trace_put_process(w->out, &p);
}

/* The arguments of a living process, read by the opener's leave. */
static size_t living_cmdline(struct worker *w, struct task *t, char *buf, size_t size,
			     const char **argv)
{
	uint64_t offset = w->h->clocks.boottime - w->h->clocks.monotonic;
	size_t len = 0;

	if (t->exited || (t->last->flags & TASK_KTHREAD) ||
	    opener_cmdline(&w->opener, t->tid, t->start, offset, buf, size, &len))
		return 0;
	return split(buf, len, argv);
}

static void write_process(struct worker *w, struct task *t)
{
	const char *argv[ARGV_MAX], *comm = t->comm;
	uint64_t from = w->h->from, since = t->start > from ? t->start : from;
	char buf[4096];
	size_t n = living_cmdline(w, t, buf, sizeof(buf), argv);

	if (t->exec) { /* until then it was its parent's program */
		put_process(w, t, worker_boot(w, since), &comm, 1, true);
		since = t->exec->h.ts > from ? t->exec->h.ts : from;
	}
	if (!n && t->exec && t->exec->cmdline_len) /* less the NUL that the kernel side put behind it */
		n = split(record_text(t->exec, t->exec->cgroup_len), t->exec->cmdline_len - 1, argv);
	if (n)
		put_process(w, t, worker_boot(w, since), argv, n, false);
	else
		put_process(w, t, worker_boot(w, since), &comm, 1, true);
}

void worker_write_tasks(struct worker *w)
{
	uint64_t from = w->h->from;

	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];

		if (t->tid == t->tgid)
			write_process(w, t);
	}
	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];

		if (t->tid == t->tgid && t->cgroup && !(t->last->flags & TASK_KTHREAD))
			worker_track(w, t); /* which tells the cgroup */
	}
	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];
		struct trace_thread th = {
			.ts = worker_boot(w, t->start > from ? t->start : from),
			.tid = t->tid,
			.tgid = t->tgid,
			.nstid = t->last->ns_tid != t->tid ? t->last->ns_tid : 0,
			.name = t->comm,
		};

		trace_put_thread(w->out, &th);
	}
}
