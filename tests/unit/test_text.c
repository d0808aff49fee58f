/* SPDX-License-Identifier: GPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../daemon/log.h"
#include "../../lib/text.h"

static void test_clean(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "plain ~", "plain ~" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xc2\xa0\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		  "\xc2\xa0\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
		{ "a\nb\tc\033[31md\x7f", "a?b?c?[31md?" },
		{ "a\x9b\x33\x31mb\x85", "a?31mb?" }, /* C1 as it is in Latin 1 */
		{ "a\xc2\x9b"
		  "b\xc2\x80\xc2\x9f",
		  "a?b??" },
		{ "\xff\xfe", "??" },
		{ "\xc0\xaf\xc1\xbf\xe0\x80\xaf\xf0\x80\x80\xaf", "???????????" }, /* too long */
		{ "\xed\xa0\x80", "???" },					   /* surrogate */
		{ "\xf4\x90\x80\x80\xf5\x80\x80\x80\xf8\x88\x80\x80\x80", "?????????????" },
		{ "cut \xe2\x82", "cut ??" },
		{ "cut \xe2\x82z", "cut ??z" },
		{ "cut \xf0", "cut ?" },
		{ "\xe2\x80\xae"
		  "evil\xe2\x80\xa8\xe2\x81\xa6",
		  "?evil??" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(text, cases[i].text);
		text_clean(text);
		assert_string_equal(text, cases[i].want);
	}
}

static void test_log(void **state)
{
	int old = dup(STDERR_FILENO), ends[2];
	char line[2048] = "", longer[1500];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	memset(longer, 'x', sizeof(longer));
	for (size_t i = 0; i + 2 < sizeof(longer); i += 3)
		memcpy(longer + i, "\xe2\x82\xac", 3); /* the limit cuts one in two */
	longer[sizeof(longer) - 1] = '\0';
	dup2(ends[1], STDERR_FILENO);
	log_notice("a\n\x9b\xc2\x85%s", longer);
	dup2(old, STDERR_FILENO);
	n = read(ends[0], line, sizeof(line) - 1);
	assert_true(n > 500 && line[n - 1] == '\n');
	line[n - 1] = '\0';
	assert_non_null(strstr(line, "a???\xe2\x82\xac"));
	for (size_t i = 0, len; line[i]; i += len) {
		bool fit;

		len = text_next(line + i, &fit);
		assert_true(fit);
	}
	close(old);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
