/* SPDX-License-Identifier: GPL-2.0 */
/*
 * window.h - how far back memory reaches, and what of it is copied.
 *
 * Pure: time and positions are passed in. All times MONOTONIC ns.
 */
#ifndef FREC_WINDOW_H
#define FREC_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../bpf/record.h"

/* ---- evidence: a byte ring that is drained in place ---- */

#define WINDOW_MARKS 1024u

/* At this time the producer stood here, which is the start of a record. */
struct window_mark {
	uint64_t ts;
	uint64_t pos;
};

struct window {
	uint64_t span;	/* ns to keep */
	uint64_t limit; /* bytes to keep at most */
	uint64_t held_since; /* time of what the consumer position stands for */
	struct window_mark marks[WINDOW_MARKS];
	uint32_t first, n;
};

/* Keeps span ns, at most three quarters of a ring of `size` bytes that starts empty at `now`. */
void window_init(struct window *w, uint64_t span, uint64_t size, uint64_t now);

/* A new span; what is held stays. */
void window_resize(struct window *w, uint64_t span);

/*
 * Takes note of the producer's position and returns the consumer's new one:
 * never less than `consumer`, always a sampled position (or `consumer`).
 */
uint64_t window_sample(struct window *w, uint64_t now, uint64_t producer, uint64_t consumer);

/* ---- hot window: slots that are overwritten in place ---- */

/*
 * First position (a multiple of the slot size) in [begin, end) whose slot is
 * not older than ts; slots of a CPU are ordered but for `slack` ns. `slots`
 * holds size bytes, a power of two.
 */
uint64_t window_find(const struct hot_slot *slots, uint64_t size, uint64_t begin, uint64_t end,
		     uint64_t ts, uint64_t slack);

/* Oldest position that has not been overwritten when the writer stands at pos. */
static inline uint64_t window_begin(uint64_t size, uint64_t pos)
{
	return pos > size ? pos - size : 0;
}

/*
 * Where [begin, end) of the ring stands, oldest first, in at most two runs: the bytes to copy, while
 * they may be overwritten. Which of them are good only the writer's position afterwards tells:
 * window_good().
 */
void window_runs(const struct hot_slot *slots, uint64_t size, uint64_t begin, uint64_t end,
		 struct iovec ret[2]);

/* Is this the record that belongs at position pos? Its kind, or 0: torn, overtaken or unfinished. */
static inline unsigned int window_good(const struct hot_slot *s, uint64_t pos)
{
	unsigned int kind = s->seq & HOT_KIND_MASK;

	return (s->seq & ~(uint64_t)HOT_KIND_MASK) == pos ? kind : 0;
}

#endif
