/* SPDX-License-Identifier: GPL-2.0 */
/* Of a snapshot that no wait fired: which of its waits are told of. */
#include "test_verdict.h"

static void test_worst(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 30, 1, "/usr/bin/idle");
	wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 0, .end = 100, .open = true,
				     .name = "epoll_wait" });
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 0, .end = 100, .open = true,
				     .name = "futex", .address = LOCK });
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_worst(s, 0, NULL, &v), 0);
	assert_int_equal(v.thread, STORY_NOBODY);
	assert_int_equal(v.n_groups, 0);
	assert_int_equal(verdict_worst(s, 30, NULL, &v), 0);
	assert_int_equal(v.n_groups, 1);
	is_cause(s, &v, VERDICT_POLL, 30);
	story_free(s);

	sc = workers();
	wait_for(&sc, (struct told){
			      .tid = 11, .pid = 10, .start = 0, .end = 99, .name = "epoll_wait" });
	wait_lock(&sc, 12, 1, 10, LOCK, 13);
	wait_lock(&sc, 14, 1, 30, LOCK, 13);
	sleeps(&sc, 13, 0, 40, "nanosleep");
	thread(&sc, 40, 40, "starved");
	wake(&sc, 0, 80, 15, 40); /* and never ran */
	sw(&sc, 0, 81, 15, R, 0);
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_worst(s, 10, NULL, &v), 0);
	is_cause(s, &v, VERDICT_SLEEP, 13);
	assert_int_equal(v.groups[0].wait, VERDICT_LOCK); /* before the poll, which was longer */
	assert_int_equal(v.groups[0].count, 2);
	assert_int_equal(v.groups[0].ns, 38 * MS);
	assert_int_equal(v.groups[0].longest_ns, 29 * MS);
	assert_int_equal(verdict_worst(s, 40, NULL, &v), 0);
	is_cause(s, &v, VERDICT_RUNQUEUE, 40);
	assert_int_equal(v.groups[0].ns, 20 * MS);
	story_free(s);
}

/* A process that computes, and waits for little: then that is it. Not if it queued for much of the time. */
static void test_worst_busy(void **state)
{
	(void)state;
	for (int queued = 10; queued <= 40; queued += 30) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		sw(&sc, 0, 1, 0, R, 11);
		sw(&sc, 0, 50, 11, P, 12);
		sw(&sc, 0, 50 + queued, 12, S, 11);
		s = scene_end(&sc, 100);
		assert_int_equal(verdict_worst(s, 10, NULL, &v), 0);
		is_cause(s, &v, queued == 10 ? VERDICT_RUNNING : VERDICT_RUNQUEUE, 11);
		assert_int_equal(v.groups[0].wait, VERDICT_RUNQUEUE);
		story_free(s);
	}
}

/*
 * A client wakes the server, which 0, 4: asks a backend, 1, 3: answers, 2: does neither, and polls. But
 * for 4 the backend then wakes it, and 0: it answers and polls again.
 */
static struct story *serve(int what)
{
	struct told poll = { .tid = 11, .pid = 10, .name = "epoll_wait", .fd = 7, .start = 1,
			     .end = 60.1, .file = "[eventpoll]", .type = "anonymous" };
	struct scene sc = workers();

	process(&sc, 20, 1, "/usr/bin/client");
	process(&sc, 30, 1, "/usr/bin/backend");
	wait_for(&sc, poll); /* longer than all that follows */
	wake(&sc, 0, 60, 20, 11);
	sw(&sc, 0, 60.1, 0, R, 11);
	if (what != 2)
		wake(&sc, 0, 60.2, 11, what % 4 ? 20 : 30);
	sw(&sc, 0, 60.3, 11, S, 0);
	poll.start = 60.3;
	poll.end = what == 4 ? 100 : 90.1;
	poll.open = what == 4;
	wait_for(&sc, poll);
	if (what < 4) {
		wake(&sc, 0, 90, 30, 11);
		sw(&sc, 0, 90.1, 0, R, 11);
	}
	if (what == 0) {
		wake(&sc, 0, 90.15, 11, 20);
		sw(&sc, 0, 90.2, 11, S, 0);
		poll.start = 90.2;
		poll.end = 100;
		poll.open = true;
		wait_for(&sc, poll);
	}
	wait_for(&sc,
		 (struct told){ .tid = 20, .pid = 20, .start = 60.1, .end = 99, .name = "read" });
	runs(&sc, 1, 60.21, 60.22, 30);
	wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 60.22, .end = 90,
				     .name = "clock_nanosleep" });
	for (int tid = 12; tid < 14; tid++) /* its pool */
		wait_for(&sc, (struct told){ .tid = tid, .pid = 10, .start = 0, .end = 100,
					     .open = true, .name = "futex", .address = LOCK });
	if (what == 3)
		wait_lock(&sc, 14, 10, 11, LOCK + 8, 15);
	return scene_end(&sc, 100);
}

/*
 * For its next request, which says nothing; for the answer of one that it has asked; or with a
 * request at hand that it has not answered, for who knows what.
 */
static void test_worst_of_server(void **state)
{
	struct verdict v;
	struct story *s;

	(void)state;
	for (int what = 0; what < 5; what++) {
		bool sleeps = what == 0 || what == 2;

		s = serve(what);
		assert_int_equal(verdict_worst(s, 10, NULL, &v), 0);
		assert_int_equal(v.groups[0].wait, what == 3 ? VERDICT_LOCK : VERDICT_POLL);
		assert_int_equal(v.idle, what & 1);
		if (v.idle)
			says(&v, "was idle, unless it has work from before: it waited 88.7 ms of "
				 "100 ms for what comes: epoll_wait");
		else
			assert_int_equal(v.groups[0].ns, (what == 4 ? 39.7 : 29.8) * MS);
		if (what == 0)
			assert_int_equal(v.groups[1].ns, (59.1 + 9.8) * MS);
		is_cause(s, &v, sleeps ? VERDICT_SLEEP : VERDICT_POLL, sleeps ? 30 : 11);
		story_free(s);
	}
}

/* Under pressure what is short comes first, however little of it was waited for; or one hears of that. */
static void test_pressure(void **state)
{
	static const struct {
		const char *text;
		enum verdict_wait cause;
		const char *says;
	} cases[] = {
		{ "io pressure: some task stalled for 1 s of 2 s", VERDICT_DISK,
		  "2 s; two (tid 12" },
		{ "memory pressure: x", VERDICT_MEMORY, "memory pressure: x; three (tid 13" },
		{ "cpu pressure in /a: b: y", VERDICT_RUNQUEUE, "y; of 1 CPU server (pid 10) had 95 %; 5 % was idle; four (tid 14" },
	};
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_lock(&sc, 11, 1, 90, LOCK, 15);
	wait_for(&sc,
		 (struct told){ .tid = 12, .pid = 10, .start = 5, .end = 6.5, .name = "fsync" });
	wait_for(&sc,
		 (struct told){ .tid = 13, .pid = 10, .start = 5, .end = 6.5, .name = "fault" });
	sw(&sc, 0, 1, 0, R, 15);
	wake(&sc, 0, 10, 15, 14);
	sw(&sc, 0, 11.5, 15, S, 14);
	s = scene_end(&sc, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(verdict_pressure(s, cases[i].text, AT(0), AT(20), &v), 0);
		is_cause(s, &v, cases[i].cause, 12 + i);
		says(&v, cases[i].says);
	}
	story_free(s);

	sc = workers();
	wait_lock(&sc, 11, 1, 90, LOCK, 15);
	sleeps(&sc, 15, 1, 90, "nanosleep");
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_pressure(s, cases[0].text, 0, UINT64_MAX, &v), 0);
	is_cause(s, &v, VERDICT_SLEEP, 15);
	says(&v, "; no wait for a disk is recorded, but others are; five (tid 15");
	story_free(s);
}

/*
 * Seven shells have had a CPU, one after the other; the longest wait was for the recorder, by chance.
 * It is told of only where it had much of the time.
 */
static void test_cpu_users(void **state)
{
	static const char cpu[] = "cpu pressure: x",
			  p99[] = "runqueue p99 is 76 ms, over 20 ms, in the last 3 s: 7 samples";
	static const char shells[] =
		"; of 2 CPUs sh (7 processes, the busiest pid 33) had 47 %, server (pid 10) 2 %, "
		"frecd (pid 50) 1 %; 50 % was idle; one (tid 11";
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 50, 1, "/usr/sbin/frecd");
	thread(&sc, 50, 50, "frecd-worker");
	for (int pid = 31; pid < 38; pid++) {
		process(&sc, pid, 1, "/bin/sh");
		sw(&sc, 0, (pid - 31) * 410, 0, R, pid);
		sw(&sc, 0, (pid - 31) * 410 + (pid == 33 ? 410 : 400), pid, S, 0);
	}
	sw(&sc, 1, 1, 0, R, 50);
	wake(&sc, 1, 1.5, 50, 11);
	sw(&sc, 1, 62, 50, S, 12);
	sw(&sc, 1, 77, 12, S, 11);
	sw(&sc, 1, 180, 11, S, 0);
	s = scene_end(&sc, 3000);
	assert_int_equal(verdict_pressure(s, cpu, AT(0), AT(3000), &v), 0);
	is_cause(s, &v, VERDICT_RUNQUEUE, 11);
	says(&v, shells);
	says(&v, "for a CPU, which ran two (tid 12 of server, pid 10) for 15 ms");
	assert_int_equal(v.chain[0].n_ran_instead, 2); /* is known, all the same */
	assert_int_equal(verdict_of(s, who(s, 11), AT(1.5), AT(77), &v), 0);
	says(&v, "the recorder itself");
	verdict_percentile(s, p99, &v);
	says(&v, "7 samples; of 2 CPUs sh (7 ");
	says(&v, shells);
	assert_int_equal(verdict_pressure(s, cpu, AT(0), AT(100), &v), 0);
	says(&v, "sh (pid 31) had 50 %, frecd (pid 50) 31 %, server (pid 10) 19 %;");
	says(&v, "for a CPU, which ran frecd-worker (tid 50), which is the recorder itself, for 60.5");
	story_free(s);
}

/* The recorder is no news; nor is, beside a sleep of 90 ms, a fault of one; a stop may be meant. */
static void test_worst_of_noise(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 30, 1, "/usr/sbin/frecd");
	thread(&sc, 30, 30, "frecd-worker");
	wait_lock(&sc, 30, 1, 90, LOCK, 31);
	sleeps(&sc, 11, 1, 91, "nanosleep");
	wait_for(&sc,
		 (struct told){ .tid = 11, .pid = 10, .start = 92, .end = 93, .name = "fault" });
	wait_for(&sc,
		 (struct told){ .tid = 12, .pid = 10, .start = 5, .end = 95, .name = "stopped" });
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_worst(s, 0, NULL, &v), 0);
	is_cause(s, &v, VERDICT_STOPPED, 12);
	for (size_t i = 0; i < v.n_groups; i++)
		assert_int_not_equal(v.groups[i].pid, 30);
	assert_int_equal(verdict_worst(s, 10, NULL, &v), 0);
	is_cause(s, &v, VERDICT_STOPPED, 12);
	assert_int_equal(v.groups[1].wait, VERDICT_SLEEP);
	assert_int_equal(verdict_worst(s, 30, NULL, &v), 0);
	assert_int_equal(v.groups[0].wait, VERDICT_LOCK);
	story_free(s);
}

/* On a host, a stop may be meant, however long it is; not in a process that was asked for. */
static void test_stopped_stands_behind(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_lock(&sc, 11, 10, 40, LOCK, 13);
	wait_for(&sc,
		 (struct told){ .tid = 12, .pid = 10, .start = 5, .end = 95, .name = "stopped" });
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_worst(s, 0, NULL, &v), 0);
	assert_int_equal(v.groups[0].wait, VERDICT_LOCK);
	assert_int_equal(v.groups[1].wait, VERDICT_STOPPED);
	assert_true(v.groups[0].ns < v.groups[1].ns);
	assert_int_equal(verdict_worst(s, 10, NULL, &v), 0);
	assert_int_equal(v.groups[0].wait, VERDICT_STOPPED);
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_worst_busy),
		cmocka_unit_test(test_worst_of_server),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_cpu_users),
		cmocka_unit_test(test_worst_of_noise),
		cmocka_unit_test(test_stopped_stands_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
