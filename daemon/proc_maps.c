/* SPDX-License-Identifier: GPL-2.0 */
#include "proc_maps.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DELETED " (deleted)"

struct cursor {
	const char *at, *end;
};

/* Digits of base 10 or 16, at least one, without overflow. */
static bool take_number(struct cursor *c, unsigned int base, uint64_t *ret)
{
	const char *first = c->at;
	uint64_t value = 0;

	for (; c->at < c->end; c->at++) {
		unsigned char ch = *c->at;
		unsigned int digit;

		if (ch >= '0' && ch <= '9')
			digit = ch - '0';
		else if (base == 16 && ch >= 'a' && ch <= 'f')
			digit = ch - 'a' + 10;
		else
			break;
		if (value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret = value;
	return c->at > first;
}

static bool take_char(struct cursor *c, char ch)
{
	if (c->at == c->end || *c->at != ch)
		return false;
	c->at++;
	return true;
}

static bool take_flag(struct cursor *c, char ch, bool *ret)
{
	*ret = take_char(c, ch);
	return *ret || take_char(c, '-');
}

static bool take_head(struct cursor *c, struct proc_mapping *m)
{
	uint64_t major, minor;

	if (!take_number(c, 16, &m->start) || !take_char(c, '-') || !take_number(c, 16, &m->end) ||
	    !take_char(c, ' ') || !take_flag(c, 'r', &m->readable) ||
	    !take_flag(c, 'w', &m->writable) || !take_flag(c, 'x', &m->executable) ||
	    !((m->shared = take_char(c, 's')) || take_char(c, 'p')) || !take_char(c, ' ') ||
	    !take_number(c, 16, &m->offset) || !take_char(c, ' ') || !take_number(c, 16, &major) ||
	    !take_char(c, ':') || !take_number(c, 16, &minor) || !take_char(c, ' ') ||
	    !take_number(c, 10, &m->inode))
		return false;
	if (c->at < c->end && *c->at != ' ')
		return false;
	if (m->start >= m->end || major > UINT32_MAX || minor > UINT32_MAX ||
	    m->offset > UINT64_MAX - (m->end - m->start))
		return false;
	m->dev_major = major;
	m->dev_minor = minor;
	return true;
}

static bool take_path(struct cursor *c, struct proc_mapping *m, const char **ret, size_t *ret_len)
{
	size_t len, mark = strlen(DELETED);

	while (take_char(c, ' '))
		;
	len = c->end - c->at;
	if (len >= PATH_MAX || memchr(c->at, '\0', len))
		return false;
	if (len > mark && !memcmp(c->end - mark, DELETED, mark)) {
		m->deleted = true;
		len -= mark;
	}
	*ret = c->at;
	*ret_len = len;
	return true;
}

/* 1, 0 for a line that is none, or -ENOMEM. last: the path of the line before, often the same. */
static int parse_line(struct proc_maps *maps, const char *line, const char *end, const char *last,
		      struct proc_mapping *m)
{
	struct cursor c = { line, end };
	const char *path;
	size_t len;

	*m = (struct proc_mapping){ .path = "" };
	if (!take_head(&c, m) || !take_path(&c, m, &path, &len))
		return 0;
	if (!len)
		return 1;
	if (strlen(last) == len && !memcmp(last, path, len))
		m->path = last;
	else
		m->path = arena_strndup(&maps->strings, path, len);
	return m->path ? 1 : -ENOMEM;
}

static int append(struct proc_maps *maps, size_t *size, const struct proc_mapping *m)
{
	if (maps->n == *size) {
		size_t more = *size ? *size * 2 : 256;
		struct proc_mapping *list = realloc(maps->list, more * sizeof(*list));

		if (!list)
			return -ENOMEM;
		maps->list = list;
		*size = more;
	}
	maps->list[maps->n++] = *m;
	return 0;
}

static int by_start(const void *va, const void *vb)
{
	const struct proc_mapping *a = va, *b = vb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->end > b->end) - (a->end < b->end);
}

/* Of those that overlap the one that begins first stays. */
static void sort(struct proc_maps *maps)
{
	size_t n = 0;

	if (!maps->n)
		return;
	qsort(maps->list, maps->n, sizeof(*maps->list), by_start);
	for (size_t i = 0; i < maps->n; i++) {
		if (n && maps->list[i].start < maps->list[n - 1].end)
			maps->refused++;
		else
			maps->list[n++] = maps->list[i];
	}
	maps->n = n;
}

int proc_maps_parse(const char *text, size_t len, struct proc_maps *ret)
{
	const char *at = text, *end = text + len, *last = "";
	struct proc_maps maps = { 0 };
	size_t size = 0;
	int err = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', end - at);
		const char *stop = newline ? newline : end;
		struct proc_mapping m;

		err = maps.n < PROC_MAPS_MAX ? parse_line(&maps, at, stop, last, &m) : 0;
		if (!err)
			maps.refused++;
		if (err > 0) {
			last = m.path;
			err = append(&maps, &size, &m);
		}
		if (err < 0)
			goto fail;
		at = newline ? newline + 1 : end;
	}
	sort(&maps);
	*ret = maps;
	return 0;
fail:
	proc_maps_free(&maps);
	return err;
}

void proc_maps_free(struct proc_maps *maps)
{
	if (!maps)
		return;
	free(maps->list);
	arena_free(&maps->strings);
	*maps = (struct proc_maps){ 0 };
}

const struct proc_mapping *proc_maps_find(const struct proc_maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address < maps->list[mid].start)
			high = mid;
		else if (address >= maps->list[mid].end)
			low = mid + 1;
		else
			return &maps->list[mid];
	}
	return NULL;
}
