/* SPDX-License-Identifier: GPL-2.0 */
/* Traces as stories: lives, segments, waits, wakers. */
#include "test_story.h"

static void is_segment(const struct story *s, int32_t tid, double ms, enum story_state state,
		       double start, double end)
{
	struct story_segment g;

	story_segment(s, who(s, tid), AT(ms), &g);
	assert_int_equal(g.state, state);
	assert_int_equal(g.start, AT(start));
	assert_int_equal(g.end, AT(end));
}

static void test_segments(void **state)
{
	struct scene sc = scene_begin();
	struct story_segment g;
	struct story *s;

	(void)state;
	sw(&sc, 0, 10, 11, S, 12); /* 11 ran when the window began */
	sw(&sc, 0, 20, 12, P, 13); /* 12 is preempted by 13 */
	wake(&sc, 0, 25, 13, 11);
	sw(&sc, 0, 30, 13, D, 12);
	sw(&sc, 0, 40, 12, S, 11);
	sw(&sc, 0, 45, 11, X, 0);
	s = scene_end(&sc, 100);
	assert_int_equal(s->start, T0);
	assert_int_equal(s->end, AT(100));
	assert_int_equal(s->lost, 7);
	is_segment(s, 11, 0, STORY_RUNNING, 0, 10);
	is_segment(s, 11, 10, STORY_SLEEPING, 10, 25);
	is_segment(s, 11, 25, STORY_RUNNABLE, 25, 40);
	is_segment(s, 11, 44.9, STORY_RUNNING, 40, 45);
	is_segment(s, 11, 99, STORY_GONE, 45, 100);
	is_segment(s, 12, 5, STORY_UNKNOWN, 0, 10); /* nobody saw it wake */
	is_segment(s, 12, 20, STORY_RUNNABLE, 20, 30);
	is_segment(s, 12, 41, STORY_SLEEPING, 40, 100);
	story_segment(s, who(s, 11), AT(30), &g);
	assert_int_equal(s->threads[g.wake->waker].tid, 13); /* compact: whoever ran there */
	assert_int_equal(g.cpu, 0);
	story_segment(s, who(s, 13), AT(31), &g);
	assert_int_equal(g.sleep, TRACE_STATE_DISK);
	story_segment(s, who(s, 11), AT(101), &g);
	assert_int_equal(g.state, STORY_GONE);
	assert_int_equal(story_cpu_run(s, 0, AT(25)), s->cpu_runs[0] + 2);
	assert_int_equal(story_cpu_run(s, 9, 0), s->n_runs);
	story_free(s);
	story_free(NULL);
}

/* A wake-up that was noted just before the switch that it ends the sleep of. */
static void test_early_wake(void **state)
{
	struct scene sc = scene_begin();
	struct story *s;

	(void)state;
	wake(&sc, 1, 9.99, 12, 11);
	sw(&sc, 0, 10, 11, S, 13);
	sw(&sc, 0, 60, 13, S, 11);
	wake(&sc, 1, 69.99, 12, 11); /* it did not run again: who knows what this was */
	sw(&sc, 0, 70, 11, S, 0);
	s = scene_end(&sc, 100);
	is_segment(s, 11, 30, STORY_RUNNABLE, 10, 60);
	is_segment(s, 11, 80, STORY_SLEEPING, 70, 100);
	story_free(s);
}

/* When one left and the other came, nobody saw; but when, and how, the other one left. */
static void test_broken_chain(void **state)
{
	struct scene sc = scene_begin();
	struct story *s;

	(void)state;
	born(&sc, 1, 20, 9, 14, false);
	sw(&sc, 1, 10, 0, R, 8);
	sw(&sc, 1, 30, 14, S, 0); /* not still waiting for its first turn */
	sw(&sc, 0, 10, 0, R, 11);
	sw(&sc, 0, 60, 12, S, 13);
	sw(&sc, 0, 70, 13, S, 0);
	s = scene_end(&sc, 100);
	is_segment(s, 11, 50, STORY_UNKNOWN, 10, 100);
	is_segment(s, 12, 50, STORY_UNKNOWN, 0, 60);
	is_segment(s, 12, 65, STORY_SLEEPING, 60, 100);
	is_segment(s, 13, 65, STORY_RUNNING, 60, 70);
	is_segment(s, 14, 50, STORY_SLEEPING, 30, 100);
	story_free(s);
}

static void test_loss(void **state)
{
	struct scene sc = scene_begin();
	struct story *s;

	(void)state;
	sw(&sc, 0, 10, 0, R, 11);
	assert_int_equal(trace_cpu_flush(sc.cpus[0]), 0);
	trace_cpu_lost(sc.cpus[0]);
	sw(&sc, 0, 60, 11, S, 12); /* it may have slept meanwhile */
	s = scene_end(&sc, 100);
	is_segment(s, 11, 50, STORY_UNKNOWN, 10, 60);
	is_segment(s, 11, 65, STORY_SLEEPING, 60, 100);
	is_segment(s, 12, 65, STORY_RUNNING, 60, 100);
	story_free(s);
}

static void test_lives(void **state)
{
	const struct trace_thread late = { .ts = AT(21), .tid = 15, .tgid = 15, .name = "second" };
	struct scene sc = scene_begin();
	uint32_t first, second;
	struct story *s;

	(void)state;
	process(&sc, 10, 1, "/usr/bin/server");
	thread(&sc, 11, 10, "worker");
	thread(&sc, 15, 10, "first");
	trace_put_thread(sc.w, &late);
	born(&sc, 0, 5, 11, 14, true);
	sw(&sc, 0, 10, 11, S, 14);
	sw(&sc, 0, 12, 14, X, 15);
	sw(&sc, 0, 15, 15, X, 11);
	born(&sc, 0, 20, 11, 15, false);
	sw(&sc, 0, 25, 11, S, 15);
	s = scene_end(&sc, 100);
	first = story_thread_at(s, 15, AT(14));
	second = story_thread_at(s, 15, AT(24));
	assert_int_not_equal(first, second);
	assert_string_equal(s->threads[first].comm, "first");
	assert_int_equal(s->threads[first].pid, 10);
	assert_int_equal(s->threads[first].until, AT(20));
	assert_string_equal(s->threads[second].comm, "second");
	assert_int_equal(s->threads[second].pid, 15);
	is_segment(s, 15, 22, STORY_RUNNABLE, 20, 25); /* a new thread waits for a CPU */
	is_segment(s, 15, 50, STORY_RUNNING, 25, 100);
	is_segment(s, 14, 2, STORY_GONE, -1000000, 5);
	is_segment(s, 14, 7, STORY_RUNNABLE, 5, 10);
	assert_int_equal(s->threads[who(s, 14)].pid, 10); /* its creator's */
	assert_int_equal(story_thread_at(s, 99, AT(0)), STORY_NOBODY);
	assert_string_equal(story_process(s, 10)->name, "server");
	assert_null(story_process(s, 11));
	story_free(s);
}

static void enter(struct scene *sc, double ms, int32_t tid, int64_t nr)
{
	const struct trace_sys_enter e = { AT(ms), tid, nr, { 3, 4 }, 2 };

	assert_int_equal(trace_cpu_sys_enter(sc->cpus[0], &e), 0);
}

static void leave(struct scene *sc, double ms, int32_t tid, int64_t nr)
{
	const struct trace_sys_exit e = { AT(ms), tid, nr, 0 };

	assert_int_equal(trace_cpu_sys_exit(sc->cpus[0], &e), 0);
}

static void test_calls(void **state)
{
	struct scene sc = scene_begin();
	const struct story_wait *w;
	struct story *s;

	(void)state;
	thread(&sc, 11, 11, "a");
	enter(&sc, 9.999, 11, 0); /* around a wait that has a slice */
	leave(&sc, 20.001, 11, 0);
	enter(&sc, 30, 11, 74);
	leave(&sc, 40, 11, 74);
	enter(&sc, 41, 11, 1);
	leave(&sc, 41.01, 11, 1);
	enter(&sc, 50, 11, 0); /* its end was lost: it is not still on */
	enter(&sc, 60, 11, 1);
	leave(&sc, 61, 11, 1);
	enter(&sc, 62, 11, 7); /* a poll, of which its slice does not say where its list is */
	leave(&sc, 69.001, 11, 7);
	enter(&sc, 70, 11, 35);
	wait_for(&sc, (struct told){ .tid = 11, .pid = 11, .start = 62.001, .end = 69, .fd = 9,
				     .name = "poll fd 9 /a pipe" });
	wait_for(&sc, (struct told){ .tid = 11, .pid = 11, .start = 10, .end = 20, .fd = 5,
				     .name = "read fd 5 /a file", .file = "/a file",
				     .type = "regular", .peer_pid = 3, .args = { 5, 6 } });
	s = scene_end(&sc, 100);
	assert_int_equal(s->threads[who(s, 11)].n_waits, 5);
	w = story_wait_at(s, who(s, 11), AT(65));
	assert_string_equal(w->name, "poll");
	assert_int_equal(w->fd, 9);
	assert_int_equal(w->args[0], 3);
	assert_int_equal(w->args[1], 4);
	w = story_wait_at(s, who(s, 11), AT(15));
	assert_string_equal(w->name, "read");
	assert_string_equal(w->file, "/a file");
	assert_int_equal(w->fd, 5);
	assert_int_equal(w->peer_pid, 3);
	assert_int_equal(w->args[1], 6);
	w = story_wait_at(s, who(s, 11), AT(35));
	assert_string_equal(w->name, "fsync");
	assert_int_equal(w->args[0], 3);
	assert_false(w->open);
	assert_null(story_wait_at(s, who(s, 11), AT(40)));
	assert_null(story_wait_at(s, who(s, 11), AT(55)));
	w = story_wait_at(s, who(s, 11), AT(99));
	assert_string_equal(w->name, "nanosleep");
	assert_true(w->open);
	assert_int_equal(w->end, AT(100));
	story_free(s);
}

/* What has no arguments says it in its title; a comm may try to say more. */
static void test_title(void **state)
{
	struct scene sc = scene_begin();
	const struct story_wait *w;
	struct story *s;

	(void)state;
	thread(&sc, 11, 10, "a");
	thread(&sc, 12, 10, "0x5 held by x/13");
	thread(&sc, 13, 10, "c");
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 1, .end = 9, .brief = true,
				     .name = "lock 0x4a30e0 held by 0x5 held by x/13/12" });
	wait_for(&sc, (struct told){ .tid = 13, .pid = 10, .start = 1, .end = 9, .brief = true,
				     .name = "open fd 3 /a 0x77 held by b/11" });
	wait_for(&sc,
		 (struct told){
			 .tid = 12, .pid = 10, .start = 1, .end = 9, .name = "kernel thread" });
	s = scene_end(&sc, 100);
	w = story_wait_at(s, who(s, 11), AT(5));
	assert_int_equal(w->address, 0x4a30e0);
	assert_int_equal(w->owner, who(s, 12));
	w = story_wait_at(s, who(s, 13), AT(5));
	assert_int_equal(w->address, 0);
	assert_int_equal(w->owner, STORY_NOBODY);
	w = story_wait_at(s, who(s, 12), AT(5));
	assert_string_equal(w->name, "kernel thread");
	story_free(s);
}

static void test_texts(void **state)
{
	struct scene sc = scene_begin();
	struct story *s;

	(void)state;
	process(&sc, 11, 1, "/bin/\x1b[31m");
	thread(&sc, 11, 11, "a\nb\xff\x7f");
	thread(&sc, 12, 11, "käse");
	s = scene_end(&sc, 100);
	assert_string_equal(s->threads[who(s, 11)].comm, "a?b??");
	assert_string_equal(s->threads[who(s, 12)].comm, "käse");
	assert_string_equal(story_process(s, 11)->name, "?[31m");
	story_free(s);
}

static void put_trigger(struct scene *sc, double start, double duration, double end)
{
	const struct trace_arg args[] = { TRACE_UINT("duration_ns", duration * 1e6),
					  TRACE_UINT("pid", 10),
					  TRACE_UINT("tid", 11),
					  TRACE_STRING("trigger", "slow"),
					  TRACE_STRING("kind", "lock"),
					  TRACE_STRING("comm", "a") };
	struct trace_slice slice = { .ts = AT(start),
				     .track = sc->tracks,
				     .type = TRACE_SLICE_BEGIN,
				     .name = "trigger: slow",
				     .args = args,
				     .n_args = 6 };
	const struct trace_track track = { .uuid = sc->tracks++, .name = "slow" };

	trace_put_track(sc->w, &track);
	trace_put_slice(sc->w, &slice);
	slice = (struct trace_slice){ .ts = AT(end),
				      .track = slice.track,
				      .type = TRACE_SLICE_END };
	if (end)
		trace_put_slice(sc->w, &slice);
}

static void test_triggers(void **state)
{
	struct scene sc = scene_begin();
	struct story *s;

	(void)state;
	put_trigger(&sc, 10, 20, 30);
	put_trigger(&sc, 10, 20, 0);
	put_trigger(&sc, 0, 500, 0); /* it began before the window */
	s = scene_end(&sc, 100);
	assert_int_equal(s->n_triggers, 3);
	assert_string_equal(s->triggers[0].name, "slow");
	assert_int_equal(s->triggers[0].tid, 11);
	assert_int_equal(s->triggers[0].end, AT(30));
	assert_int_equal(s->triggers[1].end, AT(30));
	assert_int_equal(s->triggers[2].end, AT(100));
	assert_int_equal(s->triggers[2].duration, 500 * MS);
	story_free(s);
}

/* Numbers that no recorder writes. */
static void test_hostile(void **state)
{
	struct scene sc = scene_begin();
	struct story_segment g;
	struct story *s;

	(void)state;
	born(&sc, 0, 1, 0, 11, true);
	wake(&sc, 0, 2, 0, 12);
	sw(&sc, 0, 3, 11, 0x10000, 12); /* a state that is 0 in 16 bits */
	trace_cpu_switch(sc.cpus[1], &(struct trace_switch){ .ts = UINT64_MAX - 1, .prev_tid = 13,
							     .next_tid = 12 });
	trace_cpu_sys_enter(sc.cpus[1],
			    &(struct trace_sys_enter){ UINT64_MAX - 1, 12, 0, { 0 }, 0 });
	trace_put_thread(sc.w, &(struct trace_thread){ .tid = -5, .tgid = -6, .name = "no" });
	trace_put_process(sc.w, &(struct trace_process){ .pid = -5 });
	wait_for(&sc,
		 (struct told){ .tid = -11, .pid = -10, .start = 5, .end = 6, .name = "read" });
	wait_for(&sc,
		 (struct told){ .tid = 12, .pid = 12, .start = 50, .end = 40, .name = "read" });
	trace_put_track(sc.w, &(struct trace_track){ .uuid = 9, .tid = 12, .tgid = 12 });
	trace_put_slice(sc.w, &(struct trace_slice){
				      .ts = UINT64_MAX - 1, .track = 9, .type = TRACE_SLICE_BEGIN,
				      .name = "wait: lock", .n_args = 1,
				      .args = &TRACE_UINT("waited_ns", UINT64_MAX) });
	s = scene_end(&sc, 100);
	for (size_t i = 0; i < s->n_waits; i++)
		assert_true(s->waits[i].end >= s->waits[i].start);
	for (size_t i = 0; i < s->n_threads; i++)
		assert_true(s->threads[i].tid > 0 && s->threads[i].pid > 0);
	story_segment(s, who(s, 11), AT(4), &g);
	assert_int_equal(g.state, STORY_UNKNOWN);
	story_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),     cmocka_unit_test(test_early_wake),
		cmocka_unit_test(test_broken_chain), cmocka_unit_test(test_loss),
		cmocka_unit_test(test_lives),	     cmocka_unit_test(test_calls),
		cmocka_unit_test(test_title),	     cmocka_unit_test(test_texts),
		cmocka_unit_test(test_triggers),     cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
