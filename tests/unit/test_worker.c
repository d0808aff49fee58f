/* SPDX-License-Identifier: GPL-2.0 */
/* The worker on captures that are whole. */
#include "test_worker.h"

static uint8_t whole[SIZE] __attribute__((aligned(64)));

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
	e->code = 0x80; /* SI_KERNEL: without an address */
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict,
			    "worker (pid 100) was killed by SIGSEGV (address not known, most often "
			    "a general protection fault: a garbage pointer, not canonical)");
	e->end = 24;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict, "worker (pid 100) was killed by SIGXCPU");
	e->end = 29; /* SIGIO with POLL_IN: what would be the address is a band */
	e->code = 1;
	assert_int_equal(run(whole, h->size, &events), 0);
	assert_string_equal(said.verdict, "worker (pid 100) was killed by SIGIO");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
