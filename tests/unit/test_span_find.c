/* SPDX-License-Identifier: GPL-2.0 */
/* The finder of spans on this very program: whole, cut, and with bytes of it changed. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/span_find.h"
#include "../../include/frec/frec.h"

static struct span_found found;

/* symbols of the program, which is why they are not static */
void test_work_begin(int id);
void test_work_end(int id);

void __attribute__((noinline)) test_work_begin(int id)
{
	FREC_SPAN_BEGIN(test.one, id);
	FREC_SPAN_BEGIN("test.two", id);
}

void __attribute__((noinline)) test_work_end(int id)
{
	FREC_SPAN_END(test.one, id);
	FREC_SPAN_END("test.two", id);
	FREC_SPAN_END(endless, id);
}

/* Of this program, to be changed. */
static int copy_self(off_t *ret_size)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	    fd = memfd_create("self", MFD_CLOEXEC);
	struct stat st;
	off_t done = 0;

	assert_true(from >= 0 && fd >= 0 && !fstat(from, &st));
	while (done < st.st_size)
		assert_true(sendfile(fd, from, &done, st.st_size - done) > 0);
	close(from);
	*ret_size = st.st_size;
	return fd;
}

static unsigned int count(enum span_what what, const char *name)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < found.n; i++)
		n += found.sites[i].what == what && !strcmp(found.sites[i].name, name);
	return n;
}

static void test_spans(void **state)
{
	off_t size;
	int fd = copy_self(&size);

	(void)state;
	test_work_begin(0);
	test_work_end(0);
	span_find(fd, "test.*", "", "", &found);
	assert_int_equal(found.flaw, SPAN_FOUND);
	assert_int_equal(found.n, 4);
	assert_int_equal(count(SPAN_BEGINS, "test.one") + count(SPAN_ENDS, "test.one"), 2);
	assert_int_equal(count(SPAN_BEGINS, "test.two") + count(SPAN_ENDS, "test.two"), 2);
	span_find(fd, "test", "", "", &found);
	assert_int_equal(found.flaw, SPAN_NO_SPAN);
	span_find(fd, "endless", "", "", &found); /* begins elsewhere, if at all */
	assert_int_equal(found.flaw, SPAN_NO_SPAN);
	close(fd);
}

static void test_functions(void **state)
{
	off_t size;
	int fd = copy_self(&size);

	(void)state;
	span_find(fd, "", "test_work_begin", "test_work_end", &found);
	assert_int_equal(found.flaw, SPAN_FOUND);
	assert_int_equal(found.n, 2);
	assert_int_equal(count(SPAN_ENTERS, "test_work_begin"), 1);
	assert_int_equal(count(SPAN_LEAVES, "test_work_end"), 1);
	span_find(fd, "", "test_work_", "test_work_end", &found);
	assert_int_equal(found.flaw, SPAN_NO_BEGIN);
	span_find(fd, "", "test_work_begin", "getpid", &found); /* another file's */
	assert_int_equal(found.flaw, SPAN_NO_END);
	close(fd);
}

static void test_no_elf(void **state)
{
	int fd = memfd_create("none", MFD_CLOEXEC), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char bytes[4096] = "\177ELF\2\1\1";

	(void)state;
	span_find(fd, "*", "", "", &found);
	assert_int_equal(found.flaw, SPAN_NO_ELF);
	span_find(null, "*", "", "", &found);
	assert_int_equal(found.flaw, SPAN_NO_ELF);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	span_find(fd, "*", "", "", &found);
	assert_int_equal(found.flaw, SPAN_NO_ELF);
	close(fd);
	close(null);
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

/* What it says holds whatever the file is: no more than there is room for, inside of the file. */
static void look(int fd, off_t size)
{
	span_find(fd, "*", "", "", &found);
	assert_true(found.n <= SPAN_SITES_MAX && found.flaw < SPAN_FLAWS);
	for (uint32_t i = 0; i < found.n; i++)
		assert_true((off_t)found.sites[i].offset < size &&
			    memchr(found.sites[i].name, 0, SPAN_NAME_MAX));
	span_find(fd, "", "test_work_begin", "", &found);
	assert_true(found.n <= SPAN_SITES_MAX && found.flaw < SPAN_FLAWS);
}

static void test_cut(void **state)
{
	off_t size, whole;
	int fd = copy_self(&whole);

	(void)state;
	for (int i = 0; i < 40; i++) {
		size = (off_t)rnd((uint64_t)whole);
		assert_int_equal(ftruncate(fd, size), 0);
		look(fd, size);
		close(fd);
		fd = copy_self(&whole);
	}
	close(fd);
}

/* Where the headers, the notes and the symbols stand; some sixty ranges of the file. */
struct range {
	uint64_t at, len;
};

static size_t ranges_of(int fd, struct range *ret, size_t max)
{
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	Elf_Scn *scn = NULL;
	GElf_Ehdr ehdr;
	GElf_Shdr s;
	size_t n = 0;

	assert_non_null(gelf_getehdr(elf, &ehdr));
	ret[n++] = (struct range){ 0, 64 };
	ret[n++] = (struct range){ ehdr.e_phoff, 56u * ehdr.e_phnum };
	ret[n++] = (struct range){ ehdr.e_shoff, 64u * ehdr.e_shnum };
	while ((scn = elf_nextscn(elf, scn)) && n < max)
		if (gelf_getshdr(scn, &s) && (s.sh_type == SHT_NOTE || s.sh_type == SHT_SYMTAB ||
					      s.sh_type == SHT_STRTAB))
			ret[n++] = (struct range){ s.sh_offset, s.sh_size };
	elf_end(elf);
	return n;
}

static void test_changed(void **state)
{
	struct range ranges[32];
	uint8_t before[8], after[8];
	off_t size, at;
	int fd = copy_self(&size);
	unsigned int good = 0;
	size_t n;

	(void)state;
	elf_version(EV_CURRENT);
	n = ranges_of(fd, ranges, 32);
	for (int i = 0; i < 300; i++) {
		const struct range *r = &ranges[rnd(n)];

		at = (off_t)(r->at + rnd(r->len > 8 ? r->len - 8 : 1));
		assert_int_equal(pread(fd, before, 8, at), 8);
		for (int k = 0; k < 8; k++)
			after[k] = rnd(2) ? before[k] : (uint8_t)(rnd(3) ? rnd(256) : 255);
		assert_int_equal(pwrite(fd, after, 8, at), 8);
		look(fd, size);
		good += found.n > 0;
		assert_int_equal(pwrite(fd, before, 8, at), 8);
	}
	assert_true(good > 50 && good < 300); /* some changes matter, many do not */
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),	cmocka_unit_test(test_functions),
		cmocka_unit_test(test_no_elf),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
