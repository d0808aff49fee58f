/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ledger.h - is everything that was tried accounted for? Pure: counters and times are passed in.
 *
 * The equation, of each CPU and by kind; what is under way just now apart:
 *
 *	hot:		runs of programs, in slots = claimed + lost
 *			claimed = in the window + overwritten
 *			runs between two marks within the window, by kind
 *				= slots of that kind there + unreadable ones
 *	evidence:	tried = written + lost + refused
 *			bytes written, of all CPUs = in the ring + drained
 *	switches:	those that the kernel has counted (ctxt of /proc/stat), of all CPUs
 *				= runs of the program at sched_switch + runs that it missed + untold
 *
 * A program counts its run at its end, its slots at its beginning. As none runs nested in itself
 * (recursion_misses tells how often one would have), at most one of each kind is under way on a CPU.
 */
#ifndef FREC_LEDGER_H
#define FREC_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/record.h"

/* Counters of a CPU at one moment. */
struct ledger_mark {
	uint64_t pos; /* LEDGER_NO_MARK: none */
	uint64_t lost;
	uint64_t runs[HOT_KIND_MAX + 1];
};
#define LEDGER_NO_MARK UINT64_MAX

/* Reads them so that they belong together; on a CPU that is too busy for that, there is no mark. */
void ledger_mark(const volatile struct cpu_state *c, struct ledger_mark *ret);

/* Slots by which one side of the first equation exceeds the other. */
uint64_t ledger_hot(const struct ledger_mark *m);

/*
 * Between two marks: slots[kind] were found there, and `unreadable` ones. Returns the number of
 * events for which that does not account, either way.
 */
uint64_t ledger_window(const struct ledger_mark *from, const struct ledger_mark *to,
		       const uint64_t slots[HOT_KIND_MAX + 1], uint64_t unreadable);

/* ---- as it is checked all the time ---- */

#define LEDGER_MARKS 4u
#define LEDGER_LOOKS 8u /* what is under way goes away, what is missing stays: the least of so many */

struct ledger_cpu {
	struct ledger_mark marks[LEDGER_MARKS]; /* of the last window, the oldest first */
	unsigned int n_marks;
	uint64_t hot; /* unexplained */
	uint64_t evidence[LEDGER_LOOKS]; /* tried, and nothing became of it yet */
};

/* What the kernel has counted, and we: right before and after. */
struct ledger_switches {
	uint64_t counted, before, after;
	uint64_t missed; /* runs of the program */
};

struct ledger {
	unsigned int n_cpus;
	struct ledger_cpu *cpus;
	uint64_t ring[LEDGER_LOOKS]; /* bytes in it that nobody has counted yet */
	unsigned int looks;
	uint64_t marked; /* when the last marks were made */
	struct ledger_switches first, last; /* counted 0: not known */
	uint64_t first_live; /* what control.live_since was then */
};

/* Unexplained; 0: it balances. */
struct ledger_gaps {
	uint64_t hot;	   /* slots */
	uint64_t evidence; /* records */
	uint64_t ring;	   /* bytes */
	uint64_t switches; /* if they are more than LEDGER_UNTOLD of all */
	uint64_t untold;   /* switches that the kernel has counted and not told its tracepoint of */
};
/*
 * Kernels exist that count up to 0.3 % more switches than they tell any tracer of; a program that
 * misses its own ones misses more, as soon as a thousand times as many have been.
 */
#define LEDGER_UNTOLD(counted) ((counted) / 100)
#define LEDGER_SWITCHES_MIN 1000u

/* -ENOMEM */
int ledger_init(struct ledger *l, unsigned int n_cpus);
void ledger_free(struct ledger *l);

/*
 * Once a second. producer: of the ring, read after the counters of the CPUs were; every: ns between
 * two marks, 0 while they must stay.
 */
void ledger_look(struct ledger *l, uint64_t now, const volatile struct cpu_state *cpus,
		 const volatile unsigned long *producer, uint64_t every);
/*
 * Now and then. live_since: of struct control; with another one than before, some switches were not
 * to be recorded, and it begins anew.
 */
void ledger_switches(struct ledger *l, const struct ledger_switches *s, uint64_t live_since);
struct ledger_gaps ledger_gaps(const struct ledger *l);
/* What kinds are called. */
const char *ledger_hot_name(unsigned int kind);
const char *ledger_evidence_name(unsigned int kind);
void ledger_add(struct evidence_count *sum, const volatile struct evidence_count *n);
/* The oldest mark of a CPU that is not before pos, or NULL. */
const struct ledger_mark *ledger_oldest(const struct ledger *l, unsigned int cpu, uint64_t pos);

static inline bool ledger_balanced(const struct ledger_gaps *g)
{
	return !g->hot && !g->evidence && !g->ring && !g->switches;
}

#endif
