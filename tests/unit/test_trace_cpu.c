/* SPDX-License-Identifier: GPL-2.0 */
/* Events of CPUs: what the writer writes, the reader reads. */
#define _GNU_SOURCE
#include "test_trace.h"

/* --- switches --- */

static void check_switch(struct trace_reader *r, uint64_t ts, int32_t prev, int32_t next,
			 bool chained)
{
	const struct trace_switch want = make_switch(ts, prev, next);
	struct trace_event e;

	next_is(r, TRACE_EVENT_SWITCH, &e);
	assert_int_equal(e.ts, ts);
	assert_int_equal(e.sw.ts, ts);
	assert_int_equal(e.sw.prev_tid, prev);
	assert_int_equal(e.sw.prev_prio, want.prev_prio);
	assert_int_equal(e.sw.prev_state, want.prev_state);
	assert_string_equal(e.sw.prev_comm, want.prev_comm);
	assert_int_equal(e.sw.next_tid, next);
	assert_int_equal(e.sw.next_prio, want.next_prio);
	assert_string_equal(e.sw.next_comm, want.next_comm);
	assert_int_equal(e.sw.chained, chained);
}

static void test_chain(void **state)
{
	struct trace_writer *w;
	struct trace_cpu *c;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;

	(void)state;
	w = file_begin(&f);
	assert_int_equal(trace_cpu_open(w, TRACE_MAX_CPUS, 0, &c), -EINVAL);
	assert_int_equal(trace_cpu_open(w, 3, T0 - 1, &c), 0);
	assert_int_equal(put_switch(c, T0, 1, 2), 0);	   /* full: nothing before */
	assert_int_equal(put_switch(c, T0 + 10, 2, 3), 0); /* compact */
	assert_int_equal(put_switch(c, T0 + 20, 7, 4), 0); /* full: 7 came from nowhere */
	assert_int_equal(put_switch(c, T0 + 30, 4, 0), 0);
	assert_int_equal(put_switch(c, T0 + 29, 0, 1), -EINVAL);
	assert_int_equal(put_switch(c, T0 + 30, 0, 1), 0);
	assert_int_equal(trace_cpu_flush(c), 0);
	assert_int_equal(put_switch(c, T0 + 40, 1, 5), 0); /* compact over the flush */
	assert_int_equal(trace_cpu_flush(c), 0);
	assert_int_equal(trace_cpu_lost(c), 0);
	assert_int_equal(put_switch(c, T0 + 50, 5, 6), 0); /* full: after a gap */
	assert_int_equal(trace_cpu_close(c), 0);
	assert_int_equal(trace_writer_counters(w)->switches, 7);
	assert_int_equal(trace_writer_counters(w)->full, 3);
	assert_int_equal(trace_writer_counters(w)->rejected, 2);
	file_end(&f, w);

	r = file_open(&f);
	next_is(r, TRACE_EVENT_CPU, &e);
	assert_int_equal(e.cpu, 3);
	assert_int_equal(e.of_cpu.since, T0 - 1);
	assert_false(e.of_cpu.lost);
	check_switch(r, T0, 1, 2, false);
	check_switch(r, T0 + 10, 2, 3, true);
	check_switch(r, T0 + 20, 7, 4, false);
	check_switch(r, T0 + 30, 4, 0, true);
	check_switch(r, T0 + 30, 0, 1, true);
	check_switch(r, T0 + 40, 1, 5, true);
	next_is(r, TRACE_EVENT_CPU, &e);
	assert_true(e.of_cpu.lost);
	check_switch(r, T0 + 50, 5, 6, true);
	end_is(r);
	file_free(&f);
}

static void check_waking(struct trace_reader *r, uint64_t ts, int32_t tid, int32_t waker,
			 uint32_t irq)
{
	struct trace_event e;

	next_is(r, TRACE_EVENT_WAKING, &e);
	assert_int_equal(e.waking.ts, ts);
	assert_int_equal(e.waking.tid, tid);
	assert_int_equal(e.waking.prio, 120);
	assert_int_equal(e.waking.target_cpu, 1);
	assert_int_equal(e.waking.waker_tid, waker);
	assert_int_equal(e.waking.irq, irq);
	assert_string_equal(e.waking.comm, "sixteen-letters!");
}

static void test_waking(void **state)
{
	struct trace_writer *w;
	struct trace_cpu *c;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;

	(void)state;
	w = file_begin(&f);
	trace_cpu_open(w, 0, 0, &c);
	put_waking(c, T0, 50, 9, 0);		      /* full: none runs yet */
	put_waking(c, T0 + 1, 51, 9, TRACE_IRQ_HARD); /* full: by nobody */
	assert_int_equal(trace_cpu_running(c, T0 + 2, 4, "task-4", 104), 0);
	assert_int_equal(trace_cpu_running(c, T0 + 2, 4, "task-4", 104), -EINVAL);
	put_waking(c, T0 + 3, 52, 4, 0);
	put_waking(c, T0 + 4, 53, 4, TRACE_IRQ_SOFT);
	put_waking(c, T0 + 5, 54, -1, 0);
	put_waking(c, T0 + 6, 55, 8, 0); /* full: 8 should not run here */
	put_switch(c, T0 + 7, 4, 6);
	put_waking(c, T0 + 8, 56, 6, 0);
	assert_int_equal(put_waking(c, T0 + 7, 56, 6, 0), -EINVAL);
	trace_cpu_close(c);
	assert_int_equal(trace_writer_counters(w)->wakings, 7);
	file_end(&f, w);

	r = file_open(&f);
	check_waking(r, T0, 50, 9, 0);
	check_waking(r, T0 + 1, 51, 0, 0);
	next_is(r, TRACE_EVENT_SWITCH, &e);
	assert_int_equal(e.sw.prev_tid, 0);
	assert_int_equal(e.sw.next_tid, 4);
	check_waking(r, T0 + 3, 52, 4, 0);
	check_waking(r, T0 + 4, 53, 4, TRACE_IRQ_SOFT);
	check_waking(r, T0 + 5, 54, 4, 0);
	check_waking(r, T0 + 6, 55, 8, 0);
	check_switch(r, T0 + 7, 4, 6, true);
	check_waking(r, T0 + 8, 56, 6, 0);
	end_is(r);
	file_free(&f);
}

/* Many bundles on two CPUs, interleaved, with more names than one bundle may hold. */
static void test_many(void **state)
{
	struct trace_writer *w;
	struct trace_cpu *c[2];
	struct trace_reader *r;
	struct trace_event e;
	int32_t next[2] = { 0, 0 };
	struct file f;

	(void)state;
	w = file_begin(&f);
	trace_cpu_open(w, 0, 0, &c[0]);
	trace_cpu_open(w, 1, 0, &c[1]);
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < 2; k++)
			assert_int_equal(
				put_switch(c[k], T0 + i * 1000ull, i % 1500, (i + 1) % 1500), 0);
	trace_cpu_close(c[0]);
	trace_cpu_close(c[1]);
	assert_int_equal(trace_writer_counters(w)->full, 2);
	file_end(&f, w);

	r = file_open(&f);
	for (int i = 0; i < 2 * MANY; i++) {
		struct trace_switch want;
		int n;

		next_is(r, TRACE_EVENT_SWITCH, &e);
		assert_in_range(e.cpu, 0, 1);
		n = next[e.cpu]++;
		want = make_switch(T0 + n * 1000ull, n % 1500, (n + 1) % 1500);
		assert_int_equal(e.ts, want.ts);
		assert_int_equal(e.sw.prev_tid, want.prev_tid);
		assert_int_equal(e.sw.prev_state, want.prev_state);
		assert_int_equal(e.sw.next_tid, want.next_tid);
		assert_string_equal(e.sw.next_comm, want.next_comm);
	}
	end_is(r);
	file_free(&f);
}

/* The largest numbers fit a bundle and come back. */
static void test_extremes(void **state)
{
	struct trace_writer *w;
	struct trace_cpu *c;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;

	(void)state;
	w = file_begin(&f);
	trace_cpu_open(w, TRACE_MAX_CPUS - 1, 0, &c);
	for (int i = 0; i < 5000; i++) {
		struct trace_switch s = { .ts = UINT64_MAX,
					  .prev_tid = INT32_MAX,
					  .next_tid = INT32_MAX };

		s.prev_state = INT64_MIN;
		s.next_prio = s.prev_prio = -1;
		assert_int_equal(trace_cpu_switch(c, &s), 0);
		assert_int_equal(put_waking(c, UINT64_MAX, INT32_MAX, -1, 0xff), 0);
	}
	trace_cpu_close(c);
	file_end(&f, w);
	r = file_open(&f);
	for (int n = 0; n < 5000;) {
		assert_int_equal(trace_reader_event(r, &e), 1);
		assert_int_equal(e.ts, UINT64_MAX);
		if (e.kind != TRACE_EVENT_SWITCH)
			continue;
		n++;
		assert_int_equal(e.sw.prev_state, INT64_MIN);
		assert_int_equal(e.sw.next_prio, -1);
		assert_int_equal(e.sw.next_tid, INT32_MAX);
		assert_string_equal(e.sw.next_comm, "");
	}
	trace_reader_close(r);
	file_free(&f);
}

/* --- tasks and syscalls --- */

static void check_tasks(struct trace_reader *r)
{
	struct trace_event e;

	next_is(r, TRACE_EVENT_NEWTASK, &e);
	assert_int_equal(e.newtask.creator_tid, 9);
	assert_int_equal(e.newtask.tid, 10);
	assert_int_equal(e.newtask.clone_flags, 0x10000);
	assert_string_equal(e.newtask.comm, "shell");
	next_is(r, TRACE_EVENT_RENAME, &e);
	assert_int_equal(e.rename.tid, 10);
	assert_string_equal(e.rename.old_comm, "shell");
	assert_string_equal(e.rename.new_comm, "true");
	next_is(r, TRACE_EVENT_EXEC, &e);
	assert_int_equal(e.task.current_tid, 11);
	assert_int_equal(e.task.tid, 10);
	assert_int_equal(e.task.old_tid, 11);
	assert_string_equal(e.task.filename, "/bin/true");
	next_is(r, TRACE_EVENT_EXIT, &e);
	assert_int_equal(e.task.tgid, 10);
	assert_int_equal(e.task.prio, 120);
	assert_string_equal(e.task.comm, "true");
	next_is(r, TRACE_EVENT_SYS_ENTER, &e);
	assert_int_equal(e.sys_enter.ts, T0 + 4);
	assert_int_equal(e.sys_enter.tid, 10);
	assert_int_equal(e.sys_enter.nr, 0);
	assert_int_equal(e.sys_enter.n_args, 3);
	assert_int_equal(e.sys_enter.args[1], UINT64_MAX);
	next_is(r, TRACE_EVENT_BLOCKED, &e);
	assert_int_equal(e.blocked.tid, 10);
	assert_true(e.blocked.io_wait);
	assert_string_equal(e.blocked.function, "io_schedule");
	next_is(r, TRACE_EVENT_SYS_EXIT, &e);
	assert_int_equal(e.sys_exit.ret, -4);
	next_is(r, TRACE_EVENT_BLOCKED, &e);
	assert_false(e.blocked.io_wait);
	assert_string_equal(e.blocked.function, "io_schedule");
	next_is(r, TRACE_EVENT_BLOCKED, &e);
	assert_string_equal(e.blocked.function, "");
	next_is(r, TRACE_EVENT_FREE, &e);
	assert_int_equal(e.task.current_tid, 0);
	assert_int_equal(e.ts, T0 + 9);
}

static void test_tasks(void **state)
{
	struct trace_sys_enter bad = { .ts = T0, .n_args = TRACE_SYSCALL_ARGS + 1 };
	struct trace_writer *w;
	struct trace_cpu *c;
	struct trace_reader *r;
	struct file f;

	(void)state;
	w = file_begin(&f);
	trace_cpu_open(w, 0, 0, &c);
	put_tasks(c);
	assert_int_equal(trace_cpu_sys_enter(c, &bad), -EINVAL);
	trace_cpu_close(c);
	assert_int_equal(trace_writer_counters(w)->packets, 3); /* each name, "" too, only once */
	file_end(&f, w);
	r = file_open(&f);
	check_tasks(r);
	end_is(r);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_waking),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
