/* SPDX-License-Identifier: GPL-2.0 */
#include "capture.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "snapshot.h"

/* Out of order by nested interrupts, at most so much. */
#define SLACK_NS 10000000ull

/*
 * A file under construction. It is written, not mapped: that takes half the CPU, as no page is
 * cleared first nor mapped for a moment.
 */
struct builder {
	int fd;
	int err; /* of the first that could not be written */
	uint64_t used;
};

static uint64_t align(uint64_t n)
{
	return (n + 63) & ~63ull;
}

static struct capture_span reserve(struct builder *b, uint64_t len)
{
	struct capture_span s = {b->used, len};

	b->used = align(b->used + len);
	return s;
}

static void fill(struct builder *b, struct capture_span s, const void *from)
{
	const uint8_t *p = from;

	for (uint64_t done = 0; done < s.len && !b->err;) {
		ssize_t n = pwrite(b->fd, p + done, s.len - done, s.offset + done);

		if (n > 0)
			done += n;
		else if (!n || errno != EINTR)
			b->err = n ? -errno : -EIO;
	}
}

/* ---- sizes first: what will be copied ---- */

static void plan_cpu(struct recorder *r, unsigned int cpu, uint64_t from, struct capture_cpu *c)
{
	const struct hot_slot *slots = recorder_hot(r, cpu);
	const volatile struct cpu_state *s = recorder_cpu(r, cpu);
	uint64_t size = recorder_sizes(r)->hot_cpu, oldest;

	c->cpu = cpu;
	c->lost = s->lost_hot + s->lost_task;
	for (unsigned int k = 0; k < EV_KINDS; k++)
		c->lost += s->evidence[k].lost;
	ledger_mark(s, &c->last);
	c->end = c->last.pos == LEDGER_NO_MARK ? s->pos : c->last.pos;
	oldest = window_begin(size, c->end);
	c->begin = window_find(slots, size, oldest, c->end, from, SLACK_NS);
	c->held_since = recorder_hot_since(r, cpu);
	if (c->held_since == UINT64_MAX)
		c->held_since = clock_monotonic(); /* nothing is there */
	/* with the last switch before: it says who ran when the window began */
	for (uint64_t pos = c->begin; pos > oldest + size / 64 && pos > c->begin - size / 2;) {
		pos -= HOT_SLOT_SIZE;
		if (window_good(&slots[(pos & (size - 1)) / HOT_SLOT_SIZE], pos) == HOT_SWITCH &&
		    slots[(pos & (size - 1)) / HOT_SLOT_SIZE].ts < from) {
			c->begin = pos;
			break;
		}
	}
}

/* The slots from there on can be told by kind, and compared with what was counted. */
static void plan_ledger(const struct ledger *l, struct capture_cpu *c)
{
	const struct ledger_mark *first = l ? ledger_oldest(l, c->cpu, c->begin) : NULL;

	c->first.pos = LEDGER_NO_MARK;
	if (first)
		c->first = *first;
}

static unsigned int plan_cpus(struct recorder *r, const struct ledger *l, uint64_t from,
			      struct capture_cpu *cpus)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < recorder_cpus(r) && n < CAPTURE_CPUS_MAX; i++)
		if (recorder_hot(r, i)) {
			plan_cpu(r, i, from, &cpus[n]);
			plan_ledger(l, &cpus[n++]);
		}
	return n;
}

/* The writer was faster than the copy, e.g. on a starved host: what is left begins later. */
static void held_from(const struct builder *b, struct capture_cpu *c)
{
	struct hot_slot s;

	for (uint64_t pos = c->good; pos < c->end; pos += HOT_SLOT_SIZE) {
		unsigned int kind;

		if (pread(b->fd, &s, sizeof(s), c->slots.offset + pos - c->begin) != sizeof(s))
			break;
		kind = window_good(&s, pos);
		if (!kind || kind == HOT_SYS_ARGS)
			continue;
		if (s.ts > c->held_since)
			c->held_since = s.ts;
		return;
	}
	c->held_since = clock_monotonic(); /* nothing is left */
}

static void copy_cpu(struct recorder *r, struct builder *b, struct capture_cpu *c)
{
	uint64_t size = recorder_sizes(r)->hot_cpu, at = c->slots.offset;
	struct iovec runs[2];

	window_runs(recorder_hot(r, c->cpu), size, c->begin, c->end, runs);
	for (int i = 0; i < 2; at += runs[i++].iov_len)
		fill(b, (struct capture_span){at, runs[i].iov_len}, runs[i].iov_base);
	__sync_synchronize();
	c->good = window_begin(size, recorder_cpu(r, c->cpu)->pos);
	if (c->good <= c->begin)
		c->good = c->begin;
	else
		held_from(b, c);
}

/* Only threads that wait: since is what makes a slot worth telling. Last of all, as it grows. */
static struct capture_span copy_table(struct recorder *r, struct builder *b)
{
	struct task_slot some[64];
	const struct task_slot *t;
	struct capture_span all = reserve(b, 0);
	size_t n, used = 0;

	t = recorder_tasks(r, &n);
	for (size_t i = 0; i < n; i++) {
		struct task_slot s = t[i];

		if (s.tid && s.since)
			some[used++] = s;
		if (used == 64 || (used && i == n - 1)) {
			fill(b, (struct capture_span){all.offset + all.len, used * sizeof(s)}, some);
			all.len += used * sizeof(s);
			used = 0;
		}
	}
	return all;
}

static uint64_t held_since(const struct capture_cpu *cpus, unsigned int n, uint64_t evidence)
{
	uint64_t since = evidence;

	for (unsigned int i = 0; i < n; i++)
		if (cpus[i].held_since > since)
			since = cpus[i].held_since;
	return since;
}

static void fill_header(struct recorder *r, const struct window *w, const struct config *c,
			const struct capture_request *q, struct capture_header *h)
{
	struct recorder_totals totals;
	uint64_t reach = q->last && q->last < c->window ? q->last : c->window;
	uint64_t since, to, behind;

	h->magic = CAPTURE_MAGIC;
	h->clocks.monotonic = clock_monotonic();
	h->clocks.boottime = clock_read(CLOCK_BOOTTIME);
	h->clocks.realtime = clock_read(CLOCK_REALTIME);
	/* who knows what happened in a pause: a wait that seems to span it may be two */
	recorder_seen(r, h->clocks.monotonic, &since, &to);
	behind = h->clocks.monotonic - to;
	h->clocks.monotonic -= behind;
	h->clocks.boottime -= behind;
	h->clocks.realtime -= behind;
	h->n_offsets = q->n_offsets;
	memcpy(h->offsets, q->offsets, q->n_offsets * sizeof(h->offsets[0]));
	h->n_steps = q->n_steps;
	if (q->n_steps)
		memcpy(h->steps, q->steps, q->n_steps * sizeof(h->steps[0]));
	h->from = h->clocks.monotonic > reach ? h->clocks.monotonic - reach : 0;
	if (h->from < since && since < h->clocks.monotonic)
		h->from = since;
	h->evidence_since = w->held_since;
	recorder_totals(r, &totals);
	h->lost = totals.lost;
	h->missed = totals.recursion;
	if (q->ledger)
		h->gaps = ledger_gaps(q->ledger);
	h->refused = totals.refused;
	h->refused_stacks = totals.refused_stacks;
	h->refused_distinct = totals.refused_distinct;
	h->excluded_stacks = totals.excluded_stacks;
	h->focus_pid = q->focus_pid;
	h->only = q->only;
	h->anonymous = q->anonymous;
	h->redact = c->redact;
	h->syscalls = c->syscalls;
	h->slow_ns = c->slow_syscall;
	h->stacks_ns = c->stacks;
	if (!q->job || q->job->manual)
		return;
	h->n_merged = q->job->n_merged;
	h->n_hits = q->job->n_hits;
	memcpy(h->hits, q->job->hits, sizeof(h->hits));
}

struct capture {
	struct recorder *r;
	const struct ledger *ledger;
	pthread_t thread;
	int done; /* eventfd: the thread has come to its end */
	char *text;
	size_t text_len;
	int err, fd;			 /* what has become of it */
	struct capture_header h;	 /* until it is in the file; with room for the CPUs behind */
};

/* All spans and copies. */
static int build(struct capture *c, const uint8_t *walked, size_t walked_len, struct builder *b)
{
	struct recorder *r = c->r;
	struct capture_header *h = &c->h;
	const struct recorder_ring *ring = recorder_evidence(r);
	uint64_t consumer = *ring->consumer, producer;
	struct capture_span head;

	h->n_cpus = plan_cpus(r, c->ledger, h->from, h->cpus);
	/* after the walk: who is missing there has its exit in here */
	producer = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	for (unsigned int i = 0; i < recorder_cpus(r); i++)
		for (unsigned int k = 0; k < EV_KINDS; k++)
			ledger_add(&h->counts[k], &recorder_cpu(r, i)->evidence[k]);
	if (producer - consumer > ring->size)
		return -EBADMSG;
	head = reserve(b, sizeof(*h) + h->n_cpus * sizeof(h->cpus[0]));
	for (unsigned int i = 0; i < h->n_cpus; i++)
		h->cpus[i].slots = reserve(b, h->cpus[i].end - h->cpus[i].begin);
	h->evidence = reserve(b, producer - consumer);
	h->walked = reserve(b, walked_len);
	h->text = reserve(b, c->text_len);
	b->fd = memfd_create("frec-capture", MFD_CLOEXEC);
	if (b->fd < 0)
		return -errno;
	for (unsigned int i = 0; i < h->n_cpus; i++)
		copy_cpu(r, b, &h->cpus[i]);
	fill(b, h->evidence, ring->data + (consumer & (ring->size - 1)));
	fill(b, h->walked, walked);
	fill(b, h->text, c->text);
	h->table = copy_table(r, b);
	h->size = h->table.offset + h->table.len;
	h->held_since = held_since(h->cpus, h->n_cpus, h->evidence_since);
	fill(b, head, h);
	if (!b->err && ftruncate(b->fd, h->size)) /* the last may be empty */
		b->err = -errno;
	return b->err;
}

/* ---- threads whose stacks are wanted though they still sleep ---- */

#define SLEEPERS_MAX 64

struct sleepers {
	uint32_t tids[SLEEPERS_MAX];
	size_t n;
};

static void sleepers_add(struct sleepers *s, uint32_t tid)
{
	if (!tid || s->n == SLEEPERS_MAX)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->tids[i] == tid)
			return;
	s->tids[s->n++] = tid;
}

/* Those that triggers are about, those in whose focus it is, and all that wait for locks. */
static void sleepers_choose(struct recorder *r, const struct capture_header *h, struct sleepers *s)
{
	const struct task_slot *t;
	size_t n;

	for (uint32_t i = 0; i < h->n_hits; i++) {
		sleepers_add(s, h->hits[i].record.w.tid);
		sleepers_add(s, h->hits[i].record.w.owner_tid);
	}
	t = recorder_tasks(r, &n);
	for (size_t i = 0; i < n; i++) {
		struct task_slot slot = t[i];

		if (!slot.tid || !slot.since)
			continue;
		if ((slot.flags & WAIT_LOCK) || (h->focus_pid && slot.tgid == h->focus_pid)) {
			sleepers_add(s, slot.tid);
			sleepers_add(s, slot.owner);
		}
	}
}

/* Behind the walk; without it the snapshot lacks it. Takes bytes. */
static void append(uint8_t **walked, size_t *walked_len, uint8_t *bytes, size_t len)
{
	uint8_t *both = realloc(*walked, *walked_len + len + 1);

	if (both) {
		memcpy(both + *walked_len, bytes, len);
		*walked = both;
		*walked_len += len;
	}
	free(bytes);
}

/* What goes on: stacks of threads that sleep, requests that nobody has answered, spans. */
static void walk_more(struct recorder *r, const struct capture_header *h, uint8_t **walked,
		      size_t *walked_len)
{
	struct sleepers s = {.n = 0};
	uint8_t *bytes;
	size_t len;

	sleepers_choose(r, h, &s);
	if (s.n && !recorder_sleepers(r, s.tids, s.n, &bytes, &len))
		append(walked, walked_len, bytes, len);
	if (!recorder_walk_requests(r, &bytes, &len))
		append(walked, walked_len, bytes, len);
	if (!recorder_walk_spans(r, &bytes, &len))
		append(walked, walked_len, bytes, len);
}

/* ---- the thread ---- */

static int take(struct capture *c)
{
	struct builder b = {.fd = -1};
	uint8_t *walked = NULL;
	size_t walked_len = 0;
	int err;

	err = recorder_walk_tasks(c->r, &walked, &walked_len);
	if (!err) {
		walk_more(c->r, &c->h, &walked, &walked_len);
		err = build(c, walked, walked_len, &b);
	}
	if (err && b.fd >= 0)
		close(b.fd);
	if (!err)
		c->fd = b.fd;
	free(walked);
	return err;
}

static void *thread_main(void *arg)
{
	struct capture *c = arg;

	prctl(PR_SET_NAME, "frecd-capture");
	/* crowded: else what was to be copied would be overwritten by then; of this thread alone */
	setpriority(PRIO_PROCESS, 0, snapshot_is_crowded() ? SNAPSHOT_NICE : 0);
	c->err = take(c);
	eventfd_write(c->done, 1);
	return NULL;
}

static void capture_free(struct capture *c)
{
	if (c->done >= 0)
		close(c->done);
	free(c->text);
	free(c);
}

int capture_begin(struct recorder *r, const struct window *window, const struct config *config,
		  const struct capture_request *q, struct capture **ret)
{
	struct capture *c = calloc(1, sizeof(*c) + CAPTURE_CPUS_MAX * sizeof(c->h.cpus[0]));
	int err;

	if (!c)
		return -ENOMEM;
	c->r = r;
	c->ledger = q->ledger;
	c->fd = -1;
	c->text_len = q->text_len;
	c->text = malloc(q->text_len + 1);
	c->done = eventfd(0, EFD_CLOEXEC);
	if (!c->text || c->done < 0) {
		capture_free(c);
		return -ENOMEM;
	}
	memcpy(c->text, q->text, q->text_len);
	fill_header(r, window, config, q, &c->h);
	err = pthread_create(&c->thread, NULL, thread_main, c);
	if (err) {
		capture_free(c);
		return -err;
	}
	*ret = c;
	return 0;
}

int capture_done_fd(const struct capture *c)
{
	return c->done;
}

int capture_end(struct capture *c, int *ret_fd)
{
	int err;

	pthread_join(c->thread, NULL);
	err = c->err;
	if (!err)
		*ret_fd = c->fd;
	capture_free(c);
	return err;
}

/* ---- the worker's side ---- */

static bool span_ok(const struct capture_header *h, struct capture_span s)
{
	return s.offset <= h->size && s.len <= h->size - s.offset;
}

static bool header_ok(const struct capture_header *h, uint64_t size)
{
	if (h->magic != CAPTURE_MAGIC || h->size != size || h->n_cpus > CAPTURE_CPUS_MAX ||
	    h->n_hits > POLICY_HITS_MAX || h->n_offsets > CAPTURE_OFFSETS_MAX ||
	    h->n_steps > CAPTURE_STEPS_MAX ||
	    sizeof(*h) + h->n_cpus * sizeof(h->cpus[0]) > size)
		return false;
	for (unsigned int i = 0; i < h->n_cpus; i++) {
		const struct capture_cpu *c = &h->cpus[i];

		if (!span_ok(h, c->slots) || c->cpu >= 1u << 16 || c->end < c->begin ||
		    c->end - c->begin != c->slots.len || c->begin % HOT_SLOT_SIZE ||
		    c->slots.len % HOT_SLOT_SIZE || c->slots.offset % 8)
			return false;
	}
	for (uint32_t i = 0; i < h->n_hits; i++)
		if (!memchr(h->hits[i].name, 0, sizeof(h->hits[i].name)) ||
		    !memchr(h->hits[i].text, 0, sizeof(h->hits[i].text)))
			return false;
	return span_ok(h, h->evidence) && h->evidence.offset % 8 == 0 && span_ok(h, h->walked) &&
	       h->walked.offset % 8 == 0 && span_ok(h, h->table) && h->table.offset % 8 == 0 &&
	       span_ok(h, h->text);
}

int capture_map(int fd, struct capture_header **ret)
{
	struct capture_header *h;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof(*h))
		return -EBADMSG;
	h = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED)
		return -errno;
	if (!header_ok(h, st.st_size)) {
		munmap(h, st.st_size);
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}
