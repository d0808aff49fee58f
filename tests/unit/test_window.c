/* SPDX-License-Identifier: GPL-2.0 */
/* How far back evidence is kept, and what of the hot window is found and copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/window.h"

#define MS 1000000ull
#define SPAN (1000 * MS)
#define RING (1u << 20)

/* --- marks --- */

static void test_marks_keep_span(void **state)
{
	struct window w;
	uint64_t consumer = 0, producer = 0;

	(void)state;
	window_init(&w, SPAN, RING, 5 * MS);
	assert_int_equal(w.held_since, 5 * MS);
	for (uint64_t now = 10 * MS; now <= 10000 * MS; now += 50 * MS) {
		uint64_t before = consumer;

		producer += 1000;
		consumer = window_sample(&w, now, producer, consumer);
		assert_true(consumer >= before && consumer <= producer);
		assert_int_equal(consumer % 1000, 0); /* only positions that were sampled */
		/* what is held reaches back the span, and not much further */
		assert_true(now - w.held_since <= SPAN + 100 * MS);
		if (now > 2 * SPAN)
			assert_true(now - w.held_since >= SPAN);
	}
	/* 20 samples a second, 1000 bytes each */
	assert_in_range(producer - consumer, 19000, 22000);
}

static void test_marks_limit(void **state)
{
	struct window w;
	uint64_t consumer = 0, producer = 0;

	(void)state;
	window_init(&w, SPAN, RING, 0);
	for (uint64_t now = 50 * MS; now <= 900 * MS; now += 50 * MS) {
		producer += RING / 8;
		consumer = window_sample(&w, now, producer, consumer);
		assert_true(producer - consumer <= RING / 4 * 3);
		assert_int_equal(consumer % (RING / 8), 0);
	}
	assert_true(w.held_since > 0); /* shorter than the span, and it says so */
}

/* One burst beyond the limit: all goes but what a sample stands behind. */
static void test_marks_burst(void **state)
{
	struct window w;
	uint64_t consumer;

	(void)state;
	window_init(&w, SPAN, RING, 0);
	consumer = window_sample(&w, 50 * MS, 100, 0);
	assert_int_equal(consumer, 0);
	consumer = window_sample(&w, 100 * MS, RING, consumer);
	assert_true(consumer <= RING && RING - consumer <= RING / 4 * 3);
}

static void test_marks_time_runs_wild(void **state)
{
	struct window w;
	uint64_t consumer = 0, producer = 0;

	(void)state;
	window_init(&w, SPAN, RING, 0);
	for (unsigned int i = 0; i < 5000; i++) {
		uint64_t now = (i * 7919ull % 1000) * MS, before = consumer;

		producer += 8;
		consumer = window_sample(&w, now, producer, consumer);
		assert_true(consumer >= before && consumer <= producer);
		assert_true(w.n <= WINDOW_MARKS && w.first < WINDOW_MARKS);
	}
}

static void test_marks_many(void **state)
{
	struct window w;
	uint64_t consumer = 0, producer = 0;

	(void)state;
	window_init(&w, SPAN, 64u << 20, 0);
	/* a thousand times as often as there are marks */
	for (uint64_t now = MS; now <= 3 * SPAN; now += MS / 100) {
		producer += 8;
		consumer = window_sample(&w, now, producer, consumer);
	}
	assert_true(w.n <= WINDOW_MARKS);
	assert_true(3 * SPAN - w.held_since >= SPAN - 3 * MS &&
		    3 * SPAN - w.held_since <= SPAN + 10 * MS);
}

static void test_marks_resize(void **state)
{
	struct window w;
	uint64_t consumer = 0, producer = 0, now;

	(void)state;
	window_init(&w, SPAN, RING, 0);
	for (now = 50 * MS; now <= 5 * SPAN; now += 50 * MS)
		consumer = window_sample(&w, now, producer += 8, consumer);
	window_resize(&w, SPAN / 4);
	consumer = window_sample(&w, now, producer, consumer);
	assert_true(now - w.held_since <= SPAN / 4 + 100 * MS);
	window_resize(&w, 2 * SPAN);
	assert_int_equal(window_sample(&w, now, producer, consumer), consumer);
}

/* --- slots --- */

#define SLOTS 64u
#define SIZE (SLOTS * HOT_SLOT_SIZE)

/* As BPF does: the slot at position pos, with time ts. */
static void put(struct hot_slot *slots, uint64_t pos, unsigned int kind, uint64_t ts)
{
	struct hot_slot *s = &slots[pos / HOT_SLOT_SIZE % SLOTS];

	memset(s, 0, sizeof(*s));
	s->ts = ts;
	s->seq = pos | kind;
}

/* n slots from position 0 on, at 100, 200, …; returns the writer's position. */
static uint64_t fill(struct hot_slot *slots, uint64_t n)
{
	memset(slots, 0, SIZE);
	for (uint64_t i = 0; i < n; i++)
		put(slots, i * HOT_SLOT_SIZE, HOT_SWITCH, 100 * (i + 1));
	return n * HOT_SLOT_SIZE;
}

static uint64_t find(const struct hot_slot *slots, uint64_t pos, uint64_t ts)
{
	return window_find(slots, SIZE, window_begin(SIZE, pos), pos, ts, 0) / HOT_SLOT_SIZE;
}

static void test_find(void **state)
{
	struct hot_slot slots[SLOTS];
	uint64_t pos;

	(void)state;
	pos = fill(slots, 40); /* not yet full */
	assert_int_equal(find(slots, pos, 0), 0);
	assert_int_equal(find(slots, pos, 100), 0);
	assert_int_equal(find(slots, pos, 101), 1);
	assert_int_equal(find(slots, pos, 4000), 39);
	assert_int_equal(find(slots, pos, 4001), 40);
	assert_int_equal(window_find(slots, SIZE, 0, pos, 2000, 500) / HOT_SLOT_SIZE, 14);
	assert_int_equal(window_find(slots, SIZE, 0, pos, 2000, 50000), 0);
	assert_int_equal(window_find(slots, SIZE, pos, pos, 1, 0), pos); /* empty */
	pos = fill(slots, 1000); /* round and round */
	assert_int_equal(window_begin(SIZE, pos) / HOT_SLOT_SIZE, 936);
	assert_int_equal(find(slots, pos, 0), 936);
	assert_int_equal(find(slots, pos, 95000), 949);
	assert_int_equal(find(slots, pos, 100001), 1000);
}

/* Arguments have no time, torn slots none to trust: neither may lead the search astray. */
static void test_find_unusable(void **state)
{
	struct hot_slot slots[SLOTS];
	uint64_t pos;

	(void)state;
	for (unsigned int every = 2; every < 9; every++) {
		for (unsigned int torn = 0; torn < 2; torn++) {
			pos = fill(slots, 200);
			for (uint64_t i = 136; i < 200; i++) {
				if (i % every == 0)
					continue;
				if (torn)
					slots[i % SLOTS].seq = 0;
				else
					put(slots, i * HOT_SLOT_SIZE, HOT_SYS_ARGS, ~i << 32);
			}
			for (uint64_t ts = 13600; ts < 20200; ts += 50) {
				uint64_t at = find(slots, pos, ts);

				/* all before it are older, the first with a time behind it is not */
				for (uint64_t i = 136; i < 200; i++) {
					if (i % every)
						continue;
					if (i < at)
						assert_true(100 * (i + 1) < ts);
					else
						assert_true(100 * (i + 1) >= ts);
				}
			}
		}
	}
	memset(slots, 0, sizeof(slots)); /* nothing usable at all */
	assert_in_range(find(slots, pos, 15000), 136, 200);
}

static void test_good(void **state)
{
	struct hot_slot s = {.seq = 96 | HOT_WAKING};

	(void)state;
	assert_int_equal(window_good(&s, 96), HOT_WAKING);
	assert_int_equal(window_good(&s, 96 + SIZE), 0); /* the round before: not written yet */
	assert_int_equal(window_good(&s, 64), 0);
	s.seq = 96 + SIZE + HOT_WAKING; /* overtaken */
	assert_int_equal(window_good(&s, 96), 0);
	s.seq = 0; /* being written */
	assert_int_equal(window_good(&s, 96), 0);
	assert_int_equal(window_good(&s, 0), 0);
}

static size_t copy_runs(const struct hot_slot *slots, uint64_t begin, uint64_t end, void *dst)
{
	struct iovec runs[2];

	window_runs(slots, SIZE, begin, end, runs);
	memcpy(dst, runs[0].iov_base, runs[0].iov_len);
	memcpy((uint8_t *)dst + runs[0].iov_len, runs[1].iov_base, runs[1].iov_len);
	return runs[0].iov_len + runs[1].iov_len;
}

static void test_copy(void **state)
{
	struct hot_slot slots[SLOTS], copy[SLOTS + 1];

	(void)state;
	fill(slots, 1000);
	for (uint64_t begin = 936; begin <= 1000; begin++) {
		for (uint64_t end = begin; end <= 1000; end++) {
			size_t n = (end - begin) * HOT_SLOT_SIZE;

			memset(copy, 0xaa, sizeof(copy));
			assert_int_equal(copy_runs(slots, begin * HOT_SLOT_SIZE,
						   end * HOT_SLOT_SIZE, copy), n);
			for (uint64_t i = begin; i < end; i++)
				assert_int_equal(window_good(&copy[i - begin], i * HOT_SLOT_SIZE),
						 HOT_SWITCH);
			assert_int_equal(((uint8_t *)copy)[n], 0xaa);
		}
	}
}

/* The writer went on while it was copied: what it overtook is no longer taken for what it was. */
static void test_copy_overtaken(void **state)
{
	struct hot_slot slots[SLOTS], copy[SLOTS];
	uint64_t pos = fill(slots, 1000), begin = window_begin(SIZE, pos), good = 0;

	(void)state;
	for (uint64_t i = 1000; i < 1010; i++)
		put(slots, i * HOT_SLOT_SIZE, HOT_WAKING, 100 * (i + 1));
	slots[1010 % SLOTS].seq = 0; /* in the middle of it */
	copy_runs(slots, begin, pos, copy);
	for (uint64_t i = 0; i < SLOTS; i++)
		good += !!window_good(&copy[i], begin + i * HOT_SLOT_SIZE);
	assert_int_equal(good, SLOTS - 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks_keep_span),	     cmocka_unit_test(test_marks_limit),
		cmocka_unit_test(test_marks_burst),	     cmocka_unit_test(test_marks_many),
		cmocka_unit_test(test_marks_time_runs_wild), cmocka_unit_test(test_marks_resize),
		cmocka_unit_test(test_find),		     cmocka_unit_test(test_find_unusable),
		cmocka_unit_test(test_good),		     cmocka_unit_test(test_copy),
		cmocka_unit_test(test_copy_overtaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
