/* SPDX-License-Identifier: GPL-2.0 */
#include "symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Assembler labels have no size; none of their functions is longer. */
#define WIDEST_UNSIZED (1u << 20)

int symbols_add(struct symbol_table *t, const struct symbol *s, uint64_t size)
{
	if (t->n == SYMBOLS_MAX) {
		t->dropped++;
		return 0;
	}
	if (t->n == t->size) {
		size_t more = t->size ? t->size * 2 : 1024;
		struct symbol *list = realloc(t->list, more * sizeof(*list));

		if (!list)
			return -ENOMEM;
		t->list = list;
		t->size = more;
	}
	t->list[t->n] = *s;
	t->list[t->n].end = size > UINT64_MAX - s->start ? UINT64_MAX : s->start + size;
	t->n++;
	return 0;
}

uint32_t symbols_rank(const char *name, bool function, bool global)
{
	size_t len = strlen(name), underscores = strspn(name, "_");

	if (underscores > 7)
		underscores = 7;
	/* limits of sections are no functions, but begin where one does */
	if (strstr(name, "_text_start") || strstr(name, "_text_end"))
		function = false;
	return (function ? 64 : 0) + (7 - underscores) * 8 + (global ? 4 : 0) + (len < 32 ? 2 : 0);
}

/* Best first; equal ones in an order that does not depend on where they stood. */
static int by_start(const void *va, const void *vb)
{
	const struct symbol *a = va, *b = vb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* One a start: the best, with a size if any of them had one. */
static void merge(struct symbol_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct symbol *last = n ? &t->list[n - 1] : NULL;

		if (!last || last->start != t->list[i].start)
			t->list[n++] = t->list[i];
		else if (last->end == last->start)
			last->end = t->list[i].end;
	}
	t->n = n;
}

static void shrink(struct symbol_table *t)
{
	struct symbol *list = realloc(t->list, t->n * sizeof(*list));

	if (list) {
		t->list = list;
		t->size = t->n;
	}
}

void symbols_finish(struct symbol_table *t, uint64_t end)
{
	if (!t->n)
		return;
	qsort(t->list, t->n, sizeof(*t->list), by_start);
	merge(t);
	shrink(t);
	for (size_t i = 0; i < t->n; i++) {
		struct symbol *s = &t->list[i];

		if (s->end == s->start) {
			s->end = i + 1 < t->n ? s[1].start : end;
			if (s->end < s->start)
				s->end = s->start;
			if (s->end - s->start > WIDEST_UNSIZED)
				s->end = s->start + WIDEST_UNSIZED;
		}
		if (s->end - s->start > t->widest)
			t->widest = s->end - s->start;
	}
}

void symbols_free(struct symbol_table *t)
{
	if (!t)
		return;
	free(t->list);
	arena_free(&t->strings);
	free(t);
}

struct symbol *symbols_find(struct symbol_table *t, uint64_t address)
{
	size_t low = 0, high = t ? t->n : 0;
	struct symbol *found = NULL;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->list[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	/* an outer one may begin long before; a table that lies must not cost more than this */
	for (size_t i = 0; i < 64 && low > 0; i++) {
		struct symbol *s = &t->list[--low];

		if (address - s->start >= t->widest)
			break;
		if (address < s->end && (!found || s->rank > found->rank))
			found = s;
		if (found && !t->by_rank)
			break;
	}
	return found;
}

/* ---- the maps of just-in-time compilers ---- */

static bool take_hex(const char **at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	int digits = 0;

	if (end - *at > 2 && (*at)[0] == '0' && (*at)[1] == 'x')
		*at += 2;
	for (; *at < end && digits <= 16; (*at)++, digits++) {
		char c = **at | 0x20;

		if (**at >= '0' && **at <= '9')
			value = value << 4 | (uint64_t)(**at - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*ret = value;
	return digits > 0 && digits <= 16;
}

/* false: a line that is none. */
static bool perf_line(const char *at, const char *end, struct symbol *s, uint64_t *size,
		      size_t *name_len)
{
	if (!take_hex(&at, end, &s->start) || at == end || *at++ != ' ' ||
	    !take_hex(&at, end, size) || at == end || *at++ != ' ' || at == end || !*size ||
	    *size > UINT64_MAX - s->start)
		return false;
	if (end[-1] == '\r')
		end--;
	*name_len = end - at < SYMBOL_NAME_MAX ? (size_t)(end - at) : SYMBOL_NAME_MAX;
	s->name = at;
	return *name_len && !memchr(at, '\0', *name_len);
}

int symbols_perf_map(const char *text, size_t len, struct symbol_table **ret)
{
	struct symbol_table *t = calloc(1, sizeof(*t));
	const char *at = text, *end = text + len;
	int err = t ? 0 : -ENOMEM;

	while (!err && at < end) {
		const char *newline = memchr(at, '\n', end - at);
		const char *stop = newline ? newline : end;
		struct symbol s = { .rank = t->n };
		uint64_t size;
		size_t name_len;

		if (perf_line(at, stop, &s, &size, &name_len)) {
			s.name = t->n < SYMBOLS_MAX ? arena_strndup(&t->strings, s.name, name_len)
						    : "";
			err = s.name ? symbols_add(t, &s, size) : -ENOMEM;
		} else if (stop > at) {
			t->dropped++;
		}
		at = newline ? newline + 1 : end;
	}
	if (err) {
		symbols_free(t);
		return err;
	}
	t->by_rank = true;
	symbols_finish(t, UINT64_MAX);
	*ret = t;
	return 0;
}

/* ---- the kernel ---- */

/* "ffffffff81000000 T name[\t[module]]": *at is left at the name; false: no code. */
static bool kallsyms_line(const char **at, const char *end, uint64_t *ret_start, char *ret_type)
{
	if (!take_hex(at, end, ret_start) || end - *at < 4 || (*at)[0] != ' ' || (*at)[2] != ' ')
		return false;
	*ret_type = (*at)[1];
	*at += 3;
	return strchr("tTwW", *ret_type) && *ret_type && **at != '\t';
}

static int kallsyms_add(struct symbol_table *t, const char *name, const char *end, uint64_t start,
			char type)
{
	const char *tab = memchr(name, '\t', end - name); /* the module */
	size_t len = (tab ? tab : end) - name;
	struct symbol s = { .start = start };

	s.name = arena_strndup(&t->strings, name, len < SYMBOL_NAME_MAX ? len : SYMBOL_NAME_MAX);
	if (!s.name)
		return -ENOMEM;
	s.rank = symbols_rank(s.name, true, type != 't');
	return symbols_add(t, &s, 0);
}

static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', end - at);

	return newline ? newline : end;
}

/* The symbol of this line, and others of the same address behind it. */
static int kallsyms_add_all(struct symbol_table *t, const char *line, const char *end)
{
	uint64_t first = 0, start = 0;
	int err = 0;
	char type;

	for (const char *stop; line < end && !err; line = stop + 1) {
		const char *at = line;
		bool code;

		stop = line_end(line, end);
		code = kallsyms_line(&at, stop, &start, &type);
		if (!first)
			first = start;
		if (start != first)
			break;
		if (code)
			err = kallsyms_add(t, at, stop, start, type);
	}
	return err;
}

/* The first of the wanted that is not below start; mostly that of the line before. */
static size_t first_wanted(const uint64_t *wanted, size_t n, uint64_t start, size_t last)
{
	size_t low = 0, high = n;

	if (last < n && wanted[last] >= start && (!last || wanted[last - 1] < start))
		return last;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (wanted[mid] < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What begins last at or before a wanted address, behind the one before: a line. */
struct nearest {
	uint64_t start;
	const char *line;
};

/* 0, -EPERM or -ENODATA */
static int find_nearest(const char *text, size_t len, const uint64_t *wanted, size_t n,
			struct nearest *nearest)
{
	const char *end = text + len, *stop;
	bool hidden = false, any = false;
	size_t k = 0;

	for (const char *line = text; line < end; line = stop + 1) {
		const char *at = line;
		uint64_t start;
		char type;

		stop = line_end(line, end);
		if (!kallsyms_line(&at, stop, &start, &type))
			continue;
		hidden |= !start;
		any |= start != 0;
		k = first_wanted(wanted, n, start, k);
		if (k < n && start > nearest[k].start)
			nearest[k] = (struct nearest){ start, line };
	}
	return any ? 0 : hidden ? -EPERM : -ENODATA;
}

int kernel_symbols(const char *text, size_t len, const uint64_t *wanted, size_t n,
		   struct symbol_table **ret)
{
	struct symbol_table *t = calloc(1, sizeof(*t));
	struct nearest *nearest = calloc(n + 1, sizeof(*nearest));
	int err = t && nearest ? find_nearest(text, len, wanted, n, nearest) : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		if (nearest[i].line)
			err = kallsyms_add_all(t, nearest[i].line, text + len);
	free(nearest);
	if (err) {
		symbols_free(t);
		return err;
	}
	symbols_finish(t, UINT64_MAX);
	*ret = t;
	return 0;
}
