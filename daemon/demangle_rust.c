/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demangle_rust.c - a reader of the grammar of Rust's RFC 2603. Lifetimes are
 * left out, as in a stack they say nothing; constants are numbers or '_'.
 *
 * Back references could make a short name endless: steps and depth are bounded.
 */
#include "demangle_rust.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 4096
#define DEPTH_MAX 64

struct reader {
	const char *in; /* behind "_R"; back references count from here */
	size_t at;
	char *out;
	size_t used, size;
	unsigned int steps, depth;
	unsigned int silent; /* > 0: read, do not write */
	bool bad;
};

static void path(struct reader *r, bool value);
static void type(struct reader *r);

static char peek(const struct reader *r)
{
	return r->bad ? '\0' : r->in[r->at];
}

static bool eat(struct reader *r, char c)
{
	if (peek(r) != c || !c)
		return false;
	r->at++;
	return true;
}

static char take(struct reader *r)
{
	char c = peek(r);

	if (c)
		r->at++;
	else
		r->bad = true;
	return c;
}

static void put(struct reader *r, const char *s, size_t len)
{
	if (r->silent || r->bad)
		return;
	if (len >= r->size - r->used) {
		r->bad = true;
		return;
	}
	memcpy(r->out + r->used, s, len);
	r->used += len;
	r->out[r->used] = '\0';
}

static void print(struct reader *r, const char *s)
{
	put(r, s, strlen(s));
}

static void print_number(struct reader *r, uint64_t n)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)n);
	print(r, buf);
}

/* Every rule that can nest begins with it and ends with leave(). */
static bool enter(struct reader *r)
{
	if (++r->depth > DEPTH_MAX || ++r->steps > STEPS_MAX)
		r->bad = true;
	return !r->bad;
}

static void leave(struct reader *r)
{
	r->depth--;
}

/* "_" is 0, "0_" is 1, … */
static uint64_t base62(struct reader *r)
{
	uint64_t n = 0;

	if (eat(r, '_'))
		return 0;
	while (!r->bad && !eat(r, '_')) {
		char c = take(r);
		unsigned int digit = isdigit((unsigned char)c)	 ? c - '0'
				     : islower((unsigned char)c) ? c - 'a' + 10
				     : isupper((unsigned char)c) ? c - 'A' + 36
								 : 62;

		if (digit == 62 || n > (UINT64_MAX - 62) / 62)
			r->bad = true;
		n = n * 62 + digit;
	}
	return n + 1;
}

static uint64_t optional62(struct reader *r, char tag)
{
	return eat(r, tag) ? base62(r) + 1 : 0;
}

struct ident {
	const char *bytes;
	size_t len;
	uint64_t number; /* tells two of one name apart */
};

static struct ident ident(struct reader *r)
{
	struct ident id = { .number = optional62(r, 's') };
	size_t len = 0;

	eat(r, 'u'); /* not ASCII: shown as it is encoded */
	if (!isdigit((unsigned char)peek(r)))
		r->bad = true;
	if (!eat(r, '0')) {
		while (isdigit((unsigned char)peek(r)) && len < 10000)
			len = len * 10 + (take(r) - '0');
	}
	eat(r, '_');
	if (r->bad || strnlen(r->in + r->at, len) < len) {
		r->bad = true;
		return id;
	}
	id.bytes = r->in + r->at;
	id.len = len;
	r->at += len;
	return id;
}

static void back_reference(struct reader *r, void (*rule)(struct reader *, bool), bool value)
{
	size_t start = r->at - 1, to = base62(r), back = r->at;

	if (r->bad || to >= start) {
		r->bad = true;
		return;
	}
	if (r->silent)
		return;
	r->at = to;
	rule(r, value);
	r->at = back;
}

static void type_rule(struct reader *r, bool value)
{
	(void)value;
	type(r);
}

/* ---- constants ---- */

static void constant(struct reader *r, bool value)
{
	uint64_t n = 0;

	(void)value;
	if (eat(r, 'p')) {
		print(r, "_");
		return;
	}
	if (eat(r, 'B')) {
		back_reference(r, constant, false);
		return;
	}
	if (!islower((unsigned char)take(r))) {
		r->bad = true; /* of a type that is newer than this */
		return;
	}
	if (eat(r, 'n'))
		print(r, "-");
	while (!r->bad && !eat(r, '_')) {
		char c = take(r);

		if (!isxdigit((unsigned char)c) || isupper((unsigned char)c))
			r->bad = true;
		n = n << 4 | (unsigned int)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
	}
	print_number(r, n);
}

/* ---- types ---- */

static const char *basic_type(char c)
{
	static const char *const names[26] = {
		['a' - 'a'] = "i8",   ['b' - 'a'] = "bool",  ['c' - 'a'] = "char",
		['d' - 'a'] = "f64",  ['e' - 'a'] = "str",   ['f' - 'a'] = "f32",
		['h' - 'a'] = "u8",   ['i' - 'a'] = "isize", ['j' - 'a'] = "usize",
		['l' - 'a'] = "i32",  ['m' - 'a'] = "u32",   ['n' - 'a'] = "i128",
		['o' - 'a'] = "u128", ['p' - 'a'] = "_",     ['s' - 'a'] = "i16",
		['t' - 'a'] = "u16",  ['u' - 'a'] = "()",    ['v' - 'a'] = "...",
		['x' - 'a'] = "i64",  ['y' - 'a'] = "u64",   ['z' - 'a'] = "!",
	};

	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

/* Types up to 'E', with commas. Returns how many. */
static int types(struct reader *r)
{
	int n = 0;

	while (!r->bad && !eat(r, 'E')) {
		if (n++)
			print(r, ", ");
		type(r);
	}
	return n;
}

static void function_type(struct reader *r)
{
	optional62(r, 'G');
	if (eat(r, 'U'))
		print(r, "unsafe ");
	if (eat(r, 'K')) {
		print(r, "extern ");
		if (!eat(r, 'C'))
			ident(r);
	}
	print(r, "fn(");
	types(r);
	print(r, ")");
	if (eat(r, 'u'))
		return;
	print(r, " -> ");
	type(r);
}

static void dyn_type(struct reader *r)
{
	int n = 0;

	print(r, "dyn ");
	optional62(r, 'G');
	while (!r->bad && !eat(r, 'E')) {
		if (n++)
			print(r, " + ");
		path(r, false);
		while (eat(r, 'p')) { /* Iterator<Item = T>: the trait says enough */
			r->silent++;
			ident(r);
			type(r);
			r->silent--;
		}
	}
	if (!eat(r, 'L'))
		r->bad = true;
	base62(r);
}

static void array_type(struct reader *r, bool sized)
{
	print(r, "[");
	type(r);
	if (sized) {
		print(r, "; ");
		constant(r, false);
	}
	print(r, "]");
}

static void tuple_type(struct reader *r)
{
	print(r, "(");
	print(r, types(r) == 1 ? ",)" : ")");
}

static void pointer_type(struct reader *r, const char *prefix)
{
	print(r, prefix);
	if (eat(r, 'L'))
		base62(r);
	type(r);
}

static void compound_type(struct reader *r)
{
	switch (peek(r)) {
	case 'A':
	case 'S':
		array_type(r, take(r) == 'A');
		break;
	case 'T':
		take(r);
		tuple_type(r);
		break;
	case 'R':
	case 'Q':
		pointer_type(r, take(r) == 'R' ? "&" : "&mut ");
		break;
	case 'P':
	case 'O':
		pointer_type(r, take(r) == 'P' ? "*const " : "*mut ");
		break;
	case 'F':
		take(r);
		function_type(r);
		break;
	case 'D':
		take(r);
		dyn_type(r);
		break;
	case 'B':
		take(r);
		back_reference(r, type_rule, false);
		break;
	default:
		path(r, false);
	}
}

static void type(struct reader *r)
{
	const char *basic = basic_type(peek(r));

	if (enter(r)) {
		if (basic) {
			take(r);
			print(r, basic);
		} else {
			compound_type(r);
		}
	}
	leave(r);
}

/* ---- paths ---- */

static void generic_arguments(struct reader *r, bool value)
{
	int n = 0;

	while (!r->bad && !eat(r, 'E')) {
		if (eat(r, 'L')) {
			base62(r);
			continue;
		}
		print(r, n++ ? ", " : value ? "::<" : "<");
		if (eat(r, 'K'))
			constant(r, false);
		else
			type(r);
	}
	if (n)
		print(r, ">");
}

static void nested(struct reader *r, bool value)
{
	char space = take(r);
	struct ident id;

	path(r, value);
	id = ident(r);
	if (r->bad)
		return;
	if (isupper((unsigned char)space)) {
		print(r, space == 'C' ? "::{closure" : space == 'S' ? "::{shim" : "::{");
		if (id.len)
			print(r, ":");
		put(r, id.bytes, id.len);
		print(r, "#");
		print_number(r, id.number);
		print(r, "}");
	} else if (id.len) {
		print(r, "::");
		put(r, id.bytes, id.len);
	}
}

/* "<T>" or "<T as Trait>"; where the implementation stands is of no interest. */
static void implementation(struct reader *r, bool where, bool trait)
{
	if (where) {
		r->silent++;
		optional62(r, 's');
		path(r, false);
		r->silent--;
	}
	print(r, "<");
	type(r);
	if (trait) {
		print(r, " as ");
		path(r, false);
	}
	print(r, ">");
}

static void path_body(struct reader *r, bool value)
{
	struct ident id;
	char tag = take(r);

	switch (tag) {
	case 'C':
		id = ident(r);
		if (!r->bad)
			put(r, id.bytes, id.len);
		break;
	case 'N':
		nested(r, value);
		break;
	case 'M':
	case 'X':
	case 'Y':
		implementation(r, tag != 'Y', tag != 'M');
		break;
	case 'I':
		path(r, value);
		generic_arguments(r, value);
		break;
	case 'B':
		back_reference(r, path, value);
		break;
	default:
		r->bad = true;
	}
}

static void path(struct reader *r, bool value)
{
	if (enter(r))
		path_body(r, value);
	leave(r);
}

bool demangle_rust(const char *name, char *out, size_t size)
{
	struct reader r = { .in = name + 2, .out = out, .size = size };

	if (!size || name[0] != '_' || name[1] != 'R')
		return false;
	out[0] = '\0';
	while (isdigit((unsigned char)peek(&r))) /* a version of the scheme */
		r.at++;
	path(&r, true);
	if (!r.bad && isupper((unsigned char)peek(&r))) { /* the crate that made the instance */
		r.silent++;
		path(&r, false);
	}
	/* behind '.' stands what the optimiser made of it */
	return !r.bad && r.used && (!peek(&r) || peek(&r) == '.');
}
