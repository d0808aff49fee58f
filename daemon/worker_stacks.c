/* SPDX-License-Identifier: GPL-2.0 */
/* worker_stacks.c - which stack belongs to which wait, and each stack once. */
#include "worker_stacks.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "symbols.h"
#include "worker_images.h"
#include "worker_naming.h"
#include "worker_processes.h"

/*
 * All unwinding and naming together, the kernel's symbols excepted; what is left after it keeps its
 * addresses. What the snapshot is about has longer: a slow machine needs it. An idle worker on a
 * busy host may have had no CPU by then: it gets some, but must be done long before the daemon
 * takes it for stuck (SNAPSHOT_NAMING_NS).
 */
#define NAMING_NS 1000000000ull
#define NAMING_NEAR_NS 3000000000ull
#define NAMING_CPU_NS 300000000ull
#define NAMING_LAST_NS 4000000000ull
#define EXTENSION_NS 100000000ull

#define STACKS_FRAMES (1u << 20) /* of all stacks together */

#define FRAMES_MAX 512

struct cached {
	struct stack stack;
	uint64_t user, kernel; /* ids of the records that it was made of, see kernel_id() */
	uint32_t tgid;
	struct cached *next;
};

struct variable {
	const struct wait_facts *f;
	const char *name;
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
	int kallsyms;
	bool made; /* everything */
	uint64_t began, cpu, deadline; /* of making: MONOTONIC, PROCESS_CPUTIME, MONOTONIC ns */
	size_t n_frames;
	struct variable *variables; /* by wait */
	size_t n_variables;
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

int stacks_open(struct worker *w, int kallsyms, struct stacks **ret)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->w = w;
	s->kallsyms = kallsyms;
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
	*ret = s;
	return 0;
}

void stacks_close(struct stacks *s)
{
	if (!s)
		return;
	processes_close(s->processes);
	symbols_free(s->kernel);
	free(s->contents);
	free(s->variables);
	free(s); /* the cache and its frames go with the process */
}

/* ---- frames ---- */

static size_t kernel_frames(struct stacks *s, const struct stack_record *r,
			    struct trace_frame *frames, size_t max)
{
	/* the addresses themselves are secrets that the trace does not need */
	static const struct trace_mapping kernel = {.path = TRACE_KERNEL_PATH};
	const struct ev_frames *e = (const void *)r->h;
	const uint64_t *pcs = (const uint64_t *)(e + 1);
	size_t n = 0;

	for (; n < e->n && n < max; n++) {
		/* the first is where it stood, the others are return addresses */
		struct symbol *sym = s->kernel ? symbols_find(s->kernel, pcs[n] - (n > 0)) : NULL;

		const char *name = sym ? processes_keep(s->processes, sym->name, strlen(sym->name))
				       : NULL;

		frames[n] = (struct trace_frame){.function = name ? name : "[kernel]",
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

/* Of an open wait's kernel stack, which has none: always its own. */
static uint64_t kernel_id(const struct stack_record *kernel)
{
	return !kernel ? 0 : kernel->key->id ? kernel->key->id : (uintptr_t)kernel;
}

static void keep_frames(struct stacks *s, struct cached *c, const struct trace_frame *frames,
			size_t n)
{
	const struct trace_frame **list = NULL;

	if (n && s->n_frames + n <= STACKS_FRAMES)
		list = malloc(n * sizeof(*list));
	for (size_t i = 0; list && i < n; i++) {
		list[i] = processes_keep(s->processes, &frames[i], sizeof(*frames));
		if (list[i])
			continue;
		free(list);
		list = NULL;
	}
	c->stack.frames = list;
	c->stack.n = list ? n : 0;
	s->n_frames += c->stack.n;
}

/* user and kernel: references; either may be NULL. */
static void make(struct stacks *s, const struct stack_record *user,
		 const struct stack_record *kernel)
{
	const struct stack_key *key = user ? user->key : kernel->key;
	const struct stack_record *dump = NULL, *pcs = NULL, *kpcs = kernel;
	struct trace_frame frames[FRAMES_MAX];
	enum processes_end end;
	struct cached *c;
	size_t n = 0;

	if (cached_find(s, user ? user->key->id : 0, kernel_id(kernel), key->tgid))
		return;
	c = cached_new(s, user ? user->key->id : 0, kernel_id(kernel), key->tgid);
	if (!c)
		return;
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
		n += processes_unwind(s->processes, key->tgid, user->h->ts,
				      dump ? (const void *)dump->h : NULL,
				      pcs ? (const void *)pcs->h : NULL, s->deadline, frames + n,
				      FRAMES_MAX - n, &end);
		count_end(s, &c->stack, end);
	}
	keep_frames(s, c, frames, n);
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

/* ---- all of them ---- */

static void make_one(struct stacks *s, const struct naming *n)
{
	const struct wait_facts *f = n->f;
	const struct stack_record *user = NULL, *kernel = NULL;
	const char *name;

	switch (n->what) {
	case NAMING_VARIABLE:
		name = processes_variable(s->processes, f->tgid, f->in, wait_futex(f), s->deadline);
		if (name)
			s->variables[s->n_variables++] = (struct variable){f, name};
		return;
	case NAMING_SLEEPER:
		user = ref_find(s, STACK_SLEEPER, f->tid, f->start, f->in);
		kernel = ref_find(s, STACK_KERNEL, f->tid, f->start, f->in);
		break;
	case NAMING_EXIT:
		user = ref_find(s, STACK_EXIT, f->tid, f->in, f->in);
		break;
	case NAMING_WAKER:
		user = ref_find(s, STACK_WAKER, f->tid, f->start, f->woken);
		break;
	}
	if (user || kernel)
		make(s, user, kernel);
}

/* More time for who had none. */
static void extend(struct stacks *s, bool near)
{
	uint64_t now = clock_monotonic();

	s->deadline = s->began + (near ? NAMING_NEAR_NS : NAMING_NS);
	if (now + EXTENSION_NS > s->deadline && now < s->began + NAMING_LAST_NS &&
	    clock_read(CLOCK_PROCESS_CPUTIME_ID) - s->cpu < NAMING_CPU_NS)
		s->deadline = now + EXTENSION_NS;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Where functions of the kernel were called, as kernel_frames() asks for them, in order. */
static uint64_t *kernel_addresses(const struct stacks *s, size_t *ret_n)
{
	uint64_t *list;
	size_t n = 0;

	for (size_t i = 0; i < s->n_contents; i++)
		if (s->contents[i]->h->kind == EV_FRAMES)
			n += ((const struct ev_frames *)s->contents[i]->h)->n;
	list = calloc(n + 1, sizeof(*list));
	n = 0;
	for (size_t i = 0; list && i < s->n_contents; i++) {
		const struct ev_frames *e = (const void *)s->contents[i]->h;
		const uint64_t *pcs = (const uint64_t *)(e + 1);

		for (size_t k = 0; e->h.kind == EV_FRAMES && k < e->n; k++)
			if (pcs[k] >> 63)
				list[n++] = pcs[k] - (k > 0);
	}
	if (n)
		qsort(list, n, sizeof(*list), by_value);
	*ret_n = n;
	return list;
}

static void open_kernel(struct stacks *s)
{
	uint64_t *addresses;
	size_t n = 0, len;
	char *text;

	if (!s->n || s->kallsyms < 0 || lseek(s->kallsyms, 0, SEEK_SET))
		return;
	addresses = kernel_addresses(s, &n);
	text = n ? images_text(s->kallsyms, &len) : NULL;
	if (text) /* without it frames are addresses */
		kernel_symbols(text, len, addresses, n, &s->kernel);
	free(text);
	free(addresses);
}

static int by_facts(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;

	return (x->f > y->f) - (x->f < y->f);
}

/*
 * At the first question, when it is known which waits will be told. One process after the other,
 * and only what is told stays in memory, which the rest of the worker needs as well.
 */
static void make_all(struct stacks *s)
{
	struct naming *list;
	size_t n;

	s->made = true;
	if (naming_order(s->w, &list, &n))
		return;
	s->variables = calloc(n + 1, sizeof(*s->variables));
	if (s->variables) {
		open_kernel(s);
		s->began = clock_monotonic();
		s->cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID);
		for (size_t i = 0; i < n; i++) {
			bool near = list[i].hops < NAMING_FAR;

			processes_lines(s->processes, s->began + NAMING_NS / 2, near);
			extend(s, near);
			make_one(s, &list[i]);
		}
		if (s->n_variables)
			qsort(s->variables, s->n_variables, sizeof(*s->variables), by_facts);
	}
	free(list);
	symbols_free(s->kernel);
	s->kernel = NULL;
	processes_forget(s->processes);
	malloc_trim(0);
}

const struct stack *stacks_find(struct stacks *s, enum stack_role role, uint32_t tid,
				uint64_t from, uint64_t to)
{
	const struct stack_record *user = ref_find(s, role, tid, from, to), *kernel = NULL;
	const struct cached *c;

	if (!s->made)
		make_all(s);
	if (role == STACK_SLEEPER)
		kernel = ref_find(s, STACK_KERNEL, tid, from, to);
	if (!user && !kernel)
		return NULL;
	s->counters.records++;
	c = cached_find(s, user ? user->key->id : 0, kernel_id(kernel),
			user ? user->key->tgid : kernel->key->tgid);
	return c ? &c->stack : NULL;
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
		outer_first[i] = *stack->frames[stack->n - 1 - i];
	if (trace_put_stack(s->w->out, outer_first, stack->n, &mine->trace_id))
		mine->trace_id = 0;
	return mine->trace_id;
}

const char *stacks_text(const struct stack *stack, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; stack && i < stack->n; i++) {
		const char *name = stack->frames[i]->function ? stack->frames[i]->function : "?";
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

const char *stacks_variable(struct stacks *s, const struct wait_facts *f)
{
	const struct variable wanted = {.f = f}, *v;

	if (!s->made)
		make_all(s);
	v = s->n_variables
		    ? bsearch(&wanted, s->variables, s->n_variables, sizeof(wanted), by_facts)
		    : NULL;
	return v ? v->name : NULL;
}

const struct stack_counters *stacks_counters(const struct stacks *s)
{
	return &s->counters;
}
