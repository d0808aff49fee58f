/* SPDX-License-Identifier: GPL-2.0 */
/* cause.h - the cause that stands in a snapshot. */
#ifndef FRECCTL_CAUSE_H
#define FRECCTL_CAUSE_H

#include <jansson.h>

/*
 * {"text","wait","comm","pid","tid","ns"}, as far as said, and "also", other triggers that fired;
 * null: none, or no such file.
 */
json_t *cause_of(const char *path);

#endif
