/* SPDX-License-Identifier: GPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../daemon/governor.h"

#define SECOND 1000000000ull
#define T0 (1000 * SECOND)

static struct config asked;
static struct governor g;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	asked = (struct config){
		.stack_dump = 16384,
		.stacks = 10000000,
		.syscalls = SYSCALLS_ALL,
		.overhead_budget = 0.01,
	};
	g = (struct governor){ 0 };
	now = T0;
	return 0;
}

/* Seconds of this share until the level changes; 0: it does not within max. */
static unsigned int until_change(double share, unsigned int max)
{
	for (unsigned int i = 1; i <= max; i++)
		if (governor_step(&g, &asked, share, now += SECOND))
			return i;
	return 0;
}

static void test_in_steps(void **state)
{
	(void)state;
	for (unsigned int level = GOVERNOR_NO_DUMPS; level < GOVERNOR_LEVELS; level++) {
		unsigned int wait = level == GOVERNOR_NO_DUMPS ? 20 : 3;

		assert_in_range(until_change(0.02, 30), wait, wait + 1);
		assert_int_equal(g.level, level);
	}
	assert_int_equal(until_change(1, 100), 0); /* there is no more to leave out */
	assert_int_equal(g.level, GOVERNOR_NO_WAKEUPS);
}

static void test_a_burst_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(until_change(0.5, 18), 0);
		assert_int_equal(until_change(0.009, 1), 0);
	}
	assert_int_equal(g.level, GOVERNOR_ALL);
}

/* Between half the budget and all of it nothing changes. */
static void test_hysteresis(void **state)
{
	(void)state;
	until_change(0.02, 30);
	assert_int_equal(until_change(0.006, 1000), 0);
	assert_int_equal(g.level, GOVERNOR_NO_DUMPS);
	assert_in_range(until_change(0.004, 100), 30, 31);
	assert_int_equal(g.level, GOVERNOR_ALL);
	assert_int_equal(until_change(0.004, 100), 0);
}

/* Taken back too early: the next time it takes twice as long, up to an hour. */
static void test_longer_each_time(void **state)
{
	(void)state;
	unsigned int wait = 30;

	for (int i = 0; i < 12; i++) {
		until_change(0.02, 30);
		assert_in_range(until_change(0, 5000), wait, wait + 1);
		wait = wait < 1800 ? wait * 2 : 3600;
	}
	assert_int_equal(until_change(0, 4000), 0);
	until_change(0.02, 30);
	assert_in_range(until_change(0, 5000), 30, 31); /* long ago */
}

/* A step that would change nothing is none. */
static void test_what_is_off_already(void **state)
{
	(void)state;
	asked.stacks = 3600 * SECOND;
	asked.syscalls = SYSCALLS_SLOW;
	until_change(0.02, 30);
	assert_int_equal(g.level, GOVERNOR_SYSCALLS_OFF);
	asked.syscalls = SYSCALLS_OFF; /* by a reload */
	until_change(0.02, 30);
	assert_int_equal(g.level, GOVERNOR_NO_WAKEUPS);
	until_change(0, 100);
	assert_int_equal(g.level, GOVERNOR_ALL);
}

static void test_shape(void **state)
{
	(void)state;
	struct config c = asked;

	governor_shape(&c, GOVERNOR_NO_DUMPS);
	assert_true(c.crash_dump == asked.stack_dump);
	assert_true(!c.stack_dump && c.stacks == asked.stacks && c.syscalls == SYSCALLS_ALL);
	c = asked;
	governor_shape(&c, GOVERNOR_SYSCALLS_SLOW);
	assert_true(c.stacks > asked.stacks && c.syscalls == SYSCALLS_SLOW && !c.no_wakeups);
	governor_shape(&c, GOVERNOR_NO_WAKEUPS);
	assert_true(c.syscalls == SYSCALLS_OFF && c.no_wakeups);
	c = asked;
	governor_shape(&c, GOVERNOR_ALL);
	c.crash_dump = 0;
	assert_memory_equal(&c, &asked, sizeof(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_steps, setup),
		cmocka_unit_test_setup(test_a_burst_is_none, setup),
		cmocka_unit_test_setup(test_hysteresis, setup),
		cmocka_unit_test_setup(test_longer_each_time, setup),
		cmocka_unit_test_setup(test_what_is_off_already, setup),
		cmocka_unit_test_setup(test_shape, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
