/* SPDX-License-Identifier: GPL-2.0 */
/*
 * call_ends.h - how threads that could tell in passing where a syscall ends are to tell it. Passing
 * the recorder's program costs each switch, being asked costs an interrupt for each long sleep. Pure.
 */
#ifndef FREC_CALL_ENDS_H
#define FREC_CALL_ENDS_H

#include <stdbool.h>
#include <stdint.h>

/* All 0: they pass, and nothing is known. */
struct call_ends {
	bool asked;	      /* they are asked, as the others are */
	unsigned int seconds; /* so long the other way has been cheaper */
	uint64_t events;      /* ever, the last time */
	uint64_t long_ends;   /* likewise */
};

/*
 * Once a second: so many switches and wake-ups, and ends of syscalls that a thread slept in for long,
 * there have been since the start. Returns true if `asked` has changed.
 */
bool call_ends_weigh(struct call_ends *c, uint64_t events, uint64_t long_ends);

#endif
