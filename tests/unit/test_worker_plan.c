/* SPDX-License-Identifier: GPL-2.0 */
/* Which waits are told where there are too many for the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/worker_internal.h"

#define FROM 10000000000ull
#define NOW 20000000000ull
#define STACKS 10000000ull
#define SWITCHES 4096u
#define WAITS 40000u
#define SUBJECT 7u /* the trigger's thread */
#define OTHER 8u

static struct worker w;
static struct task lives[2];
static struct ev_wait records[WAITS];
static const struct ev_wait *list[WAITS];

/* A worker that has read one CPU's switches and two threads, of which every bucket has both. */
static int setup(void **state)
{
	struct capture_header *h =
		calloc(1, sizeof(*h) + sizeof(h->cpus[0]) + SWITCHES * HOT_SLOT_SIZE);
	struct capture_cpu *c = &h->cpus[0];
	struct hot_slot *s = (void *)(c + 1);

	(void)state;
	memset(&w, 0, sizeof(w));
	h->n_cpus = 1;
	h->clocks = (struct capture_clocks){NOW, NOW, NOW};
	h->from = FROM;
	h->stacks_ns = STACKS;
	h->syscalls = SYSCALLS_SLOW;
	c->end = c->slots.len = SWITCHES * HOT_SLOT_SIZE;
	c->slots.offset = (uint8_t *)s - (uint8_t *)h;
	for (uint32_t i = 0; i < SWITCHES; i++) {
		s[i].ts = FROM + i * 1000;
		s[i].sw.next_tid = i % 5;
		s[i].seq = i * HOT_SLOT_SIZE | HOT_SWITCH;
	}
	for (uint32_t i = 0; i < 2; i++)
		lives[i] = (struct task){.tid = SUBJECT + i, .tgid = SUBJECT, .detailed = true,
					 .next = i ? 0 : 2};
	w.h = h;
	w.tasks.list = lives;
	w.tasks.n = 2;
	for (uint32_t i = 0; i < TASK_BUCKETS; i++)
		w.tasks.buckets[i] = 1;
	w.waits = list;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(w.told);
	free(w.h);
	return 0;
}

static struct wait_facts *add_wait(uint32_t tid, uint64_t start, uint64_t ns)
{
	struct wait_facts *f = &records[w.n_waits].w;

	*f = (struct wait_facts){ .tid = tid,
				  .start = start,
				  .in = start + ns,
				  .end = start + ns + 5,
				  .flags = WAIT_HAS_RET,
				  .state = TASK_REPORT_SLEEPING };
	list[w.n_waits] = &records[w.n_waits];
	w.n_waits++;
	return f;
}

static void test_all_fit(void **state)
{
	(void)state;
	add_wait(OTHER, FROM + 5, 1000000);
	add_wait(OTHER, FROM + 5, STACKS);
	add_wait(OTHER, FROM + 5, 1000)->flags = WAIT_FUTEX;
	add_wait(OTHER, FROM + 5, 1000)->flags = 0; /* nobody saw its call end */
	assert_int_equal(worker_plan(&w), 0);
	assert_int_equal(w.told[0], TOLD_SYSCALL);
	assert_int_equal(w.told[1], TOLD_SYSCALL | TOLD_SLICE);
	assert_int_equal(w.told[2], TOLD_SLICE);
	assert_int_equal(w.told[3], TOLD_SLICE);
	assert_int_equal(w.n_told, 4);
	assert_int_equal(w.dropped + w.brief, 0);
}

/* The shortest go, as many as need be; not those of the trigger's thread. */
static void test_shortest_go(void **state)
{
	(void)state;
	w.h->n_hits = 1;
	w.h->hits[0].record.w.tid = SUBJECT;
	for (uint32_t i = 0; i < WAITS; i++) {
		struct wait_facts *f = add_wait(i % 16 ? OTHER : SUBJECT, FROM + 5, 2000000 + i);

		f->flags |= WAIT_FUTEX;
	}
	assert_int_equal(worker_plan(&w), 0);
	assert_in_range(w.dropped, WAITS / 4, WAITS * 3 / 4);
	assert_int_equal(w.brief, 0);
	assert_int_equal(w.n_told, WAITS - w.dropped);
	for (uint32_t i = 0; i < WAITS; i++)
		assert_int_equal(!!w.told[i], i % 16 == 0 || records[i].w.in - records[i].w.start >
								     w.dropped_ns);
}

/* None over `stacks` is left out, but some are told in brief. */
static void test_long_stay(void **state)
{
	uint32_t brief = 0;

	(void)state;
	for (uint32_t i = 0; i < WAITS; i++)
		add_wait(OTHER, FROM + 5, i % 2 ? STACKS + i : STACKS - 1 - i);
	assert_int_equal(worker_plan(&w), 0);
	assert_int_equal(w.dropped, WAITS / 2);
	assert_int_equal(w.dropped_ns, STACKS - 1);
	for (uint32_t i = 1; i < WAITS; i += 2) {
		assert_true(w.told[i] & TOLD_SLICE);
		brief += !!(w.told[i] & TOLD_BRIEF);
		assert_int_equal(!!(w.told[i] & TOLD_BRIEF), STACKS + i <= w.brief_ns);
	}
	assert_int_equal(w.brief, brief);
	assert_in_range(brief, 1, WAITS / 2 - 1);
}

/* Of what ended before the switches begin, only what happened while the trigger's wait lasted. */
static void test_before_the_window(void **state)
{
	(void)state;
	w.h->cpus[0].held_since = FROM + 1000000000;
	w.h->n_hits = 1;
	w.h->hits[0].record.w.start = FROM + 500000000;
	w.h->hits[0].record.w.end = FROM + 1500000000;
	add_wait(OTHER, FROM + 5, STACKS);
	add_wait(OTHER, FROM + 600000000, STACKS);
	add_wait(OTHER, FROM + 1000000000, STACKS);
	assert_int_equal(worker_plan(&w), 0);
	assert_int_equal(w.held, FROM + 1000000000);
	assert_false(w.told[0]);
	assert_true(w.told[1]);
	assert_true(w.told[2]);
	assert_int_equal(w.dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shortest_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_before_the_window, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
