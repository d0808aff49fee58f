/* SPDX-License-Identifier: GPL-2.0 */
/* Damaged, foreign and hostile files; pipes, gzip and full disks. */
#define _GNU_SOURCE
#include "test_trace.h"

/* --- damage --- */

static void make_small(struct file *f)
{
	struct trace_writer *w = file_begin(f);
	struct trace_cpu *c;

	put_host(w);
	put_tree(w);
	put_slices(w);
	assert_int_equal(trace_writer_flush(w), 0);
	trace_cpu_open(w, 0, 0, &c);
	put_switch(c, T0, 0, 2);
	put_switch(c, T0 + 10, 2, 3);
	put_waking(c, T0 + 11, 5, 3, TRACE_IRQ_HARD);
	put_tasks(c);
	trace_cpu_close(c);
	file_end(f, w);
}

/* Length of the first record: there a cut cannot be seen. */
static size_t first_record(const struct file *f)
{
	struct field packet = raw_find(f->data, f->size, 1, 0);

	return packet.data + packet.value - f->data;
}

static void test_truncated(void **state)
{
	size_t all, n, boundary;
	struct file f;

	(void)state;
	make_small(&f);
	boundary = first_record(&f);
	assert_int_equal(read_all(file_open(&f), &all), 0);
	for (size_t size = 0; size < f.size; size++) {
		/* Of its own size, so that ASan sees a read behind it. */
		uint8_t *copy = malloc(size + !size);
		struct file cut = { .data = copy, .size = size };
		int want = size == boundary ? 0 : size == 0 ? -EINVAL : -EBADMSG;

		memcpy(copy, f.data, size);
		assert_int_equal(read_all(file_open(&cut), &n), want);
		assert_true(n < all);
		free(copy);
	}
	file_free(&f);
}

static void test_corrupted(void **state)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	size_t all, n, errors = 0;
	struct file f;

	(void)state;
	make_small(&f);
	assert_int_equal(read_all(file_open(&f), &all), 0);
	for (size_t i = 0; i < f.size; i++) {
		for (size_t k = 0; k < sizeof(flips); k++) {
			f.data[i] ^= flips[k];
			errors += read_all(file_open(&f), &n) != 0;
			f.data[i] ^= flips[k];
		}
	}
	/* The checksum finds all but changes of a frame that make it another, unknown, packet. */
	assert_true(errors >= f.size * sizeof(flips) - 12);
	file_free(&f);
}

/* The same where no checksum stands in front: every byte of the packets themselves. */
static void test_corrupted_inside(void **state)
{
	struct file f, plain = { 0 };
	size_t n;

	(void)state;
	make_small(&f);
	f.size = first_record(&f);
	for (int part = 0; part < 2; part++) {
		plain.data = inflate_file(&f, &plain.size);
		assert_int_equal(read_all(file_open(&plain), NULL), 0);
		for (size_t i = 0; i < plain.size; i++)
			for (int bit = 0; bit < 8; bit++) {
				plain.data[i] ^= 1 << bit;
				read_all(file_open(&plain), &n);
				plain.data[i] ^= 1 << bit;
			}
		free(plain.data);
		if (part == 0) {
			struct stat st;

			fstat(f.fd, &st);
			memmove(f.data, f.data + f.size, st.st_size - f.size);
			f.size = st.st_size - f.size;
		}
	}
	file_free(&f);
}

static int read_bytes(const void *data, size_t size, char *text)
{
	struct trace_reader *r;
	struct trace_event e;
	int code;

	assert_int_equal(trace_reader_open_memory(data, size, &r), 0);
	while ((code = trace_reader_event(r, &e)) > 0)
		;
	strcpy(text, trace_reader_error(r));
	trace_reader_close(r);
	return code;
}

static void test_foreign(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(read_bytes("", 0, text), -EINVAL);
	assert_string_equal(text, "the file is empty");
	assert_int_equal(read_bytes("{\"traceEvents\":[]}", 18, text), -EINVAL);
	assert_string_equal(text, "not a Perfetto trace");
	assert_int_equal(read_bytes("\x7f"
				    "ELF",
				    4, text),
			 -EINVAL);
	assert_int_equal(read_bytes("\x0a\xff\xff\xff\xff\xff\xff", 7, text), -EBADMSG);
	assert_int_equal(read_bytes("\x0a\xff\xff\xff\x7f", 5, text), -EBADMSG);
	assert_non_null(strstr(text, "larger than frec reads"));
	/* unknown fields of all wire types, and an empty packet */
	assert_int_equal(read_bytes("\x0a\x00\x0a\x03\x98\x3e\x01", 7, text), 0);
	assert_int_equal(trace_reader_open("/nonexistent", &(struct trace_reader *){ 0 }), -ENOENT);
}

/* One packet as a file. */
static int read_packet(const Pft__TracePacket *packet, char *text)
{
	size_t n = pft__trace_packet__get_packed_size(packet);
	uint8_t *data = malloc(n + 16), *p = data;
	int code;

	*p++ = 0x0a;
	p = pb_put_varint(p, n);
	n = pft__trace_packet__pack(packet, p);
	code = read_bytes(data, p + n - data, text);
	free(data);
	return code;
}

static void test_bad_bundle(void **state)
{
	uint64_t times[] = { T0, 1 };
	int64_t states[] = { 0, 0 };
	int32_t tids[] = { 1, 2 };
	uint32_t comms[] = { 0, 0 };
	char *names[] = { (char *)"a" };
	Pft__FtraceEventBundle__CompactSched c = PFT__FTRACE_EVENT_BUNDLE__COMPACT_SCHED__INIT;
	Pft__FtraceEventBundle b = PFT__FTRACE_EVENT_BUNDLE__INIT;
	Pft__TracePacket p = PFT__TRACE_PACKET__INIT;
	char text[200];

	(void)state;
	p.ftrace_events = &b;
	assert_int_equal(read_packet(&p, text), -EBADMSG); /* no CPU */
	b.has_cpu = true;
	assert_int_equal(read_packet(&p, text), 0);
	b.cpu = TRACE_MAX_CPUS;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	b.cpu = 0;
	b.compact_sched = &c;
	c.switch_timestamp = times;
	c.switch_prev_state = states;
	c.switch_next_pid = c.switch_next_prio = tids;
	c.switch_next_comm_index = comms;
	c.intern_table = names;
	c.n_intern_table = 1;
	c.n_switch_timestamp = c.n_switch_prev_state = 2;
	c.n_switch_next_pid = c.n_switch_next_prio = c.n_switch_next_comm_index = 2;
	assert_int_equal(read_packet(&p, text), 0);
	comms[1] = 1;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	assert_non_null(strstr(text, "not in its table"));
	comms[1] = 0;
	c.n_switch_next_prio = 1;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	assert_non_null(strstr(text, "differ in length"));
}

static void test_bad_block(void **state)
{
	static uint8_t zeros[TRACE_READ_MAX + 1], out[1 << 20];
	Pft__TracePacket p = PFT__TRACE_PACKET__INIT;
	uLongf size = sizeof(out);
	char text[200];

	(void)state;
	p.has_compressed_packets = true;
	assert_int_equal(compress(out, &size, zeros, sizeof(zeros)), Z_OK);
	p.compressed_packets = (ProtobufCBinaryData){ size, out };
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	assert_non_null(strstr(text, "inflates to more"));
	/* a block in a block: 0a 03 { 92 03 00 } */
	size = sizeof(out);
	compress(out, &size, (const uint8_t *)"\x0a\x03\x92\x03\x00", 5);
	p.compressed_packets.len = size;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	assert_non_null(strstr(text, "inside a block"));
	/* cut short; then with a byte behind it */
	p.compressed_packets.len = size - 1;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	size = sizeof(out);
	compress(out, &size, (const uint8_t *)"\x0a\x00", 2);
	p.compressed_packets.len = size;
	assert_int_equal(read_packet(&p, text), 0);
	p.compressed_packets.len = size + 1;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
	p.compressed_packets.len = 0;
	assert_int_equal(read_packet(&p, text), -EBADMSG);
}

/* Many empty messages take two bytes each in the file and a hundred times as much unpacked. */
static void test_bomb(void **state)
{
	size_t n = 8 << 20;
	uint8_t *data = malloc(n + 64), *p = data;
	char text[200];

	(void)state;
	*p++ = 0x0a;
	p = pb_put_varint(p, n + 2 + pb_varint_size(n + 2) - 1);
	*p++ = 0x0a; /* ftrace_events */
	p = pb_put_varint(p, n);
	for (size_t i = 0; i < n; i += 2) {
		*p++ = 0x12; /* event */
		*p++ = 0;
	}
	assert_int_equal(read_bytes(data, p - data, text), -EBADMSG);
	assert_non_null(strstr(text, "more than frec reads"));
	free(data);
}

/* --- files of all sorts --- */

static void write_much(int fd)
{
	struct trace_writer *w;
	struct trace_cpu *c;

	if (trace_writer_open(fd, &w) || trace_cpu_open(w, 0, 0, &c))
		_exit(1);
	for (int i = 0; i < MANY; i++)
		put_switch(c, T0 + i * 997ull, i % 9, (i + 1) % 9);
	_exit(trace_cpu_close(c) || trace_writer_close(w));
}

static void test_pipe(void **state)
{
	struct trace_reader *r;
	int fds[2], status;
	size_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		write_much(fds[1]);
	}
	close(fds[1]);
	assert_int_equal(trace_reader_open_fd(fds[0], &r), 0);
	assert_int_equal(read_all(r, &n), 0);
	assert_int_equal(n, MANY);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_gzip(void **state)
{
	char path[] = "/tmp/test_trace.XXXXXX";
	int fd = mkstemp(path);
	struct trace_reader *r;
	struct stat st;
	struct file f;
	size_t all, n;
	gzFile gz;

	(void)state;
	make_small(&f);
	assert_int_equal(read_all(file_open(&f), &all), 0);
	gz = gzdopen(dup(fd), "wb");
	assert_int_equal(gzwrite(gz, f.data, f.size), f.size);
	gzclose(gz);
	assert_int_equal(trace_reader_open(path, &r), 0);
	assert_int_equal(read_all(r, &n), 0);
	assert_int_equal(n, all);
	fstat(fd, &st);
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	assert_int_equal(trace_reader_open(path, &r), 0);
	assert_int_equal(read_all(r, &n), -EBADMSG);
	assert_int_equal(trace_reader_open("/", &r), 0);
	assert_int_equal(read_all(r, &n), -EISDIR);
	unlink(path);
	close(fd);
	file_free(&f);
}

/* The first error stays, whatever is done afterwards. */
static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct trace_writer *w;
	struct trace_cpu *c;

	(void)state;
	if (fd < 0)
		skip(); /* no /dev/full here */
	assert_int_equal(trace_writer_open(fd, &w), 0);
	trace_cpu_open(w, 0, 0, &c);
	put_host(w);
	assert_int_equal(trace_writer_error(w), 0);
	assert_int_equal(trace_writer_flush(w), -ENOSPC);
	assert_int_equal(trace_put_trigger(w, &(struct trace_trigger){ .name = "x" }), -ENOSPC);
	assert_int_equal(trace_put_process(w, &(struct trace_process){ .pid = 1 }), -ENOSPC);
	for (int i = 0; i < 10000; i++)
		put_switch(c, T0 + i, 1, 2);
	put_tasks(c);
	assert_int_equal(trace_cpu_close(c), -ENOSPC);
	assert_int_equal(trace_writer_counters(w)->file_bytes, 0);
	assert_int_equal(trace_writer_close(w), -ENOSPC);
	close(fd);
	assert_int_equal(trace_writer_close(NULL), 0);
	assert_int_equal(trace_cpu_close(NULL), 0);
	trace_reader_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_corrupted_inside),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_bad_bundle),
		cmocka_unit_test(test_bad_block),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
