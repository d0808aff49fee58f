/* SPDX-License-Identifier: GPL-2.0 */
/* Maps and files that lie. */
#include "unwind_lies.h"

#define ROUNDS 200

/* ---- maps ---- */

/* Every executable mapping is said to be of the file that another one has. */
static int open_wrong(void *arg, const struct proc_mapping *m)
{
	static const char *const others[] = { "/bin/ls",
					      "/lib64/ld-linux-x86-64.so.2",
					      "/etc/passwd",
					      "/dev/null",
					      "/",
					      "/proc/self/maps",
					      "/proc/self/exe" };

	(void)arg, (void)m;
	return open(others[any() % (sizeof(others) / sizeof(*others))], O_RDONLY | O_CLOEXEC);
}

static void test_wrong_files(void **state)
{
	static const struct image_callbacks wrong = { .open_file = open_wrong };
	size_t n;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct image *image = open_maps(subject->maps, subject->maps_len, &wrong);

		unwind(image, &subject->regs, subject->stack, subject->len, &n);
		image_close(image);
	}
}

/* Digits of addresses, offsets and inodes, and letters of paths, are other ones. */
static void test_wrong_maps(void **state)
{
	size_t n;

	(void)state;
	if (!subject)
		skip();
	for (int round = 0; round < ROUNDS; round++) {
		char *maps = malloc(subject->maps_len);
		struct image *image;

		memcpy(maps, subject->maps, subject->maps_len);
		for (uint64_t i = any() % 200; i > 0; i--) {
			char *at = &maps[any() % subject->maps_len];

			*at = any() % 4 ? "0123456789abcdef"[any() % 16] : (char)any();
		}
		image = open_maps(maps, any() % 4 ? subject->maps_len : any() % subject->maps_len,
				  &by_path);
		unwind(image, &subject->regs, subject->stack, subject->len, &n);
		image_close(image);
		free(maps);
	}
}

/* Offsets of the mappings of one file change places. */
static void test_swapped_offsets(void **state)
{
	static const struct image_callbacks self = { .open_file = open_path };
	char maps[1024], path[512] = { 0 };
	struct image_frame frame[IMAGE_INLINES_MAX];

	(void)state;
	if (!subject)
		skip();
	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	for (int round = 0; round < 200; round++) {
		size_t len = 0;
		struct image *image;

		for (int i = 0; i < 4; i++)
			len += snprintf(maps + len, sizeof(maps) - len,
					"%x000-%x000 r-xp %llx000 00:00 7 %.100s\n", 16 * i + 16,
					16 * i + 32, (unsigned long long)(any() % 64), path);
		image = open_maps(maps, len, &self);
		for (uint64_t pc = 0x10000; pc < 0x50000; pc += 0x800)
			image_frames(image, pc, true, 0, frame);
		image_close(image);
	}
}

/* ---- files ---- */

static char *program;
static size_t program_len;
static int damaged = -1; /* descriptor of the copy */

static int open_damaged(void *arg, const struct proc_mapping *m)
{
	char path[64];

	(void)arg;
	if (strstr(m->path, "test_unwind_files")) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", damaged);
		return open(path, O_RDONLY | O_CLOEXEC);
	}
	return open(m->path, O_RDONLY | O_CLOEXEC);
}

static void write_copy(const char *bytes, size_t len)
{
	damaged = memfd_create("copy", MFD_CLOEXEC);
	assert_true(damaged >= 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(damaged, bytes + at, len - at);

		assert_true(n > 0);
		at += n;
	}
}

/* Half of the damage goes into headers, tables of sections, and .eh_frame and its like. */
static size_t any_place(void)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)program;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(program + e->e_shoff), *s;

	switch (any() % 8) {
	case 0:
		return any() % 1024;
	case 1:
		return e->e_shoff + any() % (e->e_shnum * sizeof(Elf64_Shdr));
	default:
		s = &sections[any() % e->e_shnum];
		if (s->sh_type != SHT_NOBITS && s->sh_size)
			return s->sh_offset + any() % (s->sh_size < 4096 ? s->sh_size : 4096);
		return any() % program_len;
	}
}

static size_t opened_damaged, named;

static bool find_module(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (frames[i].module && strstr(frames[i].module->path, "test_unwind_files"))
			return true;
	}
	return false;
}

static void unwind_damaged(void)
{
	static const struct image_callbacks callbacks = { .open_file = open_damaged };
	struct image *image = open_maps(subject->maps, subject->maps_len, &callbacks);
	uint64_t pcs[64];
	enum unwind_end end;
	size_t n;

	unwind(image, &subject->regs, subject->stack, subject->len, &n);
	/* other places of the file as well */
	for (size_t i = 0; i < 64; i++) {
		const struct proc_maps *maps = image_maps(image);
		const struct proc_mapping *m = &maps->list[any() % (maps->n < 8 ? maps->n : 8)];

		pcs[i] = m->start + any() % (m->end - m->start);
	}
	n = unwind_pcs(image, pcs, 64, now() + WAIT_NS, frames, FRAMES, &end);
	check(n, end);
	for (size_t i = 0; i < n; i++)
		named += frames[i].function != NULL;
	opened_damaged += find_module(n);
	image_close(image);
}

static void test_damaged_file(void **state)
{
	(void)state;
	if (!subject)
		skip();
	program = slurp("/proc/self/exe", &program_len);
	for (int round = 0; round < ROUNDS; round++) {
		char *copy = malloc(program_len);
		size_t len = any() % 4 ? program_len : any() % program_len;

		memcpy(copy, program, program_len);
		for (uint64_t i = any() % 64; i > 0; i--)
			copy[any_place()] = any() % 2 ? (char)any() : (char)(any() % 2 ? 0 : 0xff);
		write_copy(copy, len);
		unwind_damaged();
		close(damaged);
		free(copy);
	}
	/* else the damage was too great to be of use here */
	assert_true(opened_damaged > ROUNDS / 4 && opened_damaged < ROUNDS && named > ROUNDS);
	free(program);
}

/* The file loses its pages between the first look and the second. */
static void test_shrinking_file(void **state)
{
	static const struct image_callbacks callbacks = { .open_file = open_damaged };
	struct sigaction before;
	struct image *image;
	size_t n;

	(void)state;
	if (!subject)
		skip();
	program = slurp("/proc/self/exe", &program_len);
	assert_int_equal(sigaction(SIGBUS, NULL, &before), 0);
	assert_int_equal(image_survive_truncation(), 0);
	write_copy(program, program_len);
	image = open_maps(subject->maps, subject->maps_len, &callbacks);
	image_frames(image, subject->regs.pc, true, 0, frames);
	for (size_t i = 0; i < image_maps(image)->n; i++) {
		const struct proc_mapping *m = &image_maps(image)->list[i];

		if (m->executable && strstr(m->path, "test_unwind_files"))
			image_frames(image, m->start, true, 0, frames);
	}
	assert_true(image_counters(image)->modules >= 2);
	assert_int_equal(ftruncate(damaged, 100), 0);
	unwind(image, &subject->regs, subject->stack, subject->len, &n);
	image_close(image);
	close(damaged);
	free(program);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_files),	cmocka_unit_test(test_wrong_maps),
		cmocka_unit_test(test_swapped_offsets), cmocka_unit_test(test_damaged_file),
		cmocka_unit_test(test_shrinking_file),
	};

	if (argc == 4 && !strcmp(argv[1], SUBJECT_ARGUMENT))
		return subject_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests(tests, setup, teardown);
}
