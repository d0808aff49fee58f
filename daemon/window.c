/* SPDX-License-Identifier: GPL-2.0 */
#include "window.h"

#include <string.h>

void window_init(struct window *w, uint64_t span, uint64_t size, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->span = span;
	w->limit = size / 4 * 3;
	w->held_since = now;
}

void window_resize(struct window *w, uint64_t span)
{
	w->span = span;
}

static void mark_add(struct window *w, uint64_t now, uint64_t pos)
{
	struct window_mark *last = &w->marks[(w->first + w->n - 1) % WINDOW_MARKS];

	/* enough marks for the span whatever its length: not more than half of them */
	if (w->n && (now - last->ts < w->span / (WINDOW_MARKS / 2) || now <= last->ts))
		return;
	if (w->n == WINDOW_MARKS) { /* cannot be unless time ran wild: forget the oldest */
		w->first = (w->first + 1) % WINDOW_MARKS;
		w->n--;
	}
	w->marks[(w->first + w->n++) % WINDOW_MARKS] = (struct window_mark){now, pos};
}

uint64_t window_sample(struct window *w, uint64_t now, uint64_t producer, uint64_t consumer)
{
	mark_add(w, now, producer);
	while (w->n) {
		const struct window_mark *m = &w->marks[w->first];

		if (now - m->ts <= w->span && producer - consumer <= w->limit)
			break;
		if (m->pos > consumer)
			consumer = m->pos;
		w->held_since = m->ts;
		w->first = (w->first + 1) % WINDOW_MARKS;
		w->n--;
	}
	return consumer;
}

uint64_t window_find(const struct hot_slot *slots, uint64_t size, uint64_t begin, uint64_t end,
		     uint64_t ts, uint64_t slack)
{
	uint64_t lo = begin / HOT_SLOT_SIZE, hi = end / HOT_SLOT_SIZE;
	uint64_t mask = size / HOT_SLOT_SIZE - 1;

	ts = ts > slack ? ts - slack : 0;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2, probe = mid;
		unsigned int kind;

		/* a slot of arguments has no time, a torn one none to trust: ask the next */
		do {
			kind = window_good(&slots[probe & mask], probe * HOT_SLOT_SIZE);
		} while ((!kind || kind == HOT_SYS_ARGS) && ++probe < hi);
		if (probe < hi && slots[probe & mask].ts < ts)
			lo = probe + 1;
		else
			hi = mid;
	}
	return lo * HOT_SLOT_SIZE;
}

void window_runs(const struct hot_slot *slots, uint64_t size, uint64_t begin, uint64_t end,
		 struct iovec ret[2])
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)slots;
	uint64_t at = begin & (size - 1), len = end - begin;
	uint64_t run = size - at < len ? size - at : len;

	ret[0] = (struct iovec){bytes + at, run};
	ret[1] = (struct iovec){bytes, len - run};
}
