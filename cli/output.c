/* SPDX-License-Identifier: GPL-2.0 */
/* output.c - text for people: failures, colours, numbers, tables. */
#include "frecctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/text.h"
#include "../lib/units.h"

void output_text(FILE *file, const char *text)
{
	bool fit;

	while (*text) {
		size_t len = text_next(text, &fit);

		if (fit)
			fwrite(text, 1, len, file);
		else
			fputc('?', file);
		text += len;
	}
}

static void __attribute__((format(printf, 2, 0), nonnull(2)))
say(const char *prefix, const char *format, va_list ap)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, ap);
	fputs(prefix, stderr);
	output_text(stderr, text);
	fputc('\n', stderr);
}

int output_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("frecctl: ", format, ap);
	va_end(ap);
	return EXIT_FAILED;
}

void output_warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("frecctl: warning: ", format, ap);
	va_end(ap);
}

int output_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
	uint32_t c = 0;

	if (!text)
		return output_fail("out of memory");
	/* jansson escapes those below 0x20 only, and indents with such */
	for (const char *p = text; *p;) {
		size_t n = text_decode(p, &c);

		if (c >= 0x7f && text_acts(c))
			printf("\\u%04x", c);
		else
			fwrite(p, 1, n ? n : 1, stdout);
		p += n ? n : 1;
	}
	putchar('\n');
	free(text);
	return EXIT_DONE;
}

static bool colour_wanted(void)
{
	static int wanted = -1;
	const char *no;

	if (wanted < 0) {
		no = getenv("NO_COLOR");
		wanted = isatty(STDOUT_FILENO) && !(no && *no);
	}
	return wanted;
}

const char *output_colour(enum colour colour)
{
	static const char *const codes[] = { "", "\033[31m", "\033[33m", "\033[32m", "\033[2m" };

	return colour_wanted() ? codes[colour] : "";
}

const char *output_plain(void)
{
	return colour_wanted() ? "\033[0m" : "";
}

char *output_count(uint64_t n, char *buf)
{
	char digits[24];
	size_t len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *p = buf;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return buf;
}

char *output_time(uint64_t realtime_ns, char *buf, size_t size)
{
	time_t t = realtime_ns / NSEC_PER_SEC;
	struct tm tm;

	if (realtime_ns == 0 || !localtime_r(&t, &tm) ||
	    strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(buf, size, "-");
	return buf;
}

struct table {
	unsigned int columns;
	bool right[TABLE_COLUMNS_MAX];
	size_t width[TABLE_COLUMNS_MAX];
	char **cells; /* row by row, the headings first */
	size_t n;
	size_t room;
};

struct table *table_new(unsigned int columns, const char *const *headings)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->columns = columns;
	for (unsigned int i = 0; i < columns; i++) {
		t->right[i] = headings[i][0] == '>';
		table_cell(t, headings[i] + t->right[i]);
	}
	return t;
}

/* Columns on the screen, of which each character takes one (good enough here). */
static size_t text_width(const char *text)
{
	size_t n = 0;
	bool fit;

	for (; *text; n++)
		text += text_next(text, &fit);
	return n;
}

/* A NULL table (no memory) takes cells and shows nothing: table_print() tells. */
void table_cell(struct table *t, const char *text)
{
	size_t column, width = text_width(text);

	if (!t)
		return;
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		char **cells = reallocarray(t->cells, room, sizeof(*cells));

		if (!cells)
			return;
		t->cells = cells;
		t->room = room;
	}
	column = t->n % t->columns;
	t->cells[t->n++] = strdup(text);
	if (width > t->width[column])
		t->width[column] = width;
}

void table_number(struct table *t, uint64_t n)
{
	char buf[OUTPUT_COUNT_MAX];

	table_cell(t, output_count(n, buf));
}

static void print_cell(const struct table *t, size_t i)
{
	const char *text = t->cells[i] ? t->cells[i] : "?";
	size_t column = i % t->columns, pad = t->width[column] - text_width(text);
	bool last = column == t->columns - 1;

	if (i < t->columns)
		fputs(output_colour(COLOUR_DIM), stdout);
	if (t->right[column])
		printf("%*s", (int)pad, "");
	output_text(stdout, text);
	if (!t->right[column] && !last)
		printf("%*s", (int)pad, "");
	if (i < t->columns)
		fputs(output_plain(), stdout);
	fputs(last ? "\n" : "  ", stdout);
}

void table_print(const struct table *t)
{
	if (!t) {
		output_warn("out of memory");
		return;
	}
	for (size_t i = 0; i < t->n; i++)
		print_cell(t, i);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
