/* SPDX-License-Identifier: GPL-2.0 */
/* Stacks: what is written once comes back, per sequence and generation, within bounds. */
#define _GNU_SOURCE
#include "test_trace.h"

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void same_frame(const struct trace_frame *a, const struct trace_frame *b, const char *path)
{
	same_text(a->function, b->function);
	same_text(a->file, b->file);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->rel_pc, b->rel_pc);
	assert_int_equal(a->mapping == NULL, b->mapping == NULL);
	if (!b->mapping)
		return;
	assert_string_equal(a->mapping->path, path);
	assert_int_equal(a->mapping->start, b->mapping->start);
	assert_int_equal(a->mapping->end, b->mapping->end);
	assert_int_equal(a->mapping->offset, b->mapping->offset);
	assert_int_equal(a->mapping->load_bias, b->mapping->load_bias);
	assert_int_equal(a->mapping->build_id_len, b->mapping->build_id_len);
	if (b->mapping->build_id_len)
		assert_memory_equal(a->mapping->build_id, b->mapping->build_id,
				    b->mapping->build_id_len);
}

static int put_instant(struct trace_writer *w, uint64_t id)
{
	const struct trace_slice s = {
		.ts = T0, .track = 5, .type = TRACE_INSTANT, .name = "x", .stack_id = id
	};

	return trace_put_slice(w, &s);
}

static void next_event(struct trace_reader *r, enum trace_event_kind kind, struct trace_event *e)
{
	assert_int_equal(trace_reader_event(r, e), 1);
	assert_int_equal(e->kind, kind);
}

static void test_round_trip(void **state)
{
	static const char *const paths[] = { "/opt/guess/server", "/opt/guess/server", "",
					     "/opt/guess/server", "kernel" };
	static const struct trace_mapping vdso = { .path = "[vdso]", .start = 9, .end = 8 };
	static const struct trace_mapping odd = { .path = "relative//x y/" }, none = { 0 };
	static const struct trace_frame more[] = { { .mapping = &vdso, .rel_pc = 1 },
						   { .mapping = &odd, .rel_pc = UINT64_MAX },
						   { .mapping = &none },
						   { .rel_pc = 5 } };
	struct trace_event e;
	struct trace_writer *w;
	struct trace_reader *r;
	struct file f;
	uint64_t id;

	(void)state;
	w = file_begin(&f);
	put_instant(w, put_test_stack(w));
	assert_int_equal(trace_put_stack(w, more, 4, &id), 0);
	trace_put_offcpu(w, T0, 1, 2, 3, id);
	file_end(&f, w);
	r = file_open(&f);
	next_event(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.n_stack, TEST_FRAMES);
	for (int i = 0; i < TEST_FRAMES; i++)
		same_frame(e.slice.stack[i], &test_frames[i], paths[i]);
	next_event(r, TRACE_EVENT_OFFCPU, &e);
	assert_int_equal(e.offcpu.n_stack, 4);
	assert_string_equal(e.offcpu.stack[0]->mapping->path, "[vdso]");
	/* A range that ends before it begins is left out. */
	assert_int_equal(e.offcpu.stack[0]->mapping->start, 0);
	assert_string_equal(e.offcpu.stack[1]->mapping->path, "/relative/x y");
	assert_int_equal(e.offcpu.stack[1]->rel_pc, UINT64_MAX);
	assert_string_equal(e.offcpu.stack[2]->mapping->path, "");
	assert_null(e.offcpu.stack[3]->mapping);
	assert_int_equal(e.offcpu.stack[3]->rel_pc, 0);
	assert_int_equal(trace_reader_event(r, &e), 0);
	trace_reader_close(r);
	file_free(&f);
}

static void test_rel_pc(void **state)
{
	(void)state;
	assert_int_equal(trace_rel_pc(&test_server, 0x555500001234), 0x1000 + 0x2000 + 0x234);
}

/* --- equal ones --- */

static void test_equal(void **state)
{
	struct trace_mapping copy = test_server;
	struct trace_frame frames[TEST_FRAMES];
	uint64_t a, b = 0, other = 0;
	struct trace_writer *w;
	struct file f;
	uint64_t packets;

	(void)state;
	w = file_begin(&f);
	a = put_test_stack(w);
	packets = trace_writer_counters(w)->packets;
	/* equal in what it says, not in where it stands */
	memcpy(frames, test_frames, sizeof(frames));
	for (int i = 0; i < TEST_FRAMES; i++)
		if (frames[i].mapping == &test_server)
			frames[i].mapping = &copy;
	assert_int_equal(trace_put_stack(w, frames, TEST_FRAMES, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(trace_writer_counters(w)->packets, packets);
	assert_int_equal(trace_put_stack(w, frames, TEST_FRAMES - 1, &other), 0);
	assert_int_not_equal(other, a);
	copy.load_bias++;
	assert_int_equal(trace_put_stack(w, frames, TEST_FRAMES, &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(trace_writer_counters(w)->stacks, 3);
	assert_int_equal(trace_put_stack(w, NULL, 0, &b), 0);
	assert_int_equal(b, 0);
	file_end(&f, w);
	file_free(&f);
}

static int count_fields(struct field message, uint32_t number)
{
	const uint8_t *p = message.data;
	struct field f;
	int n = 0;

	while (raw_next(&p, message.data + message.value, &f))
		n += f.number == number;
	return n;
}

static void check_raw_mappings(struct field data)
{
	struct field server = raw_in(data, 19, 0), kernel = raw_in(data, 19, 1);

	assert_int_equal(count_fields(data, 19), 2);
	assert_int_equal(count_fields(server, 7), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(raw_in(server, 7, i).wire, 0);
		assert_int_equal(raw_in(server, 7, i).value, i + 1);
	}
	assert_memory_equal(raw_in(raw_in(data, 17, 0), 2, 0).data, "opt", 3);
	assert_int_equal(raw_in(server, 6, 0).value, 0x2000);
	assert_int_equal(raw_in(server, 8, 0).value, 0x1000);
	assert_int_equal(raw_in(server, 4, 0).value, 0x555500001000);
	assert_memory_equal(raw_in(raw_in(data, 16, 0), 2, 0).data, test_build_id, 20);
	/* iid and one name: what else stood here would make it an ordinary file */
	assert_int_equal(kernel.value, 4);
	assert_int_equal(raw_in(kernel, 7, 0).value, 4);
	assert_memory_equal(raw_in(raw_in(data, 17, 3), 2, 0).data, "kernel", 6);
}

static void check_raw_frames(struct field data)
{
	struct field stack = raw_in(data, 7, 0);

	assert_int_equal(count_fields(data, 5), 4);
	assert_int_equal(count_fields(data, 6), TEST_FRAMES);
	assert_int_equal(count_fields(data, 7), 1);
	assert_int_equal(count_fields(stack, 2), TEST_FRAMES);
	for (int i = 0; i < TEST_FRAMES; i++) {
		assert_int_equal(raw_in(stack, 2, i).wire, 0);
		assert_int_equal(raw_in(stack, 2, i).value, i + 1);
	}
	/* said even if it is 0, and not without a mapping */
	assert_int_equal(raw_in(raw_in(data, 6, 4), 4, 0).value, 0);
	assert_int_equal(count_fields(raw_in(data, 6, 2), 4), 0);
	assert_int_equal(raw_in(raw_in(data, 6, 4), 7, 0).value, TRACE_FRAME_KERNEL);
	assert_int_equal(raw_in(raw_in(data, 6, 1), 6, 0).value, 123);
}

static void test_raw_stack(void **state)
{
	struct trace_writer *w;
	struct field packet[3];
	struct file f;
	uint8_t *data;
	size_t size;
	uint64_t id;

	(void)state;
	w = file_begin(&f);
	id = put_test_stack(w);
	put_instant(w, id);
	trace_put_offcpu(w, T0, 1, 2, 3, id);
	file_end(&f, w);
	data = inflate_file(&f, &size);
	for (int i = 0; i < 3; i++) {
		packet[i] = raw_packet(data, size, (const uint32_t[]){ 12, 11, 135 }[i], 0);
		assert_int_equal(raw_in(packet[i], 10, 0).value, raw_in(packet[0], 10, 0).value);
		/* the first begins the generation, the others need it */
		assert_int_equal(raw_in(packet[i], 13, 0).value, i ? 2 : 1);
		assert_int_equal(count_fields(packet[i], 13), 1);
	}
	assert_int_equal(count_fields(raw_in(packet[0], 59, 0), 100), 1);
	check_raw_mappings(raw_in(packet[0], 12, 0));
	check_raw_frames(raw_in(packet[0], 12, 0));
	assert_int_equal(raw_in(raw_in(packet[1], 11, 0), 56, 0).value, id);
	assert_int_equal(raw_in(raw_in(packet[2], 135, 0), 6, 0).value, id);
	free(data);
	file_free(&f);
}

/* --- bounds of the writer --- */

static int put_number(struct trace_writer *w, uint32_t n, size_t frames, uint64_t *id)
{
	struct trace_frame stack[4] = { 0 };

	for (size_t i = 0; i < frames; i++)
		stack[i] = (struct trace_frame){ .function = "f", .line = n * frames + i + 1 };
	return trace_put_stack(w, stack, frames, id);
}

static void test_many_stacks(void **state)
{
	struct trace_writer *w;
	struct trace_reader *r;
	struct trace_event e;
	uint64_t id, again;
	struct file f;

	(void)state;
	w = file_begin(&f);
	for (uint32_t i = 0; i < TRACE_STACKS; i++) {
		assert_int_equal(put_number(w, i, 2, &id), 0);
		assert_int_equal(put_instant(w, id), 0);
	}
	again = 77;
	assert_int_equal(put_number(w, TRACE_STACKS, 2, &again), -E2BIG);
	assert_int_equal(again, 77);
	assert_int_equal(trace_writer_counters(w)->rejected, 1);
	assert_int_equal(put_number(w, TRACE_STACKS - 1, 2, &again), 0);
	assert_int_equal(again, id);
	assert_int_equal(put_instant(w, id + 1), -EINVAL);
	assert_int_equal(trace_put_offcpu(w, T0, 1, 2, 3, id + 1), -EINVAL);
	assert_int_equal(trace_writer_counters(w)->stacks, TRACE_STACKS);
	file_end(&f, w);
	r = file_open(&f);
	for (uint32_t i = 0; i < TRACE_STACKS; i++) {
		next_event(r, TRACE_EVENT_SLICE, &e);
		assert_int_equal(e.slice.n_stack, 2);
		assert_int_equal(e.slice.stack[1]->line, 2 * i + 2);
	}
	assert_int_equal(trace_reader_event(r, &e), 0);
	trace_reader_close(r);
	file_free(&f);
}

static void test_many_frames(void **state)
{
	static struct trace_frame frames[TRACE_STACK_MAX + 1];
	struct trace_writer *w;
	struct file f;
	uint64_t id, n = 0;

	(void)state;
	w = file_begin(&f);
	for (uint32_t k = 0; k < TRACE_FRAMES / TRACE_STACK_MAX; k++) {
		for (int i = 0; i <= TRACE_STACK_MAX; i++)
			frames[i] = (struct trace_frame){ .function = "f", .line = ++n };
		n--;
		assert_int_equal(trace_put_stack(w, frames, TRACE_STACK_MAX, &id), 0);
	}
	assert_int_equal(trace_put_stack(w, frames, TRACE_STACK_MAX + 1, &id), -EINVAL);
	assert_int_equal(trace_put_stack(w, frames + 1, TRACE_STACK_MAX, &id), -E2BIG);
	/* frames that are there still make new stacks */
	assert_int_equal(trace_put_stack(w, frames, 2, &id), 0);
	file_end(&f, w);
	file_free(&f);
}

/* Names as long as may be: several packets for one stack, and an end of all room. */
static void test_long_names(void **state)
{
	static char names[200][TRACE_TEXT_MAX + 100];
	static struct trace_frame frames[200];
	struct trace_mapping deep = { .path = names[0] };
	struct trace_writer *w;
	struct trace_reader *r;
	struct trace_event e;
	struct file f;
	uint64_t id;
	int code = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		memset(names[i], 'a', sizeof(names[i]) - 1);
		snprintf(names[i], 8, "%07d", i);
		names[i][7] = '_';
		frames[i].function = frames[i].file = names[i];
	}
	for (size_t i = 0; i < sizeof(names[0]) - 2; i += 2)
		names[0][i] = '/';
	frames[0].mapping = &deep;
	w = file_begin(&f);
	assert_int_equal(trace_put_stack(w, frames, 200, &id), 0);
	assert_true(trace_writer_counters(w)->packets > 1);
	assert_int_equal(put_instant(w, id), 0);
	for (int k = 0; k < 100 && !code; k++) {
		for (int i = 1; i < 200; i++)
			names[i][0] = 'A' + k;
		code = trace_put_stack(w, frames, 200, &id);
	}
	assert_int_equal(code, -E2BIG);
	assert_int_equal(put_instant(w, id), 0);
	file_end(&f, w);
	r = file_open(&f);
	next_event(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.n_stack, 200);
	assert_int_equal(strlen(e.slice.stack[5]->function), TRACE_TEXT_MAX);
	assert_memory_equal(e.slice.stack[199]->file, "0000199_aaa", 11);
	assert_int_equal(strlen(e.slice.stack[0]->mapping->path), TRACE_TEXT_MAX);
	assert_int_equal(read_all(r, NULL), 0);
	file_free(&f);
}

/* --- the reader, with packets made by hand --- */

struct made {
	uint8_t data[64 << 10];
	size_t size;
};

static void make_packet(struct made *m, const Pft__TracePacket *p)
{
	size_t n = pft__trace_packet__get_packed_size(p);
	uint8_t *at = m->data + m->size;

	assert_true(m->size + n + 16 < sizeof(m->data));
	*at++ = 0x0a;
	at = pb_put_varint(at, n);
	m->size = at + pft__trace_packet__pack(p, at) - m->data;
}

/* A stack `id` of these frames, frame 1 being the function of this name. */
static void make_stack(struct made *m, uint32_t sequence, uint32_t flags, const char *name,
		       uint64_t id, uint64_t *frame_ids, size_t n)
{
	Pft__InternedString function = PFT__INTERNED_STRING__INIT, *functions[] = { &function };
	Pft__Frame frame = PFT__FRAME__INIT, *frames[] = { &frame };
	Pft__Callstack stack = PFT__CALLSTACK__INIT, *stacks[] = { &stack };
	Pft__InternedData data = PFT__INTERNED_DATA__INIT;
	Pft__TracePacket p = PFT__TRACE_PACKET__INIT;

	function.has_iid = function.has_str = frame.has_iid = frame.has_function_name_id = true;
	stack.has_iid = p.has_trusted_packet_sequence_id = p.has_sequence_flags = true;
	function.iid = frame.iid = frame.function_name_id = 1;
	function.str = (ProtobufCBinaryData){ strlen(name), (uint8_t *)name };
	stack.iid = id;
	stack.frame_ids = frame_ids;
	stack.n_frame_ids = n;
	data.function_names = functions;
	data.frames = frames;
	data.callstacks = stacks;
	data.n_function_names = data.n_frames = data.n_callstacks = 1;
	p.trusted_packet_sequence_id = sequence;
	p.sequence_flags = flags;
	p.interned_data = &data;
	make_packet(m, &p);
}

static void make_names(struct made *m, uint32_t sequence, uint64_t id, const char *name)
{
	Pft__InternedString function = PFT__INTERNED_STRING__INIT, *functions[] = { &function };
	Pft__InternedData data = PFT__INTERNED_DATA__INIT;
	Pft__TracePacket p = PFT__TRACE_PACKET__INIT;

	function.has_iid = function.has_str = p.has_trusted_packet_sequence_id = true;
	function.iid = id;
	function.str = (ProtobufCBinaryData){ strlen(name), (uint8_t *)name };
	data.function_names = functions;
	data.n_function_names = 1;
	p.trusted_packet_sequence_id = sequence;
	p.interned_data = &data;
	make_packet(m, &p);
}

static void make_slice(struct made *m, uint32_t sequence, uint32_t flags, uint64_t stack)
{
	Pft__TrackEvent t = PFT__TRACK_EVENT__INIT;
	Pft__TracePacket p = PFT__TRACE_PACKET__INIT;

	t.has_type = t.has_callstack_iid = true;
	t.type = TRACE_INSTANT;
	t.callstack_iid = stack;
	p.has_trusted_packet_sequence_id = p.has_sequence_flags = true;
	p.trusted_packet_sequence_id = sequence;
	p.sequence_flags = flags;
	p.track_event = &t;
	make_packet(m, &p);
}

/* The next slice has a stack of n frames, the last of this function. */
static void slice_is(struct trace_reader *r, size_t n, const char *function)
{
	struct trace_event e;

	next_event(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.n_stack, n);
	if (n)
		same_text(e.slice.stack[n - 1]->function, function);
}

static void test_generations(void **state)
{
	static struct made m;
	uint64_t ids[] = { 1 };
	struct trace_reader *r;

	(void)state;
	make_stack(&m, 7, 1, "old", 1, ids, 1);
	make_stack(&m, 8, 1, "other", 1, ids, 1);
	make_slice(&m, 7, 2, 1);
	make_slice(&m, 8, 2, 1);
	make_slice(&m, 9, 2, 1);		 /* a sequence without any */
	make_stack(&m, 7, 0, "late", 1, ids, 1); /* the number is taken */
	make_slice(&m, 7, 2, 1);
	make_slice(&m, 7, 1, 1); /* begins anew: nothing yet */
	make_stack(&m, 7, 0, "new", 1, ids, 1);
	make_slice(&m, 7, 2, 1);
	make_slice(&m, 8, 2, 1);
	make_stack(&m, 8, 1, "newer", 2, ids, 1);
	make_slice(&m, 8, 2, 1);
	make_slice(&m, 8, 2, 2);
	assert_int_equal(trace_reader_open_memory(m.data, m.size, &r), 0);
	slice_is(r, 1, "old");
	slice_is(r, 1, "other");
	slice_is(r, 0, NULL);
	slice_is(r, 1, "old");
	slice_is(r, 0, NULL);
	slice_is(r, 1, "new");
	slice_is(r, 1, "other");
	slice_is(r, 0, NULL);
	slice_is(r, 1, "newer");
	assert_int_equal(read_all(r, NULL), 0);
}

static void test_strange_numbers(void **state)
{
	static struct made m;
	static uint64_t deep[TRACE_STACK_MAX + 7];
	uint64_t wild[] = { 1, 0, 99, UINT64_MAX, 1 };
	struct trace_reader *r;
	struct trace_event e;

	(void)state;
	for (size_t i = 7; i < TRACE_STACK_MAX + 7; i++)
		deep[i] = 1;
	make_stack(&m, 7, 1, "f", UINT64_MAX, wild, 5);
	make_stack(&m, 7, 0, "f", 0, wild, 5);
	make_stack(&m, 7, 0, "f", 1ull << 63, wild, 0);
	make_stack(&m, 7, 0, "f", 3, deep, TRACE_STACK_MAX + 7);
	make_slice(&m, 7, 2, UINT64_MAX);
	make_slice(&m, 7, 2, 0);
	make_slice(&m, 7, 2, 1ull << 63);
	make_slice(&m, 7, 2, 3);
	assert_int_equal(trace_reader_open_memory(m.data, m.size, &r), 0);
	next_event(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.n_stack, 5);
	for (int i = 0; i < 5; i++)
		same_text(e.slice.stack[i]->function, wild[i] == 1 ? "f" : NULL);
	slice_is(r, 0, NULL);
	slice_is(r, 0, NULL);
	next_event(r, TRACE_EVENT_SLICE, &e);
	assert_int_equal(e.slice.n_stack, TRACE_STACK_MAX);
	same_text(e.slice.stack[0]->function, "f"); /* the outermost went */
	assert_int_equal(read_all(r, NULL), 0);
}

/* More than is kept: what came first is there, the rest is missing, and the file is read. */
static void test_too_much(void **state)
{
	const size_t n = TRACE_READ_INTERNED_MAX / TRACE_TEXT_MAX + 1000;
	size_t size = n * (TRACE_TEXT_MAX + 100) + (1 << 20);
	uint8_t *data = malloc(size), *p = data;
	static char name[TRACE_TEXT_MAX];
	static struct made m;
	struct trace_reader *r;
	uint64_t ids[] = { 1 };

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	for (size_t i = 1; i <= n + 2; i++) {
		m.size = 0;
		if (i <= n)
			make_names(&m, 1 + i % 50, i, name);
		else
			make_slice(&m, i == n + 1 ? 1 : 60, 2, 1);
		/* two stacks, one before it becomes too much and one after */
		if (i == 1)
			make_stack(&m, 1, 1, "first", 1, ids, 1);
		if (i == n)
			make_stack(&m, 60, 1, "last", 1, ids, 1);
		assert_true((size_t)(data + size - p) >= m.size);
		memcpy(p, m.data, m.size);
		p += m.size;
	}
	assert_int_equal(trace_reader_open_memory(data, p - data, &r), 0);
	slice_is(r, 1, "first");
	slice_is(r, 0, NULL);
	assert_int_equal(read_all(r, NULL), 0);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	cmocka_unit_test(test_rel_pc),
		cmocka_unit_test(test_equal),		cmocka_unit_test(test_raw_stack),
		cmocka_unit_test(test_many_stacks),	cmocka_unit_test(test_many_frames),
		cmocka_unit_test(test_long_names),	cmocka_unit_test(test_generations),
		cmocka_unit_test(test_strange_numbers), cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
