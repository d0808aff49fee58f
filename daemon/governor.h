/* SPDX-License-Identifier: GPL-2.0 */
/* governor.h - what is left out while recording costs more than overhead_budget. Pure. */
#ifndef FREC_GOVERNOR_H
#define FREC_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* Steps, each with those before it; one that would change nothing is left out. */
enum governor_level {
	GOVERNOR_ALL, /* nothing is left out */
	GOVERNOR_NO_DUMPS,
	GOVERNOR_NO_STACKS,
	GOVERNOR_SYSCALLS_SLOW,
	GOVERNOR_SYSCALLS_OFF,
	GOVERNOR_NO_WAKEUPS,
	GOVERNOR_LEVELS,
};

/* All 0: nothing is left out, and nothing is known. */
struct governor {
	unsigned int level;
	uint64_t over_since; /* ns: the share has been above the budget since then; 0: it is not */
	uint64_t calm_since; /* likewise below half of it */
	uint64_t calm_ns;    /* so long it must be that, before a step is taken back; 0: as at first */
	uint64_t restored;   /* when that was done last; 0: never */
};

/* What this level leaves out, beyond the one before, for people. */
const char *governor_sheds(unsigned int level);
/* All that it leaves out. */
const char *governor_left_out(unsigned int level);
/* Makes c what is recorded at this level. */
void governor_shape(struct config *c, unsigned int level);
/*
 * Once a second: recording has taken `share` of all CPUs since the last time. asked: the
 * configuration. Returns true if the level has changed.
 */
bool governor_step(struct governor *g, const struct config *asked, double share, uint64_t now);

#endif
