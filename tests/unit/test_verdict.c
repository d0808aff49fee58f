/* SPDX-License-Identifier: GPL-2.0 */
/* Who is to blame, and who is not. */
#include "test_verdict.h"

static void test_run_queue(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 30, 1, "/usr/bin/hog");
	thread(&sc, 31, 30, "h1");
	thread(&sc, 32, 30, "h2");
	sw(&sc, 0, 10, 11, P, 31);
	sw(&sc, 0, 40, 31, P, 12);
	sw(&sc, 0, 60, 12, P, 32);
	sw(&sc, 0, 85, 32, S, 0);
	sw(&sc, 0, 95, 0, R, 11);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 95);
	is_cause(s, &v, VERDICT_RUNQUEUE, 11);
	assert_int_equal(v.parts[VERDICT_RUNQUEUE], 85 * MS);
	assert_int_equal(v.chain[0].n_ran_instead, 3);
	assert_int_equal(s->threads[v.chain[0].ran_instead[0].thread].tid, 31); /* both of 30 */
	assert_int_equal(v.chain[0].ran_instead[0].ns, 55 * MS);
	assert_int_equal(v.chain[0].ran_instead[1].ns, 20 * MS);
	assert_int_equal(v.chain[0].ran_instead[2].thread, STORY_NOBODY);
	assert_int_equal(v.chain[0].ran_instead[2].ns, 10 * MS);
	says(&v, "waited 85 ms for a CPU, which ran h1 (tid 31 of hog, pid 30) for 55 ms and two");
	story_free(s);
}

/* Woken where it had been, which is busy; but it was put on another CPU, and that was busier. */
static void test_other_cpu(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 1, 0, R, 12);
	sw(&sc, 1, 1, 0, R, 13);
	wake(&sc, 0, 10, 12, 11);
	sw(&sc, 1, 90, 13, S, 11);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 90);
	is_link(s, &v, 0, 11, VERDICT_RUNQUEUE);
	assert_int_equal(v.chain[0].n_ran_instead, 1);
	assert_int_equal(s->threads[v.chain[0].ran_instead[0].thread].tid, 13);
	story_free(s);
}

/* Held by a busy CPU's queue until an idle one takes it over: who ran on that one is innocent. */
static void test_taken_over(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 1, 0, R, 12);
	sw(&sc, 1, 1, 0, R, 13);
	wake(&sc, 0, 10, 12, 11);
	sw(&sc, 1, 70, 13, S, 0);
	sw(&sc, 1, 90, 0, R, 11);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 90);
	is_link(s, &v, 0, 11, VERDICT_RUNQUEUE);
	assert_int_equal(v.chain[0].n_ran_instead, 1);
	assert_int_equal(s->threads[v.chain[0].ran_instead[0].thread].tid, 12);
	assert_int_equal(v.chain[0].ran_instead[0].ns, 80 * MS);
	story_free(s);
}

/* More processes than anybody wants to hear of; the one that ran most comes last. */
static void test_many_ran(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 1, 11, P, 100);
	for (int i = 0; i < 100; i++)
		sw(&sc, 0, 1.1 + i * 0.1, 100 + i, S, 101 + i);
	sw(&sc, 0, 90, 200, S, 11);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 1, 90);
	assert_int_equal(s->threads[v.chain[0].ran_instead[0].thread].tid, 200);
	story_free(s);
}

/* The recorder is not who is to blame for a crowd that it is only a part of. */
static void test_recorder_ran(void **state)
{
	(void)state;
	for (int ms = 30; ms <= 60; ms += 30) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		process(&sc, 30, 1, "/usr/sbin/frecd");
		thread(&sc, 30, 30, "frecd-worker");
		sw(&sc, 0, 10, 11, P, 30);
		sw(&sc, 0, 10 + ms, 30, P, 12);
		sw(&sc, 0, 70, 12, P, 13);
		sw(&sc, 0, 80, 13, S, 11);
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 80);
		says(&v,
		     ms == 30 ? "waited 70 ms for a CPU, which ran two (tid 12 of server, pid 10) "
				"for 40 ms"
			      : "waited 70 ms for a CPU, which ran frecd-worker (tid 30), which is "
				"the recorder itself, for 60 ms and three (tid 13 of server");
		assert_int_equal(!strstr(v.text, "frecd"), ms == 30);
		story_free(s);
	}
}

static void test_futex(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 1, 30, 0, R, 12); /* in exactly that interval it ran: 50 of 80 ms */
	wake(&sc, 1, 80, 12, 11);
	wake(&sc, 0, 40, 13, 11); /* this did not end the wait: 11 slept on */
	sw(&sc, 0, 10, 11, S, 0);
	sw(&sc, 0, 40.01, 0, R, 11);
	sw(&sc, 0, 40.02, 11, S, 0);
	wait_for(&sc, (struct told){ .tid = 11,
				     .pid = 10,
				     .start = 10,
				     .end = 80.01,
				     .name = "futex",
				     .address = LOCK });
	wait_for(&sc, (struct told){ .tid = 12, .pid = 10, .start = 5, .end = 30, .name = "read" });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_FUTEX);
	is_link(s, &v, 1, 12, VERDICT_RUNNING);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_WAKER);
	assert_true(v.chain[1].ns <= 50 * MS && v.chain[1].ns > 49 * MS);
	is_cause(s, &v, VERDICT_RUNNING, 12);
	says(&v, "; where in its code is not recorded, `perf record -p 10` shows it while it runs");
	story_free(s);
}

/* What an interrupt, or a thread of the kernel, did in the name of nobody. */
static void test_interrupt(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 50, 2, "kworker/0:1");
	sw(&sc, 0, 2, 0, R, 13);
	sw(&sc, 1, 2, 0, R, 50);
	wake_irq(&sc, 0, 80, 13, 11);
	wake(&sc, 1, 80, 50, 12);
	wait_for(&sc, (struct told){ .tid = 11,
				     .pid = 10,
				     .start = 10,
				     .end = 80.1,
				     .name = "futex",
				     .address = LOCK });
	wait_for(&sc, (struct told){ .tid = 12, .pid = 10, .start = 10, .end = 80.1, .name = "read",
				     .fd = 3, .type = "character" });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	assert_int_equal(v.n_chain, 1);
	assert_int_equal(v.chain[0].next, STORY_NOBODY);
	is_cause(s, &v, VERDICT_SLEEP, 11); /* its time-out did */
	v = explain(s, 12, 10, 80);
	assert_int_equal(v.n_chain, 1);
	is_cause(s, &v, VERDICT_POLL, 12);
	story_free(s);
}

/* Who sends a signal ends the call, but is not who was waited for: that is the pipe's other end. */
static void test_signal(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 20, 1, "writer");
	thread(&sc, 20, 20, "writer");
	sw(&sc, 0, 2, 0, R, 13);
	wake(&sc, 0, 80, 13, 11);
	wake(&sc, 0, 80, 13, 12);
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 80.1, .name = "read",
				     .fd = 3, .type = "pipe", .peer_pid = 20, .waker = 13,
				     .interrupted = true });
	wait_for(&sc, (struct told){ .tid = 12,
				     .pid = 10,
				     .start = 10,
				     .end = 80.1,
				     .name = "futex",
				     .address = LOCK,
				     .waker = 13,
				     .interrupted = true });
	wait_for(&sc, (struct told){ .tid = 20, .pid = 20, .start = 1, .end = 1000,
				     .name = "clock_nanosleep", .open = true });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_PIPE);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_PEER);
	is_cause(s, &v, VERDICT_SLEEP, 20);
	v = explain(s, 12, 10, 80);
	assert_int_equal(v.n_chain, 1);
	is_cause(s, &v, VERDICT_UNKNOWN, 12);
	story_free(s);
}

/* A wait for the other end of a pipe goes on: of one thread, it is that; of several, nobody. */
static void test_peer(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	thread(&sc, 30, 30, "single");
	process(&sc, 40, 1, "/usr/bin/crowd");
	thread(&sc, 40, 40, "many");
	thread(&sc, 41, 40, "many");
	wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 1, .end = 100, .open = true,
				     .name = "nanosleep" });
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "read", .fd = 3, .type = "pipe", .peer_pid = 30 });
	wait_for(&sc, (struct told){ .tid = 12, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "read", .fd = 3, .type = "pipe", .peer_pid = 40 });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_PIPE);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_PEER);
	is_cause(s, &v, VERDICT_SLEEP, 30);
	v = explain(s, 12, 10, 80);
	is_cause(s, &v, VERDICT_UNKNOWN, 12);
	assert_int_equal(v.chain[0].next, STORY_NOBODY);
	says(&v, "nothing recorded says which thread of crowd (pid 40) could end it");
	story_free(s);
}

static void test_child(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 30, 10, "/bin/make");
	process(&sc, 31, 10, "/bin/decoy");
	wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 1, .end = 100, .open = true,
				     .name = "nanosleep" });
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "wait4", .args = { 30 } });
	wait_for(&sc, (struct told){ .tid = 12, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "wait4", .args = { -1ull } });
	wait_for(&sc, (struct told){ .tid = 13, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "waitid", .args = { 1, 30 } });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_CHILD);
	is_cause(s, &v, VERDICT_SLEEP, 30);
	v = explain(s, 12, 10, 80);
	is_cause(s, &v, VERDICT_UNKNOWN, 12); /* either would do */
	v = explain(s, 13, 10, 80);
	is_cause(s, &v, VERDICT_SLEEP, 30);
	story_free(s);
}

static void test_runtime(void **state)
{
	static const char *const functions[] = { "runtime.futex", "runtime.netpoll" };
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 1, .end = 90, .name = "futex",
				     .address = LOCK, .function = functions[0] });
	wait_for(&sc, (struct told){ .tid = 12,
				     .pid = 10,
				     .start = 1,
				     .end = 90,
				     .name = "epoll_pwait",
				     .function = functions[1] });
	wait_for(&sc, (struct told){ .tid = 13, .pid = 10, .start = 1, .end = 90, .name = "lock",
				     .address = LOCK, .owner = 14, .function = functions[0] });
	wake(&sc, 0, 89, 14, 11);
	wake(&sc, 0, 89, 14, 12);
	wake(&sc, 0, 89, 14, 13);
	s = scene_end(&sc, 100);
	for (int tid = 11; tid <= 13; tid++) {
		v = explain(s, tid, 1, 89);
		assert_int_equal(v.n_chain, 1);
		is_cause(s, &v, VERDICT_UNKNOWN, tid);
		says(&v, "unknown: the runtime schedules its own tasks (Go)");
		says(&v, "; ask its own profiler (pprof), or have it call frec_trigger() where");
	}
	story_free(s);
}

static void test_explained(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 10, 11, S, 12);
	sw(&sc, 0, 20, 13, S, 0); /* 12 vanished */
	sw(&sc, 1, 60, 0, R, 12);
	s = scene_end(&sc, 100);
	v = explain(s, 12, 10, 110);
	assert_true(v.explained > 0.399 && v.explained < 0.401); /* from 60 to 100 */
	is_cause(s, &v, VERDICT_UNKNOWN, 12);
	assert_int_equal(verdict_of(s, STORY_NOBODY, AT(0), AT(10), &v), 0);
	assert_int_equal(v.parts[VERDICT_UNKNOWN], 10 * MS);
	assert_int_equal(v.cause, VERDICT_UNKNOWN);
	assert_int_equal(verdict_of(s, 0, AT(10), AT(0), &v), 0);
	assert_int_equal(v.n_chain, 0);
	story_free(s);
}

/* Never on a CPU in the window, and the wait began a ns after it: all of it is that wait. */
static void test_long_wait(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_lock(&sc, 11, 0.000001, 1000, LOCK, 12);
	sleeps(&sc, 12, 0, 100, "nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 0, 100);
	is_cause(s, &v, VERDICT_SLEEP, 12);
	assert_int_equal(v.parts[VERDICT_LOCK], 100 * MS - 1);
	story_free(s);
}

/* ---- texts ---- */

/* Whatever names there are, the sentence is whole, and of characters that only show. */
static void test_texts(void **state)
{
	char name[3000], file[3000];
	struct scene sc = scene_begin();
	struct verdict v;
	struct story *s;

	(void)state;
	for (size_t i = 0; i < sizeof(name); i += 3)
		memcpy(name + i, "€", 3);
	name[sizeof(name) - 1] = 0;
	memset(file, '\n', sizeof(file) - 1);
	file[sizeof(file) - 1] = 0;
	file[0] = '\xc3'; /* half a character */
	process(&sc, 10, 1, name);
	for (int i = 0; i < 8; i++)
		wait_for(&sc, (struct told){ .tid = 11 + i,
					     .pid = 10,
					     .start = 1,
					     .end = 100,
					     .name = "lock",
					     .open = true,
					     .address = -1ull - i * 64,
					     .owner = 11 + (i + 1) % 8 });
	wait_for(&sc, (struct told){ .tid = 20, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "fsync", .fd = 3, .file = file, .type = "regular",
				     .function = name });
	wait_for(&sc, (struct told){ .tid = 21, .pid = 10, .start = 1, .end = 100, .open = true,
				     .name = "fsync", .fd = 3, .file = name, .type = "regular" });
	s = scene_end(&sc, 100);
	for (int tid = 11; tid <= 21; tid++) {
		if (tid == 19)
			continue;
		v = explain(s, tid, 1, 100);
		for (const char *p = v.text; *p;) {
			bool fit;

			p += text_next(p, &fit);
			assert_true(fit);
		}
		assert_int_equal(v.cause, tid < 20 ? VERDICT_DEADLOCK : VERDICT_DISK);
	}
	story_free(s);
}

static void test_many_pieces(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;
	uint64_t before;

	(void)state;
	for (int i = 0; i < 500000; i++)
		sw(&sc, 0, 0.001 * (i + 1), i % 2 ? 12 : 11, P, i % 2 ? 11 : 12);
	s = scene_end(&sc, 600);
	before = cpu_ns();
	v = explain(s, 11, 0, 500);
	assert_true(v.parts[VERDICT_RUNQUEUE] > 249 * MS && v.parts[VERDICT_RUNQUEUE] < 251 * MS);
	assert_true(cpu_ns() - before < 5000 * MS);
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_queue),
		cmocka_unit_test(test_many_ran),
		cmocka_unit_test(test_recorder_ran),
		cmocka_unit_test(test_other_cpu),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_futex),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_runtime),
		cmocka_unit_test(test_explained),
		cmocka_unit_test(test_long_wait),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_many_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
