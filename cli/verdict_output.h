/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_output.h - a verdict as text and as JSON. */
#ifndef FRECCTL_VERDICT_OUTPUT_H
#define FRECCTL_VERDICT_OUTPUT_H

#include "../lib/verdict.h"
#include "frecctl.h"

/* Adds "subject", "chain", "cause", "groups" to the object, and "explained" to its "window". */
void verdict_set_json(json_t *to, const struct story *s, const struct verdict *v);

/* For people, in 100 columns. */
void verdict_print(const struct story *s, const struct verdict *v);

#endif
