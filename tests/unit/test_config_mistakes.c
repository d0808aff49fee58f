/* SPDX-License-Identifier: GPL-2.0 */
/* What is wrong in a configuration, and what is said about it. */
#include "test_config.h"

static void test_bad_values(void **state)
{
	(void)state;
	check_golden("values", -EINVAL);
}

static void test_bad_keys(void **state)
{
	(void)state;
	check_golden("keys", -EINVAL);
}

static void test_bad_triggers(void **state)
{
	(void)state;
	check_golden("triggers", -EINVAL);
}

/* Names of sections are longer than libinih can hold, and differ only behind that. */
static void test_long_names(void **state)
{
	char text[512], name[60];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[59] = '\0';
	snprintf(text, sizeof(text),
		 "[trigger %sa]\nkind=lock\nthreshold=1s\n[trigger %sb]\nkind=lock\nthreshold=2s\n",
		 name, name);
	assert_int_equal(parse(text), 0);
	assert_int_equal(config.n_triggers, 2);
	assert_int_equal(config.triggers[1].name[59], 'b');
}

static void test_text_forms(void **state)
{
	(void)state;
	assert_int_equal(parse("\xef\xbb\xbf[recorder]\r\nwindow = 5s\r\n\r\n\t stacks=1s"), 0);
	assert_true(config.window == 5 * NSEC_PER_SEC && config.stacks == NSEC_PER_SEC);
	assert_int_equal(parse("\xef\xbb\xbf# only a comment"), 0);
	/* Not a continuation of the line before. */
	assert_mistakes("[recorder]\nwindow = 5s\n  20s\n",
			"f:3: line: got '20s', want [section] or key = value\n");
}

static void test_hostile_bytes(void **state)
{
	static char big[1 << 20];

	(void)state;
	assert_int_equal(parse_bytes("[recorder]\nwin\0dow=5s\n", 22), -EINVAL);
	assert_string_equal(said,
			    "f:2: line: got 'win', want text: there is a NUL byte behind this\n");
	assert_mistakes("[recorder]\nwindow = \x1b[31m\xff\n",
			"f:2: window: got '\\x1b[31m\\xff', want a time from 100ms to 1h\n");
	assert_mistakes("[recorder]\nwindow = %s%n\n",
			"f:2: window: got '%s%n', want a time from 100ms to 1h\n");

	memset(big, 'x', sizeof(big));
	assert_int_equal(parse_bytes(big, sizeof(big)), -EINVAL);
	assert_non_null(strstr(said, "want at most 8191 bytes in one line\n"));
	assert_true(strlen(said) < 300);
	memset(big, '[', sizeof(big));
	memcpy(big + sizeof(big) - 13, "\n[daemon]\nx=y", 13);
	assert_int_equal(parse_bytes(big, sizeof(big)), -EINVAL);
	assert_non_null(strstr(said, "\nf:3: x: got 'y', want a key of [daemon]"));

	/* No end of mistakes, but an end of lines about them. */
	for (size_t i = 1; i < sizeof(big); i += 2)
		big[i] = '\n';
	assert_int_equal(parse_bytes(big, sizeof(big)), -EINVAL);
	assert_non_null(strstr(said, "f: 100 mistakes, the rest is not checked\n"));
	assert_null(strstr(said, "f:101:"));
}

static void test_units(void **state)
{
	(void)state;
	assert_mistakes("[trigger t]\nkind=lock\nthreshold = 200\n",
			"f:3: threshold: got '200', want a time from 1us to 24h, with a unit, such as "
			"200ms\n");
	assert_mistakes("[trigger t]\nkind=lock\nthreshold = 1.5 ms\n",
			"f:3: threshold: got '1.5 ms', want a time from 1us to 24h, without a space "
			"before the unit: 1.5ms\n");
	assert_mistakes("[trigger t]\nkind=lock\nthreshold = 200msec\n",
			"f:3: threshold: got '200msec', want a time from 1us to 24h\n");
	assert_mistakes("[recorder]\nmemory = 64\n",
			"f:2: memory: got '64', want auto or a size from 1M to 64G, with a unit, such "
			"as 64M\n");
	assert_mistakes("[recorder]\nstack_dump = 16 K\n",
			"f:2: stack_dump: got '16 K', want a size from 0 to 64K, without a space before "
			"the unit: 16K\n");
	assert_mistakes("[recorder]\nstack_dump = 70000\n",
			"f:2: stack_dump: got '70000', want a size from 0 to 64K\n");
}

/* One mistake in it is one mistake. */
static void test_percentile_of(void **state)
{
	(void)state;
	assert_mistakes("[trigger t]\nkind=percentile\nport=80\npercentile=p99 20ms/10s\n",
			"f:4: percentile: got 'p99 20ms/10s', want request or runqueue, then one such "
			"as p99, then a time from 1us to 10m and its interval from 1s to 1h\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_bad_triggers),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_text_forms),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_percentile_of),
	};

	return cmocka_run_group_tests(tests, NULL, forget_said);
}
