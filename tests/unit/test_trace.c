/* SPDX-License-Identifier: GPL-2.0 */
/* What the writer writes, the reader reads; raw bytes where only they show a mistake. */
#define _GNU_SOURCE
#include "test_trace.h"

static void next_is(struct trace_reader *r, enum trace_event_kind kind, struct trace_event *e)
{
	memset(e, 0xaa, sizeof(*e));
	assert_int_equal(trace_reader_event(r, e), 1);
	assert_int_equal(e->kind, kind);
}

static void end_is(struct trace_reader *r)
{
	struct trace_event e;

	assert_int_equal(trace_reader_event(r, &e), 0);
	assert_int_equal(trace_reader_event(r, &e), 0);
	assert_string_equal(trace_reader_error(r), "");
	trace_reader_close(r);
}

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

/* --- tracks --- */

static void check_args(const struct trace_slice *s)
{
	static const enum trace_arg_type types[] = {
		TRACE_ARG_STRING, TRACE_ARG_INT,  TRACE_ARG_UINT, TRACE_ARG_POINTER,
		TRACE_ARG_DOUBLE, TRACE_ARG_BOOL, TRACE_ARG_DICT,
	};

	assert_int_equal(s->n_args, 7);
	for (int i = 0; i < 7; i++)
		assert_int_equal(s->args[i].type, types[i]);
	assert_string_equal(s->args[0].key, "cause");
	assert_string_equal(s->args[0].string, "lock");
	assert_int_equal(s->args[1].i, -5);
	assert_int_equal(s->args[2].u, UINT64_MAX);
	assert_int_equal(s->args[3].u, 0x4a30e0);
	assert_true(s->args[4].d == 0.25);
	assert_false(s->args[5].b);
	assert_int_equal(s->args[6].dict.n, 2);
	assert_string_equal(s->args[6].dict.entries[0].key, "tid");
	assert_int_equal(s->args[6].dict.entries[0].i, 33);
	assert_string_equal(s->args[6].dict.entries[1].string, "nginx");
}

static void check_slices(struct trace_reader *r)
{
	struct trace_event e;

	next_is(r, TRACE_EVENT_TRACK, &e);
	assert_int_equal(e.track.uuid, 5);
	assert_int_equal(e.track.parent, 4);
	assert_string_equal(e.track.name, "triggers");
	assert_string_equal(e.track.description, "why");
	assert_int_equal(e.track.rank, -2);
	assert_int_equal(e.track.child_order, TRACE_ORDER_RANK);
	assert_int_equal(e.track.tid, 0);
	next_is(r, TRACE_EVENT_TRACK, &e);
	assert_int_equal(e.track.uuid, 0xabcdef0123456789);
	assert_int_equal(e.track.tgid, 12);
	assert_int_equal(e.track.tid, 13);
	assert_true(e.track.separate);
	next_is(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.type, TRACE_SLICE_BEGIN);
	assert_int_equal(e.slice.ts, T0);
	assert_int_equal(e.slice.track, 0xabcdef0123456789);
	assert_string_equal(e.slice.name, "wait: lock");
	assert_string_equal(e.slice.category, "frec");
	check_args(&e.slice);
	assert_int_equal(e.slice.n_flows, 2);
	assert_int_equal(e.slice.flows[1], UINT64_MAX);
	assert_int_equal(e.slice.n_flow_ends, 1);
	assert_int_equal(e.slice.flow_ends[0], 9);
	assert_int_equal(e.slice.n_stack, TEST_FRAMES);
	assert_string_equal(e.slice.stack[0]->function, "main");
	next_is(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.type, TRACE_INSTANT);
	assert_null(e.slice.name);
	next_is(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.type, TRACE_SLICE_END);
	next_is(r, TRACE_EVENT_OFFCPU, &e);
	assert_int_equal(e.ts, T0 + 3);
	assert_int_equal(e.offcpu.pid, 12);
	assert_int_equal(e.offcpu.tid, 13);
	assert_int_equal(e.offcpu.ns, 1000);
	assert_int_equal(e.offcpu.n_stack, TEST_FRAMES);
	assert_string_equal(e.offcpu.stack[1]->function, "handle_guess");
	next_is(r, TRACE_EVENT_OFFCPU, &e);
	assert_int_equal(e.offcpu.n_stack, 0);
}

static void test_slices(void **state)
{
	struct trace_writer *w;
	struct trace_reader *r;
	struct file f;

	(void)state;
	w = file_begin(&f);
	put_slices(w);
	assert_int_equal(trace_put_track(w, &(struct trace_track){ .uuid = 0 }), -EINVAL);
	assert_int_equal(trace_put_slice(w, &(struct trace_slice){ .ts = T0, .type = 0 }), -EINVAL);
	file_end(&f, w);
	r = file_open(&f);
	check_slices(r);
	end_is(r);
	file_free(&f);
}

/* Refused as a whole, and the sequence still begins with the next one. */
static void test_slice_too_large(void **state)
{
	static char big[700 << 10];
	struct trace_slice slice = { .ts = T0, .track = 5, .type = TRACE_INSTANT, .name = big };
	const Pft__TracePacket *p;
	struct trace_writer *w;
	struct trace_reader *r;
	struct file f;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	w = file_begin(&f);
	assert_int_equal(trace_put_slice(w, &slice), -EMSGSIZE);
	slice.name = "small";
	assert_int_equal(trace_put_slice(w, &slice), 0);
	file_end(&f, w);
	r = file_open(&f);
	assert_int_equal(trace_reader_packet(r, &p), 1);
	assert_string_equal(p->track_event->name, "small");
	assert_int_equal(p->sequence_flags, 1);
	assert_int_equal(trace_reader_packet(r, &p), 0);
	trace_reader_close(r);
	file_free(&f);
}

static void check_raw_compact(struct field compact)
{
	static const uint8_t packed[] = { 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12 };

	for (size_t i = 0; i < sizeof(packed); i++)
		assert_int_equal(raw_in(compact, packed[i], 0).wire, 2);
	assert_int_equal(raw_in(compact, 2, 0).value, 3); /* 1, 0x100 */
	assert_memory_equal(raw_in(compact, 2, 0).data, "\x01\x80\x02", 3);
	assert_memory_equal(raw_in(compact, 3, 0).data, "\x03\x04", 2);
	/* The second time is a difference. */
	assert_int_equal(raw_in(compact, 1, 0).data[raw_in(compact, 1, 0).value - 1], 10);
	assert_memory_equal(raw_in(compact, 12, 0).data, "\x08", 1);
}

static void check_raw_event(struct field event)
{
	const uint8_t *p = event.data, *end = event.data + event.value;
	struct field f = { 0 };

	assert_true(raw_next(&p, end, &f));
	assert_int_equal(f.number, 1);
	assert_true(raw_next(&p, end, &f));
	assert_int_equal(f.number, 2);
	assert_true(raw_next(&p, end, &f));
	assert_int_equal(f.wire, 2);
	assert_false(raw_next(&p, end, &f));
}

static void test_raw(void **state)
{
	struct field bundle, event, slice;
	struct trace_writer *w;
	struct trace_cpu *c;
	struct file f;
	uint8_t *data;
	size_t size;

	(void)state;
	w = file_begin(&f);
	put_slices(w);
	trace_cpu_open(w, 0, 0, &c);
	put_switch(c, T0, 0, 2);
	put_switch(c, T0 + 10, 2, 3);
	put_waking(c, T0 + 11, 5, 3, TRACE_IRQ_HARD);
	put_switch(c, T0 + 20, 3, 4);
	trace_cpu_sys_enter(c, &(struct trace_sys_enter){ T0 + 4, 0, 202, { 1, 2, 3 }, 3 });
	trace_cpu_close(c);
	file_end(&f, w);
	data = inflate_file(&f, &size);

	slice = raw_in(raw_find(data, size, 1, 3), 11, 0);
	assert_int_equal(raw_in(slice, 47, 1).wire, 1);
	assert_memory_equal(raw_in(slice, 47, 0).data - 2, "\xf9\x02\x07\0\0\0\0\0\0\0", 10);
	assert_memory_equal(raw_in(slice, 48, 0).data - 2, "\x81\x03\x09\0\0\0\0\0\0\0", 10);
	assert_int_equal(raw_in(raw_in(slice, 4, 4), 5, 0).wire, 1);

	bundle = raw_in(raw_find(data, size, 1, 8), 1, 0);
	assert_int_equal(raw_in(bundle, 1, 0).wire, 0); /* CPU 0 is said */
	check_raw_compact(raw_in(bundle, 4, 0));
	check_raw_event(raw_in(bundle, 2, 0));
	event = raw_in(bundle, 2, 1);
	check_raw_event(event);
	assert_int_equal(raw_in(event, 2, 0).value, 0); /* pid 0 is said */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(raw_in(raw_in(event, 329, 0), 2, i).wire, 0);
		assert_int_equal(raw_in(raw_in(event, 329, 0), 2, i).value, i + 1);
	}
	free(data);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	   cmocka_unit_test(test_tree),
		cmocka_unit_test(test_tree_large), cmocka_unit_test(test_chain),
		cmocka_unit_test(test_waking),	   cmocka_unit_test(test_many),
		cmocka_unit_test(test_extremes),   cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_slices),	   cmocka_unit_test(test_slice_too_large),
		cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
