/* SPDX-License-Identifier: GPL-2.0 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* More digits behind the point are below any unit's precision: checked, then dropped. */
#define FRACTION_DIGITS 9

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "ns", 1 },	       { "us", NSEC_PER_USEC },	   { "ms", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC }, { "m", 60 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },	     { "K", 1ull << 10 }, { "M", 1ull << 20 },
	{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 },
};

/* Whole part, and the part behind the point in units of 1 / scale. */
struct decimal {
	uint64_t whole;
	uint64_t fraction;
	uint64_t scale;
};

/* Not isdigit(): the locale has no say here. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int decimal_whole(const char **text, uint64_t *ret)
{
	const char *s = *text;
	uint64_t value = 0;
	bool overflow = false;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++)
		overflow |= __builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value);
	*text = s;
	*ret = value;
	return overflow ? -ERANGE : 0;
}

static int decimal_parse(const char **text, struct decimal *ret)
{
	struct decimal d = { .scale = 1 };
	int digits = 0, r;

	r = decimal_whole(text, &d.whole);
	if (r < 0)
		return r;
	if (**text == '.') {
		if (!is_digit(*++*text))
			return -EINVAL;
		for (; is_digit(**text); ++*text) {
			if (digits++ >= FRACTION_DIGITS)
				continue;
			d.fraction = d.fraction * 10 + (uint64_t)(**text - '0');
			d.scale *= 10;
		}
	}
	*ret = d;
	return 0;
}

static int units_parse(const char *text, const struct unit *units, uint64_t *ret)
{
	unsigned __int128 value;
	struct decimal d;
	int r;

	r = decimal_parse(&text, &d);
	if (r < 0)
		return r;
	while (units->suffix && strcmp(units->suffix, text) != 0)
		units++;
	if (!units->suffix)
		return -EINVAL;
	if (units->factor == 1 && d.scale > 1)
		return -EINVAL;
	value = (unsigned __int128)d.whole * units->factor +
		(unsigned __int128)d.fraction * units->factor / d.scale;
	if (value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	return units_parse(text, duration_units, ret_ns);
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	return units_parse(text, size_units, ret_bytes);
}

int units_parse_percent(const char *text, double *ret_share)
{
	struct decimal d;
	int r;

	r = decimal_parse(&text, &d);
	if (r < 0)
		return r;
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	if (d.whole > 100 || (d.whole == 100 && d.fraction > 0))
		return -ERANGE;
	/* One division, so that "1%" is exactly what the compiler makes of 0.01. */
	*ret_share = (double)(d.whole * d.scale + d.fraction) / (double)(100 * d.scale);
	return 0;
}

int units_parse_count(const char *text, uint64_t *ret)
{
	uint64_t value;
	int r;

	r = decimal_whole(&text, &value);
	if (*text)
		return -EINVAL;
	if (r == 0)
		*ret = value;
	return r;
}

/* Minutes and more: two units, the second one only where it is not 0. */
static void format_long(uint64_t s, char *buf, size_t size)
{
	uint64_t unit = s >= 3600 ? 3600 : 60;
	const char *big = unit == 3600 ? "h" : "min", *small = unit == 3600 ? "min" : "s";
	uint64_t rest = s % unit / (unit / 60);

	if (rest)
		snprintf(buf, size, "%" PRIu64 " %s %" PRIu64 " %s", s / unit, big, rest, small);
	else
		snprintf(buf, size, "%" PRIu64 " %s", s / unit, big);
}

char *units_format_duration(uint64_t ns, char *buf, size_t size)
{
	static const char *const names[] = { "ns", "us", "ms", "s" };
	uint64_t unit = 1, tenths;
	unsigned int i = 0;

	if (ns >= 60 * NSEC_PER_SEC - NSEC_PER_SEC / 20) {
		format_long(ns / NSEC_PER_SEC + (ns % NSEC_PER_SEC >= NSEC_PER_SEC / 2), buf, size);
		return buf;
	}
	/* The next unit begins where rounding would show 1000 of this one. */
	while (i < 3 && ns >= unit * 1000 - unit / 2) {
		unit *= 1000;
		i++;
	}
	tenths = (ns * 10 + unit / 2) / unit;
	if (tenths % 10 == 0 || tenths >= 1000)
		snprintf(buf, size, "%" PRIu64 " %s", (ns + unit / 2) / unit, names[i]);
	else
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
			 names[i]);
	return buf;
}

char *units_format_size(uint64_t bytes, char *buf, size_t size)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t unit = 1ull << 10;
	unsigned int i = 0;

	if (bytes < 1024) {
		snprintf(buf, size, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (i < 5 && bytes >= unit * 1024 - unit / 20) {
		unit <<= 10;
		i++;
	}
	snprintf(buf, size, "%.1f %s", (double)bytes / (double)unit, names[i]);
	return buf;
}
