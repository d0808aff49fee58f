/* SPDX-License-Identifier: GPL-2.0 */
/* line.c - writes members of a JSON object straight to a file. */
#include "line.h"

#include <inttypes.h>
#include <math.h>

#include "../lib/text.h"

void line_string(FILE *file, const char *text)
{
	const char *p = text ? text : "";
	uint32_t c;

	putc_unlocked('"', file);
	while (*p) {
		size_t n = text_decode(p, &c);

		if (n == 0)
			fputs("\xef\xbf\xbd", file);
		else if (text_acts(c))
			fprintf(file, "\\u%04x", c);
		else if (c == '"' || c == '\\')
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
