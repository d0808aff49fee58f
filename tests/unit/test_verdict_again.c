/* SPDX-License-Identifier: GPL-2.0 */
/* Waits with a time limit, or that signals interrupt, and that are waited again. */
#include "test_verdict.h"

struct kind {
	const char *name, *type;
	uint64_t address;
	int32_t fd;
	uint8_t irq; /* of the time-out */
	bool interrupted;
	enum verdict_wait wait;
	enum verdict_wait alone; /* the cause where the waits are not one */
};

static const struct kind kinds[] = {
	{ "futex", NULL, LOCK, 0, TRACE_IRQ_HARD, false, VERDICT_FUTEX, VERDICT_SLEEP },
	{ "poll", "pipe", 0, 4, TRACE_IRQ_HARD, false, VERDICT_POLL, VERDICT_POLL },
	{ "recvfrom", "unix", 0, 4, TRACE_IRQ_SOFT, false, VERDICT_SOCKET, VERDICT_UNKNOWN },
	{ "read", "pipe", 0, 4, TRACE_IRQ_HARD, true, VERDICT_PIPE, VERDICT_UNKNOWN },
	{ "semtimedop", NULL, 0, 0, TRACE_IRQ_HARD, false, VERDICT_FUTEX, VERDICT_UNKNOWN },
};

static bool is_shared(const struct kind *k)
{
	return k->wait == VERDICT_POLL || k->address;
}

/* What is different in a scene. */
struct twist {
	bool elsewhere; /* it waits the last time for something else */
	bool computes;	/* between two waits */
	bool naps;	/* sleeps there, of which nothing tells */
	bool later;	/* another wait follows, before it is done */
	bool in_vain;	/* the last one, too */
	bool chatter;	/* no time-outs: 14 ends the others */
	bool asks;	/* before the last one it wakes 13 */
};

/* Thread 11 waits for 12, which waits three times, and then wakes 11; 13 slept, and woke it the last time. */
static struct story *scene_of(const struct kind *k, const struct twist *t)
{
	struct scene sc = workers();
	struct told told = { .tid = 12, .pid = 10, .name = k->name, .type = k->type, .fd = k->fd,
			     .address = k->address, .args = { k->fd, 7 }, .function = "again" };
	double from = 10;

	runs(&sc, 0, 1, 2, 14);

	for (int i = 0; i < 3; i++, from = told.end + 0.2) {
		bool last = i == 2;

		told.start = from;
		told.end = 35 + 25 * i;
		told.interrupted = k->interrupted && (!last || t->in_vain) && !t->chatter;
		if (last && t->elsewhere)
			told.address += 64, told.fd++, told.args[0]++;
		if (last && !t->in_vain)
			wake(&sc, 0, told.end - 0.1, 13, 12);
		else if (t->chatter)
			wake(&sc, 0, told.end - 0.1, 14, 12);
		else
			wake_in_irq(&sc, 0, told.end - 0.1, 14, 12, k->irq);
		runs(&sc, 0, told.end, told.end + (!last && t->computes ? 4 : 0.2), 12);
		if (i == 1 && t->asks)
			wake(&sc, 2, told.end + 0.1, 12, 13);
		wait_for(&sc, told);
		told.end += !last && (t->computes || t->naps) ? 3.8 : 0;
	}
	if (t->later) {
		wake(&sc, 0, 87, 14, 12);
		runs(&sc, 0, 88, 88.1, 12);
		wait_for(&sc, (struct told){ .tid = 12, .pid = 10, .start = 85.2, .end = 88,
					     .name = "poll", .fd = 9 });
	}
	wake(&sc, 1, 88.05, 12, 11);
	wait_for(&sc, (struct told){ .tid = 11, .pid = 10, .start = 5, .end = 88.1, .name = "read",
				     .fd = 5, .type = "pipe", .waker = 12 });
	sleeps(&sc, 13, 5, 84.9, "clock_nanosleep");
	sleeps(&sc, 14, 5, 95, "clock_nanosleep");
	return scene_end(&sc, 100);
}

static void test_one_wait(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct story *s = scene_of(&kinds[i], &(struct twist){ 0 });
		struct verdict v = explain(s, 11, 10, 88);

		is_link(s, &v, 1, 12, kinds[i].wait);
		assert_false(v.chain[1].sure);
		is_cause(s, &v, VERDICT_SLEEP, 13);
		story_free(s);
	}
}

/* Waits for something else, or after something else, or that nobody ended: 13 is not accused. */
static void test_others(void **state)
{
	static const struct twist twists[] = {
		{ .elsewhere = true }, { .computes = true }, { .naps = true }, { .later = true },
		{ .in_vain = true }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (size_t k = 0; k < sizeof(twists) / sizeof(twists[0]); k++) {
			struct story *s = scene_of(&kinds[i], &twists[k]);
			struct verdict v = explain(s, 11, 10, 88);

			if (twists[k].naps && is_shared(&kinds[i]))
				is_cause(s, &v, VERDICT_SLEEP, 13);
			else
				is_cause(s, &v, kinds[i].alone, 12);
			story_free(s);
		}
}

/* An event loop, or a condition that is looked at again: what wakes it meanwhile is not the cause. */
static void test_chatter(void **state)
{
	static const struct twist chatter = { .chatter = true },
				  asks = { .chatter = true, .asks = true };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct story *s = scene_of(&kinds[i], &chatter);
		struct verdict v = explain(s, 11, 10, 88);

		is_link(s, &v, 1, 12, kinds[i].wait);
		is_cause(s, &v, VERDICT_SLEEP, is_shared(&kinds[i]) ? 13 : 14);
		story_free(s);
		s = scene_of(&kinds[i], &asks);
		v = explain(s, 11, 10, 88);
		is_cause(s, &v, VERDICT_SLEEP, 14);
		story_free(s);
	}
}

struct turns {
	int rounds;
	bool naps;	/* 13 does nothing meanwhile */
	bool elsewhere; /* each round is at another address */
	bool alone;	/* nobody wakes it after a time-out */
	bool lucky;	/* nor need anybody, every other time */
};

/* 12 wants what 13 has: its time is up, it asks, and sleeps for too short a while to be recorded. */
static struct story *turns_of(const struct turns *t)
{
	struct scene sc = workers();
	struct told told = { .tid = 12, .pid = 10, .name = "futex", .address = LOCK };

	if (t->naps)
		sleeps(&sc, 13, 5, 95, "clock_nanosleep");
	else
		runs(&sc, 1, 5, 95, 13);
	runs(&sc, 0, 9, 10, 12);
	for (int i = 0; i < t->rounds; i++) {
		told.start = 10 + 10 * i;
		told.end = told.start + 9;
		told.address += t->elsewhere ? 64 : 0;
		wake_in_irq(&sc, 0, told.end - 0.1, 14, 12, TRACE_IRQ_HARD);
		wait_for(&sc, told);
		if (t->alone || (t->lucky && i % 2)) {
			runs(&sc, 0, told.end, told.start + 10, 12);
			continue;
		}
		runs(&sc, 0, told.end, told.end + 0.1, 12);
		wake(&sc, 1, told.end + 0.3, 13, 12);
		runs(&sc, 0, told.end + 0.4, told.start + 10, 12);
	}
	return scene_end(&sc, 100);
}

/* Whoever had it is named; a pause is one, whatever comes right after it. */
static void test_turns(void **state)
{
	static const struct turns turns[] = { { .rounds = 5 }, { .rounds = 5, .lucky = true } };
	static const struct turns pauses[] = {
		{ .rounds = 1 }, { .rounds = 5, .naps = true }, { .rounds = 5, .elsewhere = true },
		{ .rounds = 5, .alone = true }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		struct story *s = turns_of(&turns[i]);
		struct verdict v = explain(s, 12, 10, 60);

		is_link(s, &v, 0, 12, VERDICT_FUTEX);
		is_cause(s, &v, VERDICT_RUNNING, 13);
		assert_true(v.chain[0].sure);
		says(&v, "waited for it in 5 rounds");
		story_free(s);
	}
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		struct story *s = turns_of(&pauses[i]);
		struct verdict v = explain(s, 12, 10, 10 + 10 * pauses[i].rounds);

		is_cause(s, &v, VERDICT_SLEEP, 12);
		story_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_wait),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
