/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms: which bucket, how far off what is told of it, percentiles against exact ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/histogram.h"

static uint64_t told(uint64_t ns)
{
	uint32_t i = histogram_index(ns);

	return (histogram_low(i) + histogram_low(i + 1) - 1) / 2;
}

static void test_buckets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		assert_true(histogram_low(i + 1) > histogram_low(i));
		assert_int_equal(histogram_index(histogram_low(i)), i);
		assert_int_equal(histogram_index(histogram_low(i + 1) - 1), i);
	}
	assert_true(histogram_low(HISTOGRAM_BUCKETS) == 1ull << HISTOGRAM_BITS);
	assert_int_equal(histogram_index(1ull << HISTOGRAM_BITS), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* Over the whole range: at the ends of each bucket, where it is largest. */
static void test_error(void **state)
{
	double worst = 0;

	(void)state;
	for (uint32_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t ends[] = {histogram_low(i), histogram_low(i + 1) - 1};

		for (unsigned int k = 0; k < 2; k++) {
			double off = ((double)told(ends[k]) - (double)ends[k]) / (double)ends[k];

			worst = off > worst ? off : -off > worst ? -off : worst;
		}
	}
	assert_true(worst <= 1.0 / 32);
	assert_true(worst < 0.05);
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void check_against(const uint64_t *values, size_t n, uint32_t of_million)
{
	static uint64_t counts[HISTOGRAM_BUCKETS];
	size_t rank =
		((unsigned __int128)n * of_million + HISTOGRAM_MILLION - 1) / HISTOGRAM_MILLION;
	double exact = values[rank ? rank - 1 : 0], got;

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < n; i++)
		counts[histogram_index(values[i])]++;
	assert_int_equal(histogram_count(counts), n);
	got = histogram_percentile(counts, of_million);
	assert_true(got >= exact * (1 - 1.0 / 32) - 1 && got <= exact * (1 + 1.0 / 32) + 1);
}

static void test_percentiles(void **state)
{
	static const uint32_t shares[] = {1, 10000, 500000, 900000, 990000, 999000, 999999};
	static uint64_t values[20000];
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (size_t n = 1; n <= 20000; n = n * 3 + 1) {
		for (size_t i = 0; i < n; i++) { /* every size of number */
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			values[i] = x >> (24 + x % 40);
		}
		qsort(values, n, sizeof(*values), ascending);
		for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++)
			check_against(values, n, shares[k]);
	}
}

static void test_few(void **state)
{
	uint64_t counts[HISTOGRAM_BUCKETS] = {0}, growth[HISTOGRAM_BUCKETS];

	(void)state;
	assert_int_equal(histogram_percentile(counts, 990000), 0);
	counts[histogram_index(7)] = 99;
	counts[histogram_index(1000)] = 1;
	assert_int_equal(histogram_percentile(counts, 990000), 7);
	assert_in_range(histogram_percentile(counts, 990001), 970, 1030);
	counts[5] = UINT64_MAX / 2; /* no end of them */
	assert_int_equal(histogram_percentile(counts, 999999), 5);

	histogram_growth(counts, counts, growth);
	assert_int_equal(histogram_count(growth), 0);
	memset(growth, 0, sizeof(growth));
	histogram_growth(growth, counts, growth); /* less than before: nothing, and not a world of them */
	assert_int_equal(histogram_count(growth), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
