/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_hands.c - work that goes from thread to thread: whose turn was it? */
#include "verdict.h"

/* The thread, and before its birth who made it, and before that one's … */
static size_t add_hands(const struct story *s, uint32_t thread, struct verdict_span span,
			struct verdict_hand *ret, size_t room)
{
	const struct story_thread *t = &s->threads[thread];
	uint32_t creator = STORY_NOBODY;
	size_t n = 0;

	if (t->creator && t->from > span.start && t->from < span.end && room > 1)
		creator = story_thread_at(s, t->creator, t->from);
	if (creator != STORY_NOBODY && creator != thread) {
		n = add_hands(s, creator, (struct verdict_span){ span.start, t->from }, ret, room - 1);
		span.start = t->from;
	}
	ret[n] = (struct verdict_hand){ thread, span };
	return n + 1;
}

size_t verdict_hands(const struct story *s, uint32_t reader, uint64_t read, uint32_t thread,
		     struct verdict_span span, struct verdict_hand ret[VERDICT_HANDS])
{
	size_t n = 0;

	if (reader != STORY_NOBODY && reader != thread && read > span.start && read < span.end) {
		n = add_hands(s, reader, (struct verdict_span){ span.start, read }, ret,
			      VERDICT_HANDS / 2);
		span.start = read;
	}
	return n + add_hands(s, thread, span, ret + n, VERDICT_HANDS / 2);
}
