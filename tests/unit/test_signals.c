// SPDX-License-Identifier: GPL-2.0
/* Names of signals, and ends of processes in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>

#include "../../bpf/record.h"
#include "../../lib/signals.h"

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(signal_number("SEGV"), SIGSEGV);
	assert_int_equal(signal_number("SIGSEGV"), SIGSEGV);
	assert_int_equal(signal_number("sigterm"), SIGTERM);
	assert_int_equal(signal_number("9"), 9);
	assert_int_equal(signal_number("64"), 64);
	assert_int_equal(signal_number("65"), 0);
	assert_int_equal(signal_number("0"), 0);
	assert_int_equal(signal_number("SIG"), 0);
	assert_int_equal(signal_number(""), 0);
	assert_int_equal(signal_number("SEGV "), 0);
}

static void test_names(void **state)
{
	char buf[32];

	(void)state;
	for (int i = 1; i <= 31; i++)
		assert_int_equal(signal_number(signal_name(i, buf, sizeof(buf))), i);
	assert_string_equal(signal_name(40, buf, sizeof(buf)), "signal 40");
	assert_string_equal(signal_name(-1, buf, sizeof(buf)), "signal -1");
}

static void test_ends(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(signal_end_text(SIGSEGV, buf, sizeof(buf)), "was killed by SIGSEGV");
	assert_string_equal(signal_end_text(END_OOM, buf, sizeof(buf)),
			    "was killed by the OOM killer");
	assert_string_equal(signal_end_text(END_CODE + 3, buf, sizeof(buf)), "exited with 3");
	assert_string_equal(signal_reason(SIGSEGV, SEGV_MAPERR), "nothing is mapped there");
	assert_null(signal_reason(SIGSEGV, SI_USER));
	assert_null(signal_reason(SIGTERM, SEGV_MAPERR));
	assert_true(signal_ends_nothing(SIGCHLD));
	assert_false(signal_ends_nothing(SIGTERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
