/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_output.h - a verdict as text and as JSON. */
#ifndef FRECCTL_VERDICT_OUTPUT_H
#define FRECCTL_VERDICT_OUTPUT_H

#include "../lib/verdict.h"
#include "frecctl.h"

/* Adds "subject", "chain", "cause", "groups", "commands" to the object, and "explained" to its "window". */
void verdict_set_json(json_t *to, const struct story *s, const struct verdict *v);

/* For people, in 100 columns. */
void verdict_print(const struct story *s, const struct verdict *v);

/* verdict_named.c: the command lines of the processes that it names, as far as they are known. */
void verdict_print_commands(const struct story *s, const struct verdict *v);
json_t *verdict_commands(const struct story *s, const struct verdict *v);

#endif
