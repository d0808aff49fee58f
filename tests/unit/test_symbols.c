/* SPDX-License-Identifier: GPL-2.0 */
/* Tables of names and mappings from texts, honest ones and others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/demangle.h"
#include "../../daemon/proc_maps.h"
#include "../../daemon/symbols.h"

static const char *name_at(struct symbol_table *t, uint64_t address)
{
	struct symbol *s = symbols_find(t, address);

	return s ? s->name : "";
}

/* ---- maps of just-in-time compilers ---- */

static struct symbol_table *perf_map(const char *text)
{
	struct symbol_table *t = NULL;

	assert_int_equal(symbols_perf_map(text, strlen(text), &t), 0);
	return t;
}

static void test_perf_map(void **state)
{
	struct symbol_table *t = perf_map("2000 10 LazyCompile:~second file.js:3\n"
					  "1000 100 Interpreter\n"
					  "0x3000 0x20 Lcom/example/Main;::run\r\n"
					  "7f0000001000 a last");

	(void)state;
	assert_int_equal(t->n, 4);
	assert_int_equal(t->dropped, 0);
	assert_string_equal(name_at(t, 0xfff), "");
	assert_string_equal(name_at(t, 0x1000), "Interpreter");
	assert_string_equal(name_at(t, 0x10ff), "Interpreter");
	assert_string_equal(name_at(t, 0x1100), "");
	assert_string_equal(name_at(t, 0x200f), "LazyCompile:~second file.js:3");
	assert_string_equal(name_at(t, 0x3010), "Lcom/example/Main;::run");
	assert_string_equal(name_at(t, 0x7f0000001009), "last");
	assert_string_equal(name_at(t, UINT64_MAX), "");
	symbols_free(t);
}

/* Code was thrown away and its memory used again: the later line is true. */
static void test_perf_map_reuse(void **state)
{
	struct symbol_table *t = perf_map("1000 100 old\n1040 20 inner\n1000 80 new\n"
					  "2000 40 a\n1ff0 100 b\n");

	(void)state;
	assert_string_equal(name_at(t, 0x1010), "new");
	assert_string_equal(name_at(t, 0x1050), "new");
	assert_string_equal(name_at(t, 0x2000), "b");
	symbols_free(t);
}

static void test_perf_map_lies(void **state)
{
	static const char *const bad[] = {
		"nonsense",
		"1000",
		"1000 ",
		"1000 10",
		"1000 10 ",
		"-1000 10 x",
		"1000 0 x",
		" 1000 10 x",
		"1000  10 x",
		"ffffffffffffffff 10 x",
		"10000000000000000 1 x",
		"1000 10000000000000000 x",
		"0x 10 x",
	};
	struct symbol_table *t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		t = perf_map(bad[i]);
		assert_int_equal(t->n, 0);
		assert_int_equal(t->dropped, 1);
		assert_null(symbols_find(t, 0x1000));
		symbols_free(t);
	}
	t = NULL;
	assert_int_equal(symbols_perf_map("1000 10 a\0b\n2000 10 c\n", 23, &t), 0);
	assert_int_equal(t->n, 1);
	symbols_free(t);
	assert_int_equal(symbols_perf_map("", 0, &t), 0);
	assert_null(symbols_find(t, 0));
	symbols_free(t);
}

static void test_perf_map_long_name(void **state)
{
	char *text = malloc(100000);
	struct symbol_table *t;

	(void)state;
	memset(text, 'x', 99999);
	memcpy(text, "1000 10 ", 8);
	text[99999] = '\0';
	t = perf_map(text);
	assert_int_equal(strlen(name_at(t, 0x1000)), SYMBOL_NAME_MAX);
	symbols_free(t);
	free(text);
}

/* ---- the kernel ---- */

static int kallsyms(const char *text, struct symbol_table **ret)
{
	static const uint64_t wanted[] = {
		0x1000, 0xffffffff81000010, 0xffffffff81000010, 0xffffffff81000100,
		0xffffffff8100017f, 0xffffffffa0000000, 0xffffffffc0001010, UINT64_MAX - 1,
	};

	return kernel_symbols(text, strlen(text), wanted, sizeof(wanted) / sizeof(wanted[0]), ret);
}

static void test_kallsyms(void **state)
{
	struct symbol_table *t = NULL;
	struct symbol *s;

	(void)state;
	assert_int_equal(kallsyms("0000000000000000 A fixed_percpu_data\n"
				  "ffffffff81000000 T _text\n"
				  "ffffffff81000000 T startup_64\n"
				  "ffffffff81000100 t futex_wait_queue\n"
				  "ffffffff81000180 T __x64_sys_futex\n"
				  "ffffffff81000200 D jiffies\n"
				  "ffffffffc0001000 t ext4_sync_file\t[ext4]\n"
				  "ffffffffc0001100 t ext4_last\t[ext4]\n",
				  &t),
			 0);
	assert_string_equal(name_at(t, 0xffffffff81000010), "startup_64");
	s = symbols_find(t, 0xffffffff8100017f);
	assert_string_equal(s->name, "futex_wait_queue");
	assert_int_equal(s->start, 0xffffffff81000100);
	assert_string_equal(name_at(t, 0xffffffffc0001010), "ext4_sync_file");
	/* neither the last of the kernel nor that of a module goes on for ever */
	assert_null(symbols_find(t, 0xffffffffa0000000));
	assert_null(symbols_find(t, UINT64_MAX - 1));
	assert_null(symbols_find(t, 0x1000));
	symbols_free(t);
}

static void test_kallsyms_hidden(void **state)
{
	struct symbol_table *t = NULL;

	(void)state;
	assert_int_equal(kallsyms("0000000000000000 T _text\n0000000000000000 t x\n", &t), -EPERM);
	assert_int_equal(kallsyms("\n", &t), -ENODATA);
	assert_int_equal(kallsyms("ffffffff81000200 D jiffies\nrubbish\nfff T\n", &t), -ENODATA);
	assert_null(t);
}

static void test_kallsyms_long_line(void **state)
{
	char *text = malloc(100100);
	struct symbol_table *t = NULL;

	(void)state;
	memset(text, 'y', 100000);
	memcpy(text, "ffffffff81000000 T y", 20);
	strcpy(text + 100000, "\nffffffff81000100 T z\n");
	assert_int_equal(kallsyms(text, &t), 0);
	assert_string_equal(name_at(t, 0xffffffff81000100), "z");
	assert_int_equal(strlen(name_at(t, 0xffffffff81000010)), SYMBOL_NAME_MAX);
	symbols_free(t);
	free(text);
}

/* Modules stand in no order; who begins last is meant, of equal ones the best. */
static void test_kallsyms_disorder(void **state)
{
	struct symbol_table *t = NULL;

	(void)state;
	assert_int_equal(kallsyms("ffffffffc0001008 t near\t[b]\n"
				  "ffffffffc0001000 t far\t[a]\n"
				  "ffffffff81000000 t __first\n"
				  "ffffffff81000000 d no_code\n"
				  "ffffffff81000000 T second\n"
				  "ffffffff81000000 t third",
				  &t),
			 0);
	assert_string_equal(name_at(t, 0xffffffffc0001010), "near");
	assert_string_equal(name_at(t, 0xffffffff81000010), "second");
	symbols_free(t);
}

static void test_this_kernel(void **state)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	static char text[32 << 20];
	struct symbol_table *t = NULL;
	uint64_t wanted;
	size_t len;
	char *line;
	int err;

	(void)state;
	if (!f)
		skip();
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	line = strstr(text, " T do_exit\n");
	wanted = line && line - text >= 16 ? strtoull(line - 16, NULL, 16) + 1 : 1;
	err = kernel_symbols(text, len, &wanted, 1, &t);
	assert_true(!err || err == -EPERM);
	if (!err && line)
		assert_string_equal(name_at(t, wanted), "do_exit");
	symbols_free(t);
}

/* ---- names ---- */

static void test_rank(void **state)
{
	(void)state;
	assert_true(symbols_rank("pthread_mutex_lock", true, true) >
		    symbols_rank("__pthread_mutex_lock", true, true));
	assert_true(symbols_rank("f", true, true) > symbols_rank("f", true, false));
	assert_true(symbols_rank("__f", true, false) > symbols_rank("label", false, true));
	assert_true(symbols_rank("entry_SYSCALL_64", true, true) >
		    symbols_rank("__entry_text_start", true, true));
}

static void test_sizes(void **state)
{
	struct symbol_table *t = calloc(1, sizeof(*t));
	static const struct symbol outer = { .start = 0x1000, .name = "outer" },
				   inner = { .start = 0x1100, .name = "inner" },
				   label = { .start = 0x3000, .name = "label" },
				   huge = { .start = UINT64_MAX - 1, .name = "huge" };

	(void)state;
	assert_int_equal(symbols_add(t, &inner, 0x10), 0);
	assert_int_equal(symbols_add(t, &outer, 0x1000), 0);
	assert_int_equal(symbols_add(t, &huge, UINT64_MAX), 0);
	assert_int_equal(symbols_add(t, &label, 0), 0);
	symbols_finish(t, UINT64_MAX);
	assert_string_equal(name_at(t, 0x110f), "inner");
	assert_string_equal(name_at(t, 0x1110), "outer");
	assert_string_equal(name_at(t, 0x2000), "");
	assert_string_equal(name_at(t, 0x3fff), "label");
	assert_string_equal(name_at(t, UINT64_MAX - 1), "huge");
	symbols_free(t);
}

static void test_demangle(void **state)
{
	static const char *const names[][2] = {
		{ "main", "main" },
		{ "_start", "_start" },
		{ "_ZN3foo3barEi", "foo::bar(int)" },
		{ "_ZNSt6vectorIiSaIiEE9push_backEOi",
		  "std::vector<int, std::allocator<int> >::push_back(int&&)" },
		{ "_ZNotmangled", "_ZNotmangled" },
		{ "_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE",
		  "core::ptr::drop_in_place<alloc::string::String>" },
		{ "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
		  "3bar17h930b740aa94f1d3aE",
		  "<Test + 'static as foo::Bar<Test>>::bar" },
		{ "_ZN3foo3bar17h0123456789abcdefE.llvm.12345", "foo::bar" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function" },
		{ "_RNvMs_Cs4Cv8Wi1oAIB_7mycrateNtB4_7Example3foo", "<mycrate::Example>::foo" },
		{ "_RNvXCs15kBYyAo9fc_7mycrateNtB2_7ExampleNtB2_5Trait3foo",
		  "<mycrate::Example as mycrate::Trait>::foo" },
		{ "_RINvCs7qp2U7fqm6G_7mycrate7exampleTxhEEB2_", "mycrate::example::<(i64, u8)>" },
		{ "_RNCNvC7mycrate4main0", "mycrate::main::{closure#0}" },
		{ "_RNvC7mycrate3foo.llvm.9D1C9369", "mycrate::foo" },
		{ "_RIC0Kj7b_E", "::<123>" },
		{ "_RB_", "_RB_" },
		{ "_R", "_R" },
		{ "_RNvC", "_RNvC" },
		{ "_RNvC99999999999999999999x1y", "_RNvC99999999999999999999x1y" },
	};
	struct arena strings = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_string_equal(demangle(&strings, names[i][0]), names[i][1]);
	arena_free(&strings);
}

/* Names that would become endless, nest too deep, or are too long. */
static void test_demangle_bombs(void **state)
{
	char name[8192] = "_RINvC1a1b", *p = name + strlen(name);
	struct arena strings = { 0 };

	(void)state;
	/* tuples of twice the one before */
	for (int i = 0; i < 40; i++)
		p += sprintf(p, "TB%xBd_E", (unsigned int)(i % 10));
	strcpy(p, "E");
	demangle(&strings, name);
	strcpy(name, "_R");
	memset(name + 2, 'N', 500);
	assert_string_equal(demangle(&strings, name), name);
	memset(name, 'I', sizeof(name) - 1);
	memcpy(name, "_ZN", 3);
	assert_ptr_equal(demangle(&strings, name), name);
	memset(name + 3, 'S', 900);
	name[903] = '\0';
	demangle(&strings, name);
	arena_free(&strings);
}

/* ---- /proc/PID/maps ---- */

#define PROGRAM \
	"55d000001000-55d000003000 r-xp 00001000 fe:01 1234                      /usr/bin/x\n"
#define DELETED "7f0000000000-7f0000001000 r-xp 00000000 00:05 77   /memfd:jit code (deleted)\n"

static void test_maps(void **state)
{
	static const char text[] = PROGRAM DELETED
		"7f0000001000-7f0000002000 rwxs 00000000 00:00 0\n"
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";
	struct proc_maps maps;
	const struct proc_mapping *m;

	(void)state;
	assert_int_equal(proc_maps_parse(text, sizeof(text) - 1, &maps), 0);
	assert_int_equal(maps.n, 5);
	assert_int_equal(maps.refused, 0);
	m = proc_maps_find(&maps, 0x55d000002fff);
	assert_string_equal(m->path, "/usr/bin/x");
	assert_true(m->readable && !m->writable && m->executable && !m->deleted);
	assert_int_equal(m->offset, 0x1000);
	assert_int_equal(m->inode, 1234);
	assert_int_equal(m->dev_major, 0xfe);
	m = proc_maps_find(&maps, 0x7f0000000000);
	assert_string_equal(m->path, "/memfd:jit code");
	assert_true(m->deleted);
	assert_string_equal(proc_maps_find(&maps, 0x7f0000001000)->path, "");
	assert_null(proc_maps_find(&maps, 0x55d000003000));
	assert_null(proc_maps_find(&maps, 0));
	assert_null(proc_maps_find(&maps, UINT64_MAX));
	proc_maps_free(&maps);
}

static void test_maps_lies(void **state)
{
	static const char *const bad[] = {
		"x",
		"1000-1000 r-xp 00000000 00:00 0",
		"2000-1000 r-xp 00000000 00:00 0",
		"1000-2000 r-xq 00000000 00:00 0",
		"1000-2000 r-xp 00000000 00:00 0x",
		"1000-2000 r-xp 00000000 00:00",
		"1000-2000 r-xp ffffffffffffffff 00:00 0",
		"11111111111111111-2 r-xp 00000000 00:00 0",
		"-2000 r-xp 00000000 00:00 0",
		"1000-2000 r-xp 00000000 111111111:00 0",
		"1000-2000 r-xp 00000000 00:00 99999999999999999999",
		"1000-2000rr-xp 00000000 00:00 0",
	};
	struct proc_maps maps;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(proc_maps_parse(bad[i], strlen(bad[i]), &maps), 0);
		assert_int_equal(maps.n, 0);
		assert_int_equal(maps.refused, 1);
		proc_maps_free(&maps);
	}
	assert_int_equal(proc_maps_parse("", 0, &maps), 0);
	assert_null(proc_maps_find(&maps, 1));
	proc_maps_free(&maps);
}

/* In any order; of those that overlap the first by address stays. */
static void test_maps_overlap(void **state)
{
	static const char text[] = "5000-6000 r-xp 00000000 00:00 0 c\n"
				   "1000-3000 r-xp 00000000 00:00 0 a\n"
				   "2000-5800 r-xp 00000000 00:00 0 b\n";
	struct proc_maps maps;

	(void)state;
	assert_int_equal(proc_maps_parse(text, sizeof(text) - 1, &maps), 0);
	assert_int_equal(maps.n, 2);
	assert_int_equal(maps.refused, 1);
	assert_string_equal(proc_maps_find(&maps, 0x2800)->path, "a");
	assert_null(proc_maps_find(&maps, 0x4000));
	assert_string_equal(proc_maps_find(&maps, 0x5400)->path, "c");
	proc_maps_free(&maps);
}

static void test_maps_many(void **state)
{
	size_t n = PROC_MAPS_MAX + 100000, len = 0;
	char *text = malloc(n * 64);
	struct proc_maps maps;

	(void)state;
	for (size_t i = 0; i < n; i++)
		len += sprintf(text + len, "%zx-%zx r-xp 00000000 00:00 %zu /lib/%zu\n", i << 12,
			       (i + 1) << 12, i, i / 4);
	assert_int_equal(proc_maps_parse(text, len, &maps), 0);
	assert_int_equal(maps.n, PROC_MAPS_MAX);
	assert_int_equal(maps.refused, 100000);
	assert_int_equal(proc_maps_find(&maps, 0x12345678)->inode, 0x12345);
	proc_maps_free(&maps);
	free(text);
}

static void test_arena(void **state)
{
	struct arena a = { .max = 100 };
	char *s;

	(void)state;
	s = arena_strndup(&a, "hello", 4);
	assert_string_equal(s, "hell");
	assert_int_equal(a.bytes, 5);
	assert_null(arena_strndup(&a, s, 96));
	assert_null(arena_strndup(&a, s, SIZE_MAX));
	assert_non_null(arena_strndup(&a, "", 0));
	arena_free(&a);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perf_map),
		cmocka_unit_test(test_perf_map_reuse),
		cmocka_unit_test(test_perf_map_lies),
		cmocka_unit_test(test_perf_map_long_name),
		cmocka_unit_test(test_kallsyms),
		cmocka_unit_test(test_kallsyms_hidden),
		cmocka_unit_test(test_kallsyms_long_line),
		cmocka_unit_test(test_kallsyms_disorder),
		cmocka_unit_test(test_this_kernel),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_demangle_bombs),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_maps_lies),
		cmocka_unit_test(test_maps_overlap),
		cmocka_unit_test(test_maps_many),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
