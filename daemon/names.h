/* SPDX-License-Identifier: GPL-2.0 */
/* names.h - each text once, and whatever else is equal where its bytes are. */
#ifndef FREC_NAMES_H
#define FREC_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct name {
	const char *bytes;
	size_t len;
};

/* A zeroed struct is an empty set; arena.max bounds it. */
struct name_set {
	struct arena arena;
	struct name *slots; /* open addressing; size is a power of two */
	size_t n, size;
};

/*
 * The one copy of these bytes, with a NUL behind, aligned as a pointer; it lives as long as the
 * set. NULL without memory or beyond the bound.
 */
const void *names_keep(struct name_set *s, const void *bytes, size_t len);
void names_free(struct name_set *s);

#endif
