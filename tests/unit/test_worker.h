/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the worker share: a capture, and a worker that runs on it, in a process of its
 * own. It may refuse, but it must not crash, and what it writes must be readable.
 */
#ifndef FREC_TEST_WORKER_H
#define FREC_TEST_WORKER_H

#include <errno.h>
#include <setjmp.h>
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

#include <cmocka.h>

#include "../../daemon/capture.h"
#include "../../daemon/worker.h"
#include "../../lib/trace_read.h"

#define NOW 20000000000ull
#define FROM 10000000000ull
#define SLOTS 96u
#define END_TS (FROM + 60000)
#define SIZE (64u << 10)

static uint64_t random_state;

/* xorshift: the same on every machine */
static inline uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

/* --- a capture that has some of everything --- */

static uint8_t *area;
static uint64_t used;

static inline struct capture_span reserve(uint64_t len)
{
	struct capture_span s = {used, len};

	used = (used + len + 63) & ~63ull;
	assert_true(used <= SIZE);
	return s;
}

static inline void put_slots(struct capture_header *h, uint32_t i)
{
	struct capture_cpu *c = &h->cpus[i];
	struct hot_slot *s;

	*c = (struct capture_cpu){.cpu = i, .begin = 4096 * 32, .good = 4096 * 32,
				  .end = (4096 + SLOTS) * 32, .held_since = FROM};
	c->slots = reserve(SLOTS * sizeof(*s));
	s = (void *)(area + c->slots.offset);
	for (uint32_t n = 0; n < SLOTS; n++, s++) {
		unsigned int kind = 1 + n % 6;

		s->ts = FROM + 1000 * (n + 1);
		if (kind == HOT_SWITCH) {
			s->sw.prev_tid = n / 6 % 3 * 100;
			s->sw.next_tid = (n / 6 + 1) % 3 * 100;
			s->sw.prev_state = n % 12 ? TASK_REPORT_SLEEPING : TASK_REPORT_DEAD;
		} else if (kind == HOT_WAKING || kind == HOT_WAKEUP_NEW) {
			s->waking.tid = 100;
			s->waking.waker_tid = 200;
		} else {
			s->sys.tid = 100;
			s->sys.nr = kind == HOT_SYS_EXIT && n > 50 ? -1 : 15;
		}
		s->seq = (c->begin + n * 32) | kind;
	}
}

static inline uint64_t put_record(uint8_t *at, const void *record, uint32_t len)
{
	memcpy(at, &len, sizeof(len));
	memcpy(at + 8, record, len);
	return (len + 8ull + 7) & ~7ull;
}

static inline uint32_t make_task(uint8_t *at, uint32_t tid, uint16_t event, uint64_t ts)
{
	static const char text[] = "/a/b/\0prog\0arg\0";
	struct ev_task t = {.h = {ts, EV_TASK, tid % 2, sizeof(t) + 24}, .start = FROM + tid,
			    .tid = tid, .tgid = 100, .ns_tid = 7, .event = event,
			    .cgroup_len = 6, .cmdline_len = 10, .comm = "worker"};

	if (event == TASK_EXEC)
		t.old_tid = 300;
	memset(at, 0, sizeof(t) + 24);
	memcpy(at, &t, sizeof(t));
	memcpy(at + sizeof(t), text, sizeof(text));
	return t.h.len;
}

static inline void make_wait(struct ev_wait *e, uint32_t i)
{
	*e = (struct ev_wait){
		.h = {FROM + 50000 + i, EV_WAIT, i % 2, sizeof(*e)},
		.w = {.start = FROM + 10000, .woken = FROM + 30000, .in = FROM + 40000,
		      .end = FROM + 50000, .tid = 100, .tgid = 100, .waker_tid = 200,
		      .waker_tgid = 100, .owner_tid = 200, .nr = 202, .sleeps = 2,
		      .flags = (i * 5) & 0x3f, .comm = "waiter", .waker_comm = "waker"},
	};
}

/* Of one request, which was told of twice and not answered, and one that is none. */
static const struct ev_request requests[] = {
	{ .h = { END_TS, EV_REQUEST, 1, sizeof(requests[0]) },
	  .connection = 7,
	  .arrived = FROM + 10000,
	  .end = END_TS,
	  .tid = 100,
	  .tgid = 100,
	  .flags = REQUEST_CLOSED | REQUEST_LEFT,
	  .family = 2,
	  .local = { 127, 0, 0, 1 },
	  .local_port = 80 },
	{ .h = { END_TS - 1, EV_REQUEST, 1, sizeof(requests[0]) },
	  .connection = 7,
	  .arrived = FROM + 10000,
	  .end = END_TS - 1,
	  .flags = REQUEST_OPEN,
	  .family = 2 },
	{ .h = { END_TS, EV_REQUEST, 1, sizeof(requests[0]) },
	  .connection = 8,
	  .arrived = FROM + 10000,
	  .read = END_TS + 1,
	  .end = END_TS,
	  .family = 2 },
};

/* Of the waits of thread 100: stacks, in an image at 0x10000, and what they waited at. */
static inline uint8_t *put_details(uint8_t *p)
{
	struct {
		struct ev_frames e;
		uint64_t pcs[3];
	} frames = {.e = {.h = {FROM + 40000, EV_FRAMES, 0, sizeof(frames)},
			  .key = {.id = 1, .wait_at = FROM + 10000, .wait_tid = 100, .tid = 100,
				  .tgid = 100, .role = STACK_KERNEL},
			  .n = 3},
		    .pcs = {0xffffffff81000010, 0xffffffff81000020, 0xffffffff81000030}};
	struct {
		struct ev_dump e;
		uint64_t stack[16];
	} dump = {.e = {.h = {FROM + 50000, EV_DUMP, 0, sizeof(dump)},
			.sp = 0x70000000, .len = sizeof(dump.stack), .n_registers = 17}};
	struct ev_file file = {.h = {FROM + 50000, EV_FILE, 0, sizeof(file)},
			       .wait_at = FROM + 10000, .inode = 9, .wait_tid = 100, .fd = 3,
			       .mode = S_IFIFO};
	struct ev_ran ran = {.h = {FROM + 40000, EV_RAN, 0, sizeof(ran)},
			     .task_start = FROM + 100, .ran = 7000, .tid = 100};

	p += put_record(p, &frames, sizeof(frames));
	frames.e.key.role = STACK_WAKER;
	frames.e.key.id = 2;
	frames.pcs[0] = 0x10a00;
	p += put_record(p, &frames, sizeof(frames));
	dump.e.key = frames.e.key;
	dump.e.key.role = STACK_SLEEPER;
	dump.e.key.id = 3;
	dump.e.registers[7] = dump.e.sp;
	dump.e.registers[16] = 0x10a00;
	for (unsigned int i = 0; i < 16; i++)
		dump.stack[i] = 0x10a00 + i * 64;
	p += put_record(p, &dump, sizeof(dump));
	p += put_record(p, &file, sizeof(file));
	p += put_record(p, &ran, sizeof(ran));
	ran.h.ts += 5000;
	ran.ran += 5000;
	return p + put_record(p, &ran, sizeof(ran));
}

static inline void put_walked(struct capture_header *h)
{
	struct ev_wait wait = {.h = {NOW, EV_WAIT, 0, sizeof(wait)},
			       .w = {.start = FROM + 20000, .in = NOW, .end = NOW, .tid = 200,
				     .tgid = 100, .nr = 202, .flags = WAIT_OPEN | WAIT_FUTEX}};

	h->walked = reserve(2 * 112 + sizeof(wait));
	make_task(area + h->walked.offset, 200, TASK_ALIVE, NOW);
	make_task(area + h->walked.offset + 112, 100, TASK_ALIVE, NOW);
	memcpy(area + h->walked.offset + 2 * 112, &wait, sizeof(wait));
}

static inline void put_evidence(struct capture_header *h)
{
	uint8_t text[256] __attribute__((aligned(8)));
	struct ev_wait wait;
	uint8_t *p;

	h->evidence = reserve(8192);
	p = put_details(area + h->evidence.offset);
	for (uint16_t event = TASK_NEW; event <= TASK_EXIT; event++)
		p += put_record(p, text, make_task(text, 100, event, FROM + 5000 * event));
	for (uint32_t i = 0; i < 16; i++) {
		make_wait(&wait, i);
		p += put_record(p, &wait, sizeof(wait));
	}
	for (unsigned int i = 0; i < 3; i++)
		p += put_record(p, &requests[i], sizeof(requests[i]));
	/* one that ended, in another thread than it began, and one that overlaps it and goes on */
	for (uint32_t i = 0; i < 2; i++)
		p += put_record(
			p,
			&(struct ev_span){ .h = { END_TS, EV_SPAN, 1, sizeof(struct ev_span) },
					   .begin = FROM + 20000 + i,
					   .end = END_TS,
					   .id = 7,
					   .tid = 100,
					   .tgid = 100,
					   .begin_tid = 200,
					   .flags = i ? SPAN_OPEN : 0,
					   .name = "order" },
			sizeof(struct ev_span));
	p += put_record(p, &(struct ev_exit){.h = {END_TS, EV_EXIT, 1, sizeof(struct ev_exit)},
					     .tid = 100, .tgid = 100, .end = 11, .code = 1,
					     .address = 0x10, .rss = 4096,
					     .comm = "not ended by NUL"}, sizeof(struct ev_exit));
	h->evidence.len = p - (area + h->evidence.offset);
	put_walked(h);
}

static inline void put_hit(struct capture_header *h)
{
	struct policy_hit *hit = &h->hits[h->n_hits++];
	struct ev_wait wait;

	make_wait(&wait, 5);
	snprintf(hit->name, sizeof(hit->name), "slow-lock");
	hit->kind = TRIGGER_LOCK;
	hit->record.w = wait.w;
	hit->record.h.ts = FROM + 60000;
}

static inline struct capture_header *make(uint8_t *at)
{
	struct capture_header *h = (void *)at;
	static const char text[] = "frec.version=1\0frec.memory.hot=4711";

	area = at;
	memset(area, 0, SIZE);
	h->magic = CAPTURE_MAGIC;
	h->clocks = (struct capture_clocks){NOW, NOW + 5, NOW + 6};
	h->from = h->held_since = h->evidence_since = FROM;
	h->n_cpus = 2;
	h->n_offsets = 1;
	h->offsets[0].offset = 5;
	h->syscalls = SYSCALLS_ALL;
	used = 0;
	reserve(sizeof(*h) + 2 * sizeof(h->cpus[0]));
	for (uint32_t i = 0; i < 2; i++)
		put_slots(h, i);
	put_evidence(h);
	put_hit(h);
	h->table = reserve(4 * sizeof(struct task_slot));
	h->text = reserve(sizeof(text));
	memcpy(area + h->text.offset, text, sizeof(text));
	h->size = used;
	return h;
}

/* --- running it --- */

static inline int memory_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline void become_worker(int capture, int output, int result)
{
	int fds[3] = {dup(capture), dup(output), dup(result)};

	for (int i = 0; i < 3; i++)
		fds[i] = dup2(fds[i], 20 + i);
	dup2(fds[0], WORKER_FD_CAPTURE);
	dup2(fds[1], WORKER_FD_OUTPUT);
	dup2(fds[2], WORKER_FD_RESULT);
	close(WORKER_FD_OPENER);
	_exit(worker_main(false));
}

/* What the last file said. */
static struct {
	unsigned int uuids, stats, lost, ends, spans, open_spans, requests;
	char span[64];
	int64_t memory;
	char verdict[512], answered[16];
} said;

static inline void note(const struct trace_event *e)
{
	said.uuids += e->kind == TRACE_EVENT_UUID && e->uuid[6] >> 4 == 4;
	said.stats += e->kind == TRACE_EVENT_CPU_STATS &&
		      e->cpu_stats.stats.entries == 4096 + SLOTS;
	said.lost += e->kind == TRACE_EVENT_CPU && e->of_cpu.lost;
	if (e->kind == TRACE_EVENT_ATTRIBUTE && !strcmp(e->attribute.key, "frec.memory.hot"))
		said.memory = e->attribute.number;
	if (e->kind == TRACE_EVENT_ATTRIBUTE && !strcmp(e->attribute.key, "frec.verdict.text"))
		snprintf(said.verdict, sizeof(said.verdict), "%s", e->attribute.string);
	if (e->kind == TRACE_EVENT_ATTRIBUTE && !strcmp(e->attribute.key, "frec.trigger.answered"))
		snprintf(said.answered, sizeof(said.answered), "%s", e->attribute.string);
	said.requests += e->kind == TRACE_EVENT_SLICE && e->slice.type == TRACE_SLICE_BEGIN &&
			 e->slice.name && !strncmp(e->slice.name, "request ", 8);
	if (e->kind == TRACE_EVENT_ATTRIBUTE && !strcmp(e->attribute.key, "frec.trigger.span"))
		snprintf(said.span, sizeof(said.span), "%s", e->attribute.string);
	if (e->kind == TRACE_EVENT_SLICE && e->slice.name && !strcmp(e->slice.name, "span order")) {
		said.spans++;
		for (size_t i = 0; i < e->slice.n_args; i++)
			said.open_spans += !strcmp(e->slice.args[i].key, "still_waiting");
	}
	said.ends += e->kind == TRACE_EVENT_SLICE && e->slice.name &&
		     !strcmp(e->slice.name, "was killed by SIGSEGV at 0x10");
}

/* Events of the file that it wrote; it must be whole. */
static inline uint64_t read_back(int fd)
{
	struct trace_reader *r;
	struct trace_event e;
	uint64_t n = 0;
	int more;

	memset(&said, 0, sizeof(said));
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(trace_reader_open_fd(dup(fd), &r), 0);
	while ((more = trace_reader_event(r, &e)) > 0) {
		note(&e);
		n++;
	}
	assert_int_equal(more, 0);
	trace_reader_close(r);
	return n;
}

/* For tests/fuzz/fuzz_worker.c, with what else it reads, where FREC_SEEDS says so. */
static inline void leave_seed(const void *capture, size_t size)
{
	static const struct peer_end pipe = {.inode = 9, .pid = 200, .mode = S_IFIFO, .writes = 1};
	static const char told[] =
		"\n10000-14000 r-xp 00000000 00:00 7 /lib/x\n"
		"50000-51000 rwxp 00000000 00:00 0 \n70000000-70010000 rw-p 00000000 00:00 0 [stack]\n"
		"50000 100 method\nffffffff81000000 T schedule\n"
		"1: FLOCK  ADVISORY  WRITE 100 00:05:9 0 EOF\n"
		"1: -> FLOCK  ADVISORY  WRITE 200 00:05:9 0 EOF\n";
	const char *directory = getenv("FREC_SEEDS");
	char path[512];
	static int n;
	FILE *out;

	if (!directory || n == 32)
		return;
	snprintf(path, sizeof(path), "%s/%s-%d", directory, program_invocation_short_name, n++);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(capture, 1, size, out), size);
	assert_int_equal(fwrite(&pipe, 1, sizeof(pipe), out), sizeof(pipe));
	assert_int_equal(fwrite(told, 1, sizeof(told), out), sizeof(told));
	fclose(out);
}

/* Returns the worker's own verdict. */
static inline int run(const void *capture, size_t size, uint64_t *ret_events)
{
	int in = memory_file(), out = memory_file(), result = memory_file(), status;
	struct worker_result r = {0};
	pid_t pid;

	assert_int_equal(write(in, capture, size), size);
	pid = fork();
	if (pid == 0)
		become_worker(in, out, result);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status)); /* no signal … */
	assert_int_equal(pread(result, &r, sizeof(r), 0), sizeof(r)); /* … and no sanitizer */
	assert_true(r.magic == WORKER_MAGIC);
	assert_int_equal(WEXITSTATUS(status), r.error ? EXIT_FAILURE : EXIT_SUCCESS);
	*ret_events = r.error ? 0 : read_back(out);
	if (!r.error)
		leave_seed(capture, size);
	close(in);
	close(out);
	close(result);
	return r.error;
}

static inline int start(void **state)
{
	(void)state;
	random_state = 0x9e3779b97f4a7c15ull;
	return 0;
}

#endif
