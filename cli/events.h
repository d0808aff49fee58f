/* SPDX-License-Identifier: GPL-2.0 */
/* events.h - what trace_read.h yields, as words and as lines of JSON. */
#ifndef FRECCTL_EVENTS_H
#define FRECCTL_EVENTS_H

#include <stdio.h>

#include "../lib/trace_read.h"

#define EVENT_KINDS (TRACE_EVENT_SYS_EXIT + 1)

/* "switch"; "unknown" for a kind that has no name here. */
const char *event_name(unsigned int kind);

/* One JSON object and a newline. */
void event_print(FILE *file, const struct trace_event *event);

#endif
