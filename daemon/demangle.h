/* SPDX-License-Identifier: GPL-2.0 */
/* demangle.h - names as C++ and Rust programmers wrote them. */
#ifndef FREC_DEMANGLE_H
#define FREC_DEMANGLE_H

#include "arena.h"

#define DEMANGLE_INPUT_MAX 1024	 /* bytes; longer names are left as they are */
#define DEMANGLE_OUTPUT_MAX 1024 /* bytes; what is longer ends with "..." */

/*
 * The readable form of a mangled name, in the arena, or name itself: when it
 * is not mangled, or cannot be read, or memory is short.
 */
const char *demangle(struct arena *strings, const char *name);

#endif
