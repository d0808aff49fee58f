/* SPDX-License-Identifier: GPL-2.0 */
/* The worker on captures that are cut, or full of rubbish. */
#include "test_worker.h"

static uint8_t whole[SIZE] __attribute__((aligned(64)));
static uint8_t hurt[SIZE] __attribute__((aligned(64)));

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cut, start),
		cmocka_unit_test_setup(test_wrong_spans, start),
		cmocka_unit_test_setup(test_wrong_counts, start),
		cmocka_unit_test_setup(test_random_bytes, start),
		cmocka_unit_test_setup(test_random_header, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
