/* SPDX-License-Identifier: GPL-2.0 */
/* Who had the lock, and who is to blame. */
#include "test_verdict.h"

static void test_lock(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 5, 11, S, 0);
	sw(&sc, 1, 1, 12, S, 0);
	sw(&sc, 1, 90, 0, R, 12);
	wake(&sc, 1, 90.5, 12, 11);
	sw(&sc, 0, 91, 0, R, 11);
	wait_lock(&sc, 11, 5, 91, LOCK, 12);
	sleeps(&sc, 12, 1, 90, "clock_nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 91);
	is_link(s, &v, 0, 11, VERDICT_LOCK);
	is_link(s, &v, 1, 12, VERDICT_SLEEP);
	is_cause(s, &v, VERDICT_SLEEP, 12);
	assert_int_equal(v.chain[0].rests_on, VERDICT_BY_OWNER | VERDICT_BY_WAKER);
	assert_true(v.chain[0].sure);
	assert_int_equal(v.parts[VERDICT_LOCK], 855 * MS / 10);
	assert_int_equal(v.parts[VERDICT_RUNQUEUE], MS / 2);
	assert_int_equal(v.cause_ns, 85 * MS);
	assert_true(v.explained == 1);
	assert_string_equal(v.text, "two (tid 12 of server, pid 10) held mutex 0x4a30e0 while it "
				    "slept 85 ms in clock_nanosleep, in nap");
	story_free(s);
}

/*
 * 12 has it at first, and gives it to 13, which keeps it longest; 14 has it for a moment at the end
 * and wakes 11. 15, which wakes 14 for something else, has nothing to do with it.
 */
static void test_hands(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wake(&sc, 0, 20, 12, 13);
	runs(&sc, 1, 20.1, 20.2, 13);
	runs(&sc, 1, 84.9, 85.1, 13);
	wake(&sc, 0, 85, 13, 14);
	runs(&sc, 2, 85.1, 90.1, 14);
	wake(&sc, 0, 90, 14, 11);
	wait_lock(&sc, 11, 5, 90.1, LOCK, 12);
	wait_lock(&sc, 13, 6, 20.1, LOCK, 12);
	wait_lock(&sc, 14, 7, 85.1, LOCK, 12);
	sleeps(&sc, 13, 20.2, 84.9, "clock_nanosleep");
	wait_lock(&sc, 15, 5, 90, LOCK + 8, 14); /* another lock */
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 90);
	is_link(s, &v, 0, 11, VERDICT_LOCK);
	is_link(s, &v, 1, 13, VERDICT_SLEEP);
	is_cause(s, &v, VERDICT_SLEEP, 13);
	assert_int_equal(v.chain[1].of_ns, 65 * MS);
	assert_true(v.chain[0].sure);
	story_free(s);
}

/* 13 came so late that its own wait was not recorded: 12's wake-up of it tells. */
static void test_unseen_hands(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wake(&sc, 0, 10, 12, 13);
	runs(&sc, 1, 10.1, 10.2, 13);
	wake(&sc, 0, 90, 13, 11);
	wait_lock(&sc, 11, 5, 90.1, LOCK, 12);
	sleeps(&sc, 13, 10.2, 89.9, "clock_nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 90);
	is_cause(s, &v, VERDICT_SLEEP, 13);
	assert_int_equal(v.chain[1].of_ns, 80 * MS);
	assert_false(v.chain[0].sure);
	story_free(s);
}

/* 12 had it when 11 came, 13 woke 11: since when 13 had it, or if at all, nothing says. */
static void test_decoy(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wake(&sc, 0, 90, 13, 11);
	wait_lock(&sc, 11, 5, 90.1, LOCK, 12);
	sleeps(&sc, 12, 1, 99, "clock_nanosleep");
	sleeps(&sc, 13, 1, 89, "clock_nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 90);
	assert_int_equal(v.n_chain, 1);
	is_cause(s, &v, VERDICT_UNKNOWN, 11);
	says(&v,
	     "unknown: one (tid 11 of server, pid 10) waited 85 ms for mutex 0x4a30e0, and nothing "
	     "recorded says who held it");
	story_free(s);
}

/* Its owner is no thread of this snapshot; where processes may share it, that need not have ended. */
static void test_owner_gone(void **state)
{
	static const char *const told[] = {
		"unknown: one (tid 11 of server, pid 10) waited 90 ms for mutex 0x4a30e0, and "
		"nothing recorded says who held it",
		"unknown: one (tid 11 of server, pid 10) waited 90 ms for mutex 0x4a30e0, whose "
		"owner then, thread 4711, has ended",
	};
	struct verdict v;
	struct story *s;

	(void)state;
	for (int private = 0; private < 2; private++) {
		struct scene sc = workers();

		wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 100,
					     .name = "lock", .address = LOCK, .owner = 4711,
					     .op = private ? 128 : 0, .open = true });
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 100);
		is_cause(s, &v, VERDICT_UNKNOWN, 11);
		says(&v, told[private]);
		story_free(s);
	}
}

/* 12 let go of it early, to 13, which still has it. */
static void test_still_held(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wake(&sc, 0, 20, 12, 13);
	runs(&sc, 1, 20.1, 20.2, 13);
	wait_lock(&sc, 11, 5, 1000, LOCK, 12);
	wait_lock(&sc, 13, 4, 20.1, LOCK, 12);
	wait_for(&sc, (struct told){ .tid = 13,
				     .pid = 10,
				     .start = 20.2,
				     .end = 100,
				     .name = "nanosleep",
				     .open = true });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 100);
	is_link(s, &v, 1, 13, VERDICT_SLEEP);
	assert_false(v.chain[0].sure);
	story_free(s);
}

/*
 * Its owner has ended and nobody let go of it: long ago, or after a sleep that took longer; or before
 * the wait began, which may have given up since.
 */
static void test_ended_owner(void **state)
{
	static const char *const words[] = {
		"two (tid 12 of server, pid 10) ended 79.9 ms before this snapshot without letting go of "
		"mutex 0x4a30e0; one (tid 11 of server, pid 10) waits for it",
		"ended 29.9 ms before",
		"ended 79.9 ms before",
		"server, pid 10) waited for it",
	};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct scene sc = workers();
		double end = i == 1 ? 70 : 20;
		struct verdict v;
		struct story *s;

		wait_lock(&sc, 11, i < 2 ? 5 : 30, i < 3 ? 1000 : 90, LOCK, 12);
		sleeps(&sc, 12, 1, end, "nanosleep");
		wake_irq(&sc, 1, end - 0.1, 0, 12);
		sw(&sc, 1, end, 0, R, 12);
		sw(&sc, 1, end + 0.1, 12, X, 0);
		s = scene_end(&sc, 100);
		v = explain(s, 11, i < 2 ? 5 : 30, i < 3 ? 100 : 90);
		is_cause(s, &v, VERDICT_LOCK, 12);
		says(&v, words[i]);
		story_free(s);
	}
}

/* Equal addresses of two processes are two locks. */
static void test_other_process(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	thread(&sc, 21, 20, "other");
	thread(&sc, 22, 20, "other");
	wake(&sc, 0, 20, 22, 21);
	wait_for(&sc, (struct told){ .tid = 21, .pid = 20, .start = 4, .end = 20.1, .name = "lock",
				     .address = LOCK, .owner = 22 });
	wake(&sc, 1, 90, 12, 11);
	wait_lock(&sc, 11, 5, 90.1, LOCK, 12);
	sleeps(&sc, 12, 1, 99, "nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 90);
	is_cause(s, &v, VERDICT_SLEEP, 12);
	assert_int_equal(v.chain[1].of_ns, 85 * MS);
	story_free(s);
}

/* Two sleeps in one wait: woken while 12 still had it, it slept on. */
static void test_two_sleeps(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 5, 11, S, 0);
	wake_irq(&sc, 0, 40, 0, 11);
	sw(&sc, 0, 40.5, 0, R, 11);
	sw(&sc, 0, 41, 11, S, 0);
	sw(&sc, 1, 1, 12, S, 0);
	sw(&sc, 1, 89, 0, R, 12);
	wake(&sc, 1, 90, 12, 11);
	sw(&sc, 0, 90.1, 0, R, 11);
	wait_lock(&sc, 11, 5, 90.1, LOCK, 12);
	sleeps(&sc, 12, 1, 89, "nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 90.1);
	is_cause(s, &v, VERDICT_SLEEP, 12);
	assert_int_equal(v.parts[VERDICT_LOCK], 84 * MS);
	assert_int_equal(v.parts[VERDICT_RUNNING], MS / 2);
	assert_int_equal(v.chain[1].of_ns, 84 * MS);
	story_free(s);
}

/* Three locks in a row, and a socket to another process at the end. */
static void test_chain(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 30, 1, "/usr/bin/reports");
	thread(&sc, 30, 30, "reports");
	wait_lock(&sc, 11, 13, 90, LOCK, 12);
	wait_lock(&sc, 12, 12, 89, LOCK + 64, 13);
	wait_lock(&sc, 13, 11, 88, LOCK + 128, 14);
	wait_for(&sc, (struct told){ .tid = 14,
				     .pid = 10,
				     .start = 10,
				     .end = 87,
				     .name = "recvfrom",
				     .fd = 7,
				     .file = "127.0.0.1:8091",
				     .type = "inet",
				     .peer_pid = 30 });
	wait_for(&sc, (struct told){ .tid = 30, .pid = 30, .start = 9, .end = 86, .name = "fsync",
				     .fd = 4, .file = "/var/lib/käse", .type = "regular" });
	wake(&sc, 0, 85.9, 0, 30);
	wake(&sc, 0, 86.9, 30, 14);
	wake(&sc, 0, 87.9, 14, 13);
	wake(&sc, 0, 88.9, 13, 12);
	wake(&sc, 0, 89.9, 12, 11);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 13, 90);
	assert_int_equal(v.n_chain, 5);
	is_link(s, &v, 2, 13, VERDICT_LOCK);
	is_link(s, &v, 3, 14, VERDICT_SOCKET);
	assert_int_equal(v.chain[3].rests_on, VERDICT_BY_WAKER | VERDICT_BY_PEER);
	assert_string_equal(v.chain[3].what, "recvfrom fd 7 127.0.0.1:8091");
	is_link(s, &v, 4, 30, VERDICT_DISK);
	is_cause(s, &v, VERDICT_DISK, 30);
	says(&v,
	     "reports (tid 30) waited 72.9 ms for the disk: fsync fd 4 /var/lib/käse; four (tid 14");
	says(&v, "; so one (tid 11 of server, pid 10) waited 76.9 ms for mutex 0x4a30e0");
	story_free(s);
}

static void deadlock(unsigned int n, bool open)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	for (unsigned int i = 0; i < n; i++)
		wait_lock(&sc, 11 + i, 5 + i, open ? 1000 : 95, LOCK + 64 * i, 11 + (i + 1) % n);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 95);
	assert_int_equal(v.n_chain, n);
	is_cause(s, &v, open ? VERDICT_DEADLOCK : VERDICT_UNKNOWN, 11 + n - 1);
	if (open && n == 2)
		assert_string_equal(v.text,
				    "deadlock: one (tid 11 of server, pid 10) waits for mutex "
				    "0x4a30e0, which is held by two (tid 12 of server, pid 10), "
				    "which waits for mutex 0x4a3120, which is held by one (tid "
				    "11 of server, pid 10)");
	says(&v, open ? "deadlock: " : "unknown: ");
	story_free(s);
}

static void test_deadlocks(void **state)
{
	(void)state;
	deadlock(2, true);
	deadlock(3, true);
	deadlock(5, true);
	deadlock(2, false); /* it ended, so it was none */
}

/* It has the lock itself: for ever; unless another lets go of it, as none should. */
static void test_own_lock(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_lock(&sc, 11, 5, 1000, LOCK, 11);
	wait_lock(&sc, 12, 6, 1000, LOCK, 11);
	wait_lock(&sc, 13, 5, 90, LOCK + 64, 13);
	wake(&sc, 0, 89.9, 14, 13);
	sleeps(&sc, 14, 1, 89.8, "nanosleep");
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 100);
	is_cause(s, &v, VERDICT_DEADLOCK, 11);
	says(&v,
	     "deadlock: one (tid 11 of server, pid 10) waits for mutex 0x4a30e0, which it holds itself");
	v = explain(s, 12, 6, 100);
	assert_int_equal(v.n_chain, 2);
	is_cause(s, &v, VERDICT_DEADLOCK, 11);
	v = explain(s, 13, 5, 90);
	is_link(s, &v, 1, 14, VERDICT_SLEEP);
	is_cause(s, &v, VERDICT_SLEEP, 14);
	story_free(s);
}

/* 100,000 waits for one lock, half of them of the subject: what each costs must not depend on that. */
static void test_many_waits(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;
	uint64_t before;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		wake(&sc, 0, i * 0.01 + 0.008, 13, 11);
		runs(&sc, 1, i * 0.01 + 0.009, i * 0.01 + 0.01, 11);
		wait_lock(&sc, 11, i * 0.01, i * 0.01 + 0.009, LOCK, 13);
		wait_lock(&sc, 12, i * 0.01, i * 0.01 + 0.009, LOCK, 13);
	}
	s = scene_end(&sc, 600);
	assert_int_equal(s->n_waits, 100000);
	before = cpu_ns();
	v = explain(s, 11, 0, 500);
	is_link(s, &v, 1, 13, VERDICT_UNKNOWN);
	assert_true(cpu_ns() - before < 5000 * MS); /* 0.05 s; quadratic, it takes minutes */
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_hands),
		cmocka_unit_test(test_unseen_hands),
		cmocka_unit_test(test_decoy),
		cmocka_unit_test(test_owner_gone),
		cmocka_unit_test(test_still_held),
		cmocka_unit_test(test_ended_owner),
		cmocka_unit_test(test_other_process),
		cmocka_unit_test(test_two_sleeps),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_deadlocks),
		cmocka_unit_test(test_own_lock),
		cmocka_unit_test(test_many_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
