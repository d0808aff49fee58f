/* SPDX-License-Identifier: GPL-2.0 */
/* explain.h - the facts of a snapshot. */
#ifndef FRECCTL_EXPLAIN_H
#define FRECCTL_EXPLAIN_H

#include "events.h"
#include "frecctl.h"

struct summary_line {
	uint64_t number;
	json_t *text;
};

#define TRIGGERS_MAX 16

/* A slow interval; 0 is what the file does not say. */
struct trigger_slice {
	uint64_t ts, duration;
	uint64_t tid;
};

struct facts {
	json_t *trigger;
	json_t *window;
	json_t *attributes;
	struct summary_line *summary;
	size_t n_summary;
	size_t n_attributes;
	struct trigger_slice triggers[TRIGGERS_MAX];
	size_t n_triggers;
	uint64_t counts[EVENT_KINDS];
	uint64_t first, last; /* times of switches and wake-ups; first 0: none */
	uint64_t dropped_before, dropped_after, gaps;
};

/* explain_text.c: for people; returns an EXIT_*. */
int explain_print(const struct facts *f, const char *path);

/* explain_stack.c */
void explain_note_slice(struct facts *f, const struct trace_slice *s);
/* False: the file at path has no stacks of the trigger's wait, and nothing was printed. */
bool explain_print_stacks(const struct facts *f, const char *path);

#endif
