/* SPDX-License-Identifier: GPL-2.0 */
/* test_spool_name.c - what the names of snapshots say, and which of them have to go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/spool.h"

#define SEC 1000000000ull
#define WHEN (1795328223ull * SEC) /* 2026-11-22T06:17:03Z */
#define STAMP "2026-11-22T06-17-03Z-"

/* ---- names ---- */

static void expect_name(const char *trigger, const char *comm, uint32_t pid, unsigned int copy,
			const char *want, const char *want_trigger)
{
	struct spool_naming n = { WHEN, trigger, comm, pid };
	char name[SPOOL_NAME_MAX], got[SPOOL_TRIGGER_MAX];

	assert_int_equal(spool_name(&n, copy, name), 0);
	assert_string_equal(name, want);
	assert_true(spool_parse_name(name, got));
	assert_string_equal(got, want_trigger);
}

static void test_names(void **state)
{
	(void)state;
	expect_name("slow-lock", "nginx", 1234, 0, STAMP "slow-lock-nginx-1234.pftrace",
		    "slow-lock");
	expect_name("slow-lock", "nginx", 1234, 1, STAMP "slow-lock-nginx-1234-2.pftrace",
		    "slow-lock");
	expect_name("slow-7", "42", 1, 2, STAMP "slow-7-_2-1-3.pftrace", "slow-7");
	expect_name("7", "a-b", 1, 0, STAMP "7-a_b-1.pftrace", "7");
	expect_name("x", "../../etc/p\n\xff", 9, 0, STAMP "x-.._.._etc_p__-9.pftrace", "x");
	expect_name("x", "", 9, 0, STAMP "x-_-9.pftrace", "x");
	expect_name("x", NULL, 0, 0, STAMP "x-none-0.pftrace", "x");
	expect_name(NULL, NULL, 0, 0, STAMP "manual.pftrace", "manual");
	expect_name(NULL, NULL, 0, 1, STAMP "manual-2.pftrace", "manual");
	expect_name(NULL, "bash", 77, 0, STAMP "manual-bash-77.pftrace", "manual");
	expect_name(NULL, "bash", 77, 9, STAMP "manual-bash-77-10.pftrace", "manual");
}

static void test_foreign_names(void **state)
{
	static const char *const foreign[] = {
		"",
		".",
		"..",
		"notes.txt",
		".pftrace",
		STAMP ".pftrace",
		STAMP "a.pftrace",
		STAMP "a-1.pftrace",
		STAMP "a-b-c.pftrace",
		STAMP "a-b-1-keep.pftrace",
		STAMP "-b-1.pftrace",
		STAMP "a--1.pftrace",
		STAMP "a-b-.pftrace",
		STAMP "1-2-3.pftrace",
		STAMP "1-2.pftrace",
		STAMP "a-b-1.pftrace.gz",
		STAMP "a-b-1.PFTRACE",
		STAMP "a/b-c-1.pftrace",
		STAMP "a b-c-1.pftrace",
		"2026-11-22T06-17-03-a-b-1.pftrace",
		"x" STAMP "a-b-1.pftrace",
		"." STAMP "a-b-1.pftrace.tmp",
		STAMP "manual-.pftrace",
		STAMP "manual-2-3.pftrace",
	};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (spool_parse_name(foreign[i], NULL))
			fail_msg("taken for a snapshot: %s", foreign[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, STAMP, strlen(STAMP));
	strcpy(longest + 300, "-b-1.pftrace");
	assert_false(spool_parse_name(longest, NULL));
	strcpy(longest + 120, "-b-1.pftrace");
	assert_false(spool_parse_name(longest, NULL)); /* no trigger has such a name */
}

static void test_longest_name_round_trip(void **state)
{
	char trigger[200], name[SPOOL_NAME_MAX], got[SPOOL_TRIGGER_MAX];
	struct spool_naming n = { WHEN, trigger, trigger, UINT32_MAX };

	(void)state;
	memset(trigger, 'x', sizeof(trigger));
	trigger[199] = '\0';
	assert_int_equal(spool_name(&n, UINT32_MAX - 1, name), 0);
	assert_true(strlen(name) < SPOOL_NAME_MAX - 1);
	assert_true(spool_parse_name(name, got));
	assert_int_equal(strlen(got), SPOOL_TRIGGER_MAX - 1);
}

/* ---- victims ---- */

static struct spool_entry entries[8];
static bool victims[8];

/* One letter a file, its trigger; all of 10 bytes. */
static size_t fill(const char *triggers)
{
	size_t n = strlen(triggers);

	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < n; i++) {
		entries[i].trigger[0] = triggers[i];
		entries[i].bytes = 10;
	}
	return n;
}

static void expect_victims(size_t n, size_t keep, uint32_t files, uint64_t bytes, uint64_t free_up,
			   const char *want)
{
	char got[9] = "";
	int ret = spool_choose_victims(entries, n, keep, files, bytes, free_up, victims);
	int sum = 0;

	assert_true(ret >= 0);
	for (size_t i = 0; i < n; i++) {
		got[i] = victims[i] ? 'x' : '.';
		sum += victims[i];
	}
	assert_string_equal(got, want);
	assert_int_equal(sum, ret);
}

static void test_victims(void **state)
{
	size_t n = fill("aababc");

	(void)state;
	expect_victims(n, n, 0, 0, 0, "......");
	expect_victims(n, n, 6, 60, 0, "......");
	expect_victims(n, n, 5, 0, 0, ".x....");
	expect_victims(n, n, 0, 59, 0, ".x....");
	expect_victims(n, n, 0, 0, 11, ".x.x..");
	expect_victims(n, n, 3, 0, 0, ".x.xx.");
	expect_victims(n, n, 2, 0, 0, "xx.xx."); /* only firsts are left: the oldest */
	expect_victims(n, 5, 1, 0, 0, "xxxxx.");
	expect_victims(n, 1, 5, 0, 0, "...x..");
	expect_victims(n, 0, 1, 5, 0, "x....."); /* alone too big: only itself */
	expect_victims(n, 5, 0, 10, 0, "xxxxx.");
	expect_victims(0, 0, 1, 1, 0, "");
	memset(victims, 1, sizeof(victims));
	assert_int_equal(spool_choose_victims(entries, n, n, 0, 0, 61, victims), -ENOSPC);
	assert_true(victims[0]); /* untouched */
	assert_int_equal(spool_choose_victims(entries, n, 5, 0, 0, 51, victims), -ENOSPC);
	expect_victims(n, n, 0, 0, 60, "xxxxxx");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_foreign_names),
		cmocka_unit_test(test_longest_name_round_trip),
		cmocka_unit_test(test_victims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
