// SPDX-License-Identifier: GPL-2.0
/* call_ends.c - see call_ends.h. */
#include "call_ends.h"

/*
 * On a virtual machine of 2026, with the kernel's defences against speculation, a passing took 70 ns
 * and an interrupt with its work 11 us; a switch is two events. Both ways cost the same at some 300
 * events for each long sleep: what is left between the two bounds keeps it from changing all the time.
 */
#define ASK_EVENTS 1000u
#define PASS_EVENTS 200u
/* Below, neither is felt, and who passes tells more. */
#define BUSY_EVENTS 40000u
#define ASK_SECONDS 2u
#define PASS_SECONDS 10u

bool call_ends_weigh(struct call_ends *c, uint64_t events, uint64_t long_ends)
{
	uint64_t n = events - c->events, n_long = long_ends - c->long_ends;
	bool other = c->asked ? n < BUSY_EVENTS / 2 || n < PASS_EVENTS * n_long
			      : n > BUSY_EVENTS && n > ASK_EVENTS * n_long;

	c->events = events;
	c->long_ends = long_ends;
	c->seconds = other ? c->seconds + 1 : 0;
	if (c->seconds < (c->asked ? PASS_SECONDS : ASK_SECONDS))
		return false;
	c->asked = !c->asked;
	c->seconds = 0;
	return true;
}
