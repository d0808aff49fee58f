/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demangle.c - C++ by libstdc++, Rust's older scheme (a C++ name with a hash)
 * by rewriting that; the newer one of Rust is in demangle_rust.c.
 */
#include "demangle.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "demangle_rust.h"

/* libstdc++ (CXXABI_1.3). It bounds its own recursion; memory is the process's to bound. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *len, int *status);

/* ---- "core::ptr::drop_in_place$LT$alloc..string..String$GT$::h0123456789abcdef" ---- */

#define HASH_LEN 19 /* "::h" and 16 digits */

/* "…E.llvm.123": a copy that the optimiser made. */
static size_t without_suffix(const char *name)
{
	const char *suffix = strstr(name, ".llvm.");

	return suffix ? (size_t)(suffix - name) : strlen(name);
}

static bool has_rust_hash(const char *name, size_t len)
{
	if (len <= HASH_LEN || memcmp(name + len - HASH_LEN, "::h", 3))
		return false;
	for (size_t i = len - 16; i < len; i++) {
		if (!isxdigit((unsigned char)name[i]))
			return false;
	}
	return true;
}

/* "$LT$" and its like; returns the bytes read, 0 if it is none. */
static size_t rust_escape(const char *s, char *ret)
{
	static const struct {
		char code[5], plain;
	} table[] = {
		{ "$SP$", '@' }, { "$BP$", '*' }, { "$RF$", '&' }, { "$LT$", '<' },
		{ "$GT$", '>' }, { "$LP$", '(' }, { "$RP$", ')' }, { "$C$", ',' },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (!strncmp(s, table[i].code, strlen(table[i].code))) {
			*ret = table[i].plain;
			return strlen(table[i].code);
		}
	}
	if (s[0] == '$' && s[1] == 'u') {
		char *end;
		unsigned long c = strtoul(s + 2, &end, 16);

		if (*end == '$' && end - s <= 4 && c >= ' ' && c < 0x7f) {
			*ret = c;
			return end - s + 1;
		}
	}
	return 0;
}

/* In place: it only gets shorter. */
static void rust_rewrite(char *name, size_t len)
{
	char *in = name, *out = name;

	name[len - HASH_LEN] = '\0';
	while (*in) {
		bool first = in == name || (in - name >= 2 && in[-1] == ':' && in[-2] == ':');
		size_t n = rust_escape(in, out);

		if (n) {
			in += n;
			out++;
		} else if (in[0] == '_' && in[1] == '$' && first) {
			in++; /* an identifier may not begin with '$' */
		} else if (in[0] == '.' && in[1] == '.') {
			*out++ = ':';
			*out++ = ':';
			in += 2;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
}

/* ---- */

static const char *keep(struct arena *strings, char *readable, const char *name)
{
	size_t len = strlen(readable);
	const char *ret;

	if (len > DEMANGLE_OUTPUT_MAX) {
		len = DEMANGLE_OUTPUT_MAX;
		memcpy(readable + len - 3, "...", 3);
	}
	ret = arena_strndup(strings, readable, len);
	return ret ? ret : name;
}

const char *demangle(struct arena *strings, const char *name)
{
	char rust[DEMANGLE_OUTPUT_MAX + 1], bare[DEMANGLE_INPUT_MAX + 1], *readable;
	const char *ret;
	size_t len;
	int status;

	if (strnlen(name, DEMANGLE_INPUT_MAX + 1) > DEMANGLE_INPUT_MAX)
		return name;
	if (name[0] == '_' && name[1] == 'R')
		return demangle_rust(name, rust, sizeof(rust)) ? keep(strings, rust, name) : name;
	if (name[0] != '_' || name[1] != 'Z')
		return name;
	len = without_suffix(name);
	memcpy(bare, name, len);
	bare[len] = '\0';
	readable = __cxa_demangle(bare, NULL, NULL, &status);
	if (!readable)
		return name;
	len = strlen(readable);
	if (has_rust_hash(readable, len))
		rust_rewrite(readable, len);
	ret = keep(strings, readable, name);
	free(readable);
	return ret;
}
