/* SPDX-License-Identifier: GPL-2.0 */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (64u << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	char bytes[];
};

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	struct arena_chunk *c = a->chunks;
	size_t want = len + 1;
	char *ret;

	if (!want || (a->max && (want > a->max || a->bytes > a->max - want)))
		return NULL;
	if (!c || c->used > c->size || c->size - c->used < want) {
		size_t size = want > CHUNK ? want : CHUNK;

		c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		c->used = 0;
		c->size = size;
		c->next = a->chunks;
		a->chunks = c;
	}
	ret = c->bytes + c->used;
	memcpy(ret, s, len);
	ret[len] = '\0';
	c->used += (want + sizeof(void *) - 1) & -sizeof(void *);
	a->bytes += want;
	return ret;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	a->bytes = 0;
}
