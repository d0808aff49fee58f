/* SPDX-License-Identifier: GPL-2.0 */
/* The ledger balances while all is well, and says by how much it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/ledger.h"

#define CPUS 2
#define SECOND 1000000000ull

static struct cpu_state cpus[CPUS];
static unsigned long producer;
static struct ledger ledger;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	memset(cpus, 0, sizeof(cpus));
	producer = 0;
	now = 100 * SECOND;
	return ledger_init(&ledger, CPUS);
}

static int teardown(void **state)
{
	(void)state;
	ledger_free(&ledger);
	return 0;
}

static void event(unsigned int cpu, unsigned int kind)
{
	cpus[cpu].pos += (uint64_t)hot_slots(kind) * HOT_SLOT_SIZE;
	cpus[cpu].runs[kind]++;
}

static void record(unsigned int cpu, unsigned int kind)
{
	cpus[cpu].evidence[kind - 1].tried++;
	cpus[cpu].evidence[kind - 1].written++;
	cpus[cpu].evidence_bytes += 64;
	producer += 64;
}

static struct ledger_gaps look(unsigned int times)
{
	while (times--)
		ledger_look(&ledger, now += SECOND, cpus, &producer, 2 * SECOND);
	return ledger_gaps(&ledger);
}

static void some_of_all(void)
{
	for (unsigned int i = 0; i < 1000; i++)
		for (unsigned int k = 1; k <= HOT_KIND_MAX; k++)
			if (hot_slots(k))
				event(i % CPUS, k);
	for (unsigned int i = 0; i < 1000; i++)
		record(i % CPUS, 1 + i % EV_KINDS);
	cpus[1].evidence[0].tried += 7;
	cpus[1].evidence[0].lost += 3;
	cpus[1].evidence[0].refused += 4;
	cpus[1].runs[0] += 1234; /* tried nothing */
	cpus[0].runs[HOT_SWITCH] += 5;
	cpus[0].lost_hot += 5;
}

static void test_balances(void **state)
{
	struct ledger_gaps g;

	(void)state;
	some_of_all();
	g = look(20);
	assert_true(ledger_balanced(&g));
}

static void test_slots_lost_unsaid(void **state)
{
	(void)state;
	some_of_all();
	cpus[1].runs[HOT_WAKING] += 3; /* and no slot */
	assert_int_equal(look(1).hot, 3);
	cpus[1].runs[HOT_WAKING] -= 3;
	cpus[1].pos += 8 * HOT_SLOT_SIZE; /* may be under way */
	assert_int_equal(look(1).hot, 0);
	cpus[1].pos += HOT_SLOT_SIZE;
	assert_int_equal(look(1).hot, 9);
}

static void test_records_lost_unsaid(void **state)
{
	(void)state;
	some_of_all();
	look(LEDGER_LOOKS);
	cpus[0].evidence[EV_WAIT - 1].tried += 2;
	assert_int_equal(look(LEDGER_LOOKS - 1).evidence, 0); /* may be under way */
	assert_int_equal(look(1).evidence, 2);
	cpus[0].evidence[EV_WAIT - 1].refused += 2;
	assert_int_equal(look(1).evidence, 0);
	producer += 16;
	assert_int_equal(look(LEDGER_LOOKS).ring, 16);
}

static void test_switches_of_the_kernel(void **state)
{
	struct ledger_switches s = {.counted = 5000, .before = 100, .after = 110, .missed = 0};

	(void)state;
	ledger_switches(&ledger, &s, 1);
	s = (struct ledger_switches){.counted = 15000, .before = 10085, .after = 10120};
	ledger_switches(&ledger, &s, 1);
	assert_int_equal(ledger_gaps(&ledger).untold, 0);
	s.counted = 15000 + 20 + CPUS + 5; /* the most that there may be, and 5 */
	ledger_switches(&ledger, &s, 1);
	assert_int_equal(ledger_gaps(&ledger).untold, 5);
	assert_int_equal(ledger_gaps(&ledger).switches, 0);
	s.missed = 5;
	ledger_switches(&ledger, &s, 1);
	assert_int_equal(ledger_gaps(&ledger).untold, 0);
	s.counted += 500;
	ledger_switches(&ledger, &s, 1);
	assert_int_equal(ledger_gaps(&ledger).switches, 500);
	/* more than the kernel did is no better */
	s.counted = 8000;
	ledger_switches(&ledger, &s, 1);
	assert_true(ledger_gaps(&ledger).switches > 6900);
	/* after a pause it begins anew */
	ledger_switches(&ledger, &s, 2);
	assert_int_equal(ledger_gaps(&ledger).untold, 0);
}

static void test_marks(void **state)
{
	uint64_t first;

	(void)state;
	some_of_all();
	look(1);
	first = cpus[0].pos;
	assert_int_equal(ledger_oldest(&ledger, 0, 0)->pos, first);
	assert_null(ledger_oldest(&ledger, 0, first + 1));
	assert_null(ledger_oldest(&ledger, CPUS, 0));
	event(0, HOT_SWITCH);
	look(1); /* too early for another mark */
	assert_null(ledger_oldest(&ledger, 0, first + 1));
	look(1);
	assert_int_equal(ledger_oldest(&ledger, 0, first + 1)->pos, first + HOT_SLOT_SIZE);
	look(2 * LEDGER_MARKS);
	assert_int_equal(ledger_oldest(&ledger, 0, 0)->pos, first + HOT_SLOT_SIZE);
	ledger_look(&ledger, now += 10 * SECOND, cpus, &producer, 0);
	assert_int_equal(ledger.marked, now - 10 * SECOND);
}

static void test_between_marks(void **state)
{
	struct ledger_mark from = {.pos = 0}, to = {.pos = 10000};
	uint64_t slots[HOT_KIND_MAX + 1] = {0};

	(void)state;
	to.runs[HOT_SWITCH] = 100;
	to.runs[HOT_WAKING] = 50;
	to.runs[0] = 1000;
	slots[HOT_SWITCH] = 101; /* one ended behind the mark … */
	slots[HOT_WAKING] = 49;	 /* … another began before the first */
	slots[HOT_SYS_ARGS] = 77;
	assert_int_equal(ledger_window(&from, &to, slots, 0), 0);
	slots[HOT_SWITCH] = 90;
	assert_int_equal(ledger_window(&from, &to, slots, 0), 10);
	assert_int_equal(ledger_window(&from, &to, slots, 4), 6);
	assert_int_equal(ledger_window(&from, &to, slots, 10), 0);
	slots[HOT_WAKING] = 60;
	assert_int_equal(ledger_window(&from, &to, slots, 10), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_balances, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slots_lost_unsaid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_lost_unsaid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_switches_of_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_between_marks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
