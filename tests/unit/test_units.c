/* SPDX-License-Identifier: GPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/units.h"

#define UNTOUCHED 4711u

struct parse_case {
	const char *text;
	int result;
	uint64_t value;
};

static void check_parse(int (*parse)(const char *, uint64_t *), const struct parse_case *c,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(c[i].text, &value);
		uint64_t want = c[i].result == 0 ? c[i].value : UNTOUCHED;

		if (r != c[i].result || value != want)
			fail_msg("'%s': got %d, %llu, want %d, %llu", c[i].text, r,
				 (unsigned long long)value, c[i].result, (unsigned long long)want);
	}
}

#define CHECK_PARSE(parse, cases) check_parse(parse, cases, sizeof(cases) / sizeof((cases)[0]))

static void test_parse_duration(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "10s", 0, 10000000000 },
		{ "1ms", 0, 1000000 },
		{ "200us", 0, 200000 },
		{ "50ns", 0, 50 },
		{ "1.5s", 0, 1500000000 },
		{ "0.001us", 0, 1 },
		{ "0.5h", 0, 1800000000000 },
		{ "1.999999999s", 0, 1999999999 },
		{ "1.9999999999999s", 0, 1999999999 },
		{ "2m", 0, 120000000000 },
		{ "1h", 0, 3600000000000 },
		{ "18446744073709551615ns", 0, UINT64_MAX },
		{ "18446744073709551616ns", -ERANGE, 0 },
		{ "18446744073709551615s", -ERANGE, 0 },
		{ "5124096h", -ERANGE, 0 },
		{ "5124095h", 0, 5124095ull * 3600000000000 },
		{ "10", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "1.2.3s", -EINVAL, 0 },
		{ "1.5ns", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
		{ "1e3s", -EINVAL, 0 },
		{ "0x10s", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
	};

	(void)state;
	CHECK_PARSE(units_parse_duration, cases);
}

static void test_parse_size(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "16K", 0, 16384 },
		{ "16M", 0, 16777216 },
		{ "1.5G", 0, 1610612736 },
		{ "1T", 0, 1099511627776 },
		{ "16777215T", 0, 16777215ull << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "16m", -EINVAL, 0 },
		{ "16MB", -EINVAL, 0 },
		{ "16 M", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	CHECK_PARSE(units_parse_size, cases);
}

static void test_parse_count(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "20", 0, 20 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551616x", -EINVAL, 0 },
		{ "2x", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "-2", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	CHECK_PARSE(units_parse_count, cases);
}

static void test_parse_percent(void **state)
{
	double share = 0;

	(void)state;
	assert_int_equal(units_parse_percent("1%", &share), 0);
	assert_true(share == 0.01);
	assert_int_equal(units_parse_percent("0.5%", &share), 0);
	assert_true(share == 0.005);
	assert_int_equal(units_parse_percent("100%", &share), 0);
	assert_true(share == 1.0);
	assert_int_equal(units_parse_percent("0%", &share), 0);
	assert_true(share == 0.0);

	share = 42;
	assert_int_equal(units_parse_percent("100.1%", &share), -ERANGE);
	assert_int_equal(units_parse_percent("101%", &share), -ERANGE);
	assert_int_equal(units_parse_percent("1", &share), -EINVAL);
	assert_int_equal(units_parse_percent("0.01", &share), -EINVAL);
	assert_int_equal(units_parse_percent("1 %", &share), -EINVAL);
	assert_int_equal(units_parse_percent("-1%", &share), -EINVAL);
	assert_int_equal(units_parse_percent("1%%", &share), -EINVAL);
	assert_int_equal(units_parse_percent("%", &share), -EINVAL);
	assert_int_equal(units_parse_percent("", &share), -EINVAL);
	assert_true(share == 42);
}

static void test_format_duration(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1 us" },
		{ 1234, "1.2 us" },
		{ 99960, "100 us" },
		{ 123456, "123 us" },
		{ 999499, "999 us" },
		{ 999500, "1 ms" },
		{ 150000000, "150 ms" },
		{ 150400000, "150 ms" },
		{ 12340000, "12.3 ms" },
		{ 999600000, "1 s" },
		{ 1200000000, "1.2 s" },
		{ 1250000000, "1.3 s" },
		{ 10000000000, "10 s" },
		{ 59940000000, "59.9 s" },
		{ 59960000000, "1 min" },
		{ 90000000000, "1 min 30 s" },
		{ 3600000000000, "1 h" },
		{ 3599700000000, "1 h" },
		{ 3900000000000, "1 h 5 min" },
		{ UINT64_MAX, "5124095 h 34 min" },
	};
	char buf[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(units_format_duration(cases[i].ns, buf, sizeof(buf)),
				    cases[i].text);
}

static void test_format_size(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 16777216, "16.0 MiB" },
		{ 1048575, "1.0 MiB" },
		{ 1073741824, "1.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buf[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(units_format_size(cases[i].bytes, buf, sizeof(buf)),
				    cases[i].text);
}

static void test_format_small_buffer(void **state)
{
	char buf[4] = "xyz";

	(void)state;
	assert_string_equal(units_format_duration(150000000, buf, sizeof(buf)), "150");
	assert_string_equal(units_format_size(1 << 24, buf, sizeof(buf)), "16.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_duration),	    cmocka_unit_test(test_parse_size),
		cmocka_unit_test(test_parse_count),	    cmocka_unit_test(test_parse_percent),
		cmocka_unit_test(test_format_duration),	    cmocka_unit_test(test_format_size),
		cmocka_unit_test(test_format_small_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
