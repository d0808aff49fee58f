/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_idle.h - waiting for work to come, told from waiting for what the work at hand needs. */
#ifndef FREC_VERDICT_IDLE_H
#define FREC_VERDICT_IDLE_H

#include "verdict.h"

/* A thread woke one of that process, or made one. */
struct verdict_deed {
	uint64_t ts;
	uint32_t by;
	int32_t pid; /* 0: made */
};

struct verdict_deeds {
	struct verdict_deed *list; /* by thread and time */
	size_t n;
};

/* Of the threads that `mine` says. -ENOMEM. ret->list is the caller's to free. */
int verdict_deeds_of(const struct story *s, const bool *mine, struct verdict_deeds *ret);

/* From what surely is none, to what says nothing but that there was nothing to do. */
enum verdict_idleness {
	VERDICT_NEEDED,
	VERDICT_MAYBE_IDLE,
	VERDICT_IDLE,
};

/* Of a wait of a thread with that haunt. */
enum verdict_idleness verdict_idleness(const struct story *s, const struct verdict_deeds *deeds,
				       const struct story_wait *w, enum verdict_wait kind,
				       const struct story_wait *haunt);
/*
 * One of the waits at the place that thread spends nearly all of the window at: so pools wait for
 * work, and so what nothing is recorded of hangs. NULL: there is none.
 */
const struct story_wait *verdict_haunt(const struct story *s, uint32_t thread);

#endif
