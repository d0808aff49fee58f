/* SPDX-License-Identifier: GPL-2.0 */
/* governor.c - see governor.h */
#include "governor.h"

#define SECOND_NS 1000000000ull
/* Over the budget for so long, a step is taken: the first one not because of a burst. */
#define FIRST_NS (20 * SECOND_NS)
#define OVER_NS (3 * SECOND_NS)
/* Below half of it for so long, one is taken back; twice as long if that was too early. */
#define CALM_NS (30 * SECOND_NS)
#define CALM_MAX_NS (3600 * SECOND_NS)
/* A step that is taken again so soon was taken back too early. */
#define TOO_EARLY_NS (60 * SECOND_NS)
#define STACKS_NEVER_NS (3600 * SECOND_NS) /* the greatest that the configuration takes */

const char *governor_sheds(unsigned int level)
{
	static const char *const names[GOVERNOR_LEVELS] = {
		"nothing", "copies of stacks", "stacks", "system calls that do not sleep",
		"system calls", "wake-ups",
	};

	return names[level < GOVERNOR_LEVELS ? level : GOVERNOR_LEVELS - 1];
}

const char *governor_left_out(unsigned int level)
{
	static const char *const names[GOVERNOR_LEVELS] = {
		"nothing", "copies of stacks", "stacks", "stacks, system calls that do not sleep",
		"stacks, system calls", "stacks, system calls, wake-ups",
	};

	return names[level < GOVERNOR_LEVELS ? level : GOVERNOR_LEVELS - 1];
}

void governor_shape(struct config *c, unsigned int level)
{
	c->crash_dump = c->stack_dump; /* there are few of those, and nobody can look again */
	if (level >= GOVERNOR_NO_DUMPS)
		c->stack_dump = 0;
	if (level >= GOVERNOR_NO_STACKS)
		c->stacks = STACKS_NEVER_NS;
	if (level >= GOVERNOR_SYSCALLS_SLOW && c->syscalls == SYSCALLS_ALL)
		c->syscalls = SYSCALLS_SLOW;
	if (level >= GOVERNOR_SYSCALLS_OFF)
		c->syscalls = SYSCALLS_OFF;
	c->no_wakeups = level >= GOVERNOR_NO_WAKEUPS;
}

static bool changes(const struct config *asked, unsigned int level)
{
	switch (level) {
	case GOVERNOR_NO_DUMPS:
		return asked->stack_dump && asked->stacks < STACKS_NEVER_NS;
	case GOVERNOR_NO_STACKS:
		return asked->stacks < STACKS_NEVER_NS;
	case GOVERNOR_SYSCALLS_SLOW:
		return asked->syscalls == SYSCALLS_ALL;
	case GOVERNOR_SYSCALLS_OFF:
		return asked->syscalls != SYSCALLS_OFF;
	default:
		return true;
	}
}

static bool leave_out_more(struct governor *g, const struct config *asked, uint64_t now)
{
	unsigned int level = g->level + 1;

	while (level < GOVERNOR_LEVELS && !changes(asked, level))
		level++;
	if (level >= GOVERNOR_LEVELS)
		return false;
	if (g->restored && now - g->restored < TOO_EARLY_NS)
		g->calm_ns = g->calm_ns < CALM_MAX_NS / 2 ? g->calm_ns * 2 : CALM_MAX_NS;
	g->level = level;
	return true;
}

static void leave_out_less(struct governor *g, const struct config *asked, uint64_t now)
{
	do
		g->level--;
	while (g->level && !changes(asked, g->level));
	g->restored = now;
}

/* since when `yes` has been so */
static uint64_t lasting(uint64_t since, bool yes, uint64_t now)
{
	if (!yes)
		return 0;
	return since ? since : now;
}

bool governor_step(struct governor *g, const struct config *asked, double share, uint64_t now)
{
	g->over_since = lasting(g->over_since, share > asked->overhead_budget, now);
	g->calm_since = lasting(g->calm_since, share < asked->overhead_budget / 2, now);
	if (!g->calm_ns || (!g->level && now - g->restored > CALM_MAX_NS))
		g->calm_ns = CALM_NS;
	if (g->over_since && now - g->over_since >= (g->level ? OVER_NS : FIRST_NS)) {
		g->over_since = now;
		return leave_out_more(g, asked, now);
	}
	if (g->level && g->calm_since && now - g->calm_since >= g->calm_ns) {
		g->calm_since = now;
		leave_out_less(g, asked, now);
		return true;
	}
	return false;
}
