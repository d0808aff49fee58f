/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_queue.c - who ran while a thread queued for a CPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict_piece.h"

struct queueing {
	const struct story *s;
	struct verdict_link *link;
	uint64_t *ns; /* of each thread, and at last of nobody */
};

/* How long the CPU ran this run inside the span. */
static uint64_t run_inside(const struct story_run *r, struct verdict_span span)
{
	uint64_t from = r->start > span.start ? r->start : span.start;
	uint64_t until = r->end < span.end ? r->end : span.end;

	return until > from ? until - from : 0;
}

/* How long the CPU idled inside the span. */
static uint64_t idled(const struct story *s, uint32_t cpu, struct verdict_span span)
{
	uint64_t ns = 0;

	for (size_t i = story_cpu_run(s, cpu, span.start);
	     i < s->cpu_runs[cpu + 1] && s->runs[i].start < span.end; i++)
		if (s->runs[i].thread == STORY_NOBODY)
			ns += run_inside(&s->runs[i], span);
	return ns;
}

/*
 * The CPU that the thread queued for. That is where it ran in the end; unless that one has idled
 * in between, which no CPU does that has a queue: then another one's queue held the thread until
 * this one took it over. A CPU that idles all the time is told as it is.
 */
static uint32_t queued_on(const struct story *s, const struct verdict_piece *p)
{
	const struct story_wake *wake = p->segment.wake;
	uint32_t cpu = p->segment.cpu;
	uint64_t ns = p->span.end - p->span.start, idle;

	if (cpu >= s->n_cpus || p->kind != VERDICT_RUNQUEUE || !wake)
		return cpu;
	idle = idled(s, cpu, p->span);
	if (idle <= ns / 20 || idle >= ns - ns / 20)
		return cpu;
	if (wake->cpu < s->n_cpus && idled(s, wake->cpu, p->span) <= ns / 20)
		return wake->cpu;
	return STORY_NO_CPU;
}

static int add_queueing(void *context, const struct verdict_piece *p)
{
	struct queueing *q = context;
	const struct story *s = q->s;
	uint32_t cpu;

	if (p->kind != q->link->wait)
		return 0;
	cpu = queued_on(s, p);
	if (cpu >= s->n_cpus)
		return 0;
	for (size_t i = story_cpu_run(s, cpu, p->span.start);
	     i < s->cpu_runs[cpu + 1] && s->runs[i].start < p->span.end; i++) {
		const struct story_run *r = &s->runs[i];

		if (r->thread != q->link->thread)
			q->ns[r->thread == STORY_NOBODY ? s->n_threads : r->thread] +=
				run_inside(r, p->span);
	}
	return 0;
}

static int compare_ran(const void *a, const void *b)
{
	const struct verdict_ran *x = a, *y = b;

	return x->ns > y->ns ? -1 : x->ns < y->ns;
}

static int32_t pid_of(const struct story *s, uint32_t thread)
{
	return thread == STORY_NOBODY ? 0 : s->threads[thread].pid;
}

static int compare_pids(const void *a, const void *b, void *story)
{
	const struct verdict_ran *x = a, *y = b;
	int32_t px = pid_of(story, x->thread), py = pid_of(story, y->thread);

	return px != py ? (px < py ? -1 : 1) : compare_ran(a, b);
}

/* Threads of one process count together, as the one that ran most. */
static size_t sum_processes(const struct story *s, struct verdict_ran *ran, size_t n)
{
	size_t kept = 0;

	qsort_r(ran, n, sizeof(*ran), compare_pids, (void *)s);
	for (size_t i = 0; i < n; i++)
		if (kept && pid_of(s, ran[kept - 1].thread) == pid_of(s, ran[i].thread))
			ran[kept - 1].ns += ran[i].ns;
		else
			ran[kept++] = ran[i];
	qsort(ran, kept, sizeof(*ran), compare_ran);
	return kept;
}

int verdict_ran_instead(const struct story *s, const struct verdict_spans *spans,
			struct verdict_link *link)
{
	struct queueing q = { .s = s, .link = link };
	struct verdict_ran *ran = calloc(s->n_threads + 1, sizeof(*ran));
	size_t n = 0;

	q.ns = calloc(s->n_threads + 1, sizeof(*q.ns));
	if (q.ns && ran) {
		verdict_each_piece(s, link->thread, spans, add_queueing, &q);
		for (size_t i = 0; i <= s->n_threads; i++)
			if (q.ns[i])
				ran[n++] = (struct verdict_ran){
					i < s->n_threads ? i : STORY_NOBODY, q.ns[i]
				};
		n = sum_processes(s, ran, n);
		link->n_ran_instead = n < VERDICT_RAN_INSTEAD ? n : VERDICT_RAN_INSTEAD;
		memcpy(link->ran_instead, ran, link->n_ran_instead * sizeof(*ran));
	}
	free(ran);
	free(q.ns);
	return q.ns && ran ? 0 : -ENOMEM;
}
