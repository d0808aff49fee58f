/* SPDX-License-Identifier: GPL-2.0 */
/* text.c - tells characters to show from those that would do something. */
#include "text.h"

/* None: cut off, longer than need be, a surrogate, too large. */
size_t text_decode(const char *text, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len < 2 ? p[0] : p[0] & (0x7f >> len);

	if (!len || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

/* Also the ends of lines and paragraphs, and those that reverse what stands around them. */
bool text_acts(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

size_t text_next(const char *text, bool *ret_fit)
{
	uint32_t c = 0;
	size_t len = text_decode(text, &c);

	*ret_fit = len && !text_acts(c);
	return len ? len : 1;
}

void text_clean(char *text)
{
	char *to = text;
	bool fit;

	while (*text) {
		size_t len = text_next(text, &fit);

		if (!fit)
			*to++ = '?';
		for (size_t i = 0; fit && i < len; i++)
			*to++ = text[i];
		text += len;
	}
	*to = '\0';
}

bool text_glob(const char *glob, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		if (*glob == '*') {
			star = glob++;
			retry = text;
		} else if (*glob == '?' || *glob == *text) {
			glob++;
			text++;
		} else if (star) {
			glob = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}
