/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_piece.h - a thread's time, cut into pieces that one thing fills. */
#ifndef FREC_VERDICT_PIECE_H
#define FREC_VERDICT_PIECE_H

#include "verdict.h"

/* One piece of a thread's time that one thing fills. */
struct verdict_piece {
	struct verdict_span span;
	struct story_segment segment;
	const struct story_wait *wait; /* of a sleep, or NULL */
	const struct story_wait *last; /* of those by which the thread went on with it; else wait */
	enum verdict_wait kind;
};

/* verdict_again.c: the waits from first to last are one, as far as whom it was for goes. */
struct verdict_again {
	const struct story_wait *first, *last; /* NULL: there are none */
};

/* Those of the thread at the end of this time, which begins at start. */
void verdict_find_again(const struct story *s, uint32_t thread, uint64_t start, uint64_t until,
			struct verdict_again *ret);

/* Returns 0 to go on. */
typedef int (*verdict_piece_fn)(void *context, const struct verdict_piece *p);

/* All pieces of the thread inside the spans, in order. What fn returns, if it is not 0. */
int verdict_each_piece(const struct story *s, uint32_t thread, const struct verdict_spans *spans,
		       verdict_piece_fn fn, void *context);

/*
 * Of a link that waits for a CPU: fills ran_instead with the processes that ran where it queued,
 * while it did, those that ran most first. -ENOMEM.
 */
int verdict_ran_instead(const struct story *s, const struct verdict_spans *spans,
			struct verdict_link *link);

#endif
