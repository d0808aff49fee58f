// SPDX-License-Identifier: GPL-2.0
/* Pressure: what the kernel's text says, and how much of a window was stalled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "../../daemon/pressure.h"

#define MS 1000000ull
#define S (1000 * MS)

static const char both[] = "some avg10=0.12 avg60=0.00 avg300=0.00 total=4711\n"
			   "full avg10=0.00 avg60=0.00 avg300=0.00 total=42\n";

static void test_parse(void **state)
{
	uint64_t ns = 7;

	(void)state;
	assert_int_equal(pressure_parse(both, false, &ns), 0);
	assert_int_equal(ns, 4711000);
	assert_int_equal(pressure_parse(both, true, &ns), 0);
	assert_int_equal(ns, 42000);
	ns = 7;
	assert_int_equal(pressure_parse("some avg10=0.12 total=1\n", true, &ns), -EBADMSG);
	assert_int_equal(pressure_parse("some avg10=0.12\nfull total=1\n", false, &ns), -EBADMSG);
	assert_int_equal(pressure_parse("some total=\n", false, &ns), -EBADMSG);
	assert_int_equal(pressure_parse("some total=99999999999999999999\n", false, &ns), -EBADMSG);
	assert_int_equal(pressure_parse("", false, &ns), -EBADMSG);
	assert_int_equal(ns, 7);
}

/* What was counted before we looked is of no window. */
static void test_first(void **state)
{
	struct pressure_window w = {.size = S};

	(void)state;
	assert_int_equal(pressure_window_add(&w, 5 * S, 100 * S), 0);
	assert_int_equal(pressure_window_add(&w, 5 * S + 100 * MS, 100 * S + 30 * MS), 30 * MS);
}

static void test_even(void **state)
{
	struct pressure_window w = {.size = S};
	uint64_t got = 0;

	(void)state;
	for (uint64_t i = 0; i <= 40; i++)
		got = pressure_window_add(&w, S + i * 100 * MS, i * 20 * MS);
	/* a fifth of the time, wherever the window stands */
	assert_int_equal(got, 200 * MS);
	for (uint64_t i = 41; i <= 80; i++)
		got = pressure_window_add(&w, S + i * 100 * MS, 40 * 20 * MS);
	assert_int_equal(got, 0);
}

/* What has left the window is not taken for a part of it, however the looks lie. */
static void test_burst(void **state)
{
	struct pressure_window w = {.size = S};

	(void)state;
	pressure_window_add(&w, S, 0);
	for (uint64_t i = 1; i <= 20; i++) {
		uint64_t total = (i < 5 ? i : 5) * 110 * MS; /* all in the first 550 ms */
		uint64_t got = pressure_window_add(&w, S + i * 110 * MS, total);
		uint64_t left = i * 110 * MS > S ? i * 110 * MS - S : 0;

		assert_int_equal(got, total - (left < total ? left : total));
	}
}

static void test_gap(void **state)
{
	struct pressure_window w = {.size = S};

	(void)state;
	pressure_window_add(&w, S, 0);
	/* not looked at for long: as if it had grown evenly */
	assert_int_equal(pressure_window_add(&w, 61 * S, 30 * S), S / 2);
	/* counted by CPU, so it may run ahead: never more than the window itself */
	assert_int_equal(pressure_window_add(&w, 62 * S, 32 * S), S);
	/* counted anew: another cgroup of the same name */
	assert_int_equal(pressure_window_add(&w, 63 * S, 5), 0);
	assert_int_equal(w.size, S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
