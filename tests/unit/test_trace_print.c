/* SPDX-License-Identifier: GPL-2.0 */
/* What frecctl makes of stacks: JSON and folded lines. Its sources are not linked with the tests. */
#define _GNU_SOURCE
#include "test_trace.h"

#include "../../cli/events.c"
#include "../../cli/folded.c"
#include "../../cli/line.c"
#include "../../cli/output.c"

static char *json_of(const struct trace_event *e)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	event_print(file, e);
	fclose(file);
	return text;
}

static void test_json(void **state)
{
	const struct trace_frame *stack[TEST_FRAMES];
	struct trace_event e = { .kind = TRACE_EVENT_OFFCPU, .ts = 5 };
	json_t *root, *frames, *frame;
	char *text;

	(void)state;
	for (int i = 0; i < TEST_FRAMES; i++)
		stack[i] = &test_frames[i];
	e.offcpu.stack = stack;
	e.offcpu.n_stack = TEST_FRAMES;
	text = json_of(&e);
	root = json_loads(text, 0, NULL);
	frames = json_object_get(root, "stack");
	assert_int_equal(json_array_size(frames), TEST_FRAMES);
	frame = json_array_get(frames, 1);
	assert_string_equal(json_string_value(json_object_get(frame, "function")), "handle_guess");
	assert_string_equal(json_string_value(json_object_get(frame, "module")),
			    "/opt/guess/server");
	assert_string_equal(json_string_value(json_object_get(frame, "build_id")),
			    "dead00beef000000000000000000000000000007");
	assert_string_equal(json_string_value(json_object_get(frame, "file")), "src/server.c");
	assert_int_equal(json_integer_value(json_object_get(frame, "line")), 123);
	assert_int_equal(json_integer_value(json_object_get(frame, "address")), 0x3a00);
	assert_int_equal(json_integer_value(json_object_get(frame, "offset")), 0x1a00);
	frame = json_array_get(frames, 2);
	assert_null(json_object_get(frame, "module"));
	assert_null(json_object_get(json_array_get(frames, 3), "function"));
	frame = json_array_get(frames, 4);
	assert_string_equal(json_string_value(json_object_get(frame, "kind")), "kernel");
	assert_null(json_object_get(frame, "offset"));
	json_decref(root);
	free(text);
}

static char *folded_of(const struct file *file)
{
	struct folded *folded = folded_new();
	struct trace_reader *r = file_open(file);
	struct trace_event e;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (trace_reader_event(r, &e) > 0)
		assert_int_equal(folded_add(folded, &e, out), 0);
	trace_reader_close(r);
	folded_print(folded, out);
	folded_free(folded);
	fclose(out);
	return text;
}

static void test_folded(void **state)
{
	static const char *const argv[] = { "/usr/sbin/a;b" }, *const comm[] = { "kworker/1:0" };
	const struct trace_process first = { .ts = T0, .pid = 1, .argv = argv, .n_argv = 1 };
	const struct trace_process later = {
		.ts = T0 + 9, .pid = 1, .argv = comm, .n_argv = 1, .argv_is_comm = true
	};
	static const struct trace_frame other = { .function = "operator new;\n" };
	struct trace_writer *w;
	uint64_t id, id2;
	struct file f;
	char *text;

	(void)state;
	w = file_begin(&f);
	assert_int_equal(trace_put_process(w, &later), 0);
	assert_int_equal(trace_put_process(w, &first), 0);
	assert_int_equal(trace_put_thread(w, &(struct trace_thread){ T0, 2, 1, 0, "worker two" }),
			 0);
	id = put_test_stack(w);
	assert_int_equal(trace_put_stack(w, &other, 1, &id2), 0);
	trace_put_offcpu(w, T0 + 1, 1, 2, 1600, id);
	trace_put_offcpu(w, T0 + 10, 1, 2, 5000, id2);
	trace_put_offcpu(w, T0 + 2, 1, 2, 1600, id);
	trace_put_offcpu(w, T0 + 3, 8, 9, 7000, 0);
	file_end(&f, w);
	text = folded_of(&f);
	assert_string_equal(text,
			    "a:b;worker two;main;handle_guess;eval;[server+0x2000];futex_wait 3\n"
			    "kworker/1:0;worker two;operator new:? 5\n"
			    "process 8;thread 9;[no stack] 7\n");
	free(text);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_folded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
