/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the verdict share. */
#ifndef FREC_TEST_VERDICT_H
#define FREC_TEST_VERDICT_H

#include "test_story.h"

#include <time.h>

#include "../../lib/text.h"
#include "../../lib/verdict.h"

#define LOCK 0x4a30e0

static inline struct verdict explain(const struct story *s, int32_t tid, double start, double end)
{
	struct verdict v;
	uint64_t sum = 0;

	assert_int_equal(verdict_of(s, who(s, tid), AT(start), AT(end), &v), 0);
	for (int i = 0; i < VERDICT_WAITS; i++)
		sum += v.parts[i];
	assert_int_equal(sum, AT(end) - AT(start)); /* to the ns */
	assert_true(v.explained >= 0 && v.explained <= 1);
	assert_true(v.n_chain >= 1 && v.n_chain <= VERDICT_HOPS);
	assert_true(strlen(v.text) + 1 < sizeof(v.text));
	return v;
}

static inline void is_link(const struct story *s, const struct verdict *v, size_t i, int32_t tid,
		    enum verdict_wait wait)
{
	assert_true(i < v->n_chain);
	assert_int_equal(s->threads[v->chain[i].thread].tid, tid);
	assert_string_equal(verdict_wait_name(v->chain[i].wait), verdict_wait_name(wait));
}

static inline void is_cause(const struct story *s, const struct verdict *v, enum verdict_wait cause,
		     int32_t culprit)
{
	assert_string_equal(verdict_wait_name(v->cause), verdict_wait_name(cause));
	assert_int_equal(s->threads[v->culprit].tid, culprit);
}

static inline void says(const struct verdict *v, const char *words)
{
	if (!strstr(v->text, words))
		fail_msg("'%s' is not in: %s", words, v->text);
}

/* Threads 11 … of process 10; each sleeps from the beginning, on CPU 0 that has nobody. */
static inline struct scene workers(void)
{
	static const char *const names[] = { "one", "two", "three", "four", "five" };
	struct scene sc = scene_begin();

	process(&sc, 10, 1, "/usr/bin/server");
	for (int i = 0; i < 5; i++)
		thread(&sc, 11 + i, 10, names[i]);
	return sc;
}

static inline void sleeps(struct scene *sc, int32_t tid, double start, double end, const char *call)
{
	wait_for(sc, (struct told){ .tid = tid, .pid = 10, .start = start, .end = end, .name = call,
				    .function = "nap", .kernel = "do_nanosleep" });
}

/* On a CPU that is idle else. */
static inline void runs(struct scene *sc, int cpu, double start, double end, int32_t tid)
{
	sw(sc, cpu, start, 0, R, tid);
	sw(sc, cpu, end, tid, S, 0);
}

static inline uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

#endif
