/* SPDX-License-Identifier: GPL-2.0 */
/* Host, processes and threads: what the writer writes, the reader reads. */
#define _GNU_SOURCE
#include "test_trace.h"

/* --- the host --- */

static void check_host(struct trace_reader *r)
{
	struct trace_event e;

	next_is(r, TRACE_EVENT_CLOCKS, &e);
	assert_int_equal(e.ts, T0);
	assert_int_equal(e.clocks.boottime, T0);
	assert_int_equal(e.clocks.monotonic, T0 - 5);
	assert_int_equal(e.clocks.realtime, 1700000000000000000ull);
	next_is(r, TRACE_EVENT_SYSTEM, &e);
	assert_string_equal(e.system.sysname, "Linux");
	assert_string_equal(e.system.version, "#1 SMP");
	assert_string_equal(e.system.release, "6.1.0-13");
	assert_string_equal(e.system.machine, "x86_64");
	assert_string_equal(e.system.recorder, "frec 0.1");
	assert_int_equal(e.system.page_size, 4096);
	assert_int_equal(e.system.cpus, 2);
	assert_int_equal(e.system.ram_bytes, 8ull << 30);
	assert_int_equal(e.system.timezone_min, -90);
	next_is(r, TRACE_EVENT_UUID, &e);
	assert_int_equal(e.uuid[0], 0xf0);
	assert_int_equal(e.uuid[7], 7);
	assert_int_equal(e.uuid[8], 0xf8);
	assert_int_equal(e.uuid[15], 15);
	next_is(r, TRACE_EVENT_ATTRIBUTE, &e);
	assert_string_equal(e.attribute.key, "frec.host");
	assert_string_equal(e.attribute.string, "box");
	next_is(r, TRACE_EVENT_ATTRIBUTE, &e);
	assert_string_equal(e.attribute.key, "frec.lost");
	assert_null(e.attribute.string);
	assert_int_equal(e.attribute.number, -3);
}

static void test_host(void **state)
{
	static const struct trace_trigger trigger = { T0 + 9, "slow-lock", NULL };
	static const struct trace_cpu_stats stats = { 1, 100, 2, 3, 95 };
	struct trace_writer *w;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;

	(void)state;
	w = file_begin(&f);
	put_host(w);
	trace_put_trigger(w, &trigger);
	trace_put_cpu_stats(w, true, &stats, 1);
	file_end(&f, w);
	assert_int_equal(f.data[0], 0x0a);

	r = file_open(&f);
	check_host(r);
	next_is(r, TRACE_EVENT_TRIGGER, &e);
	assert_int_equal(e.trigger.ts, T0 + 9);
	assert_string_equal(e.trigger.name, "slow-lock");
	assert_string_equal(e.trigger.producer, "frec");
	next_is(r, TRACE_EVENT_CPU_STATS, &e);
	assert_true(e.cpu_stats.at_end);
	assert_int_equal(e.cpu_stats.stats.cpu, 1);
	assert_int_equal(e.cpu_stats.stats.entries, 100);
	assert_int_equal(e.cpu_stats.stats.overrun, 2);
	assert_int_equal(e.cpu_stats.stats.dropped_events, 3);
	assert_int_equal(e.cpu_stats.stats.read_events, 95);
	end_is(r);
	file_free(&f);
}

/* --- processes --- */

static void check_tree(struct trace_reader *r)
{
	struct trace_event e;

	next_is(r, TRACE_EVENT_PROCESS, &e);
	assert_int_equal(e.process.ts, T0);
	assert_int_equal(e.process.pid, 12);
	assert_int_equal(e.process.ppid, 1);
	assert_int_equal(e.process.uid, 33);
	assert_int_equal(e.process.nspid, 7);
	assert_int_equal(e.process.start, T0 - 99);
	assert_int_equal(e.process.n_argv, 3);
	assert_string_equal(e.process.argv[1], "-g");
	assert_string_equal(e.process.argv[2], "");
	assert_false(e.process.argv_is_comm || e.process.kthread);
	next_is(r, TRACE_EVENT_PROCESS, &e);
	assert_int_equal(e.process.pid, 5);
	assert_int_equal(e.process.nspid, 0);
	assert_true(e.process.argv_is_comm && e.process.kthread);
	next_is(r, TRACE_EVENT_THREAD, &e);
	assert_int_equal(e.thread.ts, T0);
	assert_int_equal(e.thread.tid, 13);
	assert_int_equal(e.thread.tgid, 12);
	assert_int_equal(e.thread.nstid, 8);
	assert_string_equal(e.thread.name, "worker");
	next_is(r, TRACE_EVENT_PROCESS, &e);
	assert_int_equal(e.process.ts, T0 + 1);
	assert_int_equal(e.process.nspid, 0);
}

static void test_tree(void **state)
{
	struct trace_writer *w;
	struct trace_reader *r;
	struct file f;

	(void)state;
	w = file_begin(&f);
	put_tree(w);
	file_end(&f, w);
	r = file_open(&f);
	check_tree(r);
	end_is(r);
	file_free(&f);
}

static void test_tree_large(void **state)
{
	static char big[70000], half[40000];
	const char *const argv[] = { big }, *const fits[] = { half };
	struct trace_process p = { .ts = T0, .pid = 1, .argv = argv, .n_argv = 1 };
	struct trace_writer *w;
	struct file f;
	size_t n;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	memset(half, 'y', sizeof(half) - 1);
	w = file_begin(&f);
	assert_int_equal(trace_put_process(w, &p), -EMSGSIZE);
	p.argv = fits;
	for (int i = 0; i < 3; i++)
		assert_int_equal(trace_put_process(w, &p), 0);
	assert_int_equal(trace_put_process(w, &(struct trace_process){ .ts = T0 + 1, .pid = 2 }),
			 0);
	assert_int_equal(trace_writer_counters(w)->rejected, 1);
	file_end(&f, w);
	assert_int_equal(read_all(file_open(&f), &n), 0);
	assert_int_equal(n, 4);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_tree_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
