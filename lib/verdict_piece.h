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
	uint32_t holder; /* had what this round of several was for; else STORY_NOBODY */
	bool holder_sure;
	enum verdict_wait kind;
};

/* verdict_again.c: the waits from first to last are one, as far as whom it was for goes. */
struct verdict_again {
	const struct story_wait *first, *last; /* NULL: there are none */
};

/* Those of the thread at the end of this time, which begins at start. */
void verdict_find_again(const struct story *s, uint32_t thread, uint64_t start, uint64_t until,
			struct verdict_again *ret);

/* Who had what a thread waits for in rounds at one address. */
struct verdict_turns {
	uint64_t address;
	uint32_t who; /* most of those times that are known */
	uint32_t n, lead;
	bool others;
};

#define VERDICT_ROUNDS 8
struct verdict_rounds {
	struct verdict_turns list[VERDICT_ROUNDS];
	size_t n;
};

/* What the thread waits for in rounds in that time. */
void verdict_find_rounds(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
			 struct verdict_rounds *ret);
/* Of a wait whose time was up: who had what it was for, if it is one of them; else STORY_NOBODY. */
uint32_t verdict_round_of(const struct story *s, struct verdict_rounds *r,
			  const struct story_wait *w, bool *ret_sure);

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
