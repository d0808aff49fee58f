/* SPDX-License-Identifier: GPL-2.0 */
#include "names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct name *find(const struct name_set *s, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ b[i]) * 0x100000001b3ull;
	i = (hash ^ hash >> 32) & (s->size - 1);
	while (s->slots[i].bytes &&
	       (s->slots[i].len != len || memcmp(s->slots[i].bytes, bytes, len)))
		i = (i + 1) & (s->size - 1);
	return &s->slots[i];
}

static bool grow(struct name_set *s)
{
	struct name_set more = {.size = s->size ? s->size * 2 : 1024};

	if (s->size && s->n < s->size / 2)
		return true;
	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->slots[i].bytes)
			*find(&more, s->slots[i].bytes, s->slots[i].len) = s->slots[i];
	free(s->slots);
	s->slots = more.slots;
	s->size = more.size;
	return true;
}

const void *names_keep(struct name_set *s, const void *bytes, size_t len)
{
	struct name *slot;

	if (!grow(s))
		return NULL;
	slot = find(s, bytes, len);
	if (!slot->bytes) {
		slot->bytes = arena_strndup(&s->arena, bytes, len);
		slot->len = len;
		s->n += !!slot->bytes;
	}
	return slot->bytes;
}

void names_free(struct name_set *s)
{
	arena_free(&s->arena);
	free(s->slots);
	*s = (struct name_set){0};
}
