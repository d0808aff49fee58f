/* SPDX-License-Identifier: GPL-2.0 */
/* explain.h - the facts of a snapshot. */
#ifndef FRECCTL_EXPLAIN_H
#define FRECCTL_EXPLAIN_H

#include "events.h"
#include "frecctl.h"
#include "snapshot_file.h"
#include "../lib/verdict.h"

struct summary_line {
	uint64_t number;
	json_t *text;
};

struct facts {
	json_t *trigger;
	json_t *window;
	json_t *attributes;
	struct summary_line *summary;
	size_t n_summary;
	size_t n_attributes;
	uint64_t counts[EVENT_KINDS];
	uint64_t first, last; /* times of switches and wake-ups; first 0: none */
	uint64_t dropped_before, dropped_after, gaps;
};

/* Tells why; closes the file. Returns an EXIT_*. */
int explain_file(const struct arguments *args, struct snapshot_file *file);

/* explain_text.c: for people; returns an EXIT_*. */
int explain_print(const struct facts *f, const struct story *s, const struct verdict *v,
		  const char *path);

#endif
