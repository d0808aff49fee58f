/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the trace format share: files in memory, one of everything, raw fields. */
#ifndef FREC_TEST_TRACE_H
#define FREC_TEST_TRACE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "../../lib/trace_pb.h"
#include "../../lib/trace_read.h"
#include "../../lib/trace_write.h"

#define T0 1000000000000ull

/* --- a trace in memory --- */

struct file {
	int fd;
	uint8_t *data;
	size_t size;
};

static inline struct trace_writer *file_begin(struct file *f)
{
	struct trace_writer *w;

	f->fd = memfd_create("trace", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(trace_writer_open(f->fd, &w), 0);
	return w;
}

static inline void file_load(struct file *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	f->size = st.st_size;
	f->data = malloc(f->size + 1);
	assert_non_null(f->data);
	assert_int_equal(pread(f->fd, f->data, f->size, 0), f->size);
}

static inline void file_end(struct file *f, struct trace_writer *w)
{
	assert_int_equal(trace_writer_close(w), 0);
	file_load(f);
}

static inline void file_free(struct file *f)
{
	free(f->data);
	close(f->fd);
}

static inline struct trace_reader *file_open(const struct file *f)
{
	struct trace_reader *r;

	assert_int_equal(trace_reader_open_memory(f->data, f->size, &r), 0);
	return r;
}

/* Reads all of it. Returns 0 or the error, which must then have words. */
static inline int read_all(struct trace_reader *r, size_t *ret_events)
{
	struct trace_event e;
	size_t n = 0;
	int code;

	while ((code = trace_reader_event(r, &e)) > 0)
		n++;
	assert_int_equal(code == 0, trace_reader_error(r)[0] == '\0');
	assert_int_equal(trace_reader_event(r, &e), code);
	trace_reader_close(r);
	if (ret_events)
		*ret_events = n;
	return code;
}

static inline void put_host(struct trace_writer *w)
{
	static const struct trace_clocks clocks = { T0, T0 - 5, 1700000000000000000ull };
	static const struct trace_system system = {
		"Linux", "#1 SMP", "6.1.0-13", "x86_64", "frec 0.1", 4096, 2, 8ull << 30, -90,
	};
	static const uint8_t uuid[16] = {
		0xf0, 1, 2, 3, 4, 5, 6, 7, 0xf8, 9, 10, 11, 12, 13, 14, 15
	};
	static const struct trace_attribute attributes[] = {
		{ "frec.host", "box", 0 },
		{ "frec.lost", NULL, -3 },
	};

	assert_int_equal(trace_put_clocks(w, &clocks), 0);
	assert_int_equal(trace_put_system(w, &system), 0);
	assert_int_equal(trace_put_uuid(w, uuid), 0);
	assert_int_equal(trace_put_attributes(w, attributes, 2), 0);
}

static inline void put_tree(struct trace_writer *w)
{
	static const char *const argv[] = { "nginx", "-g", "" }, *const comm[] = { "kworker/0:1" };
	static const struct trace_process nginx = {
		T0, 12, 1, 33, 7, T0 - 99, argv, 3, false, false
	};
	static const struct trace_process kworker = { T0, 5, 2, 0, 0, 0, comm, 1, true, true };
	static const struct trace_process later = {
		T0 + 1, 12, 1, 33, 12, 0, argv, 1, false, false
	};
	static const struct trace_thread thread = { T0, 13, 12, 8, "worker" };

	assert_int_equal(trace_put_process(w, &nginx), 0);
	assert_int_equal(trace_put_process(w, &kworker), 0);
	assert_int_equal(trace_put_thread(w, &thread), 0);
	assert_int_equal(trace_put_process(w, &later), 0);
}

static inline struct trace_switch make_switch(uint64_t ts, int32_t prev, int32_t next)
{
	static char comm[2][TRACE_COMM_LEN + 1];

	snprintf(comm[0], sizeof(comm[0]), "task-%d", prev);
	snprintf(comm[1], sizeof(comm[1]), "task-%d", next);
	return (struct trace_switch){
		.ts = ts,
		.prev_tid = prev,
		.prev_prio = 100 + prev % 40,
		.prev_state = prev % 2 ? TRACE_STATE_PREEMPTED : TRACE_STATE_SLEEPING,
		.next_tid = next,
		.next_prio = 100 + next % 40,
		.prev_comm = comm[0],
		.next_comm = comm[1],
	};
}

static inline int put_switch(struct trace_cpu *c, uint64_t ts, int32_t prev, int32_t next)
{
	const struct trace_switch s = make_switch(ts, prev, next);

	return trace_cpu_switch(c, &s);
}

static inline int put_waking(struct trace_cpu *c, uint64_t ts, int32_t tid, int32_t waker,
			     uint32_t irq)
{
	const struct trace_waking e = { ts, tid, 120, 1, waker, irq, "sixteen-letters!" };

	return trace_cpu_waking(c, &e);
}

#define MANY 30000

static inline void put_tasks(struct trace_cpu *c)
{
	const struct trace_task exec = { T0 + 2, 11, 10, 0, 11, 0, NULL, "/bin/true" };
	const struct trace_task gone = { T0 + 3, 10, 10, 10, 0, 120, "true", NULL };
	const struct trace_task freed = { T0 + 9, 0, 10, 0, 0, 120, "true", NULL };

	trace_cpu_newtask(c, &(struct trace_newtask){ T0, 9, 10, 0x10000, "shell" });
	trace_cpu_rename(c, &(struct trace_rename){ T0 + 1, 10, "shell", "true" });
	trace_cpu_exec(c, &exec);
	trace_cpu_exit(c, &gone);
	trace_cpu_sys_enter(c, &(struct trace_sys_enter){ T0 + 4, 10, 0, { 1, UINT64_MAX, 3 }, 3 });
	trace_cpu_blocked(c, &(struct trace_blocked){ T0 + 5, 0, 10, true, "io_schedule" });
	trace_cpu_sys_exit(c, &(struct trace_sys_exit){ T0 + 6, 10, 0, -4 });
	trace_cpu_blocked(c, &(struct trace_blocked){ T0 + 7, 0, 10, false, "io_schedule" });
	trace_cpu_blocked(c, &(struct trace_blocked){ T0 + 8, 0, 10, false, NULL });
	trace_cpu_free_task(c, &freed);
}

/* One of each: a program with everything, the kernel, and a mere name. */
static const uint8_t test_build_id[20] = { 0xde, 0xad, 0, 0xbe, 0xef, [19] = 7 };
static const struct trace_mapping test_server = {
	.path = "/opt/guess/server",
	.build_id = test_build_id,
	.build_id_len = 20,
	.start = 0x555500001000,
	.end = 0x555500009000,
	.offset = 0x1000,
	.load_bias = 0x2000,
};
static const struct trace_mapping test_kernel = { .path = TRACE_KERNEL_PATH };
static const struct trace_frame test_frames[] = {
	{ .function = "main",
	  .mapping = &test_server,
	  .rel_pc = 0x3010,
	  .kind = TRACE_FRAME_NATIVE },
	{ .function = "handle_guess",
	  .mapping = &test_server,
	  .rel_pc = 0x3a00,
	  .file = "src/server.c",
	  .line = 123,
	  .kind = TRACE_FRAME_NATIVE },
	{ .function = "eval", .file = "app.py", .line = 7, .kind = TRACE_FRAME_INTERPRETED },
	{ .mapping = &test_server, .rel_pc = 0x4000 },
	{ .function = "futex_wait", .mapping = &test_kernel, .kind = TRACE_FRAME_KERNEL },
};
#define TEST_FRAMES 5

static inline uint64_t put_test_stack(struct trace_writer *w)
{
	uint64_t id = 0;

	assert_int_equal(trace_put_stack(w, test_frames, TEST_FRAMES, &id), 0);
	return id;
}

static inline void put_slices(struct trace_writer *w)
{
	static const uint64_t flows[] = { 7, UINT64_MAX }, ends[] = { 9 };
	const struct trace_arg waker[] = { TRACE_INT("tid", 33), TRACE_STRING("comm", "nginx") };
	const struct trace_arg args[] = {
		TRACE_STRING("cause", "lock"), TRACE_INT("delta", -5),
		TRACE_UINT("ns", UINT64_MAX),  TRACE_POINTER("address", 0x4a30e0),
		TRACE_DOUBLE("share", 0.25),   TRACE_BOOL("irq", false),
		TRACE_DICT("waker", waker, 2),
	};
	const struct trace_slice begin = { T0,
					   0xabcdef0123456789,
					   TRACE_SLICE_BEGIN,
					   "wait: lock",
					   "frec",
					   args,
					   7,
					   flows,
					   2,
					   ends,
					   1,
					   put_test_stack(w),
					   NULL,
					   0 };

	trace_put_track(w, &(struct trace_track){ .uuid = 5,
						  .parent = 4,
						  .name = "triggers",
						  .description = "why",
						  .rank = -2,
						  .child_order = TRACE_ORDER_RANK,
						  .tgid = 1 });
	trace_put_track(
		w, &(struct trace_track){
			   .uuid = 0xabcdef0123456789, .tgid = 12, .tid = 13, .separate = true });
	assert_int_equal(trace_put_slice(w, &begin), 0);
	trace_put_slice(w,
			&(struct trace_slice){ .ts = T0 + 1, .track = 5, .type = TRACE_INSTANT });
	trace_put_slice(w,
			&(struct trace_slice){ .ts = T0 + 2, .track = 5, .type = TRACE_SLICE_END });
	trace_put_offcpu(w, T0 + 3, 12, 13, 1000, begin.stack_id);
	trace_put_offcpu(w, T0 + 4, 12, 13, 2000, 0);
}

/* --- raw tags: what protobuf-c would accept in either form, the importer does not --- */

struct field {
	uint32_t number;
	uint32_t wire;
	uint64_t value; /* or length */
	const uint8_t *data;
};

static inline uint64_t raw_varint(const uint8_t **p, const uint8_t *end)
{
	uint64_t v = 0;
	int shift = 0;

	for (;; shift += 7) {
		assert_true(*p < end && shift < 70);
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return v;
	}
}

static inline bool raw_next(const uint8_t **p, const uint8_t *end, struct field *ret)
{
	uint64_t tag;

	if (*p == end)
		return false;
	tag = raw_varint(p, end);
	*ret = (struct field){ .number = tag >> 3, .wire = tag & 7 };
	switch (ret->wire) {
	case 0:
		ret->value = raw_varint(p, end);
		break;
	case 1:
		assert_true(end - *p >= 8);
		ret->data = *p;
		*p += 8;
		break;
	default:
		assert_int_equal(ret->wire, 2);
		ret->value = raw_varint(p, end);
		assert_true((uint64_t)(end - *p) >= ret->value);
		ret->data = *p;
		*p += ret->value;
	}
	return true;
}

/* The n-th field of that number; fails if there is none. */
static inline struct field raw_find(const uint8_t *data, size_t size, uint32_t number, int n)
{
	const uint8_t *p = data;
	struct field f = { 0 };

	while (raw_next(&p, data + size, &f))
		if (f.number == number && n-- == 0)
			return f;
	fail_msg("no field %u", number);
	return f;
}

static inline struct field raw_in(struct field f, uint32_t number, int n)
{
	assert_int_equal(f.wire, 2);
	return raw_find(f.data, f.value, number, n);
}

/* The n-th packet that has this field. */
static inline struct field raw_packet(const uint8_t *data, size_t size, uint32_t number, int n)
{
	for (int i = 0;; i++) {
		struct field packet = raw_find(data, size, 1, i), f = { 0 };
		const uint8_t *p = packet.data;

		while (f.number != number && raw_next(&p, packet.data + packet.value, &f))
			;
		if (f.number == number && n-- == 0)
			return packet;
	}
}

static inline uint8_t *inflate_file(const struct file *f, size_t *ret_size)
{
	struct field packet = raw_find(f->data, f->size, 1, 0), block = raw_in(packet, 50, 0);
	uLongf size = 1 << 20;
	uint8_t *out = malloc(size);

	assert_ptr_equal(packet.data + packet.value, f->data + f->size);
	assert_int_equal(uncompress(out, &size, block.data, block.value), Z_OK);
	*ret_size = size;
	return out;
}

static inline void next_is(struct trace_reader *r, enum trace_event_kind kind,
			   struct trace_event *e)
{
	memset(e, 0xaa, sizeof(*e));
	assert_int_equal(trace_reader_event(r, e), 1);
	assert_int_equal(e->kind, kind);
}

static inline void end_is(struct trace_reader *r)
{
	struct trace_event e;

	assert_int_equal(trace_reader_event(r, &e), 0);
	assert_int_equal(trace_reader_event(r, &e), 0);
	assert_string_equal(trace_reader_error(r), "");
	trace_reader_close(r);
}

#endif
