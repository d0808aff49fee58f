/* SPDX-License-Identifier: GPL-2.0 */
/* arena.h - strings that live and die together. A zeroed struct is an empty arena. */
#ifndef FREC_ARENA_H
#define FREC_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	size_t bytes; /* of all strings, with their NUL */
	size_t max;   /* no more than so many bytes; 0: no bound */
};

/* A copy of len bytes and a NUL, where it stays, aligned as a pointer; NULL without memory or beyond max. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
void arena_free(struct arena *a);

#endif
