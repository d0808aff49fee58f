/* SPDX-License-Identifier: GPL-2.0 */
/* Work that goes from thread to thread: what was slow is looked for with whom it was. */
#include "test_verdict.h"

/* Queued for a CPU before it made the thread that then did the work. */
static void test_born_late(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 1, 0, R, 12);
	wake(&sc, 0, 10, 12, 11);
	sw(&sc, 0, 70, 12, P, 11);
	born(&sc, 0, 71, 11, 20, true);
	sw(&sc, 0, 72, 11, S, 20);
	sw(&sc, 0, 90, 20, S, 0);
	s = scene_end(&sc, 100);
	v = explain(s, 20, 10, 90);
	is_link(s, &v, 0, 11, VERDICT_RUNQUEUE);
	is_cause(s, &v, VERDICT_RUNQUEUE, 11);
	assert_int_equal(s->threads[v.thread].tid, 20);
	assert_int_equal(v.parts[VERDICT_RUNQUEUE], 61 * MS);
	assert_int_equal(v.parts[VERDICT_RUNNING], 19 * MS);
	story_free(s);
}

/* 11 reads at 20, and computes until it wakes 12 at 70, which answers at 80. */
static struct story *relay(void)
{
	struct scene sc = workers();

	sw(&sc, 0, 1, 0, R, 13);
	sw(&sc, 1, 1, 0, R, 11);
	wait_for(&sc,
		 (struct told){ .tid = 12, .start = 2, .end = 70, .name = "futex", .waker = 11 });
	wake(&sc, 1, 70, 11, 12);
	sw(&sc, 0, 70.5, 13, S, 12);
	sw(&sc, 0, 80, 12, S, 0);
	return scene_end(&sc, 100);
}

static void test_reader(void **state)
{
	struct story *s = relay();
	struct verdict v;

	(void)state;
	/* in the hands of 11 until it was read, then of 12, which waited for 11 to pass it on */
	assert_int_equal(verdict_of_request(s, who(s, 11), AT(20), who(s, 12), AT(10), AT(80), &v),
			 0);
	is_link(s, &v, 0, 12, VERDICT_FUTEX);
	is_link(s, &v, 1, 11, VERDICT_RUNNING);
	assert_int_equal(v.parts[VERDICT_FUTEX], 50 * MS);
	assert_int_equal(v.parts[VERDICT_RUNNING], 19.5 * MS);
	/* read late: that is the reader's */
	assert_int_equal(verdict_of_request(s, who(s, 11), AT(69), who(s, 12), AT(10), AT(80), &v),
			 0);
	is_link(s, &v, 0, 11, VERDICT_RUNNING);
	assert_int_equal(v.n_chain, 1);
	assert_int_equal(v.parts[VERDICT_FUTEX], MS);
	story_free(s);
}

/* Times that lie, and a reader of whom nothing is known: then it is who answered. */
static void test_lies(void **state)
{
	struct story *s = relay();
	struct verdict v;

	(void)state;
	for (int i = 0; i < 3; i++) {
		uint32_t reader = i == 2 ? STORY_NOBODY : who(s, 11);

		assert_int_equal(verdict_of_request(s, reader, i ? AT(95) : AT(5), who(s, 12),
						    AT(10), AT(80), &v),
				 0);
		is_link(s, &v, 0, 12, VERDICT_FUTEX);
		assert_int_equal(v.parts[VERDICT_FUTEX], 60 * MS);
	}
	story_free(s);
}

/*
 * 11 waits for a pipe, which 30 writes to. But 20 made that one only at 70, a process of its own:
 * until then it ran itself. It got its name at 71.
 */
static void test_made_late(void **state)
{
	const struct trace_rename name = { AT(71), 30, "parent", "echo" };
	const struct trace_thread made = { .ts = AT(70), .tid = 30, .tgid = 30, .name = "echo" };
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 20, 1, "/bin/sh");
	assert_int_equal(trace_put_thread(sc.w, &made), 0);
	sw(&sc, 1, 1, 0, R, 20);
	sw(&sc, 0, 10, 11, S, 0);
	born(&sc, 1, 70, 20, 30, false);
	sw(&sc, 1, 70.5, 20, S, 30);
	assert_int_equal(trace_cpu_rename(sc.cpus[1], &name), 0);
	wake(&sc, 1, 80, 30, 11);
	sw(&sc, 0, 80.5, 0, R, 11);
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 80.5, .name = "read",
				     .type = "pipe", .waker = 30 });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_PIPE);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_CREATOR);
	is_link(s, &v, 1, 20, VERDICT_RUNNING);
	assert_int_equal(v.chain[1].of_ns, 60 * MS);
	assert_string_equal(story_comm(s, who(s, 30), AT(70.5)), "parent");
	assert_string_equal(story_comm(s, who(s, 30), AT(71)), "echo");
	/* born early, it is its own doing */
	v = explain(s, 11, 65, 80);
	is_link(s, &v, 1, 30, VERDICT_RUNNING);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_WAKER);
	story_free(s);
}

/* What keeps the only thread from reading is to blame; of several only one that had something else to do. */
static void test_unread(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 20, 1, "/usr/bin/alone");
	thread(&sc, 20, 20, "alone");
	sw(&sc, 0, 1, 0, R, 20);
	sw(&sc, 0, 90, 20, S, 0);
	sw(&sc, 1, 1, 0, R, 13);
	sw(&sc, 1, 30, 13, S, 0);
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_of_unread(s, who(s, 20), AT(10), AT(80), &v), 0);
	is_cause(s, &v, VERDICT_RUNNING, 20);
	assert_int_equal(verdict_of_unread(s, who(s, 11), AT(10), AT(35), &v), 0);
	is_cause(s, &v, VERDICT_RUNNING, 13);
	assert_int_equal(verdict_of_unread(s, who(s, 11), AT(10), AT(80), &v), 0);
	is_cause(s, &v, VERDICT_UNKNOWN, 11);
	says(&v, "nobody read the request");
	assert_int_equal(verdict_of_unread(s, STORY_NOBODY, AT(10), AT(80), &v), 0);
	assert_int_equal(v.cause, VERDICT_UNKNOWN);
	story_free(s);
}

/* Who does the I/O of another is not asked; a name alone, of another process, proves nothing. */
static void test_io_thread(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	thread(&sc, 18, 10, "iou-sqp-12");
	process(&sc, 20, 1, "/usr/bin/liar");
	thread(&sc, 20, 20, "iou-sqp-12");
	sw(&sc, 0, 1, 0, R, 18);
	sw(&sc, 0, 90, 18, S, 0);
	sw(&sc, 1, 1, 0, R, 20);
	sw(&sc, 1, 90, 20, S, 0);
	wait_for(&sc, (struct told){ .tid = 12, .start = 2, .end = 85, .name = "clock_nanosleep" });
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_of_request(s, who(s, 18), AT(11), who(s, 18), AT(10), AT(80), &v),
			 0);
	is_cause(s, &v, VERDICT_SLEEP, 12);
	assert_int_equal(verdict_of_request(s, who(s, 20), AT(11), who(s, 20), AT(10), AT(80), &v),
			 0);
	is_cause(s, &v, VERDICT_RUNNING, 20);
	story_free(s);
}

/* Begun by 11 at 10, which woke 12 at 70; a thread that it never woke had the span all along. */
static void test_span(void **state)
{
	struct story *s = relay();
	struct verdict v;

	(void)state;
	assert_int_equal(verdict_handover(s, who(s, 11), who(s, 12),
					  (struct verdict_span){ AT(10), AT(80) }),
			 AT(70));
	assert_int_equal(verdict_handover(s, who(s, 11), who(s, 12),
					  (struct verdict_span){ AT(71), AT(80) }),
			 AT(71));
	assert_int_equal(verdict_handover(s, who(s, 13), who(s, 12),
					  (struct verdict_span){ AT(10), AT(80) }),
			 AT(10));
	assert_int_equal(verdict_of_span(s, who(s, 11), who(s, 12), AT(10), AT(80), &v), 0);
	is_link(s, &v, 0, 11, VERDICT_RUNNING);
	assert_int_equal(v.parts[VERDICT_RUNNING], 69.5 * MS);
	assert_int_equal(verdict_of_span(s, STORY_NOBODY, who(s, 12), AT(10), AT(80), &v), 0);
	is_link(s, &v, 0, 12, VERDICT_FUTEX);
	assert_int_equal(verdict_of_span(s, who(s, 11), STORY_NOBODY, AT(10), AT(80), &v), 0);
	story_free(s);
}

/*
 * 11 has read a request at 20, and polls. It has woken 30 since, which sleeps: that is whom it
 * asked. Not if it has woken another process, too; nor whom it woke before.
 */
/* A span that its thread did not end: from then on it is known what that did, which is nothing. */
static void test_outlived(void **state)
{
	(void)state;
	for (int end = 30; end <= 70; end += 40) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		sleeps(&sc, 11, 5, end, "nanosleep");
		wake_irq(&sc, 0, end, 0, 11);
		sw(&sc, 0, end, 0, R, 11);
		sw(&sc, 0, end + 0.1, 11, X, 0);
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 100);
		assert_int_equal(v.parts[VERDICT_EXIT], AT(100) - AT(end + 0.1));
		assert_int_equal(v.parts[VERDICT_UNKNOWN], 0);
		is_cause(s, &v, end == 30 ? VERDICT_UNKNOWN : VERDICT_SLEEP, 11);
		says(&v,
		     end == 30
			     ? "unknown: one (tid 11 of server, pid 10) ended 69.9 ms before this "
			       "snapshot, and nothing recorded says who went on with it"
			     : "slept 60 ms in nanosleep, in nap; one (tid 11 of server, pid 10) "
			       "ended 29.9 ms before this snapshot");
		story_free(s);
	}
}

static void test_asked(void **state)
{
	(void)state;
	for (int others = 0; others < 2; others++) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		process(&sc, 30, 1, "/usr/bin/upstream");
		process(&sc, 40, 1, "/usr/bin/other");
		sw(&sc, 0, 15, 0, R, 11);
		sw(&sc, 0, 26, 11, S, 0);
		wait_for(&sc, (struct told){ .tid = 40,
					     .pid = 40,
					     .start = 2,
					     .end = others ? 22 : 18,
					     .name = "read",
					     .waker = 11 });
		wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 2, .end = 25,
					     .name = "accept4", .waker = 11 });
		sw(&sc, 1, 25, 0, R, 30);
		sw(&sc, 1, 27, 30, S, 0);
		wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 27, .end = 100,
					     .name = "nanosleep", .open = true });
		wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 26, .end = 100,
					     .name = "epoll_wait", .open = true });
		s = scene_end(&sc, 100);
		assert_int_equal(verdict_of_request(s, who(s, 11), AT(20), who(s, 11), AT(10),
						    AT(90), &v),
				 0);
		is_link(s, &v, 0, 11, VERDICT_POLL);
		assert_int_equal(v.n_chain, others ? 1 : 2);
		if (!others) {
			assert_int_equal(v.chain[0].rests_on, VERDICT_BY_REQUEST);
			is_cause(s, &v, VERDICT_SLEEP, 30);
		}
		/* of a poll that is no request's nothing is known */
		v = explain(s, 11, 10, 90);
		assert_int_equal(v.n_chain, 1);
		story_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_born_late),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_made_late),
		cmocka_unit_test(test_outlived),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_io_thread),
		cmocka_unit_test(test_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
