/* SPDX-License-Identifier: GPL-2.0 */
/* folded.h - off-CPU stacks of a trace as flame graph tools read them. */
#ifndef FRECCTL_FOLDED_H
#define FRECCTL_FOLDED_H

#include <stdio.h>

#include "../lib/trace_read.h"

struct folded;

/* NULL: no memory. */
struct folded *folded_new(void);

/* Takes any event; lines that would be too many to keep are printed at once. 0 or -ENOMEM. */
int folded_add(struct folded *f, const struct trace_event *event, FILE *file);

/* "process;thread;main;…;futex_wait 1234", sorted, equal stacks in one line, in microseconds. */
void folded_print(struct folded *f, FILE *file);
void folded_free(struct folded *f);

/*
 * The function; else "[module+0x1234]", with the offset in the file; else "[unknown]". Returns its
 * name or buf.
 */
const char *folded_name(const struct trace_frame *frame, char *buf, size_t size);

#endif
