/* SPDX-License-Identifier: GPL-2.0 */
/* worker_stacks.c - which stack belongs to which wait, and each stack once. */
#include "worker_stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "symbols.h"
#include "worker_processes.h"

/*
 * All unwinding and naming together, from the first stack on; what is left after
 * it has no names. On a busy host the stacks' turn may come late, but they must be
 * done before the daemon takes the worker for stuck (SNAPSHOT_NAMING_NS).
 */
#define NAMING_NS 5000000000ull
#define NAMED_NS 14000000000ull

#define FRAMES_MAX 512

struct cached {
	struct stack stack;
	uint64_t user, kernel; /* ids of the records that it was made of */
	uint32_t tgid;
	struct cached *next;
};

#define CACHE_BUCKETS 4096

struct stacks {
	struct worker *w;
	const struct stack_record *refs; /* by thread that waits, role, time */
	size_t n;
	const struct stack_record **contents; /* of them that carry content, by id and kind */
	size_t n_contents;
	struct processes *processes;
	struct symbol_table *kernel;
	uint64_t opened, deadline; /* MONOTONIC ns; deadline 0: no stack yet */
	struct cached *cache[CACHE_BUCKETS];
	struct stack_counters counters;
};

/* ---- order ---- */

static int by_wait(const void *a, const void *b)
{
	const struct stack_key *x = ((const struct stack_record *)a)->key;
	const struct stack_key *y = ((const struct stack_record *)b)->key;

	if (x->wait_tid != y->wait_tid)
		return x->wait_tid < y->wait_tid ? -1 : 1;
	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	return x->wait_at < y->wait_at ? -1 : x->wait_at > y->wait_at;
}

static int compare_content(uint64_t id, uint16_t kind, const struct stack_record *r)
{
	if (id != r->key->id)
		return id < r->key->id ? -1 : 1;
	return (int)kind - (int)r->h->kind;
}

static int by_content(const void *a, const void *b)
{
	const struct stack_record *x = *(const struct stack_record *const *)a;

	return compare_content(x->key->id, x->h->kind, *(const struct stack_record *const *)b);
}

static const struct stack_record *content_find(const struct stacks *s, uint64_t id, uint16_t kind)
{
	size_t lo = 0, hi = s->n_contents;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare_content(id, kind, s->contents[mid]);

		if (!c)
			return s->contents[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void make_of_hits(struct stacks *s);

int stacks_open(struct worker *w, int kallsyms, struct stacks **ret)
{
	struct stacks *s = calloc(1, sizeof(*s));
	FILE *f;

	if (!s)
		return -ENOMEM;
	s->w = w;
	s->opened = clock_monotonic();
	s->contents = calloc(w->n_stacks + 1, sizeof(*s->contents));
	if (!s->contents || processes_open(w, &s->processes)) {
		stacks_close(s);
		return -ENOMEM;
	}
	if (w->n_stacks)
		qsort(w->stacks, w->n_stacks, sizeof(*w->stacks), by_wait);
	s->refs = w->stacks;
	s->n = w->n_stacks;
	for (size_t i = 0; i < s->n; i++)
		if (!(s->refs[i].key->flags & STACK_REFERENCE))
			s->contents[s->n_contents++] = &s->refs[i];
	if (s->n_contents)
		qsort(s->contents, s->n_contents, sizeof(*s->contents), by_content);
	f = s->n && kallsyms >= 0 && !lseek(kallsyms, 0, SEEK_SET) ? fdopen(kallsyms, "r") : NULL;
	if (f) {
		kernel_symbols_open(f, &s->kernel); /* without it frames are addresses */
		fclose(f);
	}
	*ret = s;
	make_of_hits(s);
	return 0;
}

void stacks_close(struct stacks *s)
{
	if (!s)
		return;
	processes_close(s->processes);
	symbols_free(s->kernel);
	free(s->contents);
	free(s); /* the cache and its frames go with the process */
}

/* ---- frames ---- */

static size_t kernel_frames(struct stacks *s, const struct stack_record *r,
			    struct trace_frame *frames, size_t max)
{
	static const struct trace_mapping kernel = {.path = TRACE_KERNEL_PATH};
	const struct ev_frames *e = (const void *)r->h;
	const uint64_t *pcs = (const uint64_t *)(e + 1);
	size_t n = 0;

	for (; n < e->n && n < max; n++) {
		/* the first is where it stood, the others are return addresses */
		struct symbol *sym = s->kernel ? symbols_find(s->kernel, pcs[n] - (n > 0)) : NULL;

		/* the address itself is a secret that the trace does not need */
		frames[n] = (struct trace_frame){.function = sym ? sym->name : "[kernel]",
						 .mapping = &kernel,
						 .rel_pc = sym ? pcs[n] - sym->start : 0,
						 .kind = TRACE_FRAME_KERNEL};
	}
	return n;
}

static struct cached *cached_new(struct stacks *s, uint64_t user, uint64_t kernel, uint32_t tgid)
{
	struct cached **bucket = &s->cache[(user ^ kernel * 31 ^ tgid) % CACHE_BUCKETS], *c;

	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->user = user;
	c->kernel = kernel;
	c->tgid = tgid;
	c->next = *bucket;
	*bucket = c;
	return c;
}

static struct cached *cached_find(struct stacks *s, uint64_t user, uint64_t kernel, uint32_t tgid)
{
	struct cached *c = s->cache[(user ^ kernel * 31 ^ tgid) % CACHE_BUCKETS];

	while (c && (c->user != user || c->kernel != kernel || c->tgid != tgid))
		c = c->next;
	return c;
}

static uint64_t deadline_of(struct stacks *s)
{
	uint64_t now = clock_monotonic();

	if (!s->w->out) /* those of the hits, before anything is written */
		return now + NAMING_NS;
	if (!s->deadline)
		s->deadline = now + NAMING_NS < s->opened + NAMED_NS ? now + NAMING_NS
								     : s->opened + NAMED_NS;
	return s->deadline;
}

static void count_end(struct stacks *s, struct stack *stack, enum processes_end end)
{
	s->counters.distinct++;
	s->counters.complete += end == PROCESSES_COMPLETE;
	s->counters.cut += end == PROCESSES_CUT;
	s->counters.broken += end == PROCESSES_BROKEN;
	s->counters.gone += end == PROCESSES_GONE;
	s->counters.late += end == PROCESSES_LATE;
	stack->cut = end == PROCESSES_CUT;
}

/* user and kernel: references; either may be NULL. */
static const struct stack *make(struct stacks *s, const struct stack_record *user,
				const struct stack_record *kernel)
{
	const struct stack_key *key = user ? user->key : kernel->key;
	const struct stack_record *dump = NULL, *pcs = NULL, *kpcs = kernel;
	uint64_t kernel_id = kernel ? kernel->key->id : 0;
	struct trace_frame frames[FRAMES_MAX], *copy;
	enum processes_end end;
	struct cached *c;
	size_t n = 0;

	c = cached_find(s, user ? user->key->id : 0, kernel_id, key->tgid);
	if (c && kernel_id) /* id 0 of an open wait's kernel stack: always its own */
		return &c->stack;
	c = cached_new(s, user ? user->key->id : 0, kernel_id, key->tgid);
	if (!c)
		return NULL;
	if (kernel && (kernel->key->flags & STACK_REFERENCE))
		kpcs = content_find(s, kernel->key->id, EV_FRAMES);
	if (kpcs)
		n = kernel_frames(s, kpcs, frames, FRAMES_MAX);
	if (user) {
		dump = content_find(s, user->key->id, EV_DUMP);
		pcs = content_find(s, user->key->id, EV_FRAMES);
		s->counters.missing += !dump && !pcs;
	}
	if (dump || pcs) {
		/* an execve(2) that was slow ends in the new program */
		n += processes_unwind(s->processes, key->tgid, user->h->ts, dump ? (const void *)dump->h : NULL,
				      pcs ? (const void *)pcs->h : NULL, deadline_of(s), frames + n,
				      FRAMES_MAX - n, &end);
		count_end(s, &c->stack, end);
	}
	copy = n ? malloc(n * sizeof(*copy)) : NULL;
	if (copy)
		memcpy(copy, frames, n * sizeof(*copy));
	c->stack.frames = copy;
	c->stack.n = copy ? n : 0;
	return &c->stack;
}

/* ---- which ---- */

/* The last record of this role about a wait of tid that began in [from, to]. */
static const struct stack_record *ref_find(const struct stacks *s, uint32_t role, uint32_t tid,
					   uint64_t from, uint64_t to)
{
	struct stack_key wanted = {.wait_tid = tid, .role = role, .wait_at = to};
	const struct stack_record probe = {.key = &wanted};
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_wait(&s->refs[mid], &probe) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	lo--;
	if (s->refs[lo].key->wait_tid != tid || s->refs[lo].key->role != role ||
	    s->refs[lo].key->wait_at < from)
		return NULL;
	return &s->refs[lo];
}

const struct stack *stacks_find(struct stacks *s, enum stack_role role, uint32_t tid,
				uint64_t from, uint64_t to)
{
	const struct stack_record *user = ref_find(s, role, tid, from, to), *kernel = NULL;

	if (role == STACK_SLEEPER)
		kernel = ref_find(s, STACK_KERNEL, tid, from, to);
	if (!user && !kernel)
		return NULL;
	s->counters.records++;
	return make(s, user, kernel);
}

/* What the snapshot is about comes first: there may be no time for all. */
static void make_of_hits(struct stacks *s)
{
	for (uint32_t i = 0; i < s->w->h->n_hits; i++) {
		const struct wait_facts *f = &s->w->h->hits[i].record.w;
		const struct stack_record *kernel = ref_find(s, STACK_KERNEL, f->tid, f->start, f->in);
		const struct stack_record *user = ref_find(s, STACK_SLEEPER, f->tid, f->start, f->in);
		const struct stack_record *waker = ref_find(s, STACK_WAKER, f->tid, f->start, f->in);

		if (user || kernel)
			make(s, user, kernel);
		if (waker)
			make(s, waker, NULL);
	}
}

uint64_t stacks_put(struct stacks *s, const struct stack *stack)
{
	struct trace_frame outer_first[FRAMES_MAX];
	struct stack *mine = (struct stack *)(uintptr_t)stack; /* one of ours: only callers may not change it */

	if (!stack || !stack->n)
		return 0;
	if (mine->trace_id)
		return mine->trace_id;
	for (size_t i = 0; i < stack->n; i++)
		outer_first[i] = stack->frames[stack->n - 1 - i];
	if (trace_put_stack(s->w->out, outer_first, stack->n, &mine->trace_id))
		mine->trace_id = 0;
	return mine->trace_id;
}

const char *stacks_text(const struct stack *stack, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; stack && i < stack->n; i++) {
		const char *name = stack->frames[i].function ? stack->frames[i].function : "?";
		size_t len = strlen(name);

		if (used + len + 2 > size)
			break;
		if (used)
			buf[used++] = ';';
		memcpy(buf + used, name, len + 1);
		used += len;
	}
	return buf;
}

const char *stacks_variable(struct stacks *s, const struct wait_facts *f, uint64_t address,
			    char *buf, size_t size)
{
	return processes_variable(s->processes, f->tgid, f->in, address, deadline_of(s), buf, size);
}

const struct stack_counters *stacks_counters(const struct stacks *s)
{
	return &s->counters;
}
