/* SPDX-License-Identifier: GPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../daemon/call_ends.h"

static struct call_ends c;

static int setup(void **state)
{
	(void)state;
	c = (struct call_ends){ 0 };
	return 0;
}

/* Seconds of these rates until it changes; 0: it does not within max. */
static unsigned int until_change(uint64_t events, uint64_t long_ends, unsigned int max)
{
	for (unsigned int i = 1; i <= max; i++)
		if (call_ends_weigh(&c, c.events + events, c.long_ends + long_ends))
			return i;
	return 0;
}

static void test_asked_where_switches_are_many(void **state)
{
	(void)state;
	assert_int_equal(until_change(1000000, 100, 10), 2);
	assert_true(c.asked);
	assert_int_equal(until_change(1000000, 4000, 100), 0);
	assert_int_equal(until_change(1000000, 6000, 100), 10); /* asking has become dearer */
	assert_false(c.asked);
}

static void test_passing_where_sleeps_are_long(void **state)
{
	(void)state;
	assert_int_equal(until_change(1000000, 2000, 100), 0);
	assert_int_equal(until_change(30000, 0, 100), 0); /* and where little happens */
}

static void test_a_moment_changes_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(until_change(1000000, 0, 1), 0);
		assert_int_equal(until_change(1000, 10, 1), 0);
	}
	assert_int_equal(until_change(1000000, 0, 2), 2);
	assert_int_equal(until_change(1000, 0, 9), 0);
	assert_int_equal(until_change(1000000, 0, 1), 0);
	assert_int_equal(until_change(1000, 0, 10), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_asked_where_switches_are_many, setup),
		cmocka_unit_test_setup(test_passing_where_sleeps_are_long, setup),
		cmocka_unit_test_setup(test_a_moment_changes_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
