/* SPDX-License-Identifier: GPL-2.0 */
/*
 * line.h - writes members of a JSON object straight to a file: a snapshot has
 * millions of events, so no tree is built. Each but line_string() writes a
 * comma, the key and the value.
 */
#ifndef FRECCTL_LINE_H
#define FRECCTL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes that are no UTF-8 become U+FFFD: names of threads may hold any. NULL is "". */
void line_string(FILE *file, const char *text);

void line_text(FILE *file, const char *key, const char *value);
void line_u64(FILE *file, const char *key, uint64_t value);
void line_i64(FILE *file, const char *key, int64_t value);
void line_double(FILE *file, const char *key, double value);
void line_bool(FILE *file, const char *key, bool value);
void line_strings(FILE *file, const char *key, const char *const *list, size_t n);
void line_numbers(FILE *file, const char *key, const uint64_t *list, size_t n);

#endif
