/* SPDX-License-Identifier: GPL-2.0 */
/* story_text.c - names and stacks of a story, each kept once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "story_private.h"
#include "text.h"

#define CHUNK (256u << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(8) char bytes[];
};

struct kept {
	const void *bytes; /* NULL: free */
	uint32_t n, hash;
	bool frames; /* no text */
};

struct story_text {
	struct chunk *chunks;
	struct kept *places;
	size_t n, size; /* a power of two */
	bool failed;
};

struct story_text *story_text_new(void)
{
	return calloc(1, sizeof(struct story_text));
}

void story_text_free(struct story_text *t)
{
	struct chunk *next;

	if (!t)
		return;
	for (struct chunk *c = t->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(t->places);
	free(t);
}

int story_text_error(const struct story_text *t)
{
	return t->failed ? -ENOMEM : 0;
}

static void *room(struct story_text *t, size_t n)
{
	size_t size = n > CHUNK ? n : CHUNK;
	struct chunk *c = t->chunks;

	if (!c || c->size - c->used < n) {
		c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		*c = (struct chunk){ .next = t->chunks, .size = size };
		t->chunks = c;
	}
	return c->bytes + c->used;
}

static bool grow(struct story_text *t)
{
	size_t size = t->size ? t->size * 2 : 1024;
	struct kept *places = calloc(size, sizeof(*places));

	if (!places)
		return false;
	for (size_t i = 0; i < t->size; i++) {
		size_t k = t->places[i].hash & (size - 1);

		if (!t->places[i].bytes)
			continue;
		while (places[k].bytes)
			k = (k + 1) & (size - 1);
		places[k] = t->places[i];
	}
	free(t->places);
	t->places = places;
	t->size = size;
	return true;
}

static uint32_t hash(const char *bytes, size_t n)
{
	uint64_t h = n, word;

	for (; n >= sizeof(word); bytes += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, bytes, n);
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h >> 32;
}

/* Where these bytes are, or where their place would be. NULL: no memory. */
static struct kept *find(struct story_text *t, const void *bytes, size_t n, bool frames, uint32_t h)
{
	size_t i;

	if (2 * (t->n + 1) > t->size && !grow(t))
		return NULL;
	for (i = h & (t->size - 1); t->places[i].bytes; i = (i + 1) & (t->size - 1))
		if (t->places[i].hash == h && t->places[i].n == n &&
		    t->places[i].frames == frames && memcmp(t->places[i].bytes, bytes, n) == 0)
			break;
	return &t->places[i];
}

/* The n bytes at the end of the last chunk, or where the same are already. */
static const void *keep(struct story_text *t, const void *bytes, size_t n, bool frames)
{
	uint32_t h = hash(bytes, n);
	struct kept *k = find(t, bytes, n, frames, h);

	if (!k || k->bytes)
		return k ? k->bytes : NULL;
	*k = (struct kept){ bytes, n, h, frames };
	t->n++;
	t->chunks->used += (n + 8) & ~(size_t)7; /* a text ends with 0 */
	if (t->chunks->used > t->chunks->size)
		t->chunks->used = t->chunks->size;
	return bytes;
}

/* What is kept is clean, so a text that equals it needs no cleaning. */
const char *story_keep_part(struct story *s, const char *text, size_t n)
{
	struct kept *k = find(s->text, text, n, false, hash(text, n));
	const char *kept = k ? k->bytes : NULL;
	char *copy = k && !kept ? room(s->text, n + 1) : NULL;

	if (copy) {
		memcpy(copy, text, n);
		copy[n] = '\0';
		text_clean(copy);
		kept = keep(s->text, copy, strlen(copy), false);
	}
	s->text->failed |= !kept;
	return kept;
}

const char *story_keep(struct story *s, const char *text)
{
	return text ? story_keep_part(s, text, strlen(text)) : NULL;
}

const struct story_frame *story_keep_frames(struct story *s, const struct story_frame *frames,
					    size_t n)
{
	void *copy = n ? room(s->text, n * sizeof(*frames)) : NULL;
	const void *kept = NULL;

	if (copy) {
		memcpy(copy, frames, n * sizeof(*frames));
		kept = keep(s->text, copy, n * sizeof(*frames), true);
	}
	s->text->failed |= n && !kept;
	return kept;
}
