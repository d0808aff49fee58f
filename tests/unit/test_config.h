/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the configuration share. Run from the root of the sources. */
#ifndef FREC_TEST_CONFIG_H
#define FREC_TEST_CONFIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/config.h"
#include "../../lib/units.h"

#define DATA "tests/unit/data/config/"

/* Result of the last load. */
static struct config config;
static char *said;

static inline int load_finish(FILE *errors, int r)
{
	fclose(errors);
	return r;
}

static inline FILE *load_begin(void)
{
	static size_t size;

	free(said);
	said = NULL;
	memset(&config, 0xaa, sizeof(config));
	return open_memstream(&said, &size);
}

static inline int parse_bytes(const void *text, size_t len)
{
	FILE *errors = load_begin(), *in = fmemopen((void *)(uintptr_t)text, len, "r");
	int r = config_parse(in, "f", errors, &config);

	fclose(in);
	return load_finish(errors, r);
}

static inline int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static inline int load(const char *file, const char *directory)
{
	FILE *errors = load_begin();

	return load_finish(errors, config_load_from(file, directory, errors, &config));
}

static inline void assert_untouched(void)
{
	const unsigned char *bytes = (const unsigned char *)&config;

	for (size_t i = 0; i < sizeof(config); i++)
		assert_int_equal(bytes[i], 0xaa);
}

/* text is wrong, and exactly this is said about it. */
static inline void assert_mistakes(const char *text, const char *want)
{
	assert_int_equal(parse(text), -EINVAL);
	assert_string_equal(said, want);
	assert_untouched();
}

static inline char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 16);

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

/* NAME.conf gives `result`, and NAME.expect is what is said. */
static inline void check_golden(const char *name, int result)
{
	char path[256], file[64];
	FILE *errors = load_begin(), *in;
	char *want;
	int r;

	snprintf(path, sizeof(path), DATA "%s.expect", name);
	want = slurp(path);
	snprintf(file, sizeof(file), "%s.conf", name);
	snprintf(path, sizeof(path), DATA "%s", file);
	in = fopen(path, "re");
	assert_non_null(in);
	r = load_finish(errors, config_parse(in, file, errors, &config));
	fclose(in);
	assert_string_equal(said, want);
	assert_int_equal(r, result);
	free(want);
}

/* The teardown of each group. */
static inline int forget_said(void **state)
{
	(void)state;
	free(said);
	return 0;
}

#endif
