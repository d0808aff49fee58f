/* SPDX-License-Identifier: GPL-2.0 */
/* line.c - writes members of a JSON object straight to a file. */
#include "line.h"

#include <inttypes.h>
#include <math.h>

/* Length of the UTF-8 character at p, 0 if it is none. */
static size_t utf8_length(const unsigned char *p)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {
		{ 0x80, 0, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
	};

	for (size_t n = 0; n < 4; n++) {
		uint32_t c = p[0] & (unsigned char)~forms[n].mask;
		size_t i;

		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		for (i = 1; i <= n && (p[i] & 0xc0) == 0x80; i++)
			c = c << 6 | (p[i] & 0x3f);
		if (i <= n || c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return 0;
		return n + 1;
	}
	return 0;
}

void line_string(FILE *file, const char *text)
{
	const unsigned char *p = (const unsigned char *)(text ? text : "");

	putc_unlocked('"', file);
	while (*p) {
		size_t n = utf8_length(p);

		if (n == 0)
			fputs("\xef\xbf\xbd", file);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(file, "\\u%04x", *p);
		else if (*p == '"' || *p == '\\')
			fprintf(file, "\\%c", *p);
		else
			fwrite(p, 1, n, file);
		p += n ? n : 1;
	}
	putc_unlocked('"', file);
}

static void line_key(FILE *file, const char *key)
{
	putc_unlocked(',', file);
	line_string(file, key);
	putc_unlocked(':', file);
}

void line_u64(FILE *file, const char *key, uint64_t value)
{
	line_key(file, key);
	fprintf(file, "%" PRIu64, value);
}

void line_i64(FILE *file, const char *key, int64_t value)
{
	line_key(file, key);
	fprintf(file, "%" PRId64, value);
}

void line_text(FILE *file, const char *key, const char *value)
{
	line_key(file, key);
	line_string(file, value);
}

void line_bool(FILE *file, const char *key, bool value)
{
	line_key(file, key);
	fputs(value ? "true" : "false", file);
}

void line_strings(FILE *file, const char *key, const char *const *list, size_t n)
{
	line_key(file, key);
	putc_unlocked('[', file);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', file);
		line_string(file, list[i]);
	}
	putc_unlocked(']', file);
}

void line_numbers(FILE *file, const char *key, const uint64_t *list, size_t n)
{
	line_key(file, key);
	putc_unlocked('[', file);
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%s%" PRIu64, i ? "," : "", list[i]);
	putc_unlocked(']', file);
}

void line_double(FILE *file, const char *key, double value)
{
	line_key(file, key);
	if (isfinite(value))
		fprintf(file, "%.17g", value);
	else
		fputs("null", file); /* JSON has no word for it */
}
