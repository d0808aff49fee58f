/* SPDX-License-Identifier: GPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../daemon/scan.h"

#define MS 1000000ull
#define T0 (1000000 * MS)

static struct config config;
static struct scan scan;
static uint32_t tids[8];

static void configure(uint32_t kind, uint64_t threshold)
{
	config.n_triggers = 1;
	config.triggers[0].filter.kind = kind;
	config.triggers[0].filter.threshold = threshold;
	scan_configure(&scan, &config);
}

static size_t find(const struct task_slot *slots, size_t n, uint64_t now)
{
	return scan_find(&scan, slots, n, now, tids, 8);
}

static void test_once(void **state)
{
	struct task_slot slots[3] = {
		{ .since = T0,
		  .tid = 7,
		  .nr = 202,
		  .state = TASK_REPORT_SLEEPING,
		  .flags = WAIT_LOCK },
		{ .since = T0,
		  .tid = 8,
		  .nr = 202,
		  .state = TASK_REPORT_SLEEPING,
		  .flags = WAIT_FUTEX },
		{ .since = 0, .tid = 9, .flags = WAIT_LOCK },
	};

	(void)state;
	configure(TRIGGER_LOCK, 100 * MS);
	assert_int_equal(find(slots, 3, T0 + 50 * MS), 0);
	assert_int_equal(find(slots, 3, T0 + 300 * MS), 0); /* may end by itself yet */
	assert_int_equal(find(slots, 3, T0 + 550 * MS), 1);
	assert_int_equal(tids[0], 7);
	assert_int_equal(find(slots, 3, T0 + 800 * MS), 0);
	slots[0].since = T0 + 900 * MS; /* another wait */
	assert_int_equal(find(slots, 3, T0 + 1000 * MS), 0);
	assert_int_equal(find(slots, 3, T0 + 1300 * MS), 1);
}

static void test_kinds(void **state)
{
	struct task_slot slot = {.since = T0, .tid = 7, .nr = -1, .state = TASK_REPORT_DISK};

	(void)state;
	configure(TRIGGER_IOWAIT, 100 * MS);
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 1);
	configure(TRIGGER_SYSCALL, 100 * MS); /* it is in none */
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 0);
	configure(TRIGGER_RUNQUEUE, 100 * MS);
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 0);
	slot.state = TASK_REPORT_RUNNING;
	configure(TRIGGER_RUNQUEUE, 100 * MS);
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 1);
	configure(TRIGGER_OFFCPU, 100 * MS);
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 0);
}

/* A call of many short sleeps, whose thread may just run. */
static void test_call(void **state)
{
	struct task_slot slot = {.since = T0 + 900 * MS, .call = T0, .tid = 7, .nr = 1,
				 .state = TASK_REPORT_SLEEPING};

	(void)state;
	configure(TRIGGER_SYSCALL, 300 * MS);
	assert_int_equal(find(&slot, 1, T0 + 500 * MS), 0);
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 1);
	assert_int_equal(find(&slot, 1, T0 + 1250 * MS), 0); /* told */
	configure(TRIGGER_SYSCALL, 300 * MS);
	slot.since = 0;
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 1);
	configure(TRIGGER_OFFCPU, 300 * MS);
	slot.since = T0 + 900 * MS;
	assert_int_equal(find(&slot, 1, T0 + 1000 * MS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
