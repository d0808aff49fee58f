/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_stacks.h - the stacks of slow waits: found, unwound, named, each once.
 */
#ifndef FREC_WORKER_STACKS_H
#define FREC_WORKER_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "worker_internal.h"

struct stacks;

/* One unwound stack; frames innermost first. Lives as long as struct stacks. */
struct stack {
	const struct trace_frame *const *frames;
	size_t n;
	bool cut;	/* its outer end is missing */
	uint64_t trace_id; /* trace_put_stack(); 0: not written yet */
};

struct stack_counters {
	uint64_t records;  /* stacks that belong to a wait */
	uint64_t distinct; /* different ones among them that were unwound */
	uint64_t complete; /* of these: to main or the thread's start */
	uint64_t cut;	   /* the copy was too short */
	uint64_t broken;   /* no way to unwind further */
	uint64_t gone;	   /* what the process had mapped is not known */
	uint64_t late;	   /* there was no time to */
	uint64_t missing;  /* referred to, but not in the window */
};

/* Takes note of what worker_read() collected. kallsyms: descriptor or -1. */
int stacks_open(struct worker *w, int kallsyms, struct stacks **ret);
void stacks_close(struct stacks *s);

/*
 * The stack of this role that belongs to a wait of tid in [from, to]; the
 * sleeper's own has the kernel's frames inside. NULL: none is known.
 */
const struct stack *stacks_find(struct stacks *s, enum stack_role role, uint32_t tid,
				uint64_t from, uint64_t to);

/* Its id in the trace, 0 without one. */
uint64_t stacks_put(struct stacks *s, const struct stack *stack);

/* Function names, innermost first, separated by ';', as far as they fit; returns buf. */
const char *stacks_text(const struct stack *stack, char *buf, size_t size);

/* The variable that a futex wait that is told was about, as "locks+0x40"; NULL: not known. */
const char *stacks_variable(struct stacks *s, const struct wait_facts *f);

const struct stack_counters *stacks_counters(const struct stacks *s);

#endif
