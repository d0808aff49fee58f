/* SPDX-License-Identifier: GPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/policy.h"

#define MS 1000000ull
#define SEC 1000000000ull
#define T0 (1000 * SEC)

static struct config config;
static struct policy policy;
static struct policy_job job;

static void add_trigger(const char *name, uint64_t cooldown, uint64_t post, uint32_t per_hour)
{
	struct config_trigger *t = &config.triggers[config.n_triggers++];

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->filter.kind = TRIGGER_LOCK;
	t->filter.threshold = 100 * MS;
	t->cooldown = cooldown;
	t->post = post;
	t->max_per_hour = per_hour;
}

static int setup(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	config.window = 10 * SEC;
	add_trigger("a", 30 * SEC, 200 * MS, 0);
	add_trigger("b", 30 * SEC, 500 * MS, 0);
	policy_init(&policy, &config, 1);
	return 0;
}

static enum policy_verdict fire_bank(uint32_t index, uint64_t now, uint32_t bank)
{
	struct trigger_record r = { .h.ts = now, .index = index, .bank = bank };

	return policy_trigger(&policy, now, &r);
}

static enum policy_verdict fire(uint32_t index, uint64_t now)
{
	return fire_bank(index, now, policy.bank);
}

/* Takes what is due at `now` and ends it. */
static void write_one(uint64_t now, bool success)
{
	assert_int_equal(policy_take(&policy, now, &job), 0);
	policy_done(&policy, success);
}

static void test_accept_take_done(void **state)
{
	(void)state;
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	assert_int_equal(policy_take(&policy, T0, &job), -EAGAIN);
	assert_int_equal(fire(0, T0), POLICY_ACCEPTED);
	assert_int_equal(policy_next_due(&policy), T0 + 200 * MS);
	assert_int_equal(policy_take(&policy, T0 + 199 * MS, &job), -EAGAIN);
	assert_int_equal(policy_take(&policy, T0 + 200 * MS, &job), 0);
	assert_false(job.manual);
	assert_int_equal(job.n_hits, 1);
	assert_string_equal(job.hits[0].name, "a");
	assert_int_equal(job.hits[0].threshold, 100 * MS);
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	policy_done(&policy, true);
	policy_done(&policy, true); /* one too many does nothing */
	assert_int_equal(policy.written, 1);
	assert_int_equal(policy.triggers[0].fired, 1);
	assert_int_equal(policy.triggers[0].last, T0);
}

static void test_cooldown(void **state)
{
	(void)state;
	fire(0, T0);
	write_one(T0 + SEC, true);
	assert_int_equal(policy_quiet_until(&policy, 0, T0 + SEC), T0 + 30 * SEC);
	assert_int_equal(fire(0, T0 + 30 * SEC - 1), POLICY_SUPPRESSED);
	assert_int_equal(policy.triggers[0].suppressed_cooldown, 1);
	assert_int_equal(fire(1, T0 + 10 * SEC), POLICY_ACCEPTED);
	write_one(T0 + 11 * SEC, true);
	assert_int_equal(fire(0, T0 + 30 * SEC), POLICY_ACCEPTED);
}

/* A failed snapshot starts the cooldown all the same: no loop on a full disk. */
static void test_cooldown_after_failure(void **state)
{
	(void)state;
	fire(0, T0);
	write_one(T0 + SEC, false);
	assert_int_equal(policy.failed, 1);
	assert_int_equal(fire(0, T0 + 2 * SEC), POLICY_SUPPRESSED);
}

/* What could not be written, for want of space, say, is no snapshot of that hour. */
static void test_hour_after_failure(void **state)
{
	(void)state;
	config.triggers[0].cooldown = 0;
	config.triggers[0].max_per_hour = 2;
	policy_init(&policy, &config, 1);
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(fire(0, T0 + i * SEC), POLICY_ACCEPTED);
		write_one(T0 + i * SEC + SEC / 2, i == 3);
	}
	assert_int_equal(fire(0, T0 + 6 * SEC), POLICY_ACCEPTED);
	write_one(T0 + 6 * SEC + SEC / 2, true);
	assert_int_equal(fire(0, T0 + 7 * SEC), POLICY_SUPPRESSED);
}

static void test_late_record_is_due_at_once(void **state)
{
	struct trigger_record r = { .h.ts = T0 - 10 * SEC, .index = 0, .bank = 1 };

	(void)state;
	assert_int_equal(policy_trigger(&policy, T0, &r), POLICY_ACCEPTED);
	assert_int_equal(policy_take(&policy, T0, &job), 0);
	policy_done(&policy, true);
	r.index = 1;
	r.h.ts = T0 + 1000 * SEC; /* a time from the future does not hold it up */
	policy_trigger(&policy, T0, &r);
	assert_int_equal(policy_next_due(&policy), T0 + 500 * MS);
}

static void test_merge(void **state)
{
	(void)state;
	fire(0, T0);
	assert_int_equal(policy_quiet_until(&policy, 0, T0), 0);
	assert_int_equal(fire(0, T0 + 10 * MS), POLICY_MERGED);
	assert_int_equal(policy.triggers[0].accepted, T0);
	assert_int_equal(fire(1, T0 + 100 * MS), POLICY_MERGED);
	assert_int_equal(policy_next_due(&policy), T0 + 600 * MS);
	assert_int_equal(policy_take(&policy, T0 + 600 * MS, &job), 0);
	assert_int_equal(job.n_hits, 3);
	assert_int_equal(job.n_merged, 2);
	assert_string_equal(job.hits[2].name, "b");
	assert_int_equal(policy.triggers[1].merged, 1);
	assert_int_equal(policy.triggers[1].fired, 0);
	/* merged: its story is told, so its cooldown runs */
	assert_int_equal(policy_quiet_until(&policy, 1, T0 + SEC), T0 + 30100 * MS);
	assert_int_equal(fire(1, T0 + SEC), POLICY_SUPPRESSED);
}

static void test_merge_delay_is_bounded(void **state)
{
	(void)state;
	add_trigger("slow", 0, 60 * SEC, 0);
	policy_init(&policy, &config, 1);
	fire(0, T0);
	fire(2, T0 + 100 * MS);
	assert_int_equal(policy_next_due(&policy), T0 + 2 * SEC);
	write_one(T0 + 2 * SEC, true);
	/* its own post is not cut */
	fire(2, T0 + 100 * SEC);
	fire(0, T0 + 101 * SEC);
	assert_int_equal(policy_next_due(&policy), T0 + 160 * SEC);
	/* a small window bounds it further */
	config.window = SEC;
	policy_init(&policy, &config, 1);
	fire(0, T0);
	fire(2, T0);
	assert_int_equal(policy_next_due(&policy), T0 + 500 * MS);
}

static void test_merge_keeps_sixteen(void **state)
{
	(void)state;
	fire(0, T0);
	for (int i = 0; i < 15; i++)
		assert_int_equal(fire(0, T0 + 1), POLICY_MERGED);
	/* full: those that are part of it need not be told of any more, others do */
	assert_int_equal(policy_quiet_until(&policy, 0, T0), POLICY_NEVER);
	assert_int_equal(policy_quiet_until(&policy, 1, T0), 0);
	assert_int_equal(fire(0, T0 + 2), POLICY_MERGED);
	assert_int_equal(fire(1, T0 + 2), POLICY_MERGED);
	assert_int_equal(policy_take(&policy, T0 + 5 * SEC, &job), 0);
	assert_int_equal(job.n_hits, POLICY_HITS_MAX);
	assert_int_equal(job.n_merged, 17);
	assert_int_equal(policy_quiet_until(&policy, 0, T0), T0 + 30 * SEC);
}

static void test_next_while_writing(void **state)
{
	(void)state;
	fire(0, T0);
	assert_int_equal(policy_take(&policy, T0 + SEC, &job), 0);
	assert_int_equal(fire(1, T0 + 2 * SEC), POLICY_ACCEPTED);
	assert_int_equal(fire(1, T0 + 2 * SEC), POLICY_MERGED);
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	assert_int_equal(policy_take(&policy, T0 + 60 * SEC, &job), -EAGAIN);
	/* past its due it waits for the writer, and still merges */
	assert_int_equal(fire(0, T0 + 40 * SEC), POLICY_MERGED);
	policy_done(&policy, true);
	assert_int_equal(policy_next_due(&policy), T0 + 4 * SEC);
	assert_int_equal(policy_take(&policy, T0 + 60 * SEC, &job), 0);
	assert_int_equal(job.n_hits, 3);
	assert_string_equal(job.hits[0].name, "b");
}

static void test_max_per_hour(void **state)
{
	uint64_t now = T0;

	(void)state;
	config.n_triggers = 0;
	add_trigger("a", 0, 0, 2);
	policy_init(&policy, &config, 1);
	fire(0, now);
	assert_int_equal(fire(0, now), POLICY_MERGED); /* no file of its own */
	write_one(now, true);
	now += 600 * SEC;
	assert_int_equal(fire(0, now), POLICY_ACCEPTED);
	write_one(now, true);
	now += 60 * SEC;
	assert_int_equal(fire(0, now), POLICY_SUPPRESSED);
	assert_int_equal(policy.triggers[0].suppressed_hour, 1);
	now = policy_quiet_until(&policy, 0, now);
	assert_true(now >= T0 + 3600 * SEC && now <= T0 + 3660 * SEC);
	assert_int_equal(policy_spent_until(&policy, 0, now - 1), now);
	assert_int_equal(policy_spent_until(&policy, 0, now), 0);
	assert_int_equal(policy_spent_until(&policy, 1, now), 0); /* max_total: none */
	assert_int_equal(policy_newly_spent(&policy, now - 1), 0);
	assert_int_equal(policy_newly_spent(&policy, now - 1), -1); /* once */
	assert_int_equal(policy_newly_spent(&policy, now), -1);
	assert_int_equal(fire(0, now - 1), POLICY_SUPPRESSED);
	assert_int_equal(fire(0, now), POLICY_ACCEPTED);
	write_one(now, true);
	assert_int_equal(fire(0, now + SEC), POLICY_SUPPRESSED);
	/* after long silence everything is free again */
	now += 100000 * SEC;
	assert_true(policy_quiet_until(&policy, 0, now) <= now);
}

static void test_max_total(void **state)
{
	(void)state;
	config.max_total = 2;
	for (int i = 0; i < 2; i++)
		config.triggers[i].cooldown = 0;
	policy_init(&policy, &config, 1);
	fire(0, T0);
	assert_int_equal(policy_take(&policy, T0 + SEC, &job), 0);
	assert_int_equal(fire(1, T0 + SEC), POLICY_ACCEPTED);
	assert_int_equal(fire(0, T0 + SEC), POLICY_MERGED); /* takes no place of its own */
	policy_done(&policy, true);
	assert_int_equal(policy_take(&policy, T0 + 9 * SEC, &job), 0);
	assert_int_equal(fire(0, T0 + 9 * SEC), POLICY_SUPPRESSED);
	assert_int_equal(policy_quiet_until(&policy, 0, T0), POLICY_NEVER);
	policy_done(&policy, false); /* failed: its place is free again */
	assert_int_equal(policy_quiet_until(&policy, 0, T0 + 10 * SEC), T0 + SEC);
	assert_int_equal(fire(0, T0 + 10 * SEC), POLICY_ACCEPTED);
	write_one(T0 + 11 * SEC, true);
	assert_int_equal(fire(0, T0 + 20 * SEC), POLICY_SUPPRESSED);
	assert_int_equal(policy.triggers[0].suppressed_total, 2);
	/* a person may still ask */
	assert_int_equal(policy_manual(&policy, T0 + 20 * SEC, 7, -1), 0);
	write_one(T0 + 20 * SEC, true);
	assert_int_equal(policy.counted, 2);
}

static void test_pause(void **state)
{
	(void)state;
	fire(0, T0);
	policy_pause(&policy, true);
	assert_int_equal(fire(0, T0), POLICY_SUPPRESSED);
	assert_int_equal(fire(1, T0), POLICY_SUPPRESSED);
	assert_int_equal(policy_quiet_until(&policy, 1, T0), POLICY_NEVER);
	assert_int_equal(policy.triggers[1].suppressed_paused, 1);
	assert_int_equal(policy_suppressed(&policy.triggers[1]), 1);
	write_one(T0 + SEC, true);
	policy_pause(&policy, false);
	assert_int_equal(policy_quiet_until(&policy, 1, T0 + SEC), 0);
	assert_int_equal(fire(1, T0 + SEC), POLICY_ACCEPTED);
}

static void test_manual_queue(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < POLICY_MANUAL_MAX; i++)
		assert_int_equal(policy_manual(&policy, T0 + i, 100 + i, -1), 0);
	assert_int_equal(policy_manual(&policy, T0, 1, -1), -EBUSY);
	assert_true(policy_cancel(&policy, 101));
	assert_false(policy_cancel(&policy, 101));
	assert_int_equal(policy_take(&policy, T0 + SEC, &job), 0);
	assert_true(job.manual);
	assert_int_equal(job.request.id, 100);
	assert_string_equal(job.request.name, "manual");
	assert_int_equal(policy_take(&policy, T0 + SEC, &job), -EAGAIN);
	policy_done(&policy, true);
	for (uint64_t i = 2; i < POLICY_MANUAL_MAX; i++) {
		write_one(T0 + SEC, true);
		assert_int_equal(job.request.id, 100 + i);
	}
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	assert_int_equal(policy_manual(&policy, T0, 1, 2), -EINVAL);
	assert_int_equal(policy_manual(&policy, T0, 1, -2), -EINVAL);
}

static void test_manual_beside_trigger(void **state)
{
	(void)state;
	fire(0, T0);
	assert_int_equal(policy_manual(&policy, T0 + 200 * MS, 5, -1), 0);
	write_one(T0 + SEC, true);
	assert_true(job.manual);
	write_one(T0 + SEC, true);
	assert_false(job.manual);
	/* fire NAME: in its cooldown, with its post, counted as fired */
	assert_int_equal(policy_manual(&policy, T0 + 2 * SEC, 6, 0), 0);
	assert_int_equal(policy_next_due(&policy), T0 + 2200 * MS);
	assert_int_equal(policy.triggers[0].fired, 2);
	assert_int_equal(policy.triggers[0].accepted, T0);
	write_one(T0 + 3 * SEC, true);
	assert_string_equal(job.request.name, "a");
	assert_int_equal(job.request.trigger, 0);
}

static void test_reconfigure(void **state)
{
	(void)state;
	fire(0, T0);
	fire(1, T0);
	policy_manual(&policy, T0, 9, 0);
	policy_manual(&policy, T0, 10, 1);
	config.n_triggers = 0;
	add_trigger("new", 0, 0, 0);
	add_trigger("a", 60 * SEC, 0, 0);
	policy_reconfigure(&policy, &config, 2);
	assert_int_equal(policy.triggers[1].fired, 2);
	assert_int_equal(policy.triggers[0].fired, 0);
	assert_int_equal(policy.manual[0].trigger, 1);
	assert_int_equal(policy.manual[1].trigger, -1);
	assert_string_equal(policy.manual[1].name, "b");
	/* in flight: a record of the old table, and one of a trigger that is gone */
	assert_int_equal(fire_bank(0, T0 + 1, 1), POLICY_MERGED);
	assert_int_equal(policy.triggers[1].merged, 1);
	assert_int_equal(fire_bank(1, T0 + 1, 1), POLICY_SUPPRESSED);
	assert_int_equal(fire_bank(0, T0 + 1, 77), POLICY_SUPPRESSED);
	assert_int_equal(policy.unknown, 2);
	policy_cancel(&policy, 9);
	policy_cancel(&policy, 10);
	write_one(T0 + SEC, true);
	assert_int_equal(job.n_hits, 3);
	assert_string_equal(job.hits[1].name, "b");
	assert_int_equal(policy_quiet_until(&policy, 1, T0 + SEC), T0 + 60 * SEC);
	assert_int_equal(fire(1, T0 + 31 * SEC), POLICY_SUPPRESSED);
	assert_int_equal(fire(0, T0 + 31 * SEC), POLICY_ACCEPTED);
}

/* Of the spans and waits that may end meanwhile, the one that fired. */
static void test_span_ends(void **state)
{
	struct trigger_record r = { .h.ts = T0, .bank = 1 }, end;

	(void)state;
	policy.triggers[0].kind = TRIGGER_SPAN;
	r.w.flags = WAIT_OPEN;
	r.w.start = 5;
	r.w.nr = 3;
	r.w.args[0] = 7;
	assert_int_equal(policy_trigger(&policy, T0, &r), POLICY_ACCEPTED);
	end = r;
	end.index = TRIGGER_ENDED;
	end.w.flags = 0;
	assert_false(policy_ended(&policy, T0, &end)); /* a wait of the same thread */
	end.h.kind = TRIGGER_SPAN;
	end.w.nr = 4;
	assert_false(policy_ended(&policy, T0, &end));
	end.w.nr = 3;
	end.w.tid++; /* in another thread */
	assert_true(policy_ended(&policy, T0, &end));
	assert_int_equal(policy.next.hits[0].record.w.tid, end.w.tid);
}

static void test_rubbish(void **state)
{
	(void)state;
	assert_int_equal(fire(2, T0), POLICY_SUPPRESSED);
	assert_int_equal(fire(UINT32_MAX, T0), POLICY_SUPPRESSED);
	assert_int_equal(fire_bank(TRIGGERS_MAX - 1, T0, 0), POLICY_SUPPRESSED);
	assert_int_equal(policy.unknown, 3);
	assert_int_equal(policy_quiet_until(&policy, 2, T0), POLICY_NEVER);
	config.triggers[0].post = UINT64_MAX;
	config.triggers[0].cooldown = UINT64_MAX;
	policy_init(&policy, &config, 1);
	fire(0, T0);
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	assert_int_equal(policy_take(&policy, UINT64_MAX, &job), -EAGAIN);
}

/* A wait told of while it lasts, and at its end; or at the end of the next one, as it had just ended. */
static void test_ended(void **state)
{
	struct trigger_record r = { .h.ts = T0, .index = 0, .duration = 150 * MS,
				    .w = { .tid = 7, .start = T0 - 150 * MS, .in = T0, .end = T0,
					   .flags = WAIT_OPEN } };
	struct trigger_record end = r;

	(void)state;
	end.index = TRIGGER_ENDED;
	end.h.ts = end.w.in = end.w.end = T0 + 50 * MS;
	end.w.flags = 0;
	for (int later = 0; later < 2; later++) {
		setup(NULL);
		policy_init(&policy, &config, 0);
		end.w.start = r.w.start + later * 190 * MS;
		assert_int_equal(policy_trigger(&policy, T0, &r), POLICY_ACCEPTED);
		assert_true(policy_ended(&policy, T0 + 50 * MS, &end));
		assert_false(policy_ended(&policy, T0 + 60 * MS, &end)); /* once */
		assert_int_equal(policy_take(&policy, T0 + SEC, &job), 0);
		assert_int_equal(job.hits[0].record.duration, (later ? 150 : 200) * MS);
		assert_int_equal(job.hits[0].record.w.end, T0 + (later ? 0 : 50 * MS));
		assert_int_equal(job.hits[0].record.w.start, r.w.start);
		assert_false(job.hits[0].record.w.flags & WAIT_OPEN);
	}
}

/* What a recorder that died has left: no quota holds it back, but it counts. */
static void test_rescue(void **state)
{
	(void)state;
	config.max_total = 1;
	policy_init(&policy, &config, 0);
	policy_take_rescue(&policy, &job);
	assert_true(job.rescue && job.manual && !job.n_hits);
	assert_int_equal(policy_next_due(&policy), POLICY_NEVER);
	policy_done(&policy, false);
	assert_int_equal(policy_spent_until(&policy, policy.n_triggers, T0), 0);
	policy_take_rescue(&policy, &job);
	policy_done(&policy, true);
	assert_int_equal(policy_spent_until(&policy, policy.n_triggers, T0), POLICY_NEVER);
	policy_take_rescue(&policy, &job);
	assert_true(job.rescue);
}

/* Who closes before anybody has read leaves a request without a process. */
static void test_server(void **state)
{
	struct wait_facts w = {.tgid = 7, .comm = "guess-worker-16c"};
	char text[64];

	(void)state;
	assert_string_equal(policy_server(&w, text, sizeof(text)), "guess-worker-16c (pid 7)");
	w = (struct wait_facts){.start = 1};
	assert_string_equal(policy_server(&w, text, sizeof(text)), "a process that is not known");
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_accept_take_done),
		TEST(test_cooldown),
		TEST(test_cooldown_after_failure),
		TEST(test_hour_after_failure),
		TEST(test_late_record_is_due_at_once),
		TEST(test_merge),
		TEST(test_merge_delay_is_bounded),
		TEST(test_merge_keeps_sixteen),
		TEST(test_next_while_writing),
		TEST(test_max_per_hour),
		TEST(test_max_total),
		TEST(test_pause),
		TEST(test_manual_queue),
		TEST(test_manual_beside_trigger),
		TEST(test_reconfigure),
		TEST(test_ended),
		TEST(test_span_ends),
		TEST(test_rubbish),
		TEST(test_rescue),
		TEST(test_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
