/* SPDX-License-Identifier: GPL-2.0 */
/* What is told beside the waits: who stopped whom, that a process has ended, that CPUs are short. */
#include "test_verdict.h"

#define T TRACE_STATE_STOPPED

/* Thread 11 sleeps until 31 of another process interrupts that, runs, and is stopped that much later. */
static struct story *stopped(double later, bool interrupted, struct told stop)
{
	struct scene sc = workers();

	process(&sc, 30, 1, "/bin/sh");
	thread(&sc, 31, 30, "killer");
	wait_for(&sc, (struct told){ .tid = 11,
				     .pid = 10,
				     .start = 5,
				     .end = 40,
				     .name = "nanosleep",
				     .waker = 31,
				     .interrupted = interrupted });
	stop.tid = 11;
	stop.pid = 10;
	stop.name = "stopped";
	stop.start = 40 + later;
	wait_for(&sc, stop);
	sw(&sc, 0, 1, 0, R, 11);
	sw(&sc, 0, 5, 11, S, 0);
	wake(&sc, 1, 39.9, 31, 11);
	sw(&sc, 0, 39.95, 0, R, 11);
	sw(&sc, 0, 40 + later, 11, T, 0);
	sw(&sc, 1, 95, 31, S, 0);
	return scene_end(&sc, 100);
}

static void test_stopped(void **state)
{
	struct story *s = stopped(0.1, true, (struct told){ .end = 100, .open = true });
	struct verdict v = explain(s, 11, 41, 100);

	(void)state;
	is_cause(s, &v, VERDICT_STOPPED, 11);
	says(&v, "and still is, by a signal that killer (tid 31 of sh, pid 30) sent; "
		 "`kill -CONT 10` lets it go on");
	v = explain(s, 11, 90, 100); /* all of it counts, not what was looked at */
	says(&v, "was stopped for 59.9 ms, and still is");
	story_free(s);

	/* it went on for longer than a signal takes; or slept on: it was not that wake-up */
	s = stopped(3, true, (struct told){ .end = 100, .open = true });
	v = explain(s, 11, 44, 100);
	says(&v, "by a signal; who sent it is not recorded; `kill");
	story_free(s);
	s = stopped(0.1, false, (struct told){ .end = 100, .open = true });
	v = explain(s, 11, 44, 100);
	says(&v, "by a signal; who sent it is not recorded; `kill");
	story_free(s);

	s = stopped(0.1, false, (struct told){ .end = 90 });
	v = explain(s, 11, 41, 90);
	says(&v, "was stopped for 49 ms by a signal or a debugger; who sent it is not recorded");
	assert_null(strstr(v.text, "CONT"));
	story_free(s);
}

static void test_traced(void **state)
{
	struct story *s =
		stopped(0.1, true, (struct told){ .end = 100, .open = true, .tracer = 31 });
	struct verdict v = explain(s, 11, 41, 100);

	(void)state;
	says(&v, "and still is, by its tracer, killer (tid 31 of sh, pid 30)");
	assert_null(strstr(v.text, "CONT"));
	story_free(s);
	s = stopped(0.1, true,
		    (struct told){ .end = 100, .open = true, .at_least = true, .tracer = 77 });
	v = explain(s, 11, 41, 100);
	says(&v, "was stopped for at least 59.9 ms, and still is, by its tracer, pid 77");
	story_free(s);
}

/* sender 0: none; -1: nothing looked for one. */
static void ends(struct scene *sc, double ms, int32_t pid, const char *how, int32_t sender)
{
	const struct trace_task e = { .ts = AT(ms), .current_tid = pid, .tid = pid, .tgid = pid };
	const struct trace_track track = {
		.uuid = sc->tracks++, .ts = AT(ms), .tid = pid, .tgid = pid
	};
	const struct trace_arg args[] = { TRACE_STRING("signal", "SIGKILL"),
					  TRACE_UINT("sender_pid", sender),
					  TRACE_STRING("sender_comm", "sh") };
	const struct trace_slice slice = { .ts = AT(ms), .track = track.uuid, .type = TRACE_INSTANT,
					   .name = how, .args = args,
					   .n_args = sender > 0 ? 3 : sender == 0 };

	if (how) {
		assert_int_equal(trace_put_track(sc->w, &track), 0);
		assert_int_equal(trace_put_slice(sc->w, &slice), 0);
	}
	assert_int_equal(trace_cpu_exit(sc->cpus[0], &e), 0);
}

static void test_ends(void **state)
{
	static const char *const want[] = {
		"was killed by SIGKILL, sent by sh (pid 7)",
		"was killed by SIGABRT, which it sent itself",
		"exited with 3",
		NULL,
		"was killed by SIGPIPE",
		"was killed by SIGTERM (who sent it is recorded only with a "
		"trigger of kind exit)"
	};
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	(void)state;
	for (int pid = 20; pid <= 26; pid++)
		process(&sc, pid, 1, "/bin/dies");
	ends(&sc, 10, 20, "was killed by SIGKILL", 7);
	ends(&sc, 20, 21, "was killed by SIGABRT", 21);
	ends(&sc, 30, 22, "exited with 3", 0);
	ends(&sc, 40, 23, NULL, 0);
	ends(&sc, 50, 24, "was killed by SIGPIPE", 0);
	ends(&sc, 60, 25, "was killed by SIGTERM", -1);
	s = scene_end(&sc, 100);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(verdict_worst(s, 20 + i, NULL, &v), 0);
		assert_non_null(v.end_of);
		assert_int_equal(v.end_of->pid, 20 + i);
		assert_true(v.end_of->ts == AT(10 + 10 * i));
		if (want[i])
			assert_string_equal(v.end_of->text, want[i]);
		else
			assert_null(v.end_of->text);
	}
	assert_int_equal(verdict_worst(s, 26, NULL, &v), 0);
	assert_null(v.end_of);
	story_free(s);
}

/* On two of the CPUs: n threads that are always ready, a turn of 10 ms each. */
static struct verdict crowd(int n)
{
	struct scene sc = workers();
	struct verdict v;
	struct story *s;

	for (int cpu = 0; cpu < 2; cpu++) {
		for (int i = 0; i < n; i++) {
			thread(&sc, 100 + 10 * cpu + i, 10, "busy");
			wake(&sc, cpu, 0.01 + i * 0.01, 11, 100 + 10 * cpu + i);
		}
		for (int turn = 0; turn < 10; turn++)
			sw(&sc, cpu, 0.1 + turn * 10, turn ? 100 + 10 * cpu + (turn - 1) % n : 0, P,
			   100 + 10 * cpu + turn % n);
	}
	s = scene_end(&sc, 100);
	assert_int_equal(verdict_worst(s, 0, NULL, &v), 0);
	assert_int_equal(v.cpus, 2);
	story_free(s);
	return v;
}

static void test_overload(void **state)
{
	struct verdict v = crowd(1);

	(void)state;
	assert_true(v.wanted_cpus > 1.9 && v.wanted_cpus < 2.1);
	assert_false(verdict_is_overload(&v));
	v = crowd(4);
	assert_true(v.wanted_cpus > 7.8 && v.wanted_cpus < 8.1);
	assert_true(verdict_is_overload(&v));
}

static void test_deeds(void **state)
{
	static const struct {
		enum verdict_wait wait;
		const char *functions, *deed;
	} cases[] = {
		{ VERDICT_LOCK, "__lll_unlock_wake;pthread_mutex_unlock;write", "let go" },
		{ VERDICT_FILE_LOCK, "close;main", "let go" },
		{ VERDICT_CHILD, "_exit;main", "ended" },
		{ VERDICT_FUTEX, "write;main", "woke it" },
		{ VERDICT_PIPE, "write;send_report;main", "wrote" },
		{ VERDICT_PIPE, "__GI___libc_write;_IO_file_write;fflush", "wrote" },
		{ VERDICT_PIPE, "__close;main", "closed" },
		{ VERDICT_PIPE, "_exit;exit;main", "ended" },
		{ VERDICT_PIPE, "?;__libc_read;main", "read" },
		{ VERDICT_SOCKET, "__libc_sendmsg;main", "sent" },
		{ VERDICT_POLL, "write_all;thread_pool;reader", "woke it" },
		{ VERDICT_PIPE, "a;b;c;d;write", "woke it" },
		{ VERDICT_PIPE, "__GI_;_;;", "woke it" },
		{ VERDICT_PIPE, "", "woke it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(verdict_deed(cases[i].wait, cases[i].functions), cases[i].deed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_traced),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_deeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
