/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker on captures that are whole, cut, or full of rubbish. Each runs in a process of its own:
 * it may refuse, but it must not crash, and what it writes must be readable.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
static uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

/* --- a capture that has some of everything --- */

static uint8_t *area;
static uint64_t used;

static struct capture_span reserve(uint64_t len)
{
	struct capture_span s = {used, len};

	used = (used + len + 63) & ~63ull;
	assert_true(used <= SIZE);
	return s;
}

static void put_slots(struct capture_header *h, uint32_t i)
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

static uint64_t put_record(uint8_t *at, const void *record, uint32_t len)
{
	memcpy(at, &len, sizeof(len));
	memcpy(at + 8, record, len);
	return (len + 8ull + 7) & ~7ull;
}

static uint32_t make_task(uint8_t *at, uint32_t tid, uint16_t event, uint64_t ts)
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

static void make_wait(struct ev_wait *e, uint32_t i)
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

static void put_evidence(struct capture_header *h)
{
	uint8_t text[256] __attribute__((aligned(8)));
	struct ev_wait wait;
	uint8_t *p;

	h->evidence = reserve(8192);
	p = area + h->evidence.offset;
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
	h->walked = reserve(2 * 112);
	make_task(area + h->walked.offset, 200, TASK_ALIVE, NOW);
	make_task(area + h->walked.offset + 112, 100, TASK_ALIVE, NOW);
}

static void put_hit(struct capture_header *h)
{
	struct policy_hit *hit = &h->hits[h->n_hits++];
	struct ev_wait wait;

	make_wait(&wait, 5);
	snprintf(hit->name, sizeof(hit->name), "slow-lock");
	hit->kind = TRIGGER_LOCK;
	hit->record.w = wait.w;
	hit->record.h.ts = FROM + 60000;
}

static struct capture_header *make(uint8_t *at)
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

static int memory_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void become_worker(int capture, int output, int result)
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

static void note(const struct trace_event *e)
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
static uint64_t read_back(int fd)
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

/* Returns the worker's own verdict. */
static int run(const void *capture, size_t size, uint64_t *ret_events)
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
	close(in);
	close(out);
	close(result);
	return r.error;
}

static uint8_t whole[SIZE] __attribute__((aligned(64)));
static uint8_t hurt[SIZE] __attribute__((aligned(64)));

static void test_whole(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	for (uint32_t mode = SYSCALLS_OFF; mode <= SYSCALLS_ALL; mode++) {
		h->syscalls = mode;
		assert_int_equal(run(whole, h->size, &events), 0);
		assert_true(events > SLOTS);
	}
	h->focus_pid = 100;
	h->only = 1;
	assert_int_equal(run(whole, h->size, &events), 0);
}

static void test_facts(void **state)
{
	struct capture_header *h = make(whole);
	struct hot_slot *slots = capture_at(h, h->cpus[1].slots);
	uint64_t events;

	(void)state;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.uuids, 1);
	assert_int_equal(said.stats, 2);
	assert_int_equal(said.memory, 4711);
	assert_int_equal(said.lost, 0);
	slots[SLOTS - 1].seq = 0; /* the last: still being written */
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.lost, 0);
	slots[SLOTS / 2].seq = 0;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.lost, 1);
}

static struct ev_span *find_span(const struct capture_header *h, unsigned int i)
{
	uint8_t *p = capture_at(h, h->evidence);

	return (void *)(p + h->evidence.len - sizeof(struct ev_exit) - 8 -
			(2 - i) * (sizeof(struct ev_span) + 8) + 8);
}

static void test_span(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	assert_int_equal(find_span(h, 0)->h.kind, EV_SPAN);
	h->hits[0].kind = TRIGGER_SPAN;
	h->hits[0].record.w = (struct wait_facts){ .start = FROM + 20000,
						   .in = END_TS,
						   .end = END_TS,
						   .args = { 7 },
						   .tid = 100,
						   .tgid = 100,
						   .nr = 3 };
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.spans, 2);
	assert_int_equal(said.open_spans, 1);
	assert_string_equal(said.span, "order");
	find_span(h, 0)->end = FROM; /* before it began */
	memset(find_span(h, 1)->name, 'x', SPAN_NAME_MAX);
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.spans, 0);
	assert_string_equal(said.span, "");
}

static struct ev_exit *find_end(const struct capture_header *h)
{
	uint8_t *p = capture_at(h, h->evidence);

	return (void *)(p + h->evidence.len - sizeof(struct ev_exit));
}

static void test_end(void **state)
{
	struct capture_header *h = make(whole);
	struct ev_exit *e = find_end(h);
	uint64_t events;

	(void)state;
	h->hits[0].kind = TRIGGER_EXIT;
	h->hits[0].record.w = (struct wait_facts){.start = FROM, .in = END_TS, .end = END_TS,
						  .tid = 100, .tgid = 100, .nr = 11};
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.ends, 1);
	assert_string_equal(said.verdict, "worker (pid 100) was killed by SIGSEGV at address 0x10 "
					  "(nothing is mapped there)");
	e->end = END_CODE + 3;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict, "worker (pid 100) exited with 3");
	e->end = END_CODE + 256; /* no such thing */
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict, "");
	e->h.ts--; /* of another end than the hit's */
	e->end = END_OOM;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict, "");
}

static void test_request(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	h->hits[0].kind = TRIGGER_REQUEST;
	h->hits[0].record.w = (struct wait_facts){ .start = FROM + 10000,
						   .in = END_TS,
						   .end = END_TS,
						   .tid = 100,
						   .tgid = 100,
						   .nr = -1,
						   .args = { 7 } };
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_int_equal(said.requests, 1);
	assert_string_equal(said.answered, "never");
	h->hits[0].record.w.args[0] = 9; /* of another connection */
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.answered, "");
}

static void test_pressure(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	h->hits[0].kind = TRIGGER_PRESSURE;
	h->hits[0].record.w = (struct wait_facts){.start = FROM, .in = NOW, .end = NOW, .nr = -1};
	strcpy(h->hits[0].text, "io pressure in /x: y: all tasks stalled for 1 s of 2 s");
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_memory_equal(said.verdict, h->hits[0].text, strlen(h->hits[0].text));
	memset(h->hits[0].text, 'x', sizeof(h->hits[0].text)); /* has no end */
	assert_int_equal(run(whole, h->size, &events), -EBADMSG);
}

static void test_percentile(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	h->hits[0].kind = TRIGGER_PERCENTILE;
	strcpy(h->hits[0].text,
	       "runqueue p99 is 34 ms, over 20 ms, in the last 10 s: 12345 samples");
	for (unsigned int of = 0; of < 2; of++) {
		h->hits[0].record.h.kind = of ? TRIGGER_REQUEST : TRIGGER_RUNQUEUE;
		/* nobody is known, and then somebody */
		for (uint32_t tid = 0; tid <= 100; tid += 100) {
			h->hits[0].record.w = (struct wait_facts){ .start = FROM,
								   .in = NOW,
								   .end = NOW,
								   .tid = tid,
								   .tgid = tid,
								   .nr = -1 };
			assert_int_equal(run(whole, h->size, &events), 0);
			assert_memory_equal(said.verdict, h->hits[0].text, strlen(h->hits[0].text));
		}
	}
}

static void test_cut(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	for (uint64_t size = 0; size < h->size; size += 1 + rnd(200)) /* says to be longer than it is */
		assert_int_equal(run(whole, size, &events), -EBADMSG);
	for (unsigned int i = 0; i < 100; i++) { /* the evidence ends in the middle of a record */
		make(whole);
		h->evidence.len = rnd(h->evidence.len);
		h->walked.len = rnd(h->walked.len);
		h->text.len = rnd(h->text.len);
		h->table.len = rnd(h->table.len);
		assert_int_equal(run(whole, h->size, &events), 0);
	}
}

static void test_wrong_spans(void **state)
{
	static const uint64_t bad[] = {~0ull, ~0ull - 7, 1ull << 63, SIZE, SIZE * 2, 1ull << 32};
	struct capture_header *h = make(whole);
	struct capture_span *spans[] = {&h->cpus[0].slots, &h->cpus[1].slots, &h->evidence,
					&h->walked, &h->table, &h->text};
	uint64_t events;

	(void)state;
	for (unsigned int s = 0; s < 6; s++) {
		for (unsigned int i = 0; i < 6; i++) {
			make(whole);
			spans[s]->offset = bad[i];
			assert_int_equal(run(whole, h->size, &events), -EBADMSG);
			make(whole);
			spans[s]->len = bad[i];
			assert_int_equal(run(whole, h->size, &events), -EBADMSG);
		}
		if (spans[s] == &h->text)
			break;
		make(whole);
		spans[s]->offset++; /* not aligned */
		spans[s]->len--;
		assert_int_equal(run(whole, h->size, &events), -EBADMSG);
	}
}

static void test_wrong_counts(void **state)
{
	struct capture_header *h = make(whole);
	uint32_t *counts[] = {&h->n_cpus, &h->n_hits, &h->n_offsets};
	uint64_t events;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		make(whole);
		*counts[i] = ~0u;
		assert_int_equal(run(whole, h->size, &events), -EBADMSG);
		make(whole);
		*counts[i] = 1u << 20;
		assert_int_equal(run(whole, h->size, &events), -EBADMSG);
	}
	make(whole);
	memset(h->hits[0].name, 'x', sizeof(h->hits[0].name)); /* no end */
	assert_int_equal(run(whole, h->size, &events), -EBADMSG);
}

/* Where records are, anything may be: they come from everybody's processes. */
static void test_random_bytes(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t first = h->cpus[0].slots.offset, events;

	(void)state;
	for (unsigned int round = 0; round < 600; round++) {
		unsigned int n = 1 + rnd(round % 3 ? 16 : 4000);

		memcpy(hurt, whole, SIZE);
		for (unsigned int i = 0; i < n; i++)
			hurt[first + rnd(h->size - first)] = rnd(3) ? rnd(256) : 0xff;
		assert_int_equal(run(hurt, h->size, &events), 0);
		assert_true(events > 0);
	}
}

static void test_random_header(void **state)
{
	struct capture_header *h = make(whole);
	uint64_t events;

	(void)state;
	for (unsigned int round = 0; round < 600; round++) {
		unsigned int n = 1 + rnd(8);

		memcpy(hurt, whole, SIZE);
		for (unsigned int i = 0; i < n; i++)
			hurt[16 + rnd(sizeof(*h) + 2 * sizeof(h->cpus[0]) - 16)] = rnd(256);
		run(hurt, h->size, &events);
	}
}

static int start(void **state)
{
	(void)state;
	random_state = 0x9e3779b97f4a7c15ull;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole, start),
		cmocka_unit_test_setup(test_facts, start),
		cmocka_unit_test_setup(test_span, start),
		cmocka_unit_test_setup(test_end, start),
		cmocka_unit_test_setup(test_request, start),
		cmocka_unit_test_setup(test_pressure, start),
		cmocka_unit_test_setup(test_percentile, start),
		cmocka_unit_test_setup(test_cut, start),
		cmocka_unit_test_setup(test_wrong_spans, start),
		cmocka_unit_test_setup(test_wrong_counts, start),
		cmocka_unit_test_setup(test_random_bytes, start),
		cmocka_unit_test_setup(test_random_header, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
