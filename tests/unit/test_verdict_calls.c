/* SPDX-License-Identifier: GPL-2.0 */
/* Waits whose call does not say what they are for. */
#include "test_verdict.h"

struct call {
	const char *name, *kernel, *type;
	bool interrupted;
	enum verdict_wait wait;
	enum verdict_wait alone; /* the cause, where nothing tells who ended it */
};

static const struct call calls[] = {
	{ "openat", "wait_for_partner", NULL, false, VERDICT_PIPE, VERDICT_UNKNOWN },
	{ "openat", "__break_lease", NULL, false, VERDICT_FILE_LOCK, VERDICT_UNKNOWN },
	{ "openat", "ext4_lookup", NULL, false, VERDICT_DISK, VERDICT_DISK },
	{ "msgrcv", "do_msgrcv", NULL, false, VERDICT_PIPE, VERDICT_UNKNOWN },
	{ "mq_timedreceive", "wq_sleep", NULL, false, VERDICT_PIPE, VERDICT_UNKNOWN },
	{ "read", "request_wait_answer", "regular", false, VERDICT_DISK, VERDICT_UNKNOWN },
	{ "fcntl", NULL, "regular", false, VERDICT_FILE_LOCK, VERDICT_UNKNOWN },
	{ "read", "folio_wait_bit", "regular", false, VERDICT_DISK, VERDICT_DISK },
	{ "fault", "handle_userfault", NULL, false, VERDICT_MEMORY, VERDICT_UNKNOWN },
	{ "rt_sigtimedwait", "do_sigtimedwait", NULL, false, VERDICT_SLEEP, VERDICT_SLEEP },
	{ "pause", NULL, NULL, true, VERDICT_SLEEP, VERDICT_SLEEP },
	{ "nanosleep", NULL, NULL, true, VERDICT_SLEEP, VERDICT_SLEEP },
};

static struct told told_of(const struct call *c)
{
	return (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 80.1, .name = c->name,
			      .type = c->type, .kernel = c->kernel, .function = "work",
			      .interrupted = c->interrupted };
}

/* Thread 12 ends it, who slept meanwhile. */
static void test_waker(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		bool by_itself = calls[i].wait == calls[i].alone &&
				 strcmp(calls[i].name, "pause") &&
				 strcmp(calls[i].name, "rt_sigtimedwait");
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		wake(&sc, 0, 80, 12, 11);
		wait_for(&sc, told_of(&calls[i]));
		sleeps(&sc, 12, 5, 79.9, "clock_nanosleep");
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 80);
		is_link(s, &v, 0, 11, calls[i].wait);
		is_cause(s, &v, by_itself ? calls[i].wait : VERDICT_SLEEP, by_itself ? 11 : 12);
		story_free(s);
	}
}

/* An interrupt ends it, or it has not ended. */
static void test_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *c = &calls[i / 2];
		struct told told = told_of(c);
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		if (i & 1)
			told.open = true;
		else
			wake_irq(&sc, 0, 80, 12, 11);
		wait_for(&sc, told);
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 80);
		is_link(s, &v, 0, 11, c->wait);
		is_cause(s, &v, c->alone, 11);
		story_free(s);
	}
}

/* A disk lets nobody be interrupted: for what such a call waited only who ended it tells. */
static void test_interruptible(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		sw(&sc, 0, 5, 0, R, 11);
		sw(&sc, 0, 10, 11, i ? S : D, 0);
		if (i == 2)
			wake(&sc, 0, 80, 12, 11);
		else
			wake_irq(&sc, 0, 80, 12, 11);
		sleeps(&sc, 12, 5, 79.9, "clock_nanosleep");
		sw(&sc, 0, 80.1, 0, R, 11);
		wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 80.1,
					     .name = "openat", .function = "work" });
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 80);
		if (i == 2)
			is_cause(s, &v, VERDICT_SLEEP, 12);
		else
			is_cause(s, &v, i ? VERDICT_UNKNOWN : VERDICT_DISK, 11);
		story_free(s);
	}
}

/* One's own timer: that is no wait for somebody, whatever the call. */
static void test_timer(void **state)
{
	static const char *const names[] = { "read", "poll" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene sc = workers();
		struct verdict v;
		struct story *s;

		wake_irq(&sc, 0, 80, 12, 11);
		wait_for(&sc, (struct told){ .tid = 11,
					     .pid = 10,
					     .start = 10,
					     .end = 80.1,
					     .fd = 4,
					     .name = names[i],
					     .file = "[timerfd]",
					     .type = "anonymous",
					     .function = "work" });
		s = scene_end(&sc, 100);
		v = explain(s, 11, 10, 80);
		is_cause(s, &v, VERDICT_SLEEP, 11);
		says(&v, "slept 70 ms in ");
		story_free(s);
	}
}

/* Of all the time at the disk, a FUSE server had a smaller part. */
static void test_mostly_disk(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wake(&sc, 0, 40, 12, 11);
	sw(&sc, 0, 40.05, 0, R, 11);
	sw(&sc, 0, 40.2, 11, S, 0);
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 40.1, .name = "read",
				     .type = "regular", .kernel = "request_wait_answer" });
	wait_for(&sc, (struct told){ .tid = 11,
				     .pid = 10,
				     .start = 40.2,
				     .end = 68.1,
				     .name = "read",
				     .type = "regular",
				     .kernel = "folio_wait_bit" });
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 68.1, .end = 95, .name = "read",
				     .type = "regular", .kernel = "folio_wait_bit" });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 95);
	is_cause(s, &v, VERDICT_DISK, 11);
	story_free(s);
}

/* Woken from such a wait, then queueing: that is not the signaller's fault. */
static void test_queued(void **state)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	sw(&sc, 0, 19.5, 0, R, 12);
	wake(&sc, 0, 20, 12, 11);
	sw(&sc, 0, 90, 12, S, 11);
	wait_for(&sc,
		 (struct told){ .tid = 11, .pid = 10, .start = 10, .end = 90, .name = "pause" });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 90);
	is_cause(s, &v, VERDICT_RUNQUEUE, 11);
	story_free(s);
}

/* pthread_join() waits where the tid of the other thread stands; a condition variable has numbers. */
static void test_join(void **state)
{
	struct scene sc = workers();
	struct told join = { .tid = 11, .pid = 10, .start = 5, .end = 100, .open = true, .val = 12,
			     .name = "futex", .address = LOCK + 64,
			     .function = "__pthread_clockjoin_ex" };
	struct verdict v;
	struct story *s;

	(void)state;
	wait_for(&sc, join);
	wait_lock(&sc, 12, 5, 1000, LOCK, 11);
	join.tid = 13;
	join.function = "pthread_cond_wait";
	wait_for(&sc, join);
	join.tid = 14;
	join.function = "__pthread_clockjoin_ex";
	join.val = 999;
	wait_for(&sc, join);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 5, 100);
	is_link(s, &v, 1, 12, VERDICT_LOCK);
	is_cause(s, &v, VERDICT_DEADLOCK, 12);
	for (int tid = 13; tid <= 14; tid++) {
		v = explain(s, tid, 5, 100);
		is_cause(s, &v, VERDICT_UNKNOWN, tid);
	}
	story_free(s);
}

/* A datagram: who sends it is known only from the wake-up, and then not for sure. */
static void test_datagram(void **state)
{
	struct scene sc = workers();
	struct told told = { .tid = 11, .pid = 10, .start = 10, .end = 80.1, .name = "recvfrom",
			     .fd = 4, .file = "listening at 0.0.0.0:53", .type = "inet" };
	struct verdict v;
	struct story *s;

	(void)state;
	process(&sc, 20, 1, "/usr/bin/sender");
	sw(&sc, 0, 79.5, 0, R, 20);
	for (int tid = 11; tid <= 14; tid++) {
		told.tid = tid;
		told.sender = tid == 11 ? 20 : 0;
		told.open = tid == 13;
		told.file = tid == 14 ? "listening at 127.0.0.1:53" : told.file;
		if (!told.open)
			wake_in_irq(&sc, 0, 80, 20, tid, TRACE_IRQ_SOFT);
		wait_for(&sc, told);
	}
	sw(&sc, 0, 81, 20, S, 0);
	wait_for(&sc,
		 (struct told){ .tid = 20, .pid = 20, .start = 1, .end = 79, .name = "nanosleep" });
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_link(s, &v, 0, 11, VERDICT_SOCKET);
	assert_false(v.chain[0].sure);
	is_cause(s, &v, VERDICT_SLEEP, 20);
	v = explain(s, 12, 10, 80); /* thread 20 was interrupted by it */
	is_cause(s, &v, VERDICT_NETWORK, 12);
	v = explain(s, 13, 10, 80);
	is_cause(s, &v, VERDICT_UNKNOWN, 13);
	v = explain(s, 14, 10, 80);
	is_link(s, &v, 0, 14, VERDICT_SOCKET);
	is_cause(s, &v, VERDICT_UNKNOWN, 14);
	story_free(s);
}

/* A connect(2) that has not ended was not answered; of one that has, who knows how it ended. */
static void test_connect(void **state)
{
	struct told told = { .tid = 11, .pid = 10, .start = 10, .end = 90, .name = "connect",
			     .fd = 7, .file = "192.0.2.1:80", .type = "inet", .open = true };
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	wait_for(&sc, told);
	told.tid = 12;
	told.file = "127.0.0.1:80";
	wait_for(&sc, told);
	told.tid = 13;
	told.open = false;
	told.file = "192.0.2.1:80";
	wait_for(&sc, told);
	told.tid = 14;
	told.open = true;
	told.name = "recvfrom";
	wait_for(&sc, told);
	s = scene_end(&sc, 100);
	v = explain(s, 11, 10, 80);
	is_cause(s, &v, VERDICT_NETWORK, 11);
	says(&v, "for the network: connect fd 7 192.0.2.1:80, which nobody has answered");
	v = explain(s, 12, 10, 80);
	is_cause(s, &v, VERDICT_UNKNOWN, 12);
	says(&v, "for connect fd 7 127.0.0.1:80, which nobody has answered, and nothing recorded");
	for (int tid = 13; tid <= 14; tid++) {
		v = explain(s, tid, 10, 80);
		is_cause(s, &v, VERDICT_NETWORK, tid);
		assert_null(strstr(v.text, "answered"));
	}
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waker),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_interruptible),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_mostly_disk),
		cmocka_unit_test(test_queued),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_datagram),
		cmocka_unit_test(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
