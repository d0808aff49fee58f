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

/* They are given one after the other: so neighbours stand side by side, and seldom meet. */
static uint32_t bucket_of(uint32_t tid)
{
	return tid & (TASK_BUCKETS - 1);
}

static struct task *task_of_start(struct tasks *ts, uint32_t tid, uint64_t start)
{
	for (uint32_t i = ts->buckets[bucket_of(tid)]; i; i = ts->list[i - 1].next)
		if (ts->list[i - 1].tid == tid && ts->list[i - 1].start == start)
			return &ts->list[i - 1];
	return NULL;
}

struct task *worker_add_task(struct tasks *ts, uint32_t tid, uint32_t tgid, uint64_t start)
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
	ts->recent[tid % TASKS_RECENT].until = 0;
	return t;
}

/* The latest that had started; a fork's first events may come a little early. */
static struct task *find_task(struct tasks *ts, uint32_t tid, uint64_t when, uint64_t *ret_until)
{
	struct task *best = NULL;

	*ret_until = UINT64_MAX;
	for (uint32_t i = ts->buckets[bucket_of(tid)]; i; i = ts->list[i - 1].next) {
		struct task *t = &ts->list[i - 1];

		if (t->tid != tid)
			continue;
		if (!best || (t->start <= when && (best->start > when || t->start > best->start)))
			best = t;
		if (t->start > when && t->start < *ret_until)
			*ret_until = t->start;
	}
	return best;
}

/* In a storm of forks each tid has several lives, and each is asked for many times. */
struct task *worker_task(struct worker *w, uint32_t tid, uint64_t when)
{
	struct tasks *ts = &w->tasks;
	__auto_type r = &ts->recent[tid % TASKS_RECENT];
	struct task *t;
	uint64_t until;

	if (r->tid == tid && when >= r->from && when < r->until)
		return &ts->list[r->index];
	t = find_task(ts, tid, when, &until);
	if (t && t->start <= when) {
		r->from = t->start;
		r->until = until;
		r->tid = tid;
		r->index = t - ts->list;
	}
	return t;
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

const char *worker_cgroup(const struct worker *w, const struct task *t)
{
	for (size_t i = 0; i < w->n_cgroups; i++)
		if (w->cgroups[i]->cgroup_id == t->last->cgroup_id)
			return (const char *)(w->cgroups[i] + 1);
	return NULL;
}

/* Hosts have hundreds of cgroups, not more: a list does. */
static int learn_cgroup(struct worker *w, const struct ev_task *e)
{
	for (size_t i = 0; i < w->n_cgroups; i++)
		if (w->cgroups[i]->cgroup_id == e->cgroup_id)
			return 0;
	return list_add(&w->cgroups, &w->n_cgroups, &w->size_cgroups, e);
}

static int learn_task(struct worker *w, const struct ev_task *e)
{
	struct task *t = task_of_start(&w->tasks, e->tid, e->start), *old;

	if (!t)
		t = worker_add_task(&w->tasks, e->tid, e->tgid, e->start);
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
	if (!t->last || e->h.ts >= t->last->h.ts) {
		t->last = e;
		memcpy(t->comm, e->comm, COMM_LEN);
	}
	return e->cgroup_len ? learn_cgroup(w, e) : 0;
}

static int stack_add(struct worker *w, const struct ev_header *e, const struct stack_key *key)
{
	struct stack_record *more;

	if (w->n_stacks == w->size_stacks) {
		size_t size = w->size_stacks ? w->size_stacks * 2 : 1024;

		more = realloc(w->stacks, size * sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->stacks = more;
		w->size_stacks = size;
	}
	w->stacks[w->n_stacks++] = (struct stack_record){e, key};
	return 0;
}

static bool frames_ok(const struct ev_frames *e, uint64_t len)
{
	return len >= sizeof(*e) && e->n <= STACK_FRAMES_MAX && e->n * 8ull <= len - sizeof(*e);
}

static bool file_ok(const struct ev_file *e, uint64_t len)
{
	return len >= sizeof(*e) && e->path_len <= len - sizeof(*e) &&
	       (!e->path_len || !((const char *)(e + 1))[e->path_len - 1]);
}

static bool dump_ok(const struct ev_dump *e, uint64_t len)
{
	return len >= sizeof(*e) && e->n_registers <= STACK_REGISTERS_MAX &&
	       e->len <= len - sizeof(*e);
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
	if (e->kind == EV_FILE && file_ok((const void *)e, len))
		return list_add(&w->files, &w->n_files, &w->size_files, e);
	if (e->kind == EV_REQUEST && len >= sizeof(struct ev_request))
		return list_add(&w->requests, &w->n_requests, &w->size_requests, e);
	if (e->kind == EV_SPAN && worker_span_ok((const void *)e, len))
		return list_add(&w->spans, &w->n_spans, &w->size_spans, e);
	if (e->kind == EV_EXIT && worker_end_ok((const void *)e, len))
		return list_add(&w->ends, &w->n_ends, &w->size_ends, e);
	if (e->kind == EV_RAN && len >= sizeof(struct ev_ran))
		return list_add(&w->rans, &w->n_rans, &w->size_rans, e);
	if (e->kind == EV_FRAMES && frames_ok((const void *)e, len))
		return stack_add(w, e, &((const struct ev_frames *)e)->key);
	if (e->kind == EV_DUMP && dump_ok((const void *)e, len))
		return stack_add(w, e, &((const struct ev_dump *)e)->key);
	w->bad++;
	return 0;
}

/* linux/bpf.h, BPF_RINGBUF_*: a record is { u32 len and flags, u32 page offset }, then its bytes */
#define RING_BUSY (1u << 31)
#define RING_DISCARD (1u << 30)

static void count_kind(struct worker *w, const struct ev_header *e)
{
	if (e->kind && e->kind <= EV_KINDS)
		w->evidence[e->kind - 1]++;
}

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
		else if (!(head & RING_DISCARD) && len < sizeof(struct ev_header))
			w->bad++;
		else if (!(head & RING_DISCARD)) {
			count_kind(w, (const void *)(p + 8));
			err = learn(w, (const void *)(p + 8), len);
			if (err)
				return err;
		}
		p += step;
		left -= step;
	}
	w->bad += !!left; /* the copy begins and ends where a record does */
	return 0;
}

/* They stay until the process ends, as all that tasks and lives point to. */
static int read_exits(struct worker *w)
{
	struct ev_task *list;
	size_t n;
	int err = worker_read_exits(w, &list, &n);

	for (size_t i = 0; !err && i < n; i++)
		err = learn(w, &list[i].h, sizeof(list[i]));
	return err;
}

/* Hours after a recorder was paused, or died: it may have the tid of one that was recorded. */
static bool came_later(const struct worker *w, const struct ev_task *e)
{
	return e->start > w->h->clocks.monotonic && e->tgid != w->h->focus_pid;
}

/* A thread that lives is no event: it goes into no list. Its wait has not ended. */
static int learn_walked(struct worker *w, const struct ev_header *e, uint64_t len)
{
	if (e->kind == EV_TASK && (!task_ok((const void *)e, len) || came_later(w, (const void *)e)))
		return 0;
	if (e->kind == EV_TASK)
		return learn_task(w, (const void *)e);
	if (e->kind == EV_WAIT && len >= sizeof(struct ev_wait))
		return list_add(&w->open, &w->n_open, &w->size_open, e);
	return learn(w, e, len);
}

static int read_walk(struct worker *w)
{
	uint8_t *p = capture_at(w->h, w->h->walked);
	uint64_t left = w->h->walked.len;
	int err;

	while (left >= sizeof(struct ev_header)) {
		struct ev_header head;

		memcpy(&head, p, sizeof(head));
		if (head.len < sizeof(struct ev_header) || head.len > left || head.len % 8)
			break;
		err = learn_walked(w, (const void *)p, head.len);
		if (err)
			return err;
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

		if (t->tid == t->tgid)
			continue;
		leader = worker_task(w, t->tgid, t->start);
		if (leader && !t->exited)
			leader->threads_live = true;
		else if (leader && leader->gone < t->exited)
			leader->gone = t->exited; /* the process ends no earlier */
	}
}

/* A wait that ended between the walk and the copy of the evidence is there twice. */
static void drop_ended(struct worker *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n_open; i++) {
		const struct ev_wait *e = w->open[i];
		bool ended = false;

		/* the evidence is in order of time but for a moment's worth */
		for (size_t k = w->n_waits; k > 0 && !ended; k--) {
			const struct ev_wait *later = w->waits[k - 1];

			if (later->h.ts + 1000000000 < e->h.ts)
				break;
			ended = later->w.tid == e->w.tid && later->w.end >= e->w.start &&
				later->w.end > e->h.ts;
		}
		if (!ended)
			w->open[kept++] = e;
	}
	w->n_open = kept;
}

static bool has_wait(const struct worker *w, const struct wait_facts *f)
{
	for (size_t i = w->n_waits; i-- > 0;) {
		const struct wait_facts *g = &w->waits[i]->w;

		if (g->tid == f->tid && g->start <= f->start && g->end >= f->in)
			return true;
	}
	return false;
}

/* In a storm the evidence may have refused the very waits that the snapshot is for. */
static int read_hits(struct worker *w)
{
	static struct ev_wait own[POLICY_HITS_MAX];
	int err = 0;

	for (uint32_t i = 0; i < w->h->n_hits && i < POLICY_HITS_MAX && !err; i++) {
		struct policy_hit *hit = &w->h->hits[i];
		const struct wait_facts *f = &hit->record.w;

		if (hit->kind == TRIGGER_EXIT)
			hit->record.duration = 0; /* it takes no time */
		if (!trigger_of_sleep(hit->kind) || f->flags & WAIT_OPEN || has_wait(w, f))
			continue;
		own[i] = (struct ev_wait){.h = hit->record.h, .w = *f};
		own[i].h.kind = EV_WAIT;
		own[i].w.flags |= WAIT_OF_HIT;
		err = list_add(&w->waits, &w->n_waits, &w->size_waits, &own[i]);
	}
	return err;
}

int worker_read(struct worker *w)
{
	int err = read_evidence(w);

	if (!err)
		err = read_exits(w);
	if (!err)
		err = read_walk(w);
	if (!err) {
		mark_leaders(w);
		drop_ended(w);
		worker_sort_files(w);
		err = read_hits(w);
	}
	return err;
}

/* ---- writing ---- */

uint64_t worker_known(const struct worker *w, const struct task *t)
{
	uint64_t ts = t->start > w->h->from ? t->start : w->h->from;

	if (t->born && t->born->h.ts + 1 > ts)
		ts = t->born->h.ts + 1;
	return ts;
}

/* Dead before the window began, and no thread of it outlived that. */
static bool long_dead(const struct worker *w, const struct task *t)
{
	return t->exited && t->exited < w->h->from && !t->threads_live && t->gone <= w->h->from;
}

/* --only: of no others, not even that they are there. */
static bool is_told(const struct worker *w, const struct task *t)
{
	return !long_dead(w, t) && (!w->h->only || t->detailed);
}

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

	if (w->h->redact || t->exited || (t->last->flags & TASK_KTHREAD) ||
	    opener_cmdline(&w->opener, t->tid, t->start, offset, buf, size, &len))
		return 0;
	return split(buf, len, argv);
}

static void write_thread(struct worker *w, const struct task *t)
{
	struct trace_thread th = {
		.ts = worker_boot(w, worker_known(w, t)),
		.tid = t->tid,
		.tgid = t->tgid,
		.nstid = t->last->ns_tid != t->tid ? t->last->ns_tid : 0,
		.name = t->comm,
	};

	trace_put_thread(w->out, &th);
}

static void write_leader(struct worker *w, struct task *t)
{
	write_thread(w, t);
	if (!(t->last->flags & TASK_KTHREAD) && worker_cgroup(w, t))
		worker_track(w, t);
}

/*
 * And its leader, and its cgroup, which the track tells: what is said of one time shares a packet,
 * or stands side by side, where it shrinks.
 */
static void write_process(struct worker *w, struct task *t)
{
	const char *argv[ARGV_MAX], *comm = t->comm;
	uint64_t since = worker_known(w, t);
	char buf[4096];
	size_t n = living_cmdline(w, t, buf, sizeof(buf), argv);

	if (t->exec) { /* until then it was its parent's program */
		put_process(w, t, worker_boot(w, since), &comm, 1, true);
		write_leader(w, t);
		since = t->exec->h.ts > since ? t->exec->h.ts : since;
	}
	if (!n && t->exec && t->exec->cmdline_len) /* less the NUL that the kernel side put behind it */
		n = split(record_text(t->exec, t->exec->cgroup_len), t->exec->cmdline_len - 1,
			  argv);
	if (n)
		put_process(w, t, worker_boot(w, since), argv, n, false);
	else
		put_process(w, t, worker_boot(w, since), &comm, 1, true);
	if (!t->exec)
		write_leader(w, t);
}

void worker_write_tasks(struct worker *w)
{
	for (size_t i = 0; i < w->tasks.n; i++) {
		struct task *t = &w->tasks.list[i];

		if (t->tid == t->tgid && is_told(w, t))
			write_process(w, t);
	}
	for (size_t i = 0; i < w->tasks.n; i++) {
		const struct task *t = &w->tasks.list[i];

		if (t->tid != t->tgid && is_told(w, t))
			write_thread(w, t);
	}
}
