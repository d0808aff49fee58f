/* SPDX-License-Identifier: GPL-2.0 */
/* test_preempt_count.c - where kernels keep what tells that a CPU serves an interrupt. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "../../lib/preempt_count.h"

static struct btf *kernel; /* what a test makes of it */
static int word, queue;	   /* types: of 4 bytes, and of a run queue */

static int add_struct(const char *name, const char *member, int type, uint32_t offset)
{
	int id = btf__add_struct(kernel, name, 64);

	assert_true(id > 0);
	assert_int_equal(btf__add_field(kernel, member, type, offset * 8, 0), 0);
	return id;
}

static int setup(void **state)
{
	(void)state;
	kernel = btf__new_empty();
	word = btf__add_int(kernel, "int", 4, BTF_INT_SIGNED);
	queue = add_struct("rq", "clock", word, 0);
	return word > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	btf__free(kernel);
	return 0;
}

/* A variable that each CPU has, beside the run queue at 4096. */
static void add_variable(const char *name, int type, uint32_t offset)
{
	int count = btf__add_var(kernel, name, BTF_VAR_GLOBAL_ALLOCATED, type);
	int runqueues = btf__add_var(kernel, "runqueues", BTF_VAR_GLOBAL_ALLOCATED, queue);

	assert_true(btf__add_datasec(kernel, ".data..percpu", 8192) > 0);
	assert_int_equal(btf__add_datasec_var_info(kernel, count, offset, 4), 0);
	assert_int_equal(btf__add_datasec_var_info(kernel, runqueues, 4096, 64), 0);
}

static void assert_offset(int err, int64_t offset)
{
	int64_t found = -1;

	assert_int_equal(preempt_count_offset(kernel, &found), err);
	assert_int_equal(found, err ? -1 : offset);
}

static void test_variable(void **state)
{
	(void)state;
	add_struct("sched_entity", "cfs_rq", word, 8);
	add_variable("__preempt_count", word, 128);
	assert_offset(0, 128 - 4096);
}

static void test_member(void **state)
{
	int nameless, hot;

	(void)state;
	add_struct("sched_entity", "cfs_rq", word, 8);
	nameless = add_struct(NULL, "preempt_count", word, 12);
	hot = add_struct("pcpu_hot", "", nameless, 4);
	add_variable("pcpu_hot", hot, 5000);
	assert_offset(0, 5000 + 16 - 4096);
}

static void test_thread(void **state)
{
	(void)state;
	add_struct("thread_info", "preempt_count", word, 16);
	assert_offset(0, 0);
}

static void test_nowhere(void **state)
{
	(void)state;
	assert_offset(-ENOENT, 0);
	add_struct("sched_entity", "cfs_rq", word, 8);
	assert_offset(-ENOENT, 0);
	add_variable("another", word, 128);
	assert_offset(-ENOENT, 0);
}

/* Without CONFIG_FAIR_GROUP_SCHED the programs do not get from a thread to its run queue. */
static void test_no_way(void **state)
{
	(void)state;
	add_struct("sched_entity", "load", word, 0);
	add_variable("__preempt_count", word, 128);
	assert_offset(-ENOENT, 0);
}

static void test_realtime(void **state)
{
	(void)state;
	add_struct("thread_info", "softirq_disable_cnt", word, 0);
	assert_false(preempt_count_lacks_softirqs(kernel));
	add_struct("task_struct", "softirq_disable_cnt", word, 16);
	assert_true(preempt_count_lacks_softirqs(kernel));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_variable), TEST(test_member), TEST(test_thread),
		TEST(test_nowhere),  TEST(test_no_way), TEST(test_realtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
