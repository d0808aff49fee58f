/* SPDX-License-Identifier: GPL-2.0 */
/* Tracks and slices, and raw bytes where only they show a mistake. */
#define _GNU_SOURCE
#include "test_trace.h"

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
	assert_int_equal(p->sequence_flags, 1);
	assert_memory_equal(p->interned_data->event_names[0]->str.data, "small", 5);
	assert_int_equal(trace_reader_packet(r, &p), 1);
	assert_int_equal(p->track_event->name_iid, 1);
	assert_int_equal(p->sequence_flags, 2);
	assert_int_equal(trace_reader_packet(r, &p), 0);
	trace_reader_close(r);
	file_free(&f);
}

/* Equal texts once; one that is too long for the table in full. */
static void test_texts(void **state)
{
	static char big[TRACE_TEXT_MAX + 2];
	struct trace_arg arg = TRACE_STRING("key", "value");
	struct trace_slice slice = { .ts = T0, .track = 5, .type = TRACE_INSTANT, .name = "key",
				     .category = "key", .args = &arg, .n_args = 1 };
	struct trace_writer *w;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	w = file_begin(&f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(trace_put_slice(w, &slice), 0);
	arg.string = big;
	assert_int_equal(trace_put_slice(w, &slice), 0);
	assert_int_equal(trace_writer_counters(w)->packets, 1 + 4);
	file_end(&f, w);
	r = file_open(&f);
	for (int i = 0; i < 4; i++) {
		next_is(r, TRACE_EVENT_SLICE, &e);
		assert_string_equal(e.slice.name, "key");
		assert_string_equal(e.slice.category, "key");
		assert_string_equal(e.slice.args[0].key, "key");
		assert_string_equal(e.slice.args[0].string, i < 3 ? "value" : big);
	}
	end_is(r);
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

	slice = raw_in(raw_packet(data, size, 11, 0), 11, 0);
	assert_int_equal(raw_in(slice, 47, 1).wire, 1);
	assert_memory_equal(raw_in(slice, 47, 0).data - 2, "\xf9\x02\x07\0\0\0\0\0\0\0", 10);
	assert_memory_equal(raw_in(slice, 48, 0).data - 2, "\x81\x03\x09\0\0\0\0\0\0\0", 10);
	assert_int_equal(raw_in(raw_in(slice, 4, 4), 5, 0).wire, 1);

	bundle = raw_in(raw_packet(data, size, 1, 0), 1, 0);
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
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_slice_too_large),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
