/* SPDX-License-Identifier: GPL-2.0 */
/* Percentiles: what came within the last interval, and where each trigger counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/percentile.h"

#define MS 1000000ull
#define S (1000 * MS)

static struct percentile_window window;
static uint64_t counts[HISTOGRAM_BUCKETS], recent[HISTOGRAM_BUCKETS];

static int start(void **state)
{
	(void)state;
	window = (struct percentile_window){.interval = S};
	memset(counts, 0, sizeof(counts));
	return 0;
}

/* How many came within the last interval; -1: not known. */
static int add(uint64_t now)
{
	return percentile_window_add(&window, now, counts, recent) ? (int)histogram_count(recent)
								   : -1;
}

static void test_first(void **state)
{
	(void)state;
	counts[100] = 1000000; /* before anybody looked */
	for (uint64_t i = 0; i < PERCENTILE_LOOKS; i++)
		assert_int_equal(add(5 * S + i * 100 * MS), -1);
	assert_int_equal(add(6 * S), 0);
}

static void test_slides(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		counts[i % 3]++;
		assert_int_equal(add(i * 100 * MS), i <= PERCENTILE_LOOKS ? -1 : 10);
	}
	counts[200] += 5; /* gone again an interval later */
	for (uint64_t i = 1; i <= PERCENTILE_LOOKS; i++)
		assert_int_equal(add(10 * S + i * 100 * MS), 15 - i);
	assert_int_equal(recent[200], 5);
	assert_int_equal(add(11 * S + 100 * MS), 0);
}

/* Nobody looked for long: of no interval is known what came in it. */
static void test_gap(void **state)
{
	uint64_t at = 60 * S;

	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		add(i * 100 * MS);
	counts[300] = 1000;
	assert_int_equal(add(at), -1);
	for (uint64_t i = 1; i < PERCENTILE_LOOKS; i++)
		assert_int_equal(add(at + i * 100 * MS), -1);
	assert_int_equal(add(at + S), 0);
	/* a little late is no gap */
	assert_int_equal(add(at + S + 400 * MS), 0);
}

static void test_needs(void **state)
{
	(void)state;
	assert_int_equal(percentile_needs(990000), 100);
	assert_int_equal(percentile_needs(999000), 1000);
	assert_int_equal(percentile_needs(970000), 34);
	assert_int_equal(percentile_needs(500000), 10);
	assert_int_equal(percentile_needs(999999), 1000000);
	assert_int_equal(percentile_needs(1), 10);
}

/* ---- places ---- */

static struct config before, after;

static void set(struct config *c, unsigned int i, const char *name, enum trigger_kind of,
		uint32_t pid)
{
	struct config_trigger *t = &c->triggers[i];

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->filter.kind = TRIGGER_PERCENTILE;
	t->filter.of = of;
	t->filter.pid = pid;
	t->filter.filters = pid ? FILTER_PID : 0;
	if (i >= c->n_triggers)
		c->n_triggers = i + 1;
}

static void test_place(void **state)
{
	(void)state;
	memset(&before, 0, sizeof(before));
	set(&before, 0, "host", TRIGGER_RUNQUEUE, 0);
	set(&before, 1, "one", TRIGGER_RUNQUEUE, 1);
	set(&before, 2, "two", TRIGGER_REQUEST, 2);
	set(&before, 3, "lock", TRIGGER_RUNQUEUE, 3);
	before.triggers[3].filter.kind = TRIGGER_LOCK;
	percentile_place(NULL, &before);
	assert_int_equal(before.triggers[0].filter.histogram, HISTOGRAM_RUNQUEUE);
	assert_int_equal(before.triggers[1].filter.histogram, HISTOGRAM_OWN);
	assert_int_equal(before.triggers[2].filter.histogram, HISTOGRAM_OWN + 1);
	assert_int_equal(before.triggers[3].filter.histogram, 0);
	assert_true(percentile_owns(&before.triggers[1]));
	assert_false(percentile_owns(&before.triggers[0]));
	assert_false(percentile_owns(&before.triggers[3]));
}

static void test_place_again(void **state)
{
	test_place(state);
	memset(&after, 0, sizeof(after));
	set(&after, 0, "new", TRIGGER_RUNQUEUE, 1);
	set(&after, 1, "two", TRIGGER_REQUEST, 2); /* as it was, but for its threshold */
	after.triggers[1].filter.threshold = S;
	set(&after, 2, "one", TRIGGER_RUNQUEUE, 7); /* means others now */
	percentile_place(&before, &after);
	/* what was there before is not where others go on counting */
	assert_int_equal(after.triggers[0].filter.histogram, HISTOGRAM_OWN + 2);
	assert_int_equal(after.triggers[1].filter.histogram, HISTOGRAM_OWN + 1);
	assert_int_equal(after.triggers[2].filter.histogram, HISTOGRAM_OWN + 3);
	assert_true(percentile_same(&before.triggers[2], &after.triggers[1]));
	assert_false(percentile_same(&before.triggers[1], &after.triggers[2]));
}

static void test_place_full(void **state)
{
	uint32_t used = 0;
	char name[16];

	(void)state;
	for (unsigned int round = 1; round <= 2; round++) { /* all of them others the second time */
		memset(&after, 0, sizeof(after));
		for (unsigned int i = 0; i < HISTOGRAMS_MAX - HISTOGRAM_OWN; i++) {
			snprintf(name, sizeof(name), "t%u", i);
			set(&after, i, name, TRIGGER_RUNQUEUE, round * 100 + i);
		}
		percentile_place(round == 1 ? NULL : &before, &after);
		before = after;
		used = 0;
		for (unsigned int i = 0; i < after.n_triggers; i++)
			used |= 1u << after.triggers[i].filter.histogram;
		assert_int_equal(used, (1u << HISTOGRAMS_MAX) - (1u << HISTOGRAM_OWN));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first, start),
		cmocka_unit_test_setup(test_slides, start),
		cmocka_unit_test_setup(test_gap, start),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_place_again),
		cmocka_unit_test(test_place_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
