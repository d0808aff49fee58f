/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inputs that lie: registers, stack, maps, files. Nothing may crash, all must
 * end, and no lie may be called complete where it cannot be.
 */
#include <sys/mman.h>

#include "unwind_subject.h"

#define ROUNDS 200

/* libdw leaks a little when it gives up on a DWARF expression that makes no sense */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static struct subject *subject;
static struct image_frame frames[FRAMES];
static uint64_t seed = 1;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int setup(void **state)
{
	(void)state;
	subject = subject_start("thread", 4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	subject_stop(subject);
	return 0;
}

static struct image *open_maps(const char *maps, size_t len, const struct image_callbacks *cb)
{
	struct image *image = NULL;

	if (!subject)
		skip();
	assert_int_equal(image_open(maps, len, cb, &image), 0);
	return image;
}

static struct image *open_subject(void)
{
	if (!subject)
		skip();
	return open_maps(subject->maps, subject->maps_len, &by_path);
}

/* Touches all that a frame points to. */
static size_t check(size_t n, enum unwind_end end)
{
	size_t sum = 0;

	assert_true(n >= 1 && n <= FRAMES);
	assert_true(end <= UNWIND_LATE);
	for (size_t i = 0; i < n; i++) {
		const struct image_frame *f = &frames[i];

		sum += f->function ? strlen(f->function) : 0;
		sum += f->file ? strlen(f->file) : 0;
		sum += f->mapping ? strlen(f->mapping->path) : 0;
		sum += f->module ? f->module->build_id_len + strlen(f->module->path) : 0;
	}
	return sum;
}

static enum unwind_end unwind(struct image *image, const struct unwind_regs *regs,
			      const void *stack, size_t len, size_t *ret_n)
{
	enum unwind_end end;

	*ret_n = unwind_dwarf(image, regs, stack, len, now() + WAIT_NS, frames, FRAMES, &end);
	check(*ret_n, end);
	assert_int_not_equal(end, UNWIND_LATE);
	return end;
}

/* ---- registers and stack ---- */

static void test_wild_registers(void **state)
{
	struct image *image = open_subject();
	size_t n;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct unwind_regs r = subject->regs;

		for (int i = 0; i < 4; i++) {
			uint64_t value = any();

			if (any() % 2)
				value = r.sp + value % (2 * STACK_BYTES) - STACK_BYTES / 2;
			if (any() % 8 == 0)
				r.sp = value;
			else if (any() % 8 == 0)
				r.pc = value;
			else
				r.reg[any() % UNWIND_REGS] = value;
		}
		r.valid = any();
		unwind(image, &r, subject->stack, subject->len, &n);
	}
	image_close(image);
}

static void test_extreme_registers(void **state)
{
	static const uint64_t values[] = {
		0, 1, 7, 8, 0x7fffffffffff, 0x800000000000, 1ull << 63, UINT64_MAX - 8, UINT64_MAX
	};
	struct image *image = open_subject();
	struct unwind_regs r = subject->regs;
	size_t count = sizeof(values) / sizeof(*values), n;

	(void)state;
	for (size_t i = 0; i < count * count; i++) {
		r.sp = values[i % count];
		r.reg[UNWIND_X86_RBP] = r.reg[UNWIND_ARM64_FP] = values[i / count];
		assert_int_not_equal(unwind(image, &r, subject->stack, subject->len, &n),
				     UNWIND_COMPLETE);
		r.pc = values[i / count];
		assert_int_equal(unwind(image, &r, subject->stack, 0, &n) == UNWIND_COMPLETE, 0);
		r.pc = subject->regs.pc;
	}
	image_close(image);
}

static void test_no_module(void **state)
{
	struct image *image = open_subject();
	struct unwind_regs r = subject->regs;
	size_t n;

	(void)state;
	r.pc = 0x1000;
	r.valid = 0;
	assert_int_equal(unwind(image, &r, subject->stack, subject->len, &n), UNWIND_BROKEN);
	assert_int_equal(n, 1);
	assert_null(frames[0].mapping);
	assert_null(frames[0].function);
	assert_int_equal(frames[0].rel_pc, 0);
	image_close(image);
}

/* Return addresses of 0: libdw takes them for the end of the thread, we must not. */
static void test_zeroed_stack(void **state)
{
	struct image *image = open_subject();
	uint8_t stack[STACK_BYTES] = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(unwind(image, &subject->regs, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_int_equal(n, 1);
	image_close(image);
}

static void test_random_stack(void **state)
{
	struct image *image = open_subject();
	uint64_t stack[STACK_BYTES / 8];
	size_t n;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		memcpy(stack, subject->stack, sizeof(stack));
		for (int i = 0; i < 200; i++) {
			uint64_t value = any() % 3 ? stack[any() % (STACK_BYTES / 8)] : any();

			stack[any() % (any() % 2 ? 64 : STACK_BYTES / 8)] = value;
		}
		unwind(image, &subject->regs, stack, sizeof(stack), &n);
	}
	image_close(image);
}

/* Frame pointers of code without CFI that lead in a circle, or to themselves. */
static void test_cycle(void **state)
{
	static const char maps[] = "10000-20000 r-xp 00000000 00:00 0\n"
				   "70000000-70100000 rw-p 00000000 00:00 0 [stack]\n";
	struct unwind_regs r = { .pc = 0x10100, .sp = 0x70080000 };
	uint64_t stack[64] = { 0 };
	struct image *image;
	size_t n;

	(void)state;
	image = open_maps(maps, sizeof(maps) - 1, &by_path);
#ifdef __aarch64__
	r.reg[UNWIND_ARM64_FP] = r.sp + 64;
	r.valid = 1u << UNWIND_ARM64_FP;
#else
	r.reg[UNWIND_X86_RBP] = r.sp + 64;
	r.valid = 1u << UNWIND_X86_RBP;
#endif
	stack[8] = r.sp + 128;
	stack[9] = 0x10200;
	stack[16] = r.sp + 64; /* back to the first */
	stack[17] = 0x10300;
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_in_range(n, 2, 3);
	stack[16] = r.sp + 128; /* to itself */
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_in_range(n, 2, 3);
	stack[16] = r.sp + sizeof(stack) + 800; /* beyond the copy */
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_CUT);
	stack[17] = 0x70080000; /* into data */
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_int_equal(n, 2);
	image_close(image);
}

/* A chain of more frames than anybody wants. */
static void test_endless(void **state)
{
	static const char maps[] = "10000-20000 r-xp 00000000 00:00 0\n"
				   "70000000-70100000 rw-p 00000000 00:00 0 [stack]\n";
	struct unwind_regs r = { .pc = 0x10100, .sp = 0x70080000 };
	static uint64_t stack[4096];
	struct image *image;
	size_t n;

	(void)state;
	image = open_maps(maps, sizeof(maps) - 1, &by_path);
	for (size_t i = 0; i < 4096; i += 2) {
		stack[i] = r.sp + (i + 2) * 8;
		stack[i + 1] = 0x10100 + i;
	}
#ifdef __aarch64__
	r.reg[UNWIND_ARM64_FP] = r.sp;
	r.valid = 1u << UNWIND_ARM64_FP;
#else
	r.reg[UNWIND_X86_RBP] = r.sp;
	r.valid = 1u << UNWIND_X86_RBP;
#endif
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_LONG);
	assert_int_equal(n, UNWIND_FRAMES_MAX);
	image_close(image);
}

/*
 * CFI by which every function returns to where its stack pointer points, and
 * leaves that as it is: the caller of each frame is the frame itself.
 */
struct __attribute__((packed)) circle {
	Elf64_Ehdr e;
	Elf64_Phdr load, hdr;
	struct __attribute__((packed)) {
		uint8_t version, ptr_enc, count_enc, table_enc;
		int32_t eh_frame;
		uint32_t count;
		int32_t location, fde_at;
	} index;
	struct __attribute__((packed)) {
		uint32_t len, id;
		uint8_t version;
		char augmentation[3];
		uint8_t code_align, data_align, ra, augmentation_len, enc;
		uint8_t program[5 + 6];
	} cie;
	struct __attribute__((packed)) {
		uint32_t len, cie;
		int32_t start;
		uint32_t range;
		uint8_t augmentation_len, pad[7];
	} fde;
	uint32_t end;
};

static struct circle make_circle(void)
{
#define AT(member) offsetof(struct circle, member)
	struct circle c = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				    EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = AT(load),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2 },
		.load = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_filesz = 0x1000,
			  .p_memsz = 0x1000,
			  .p_align = 0x1000 },
		.hdr = { .p_type = PT_GNU_EH_FRAME,
			 .p_offset = AT(index),
			 .p_vaddr = AT(index),
			 .p_filesz = sizeof(c.index),
			 .p_memsz = sizeof(c.index) },
		.index = { 1, 0x1b, 0x03, 0x3b, AT(cie) - AT(index.eh_frame), 1,
			   0x800 - (int)AT(index), AT(fde) - AT(index) },
		.cie = { sizeof(c.cie) - 4,
			 0,
			 1,
			 "zR",
			 1,
			 0x78,
			 16,
			 1,
			 0x1b,
			 /* CFA = rsp + 0, rip at CFA + 0 */
			 { 0x0c, 7, 0, 0x90, 0 } },
		.fde = { sizeof(c.fde) - 4,
			 AT(fde.cie) - AT(cie),
			 0x800 - (int)AT(fde.start),
			 0x800,
			 0,
			 { 0 } },
	};

	return c;
}

static int circle_fd;

static int open_circle(void *arg, const struct proc_mapping *m)
{
	(void)arg, (void)m;
	return dup(circle_fd);
}

static void test_circle_of_cfi(void **state)
{
	static const struct image_callbacks callbacks = { .open_file = open_circle };
	static const char maps[] = "10000-11000 r-xp 00000000 00:00 7 /lib/x\n"
				   "70000000-70100000 rw-p 00000000 00:00 0 [stack]\n";
	struct unwind_regs r = { .pc = 0x10900, .sp = 0x70080000 };
	uint64_t stack[64] = { 0x10900 };
	struct circle c = make_circle();
	struct image *image;
	size_t n;

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	circle_fd = memfd_create("circle", MFD_CLOEXEC);
	assert_int_equal(write(circle_fd, &c, sizeof(c)), sizeof(c));
	assert_int_equal(ftruncate(circle_fd, 0x1000), 0);
	image = open_maps(maps, sizeof(maps) - 1, &callbacks);
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	/* once more is right where the return address was in a register */
	assert_int_equal(n, 2);
	assert_non_null(frames[1].module);
	/* and the CFI is what was used: another return address is followed */
	stack[0] = 0x10a00;
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_int_equal(frames[1].pc, 0x10a00);
	image_close(image);
	close(circle_fd);
}

/* ---- code in no file ---- */

static void test_perf_map(void **state)
{
	static const char maps[] = "10000-20000 r-xp 00000000 00:00 0\n";
	static const char names[] = "10100 80 Main::run\n";
	const uint64_t pcs[] = { 0x10100, 0x10180, 0x10181 };
	struct symbol_table *perf_map;
	struct image *image;
	enum unwind_end end;

	(void)state;
	assert_int_equal(symbols_perf_map(names, sizeof(names) - 1, &perf_map), 0);
	image = open_maps(maps, sizeof(maps) - 1, &by_path);
	image_set_perf_map(image, perf_map);
	assert_int_equal(unwind_pcs(image, pcs, 3, 0, frames, FRAMES, &end), 3);
	assert_string_equal(frames[0].function, "Main::run");
	assert_true(frames[0].jit);
	/* a return address belongs to the call before it */
	assert_string_equal(frames[1].function, "Main::run");
	assert_int_equal(frames[1].function_offset, 0x80);
	assert_null(frames[2].function);
	assert_int_equal(end, UNWIND_BROKEN);
	image_close(image);
	symbols_free(perf_map);
}

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
	if (strstr(m->path, "test_unwind_lies")) {
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
		if (frames[i].module && strstr(frames[i].module->path, "test_unwind_lies"))
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

		if (m->executable && strstr(m->path, "test_unwind_lies"))
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
		cmocka_unit_test(test_wild_registers), cmocka_unit_test(test_extreme_registers),
		cmocka_unit_test(test_no_module),      cmocka_unit_test(test_zeroed_stack),
		cmocka_unit_test(test_random_stack),   cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_endless),	       cmocka_unit_test(test_circle_of_cfi),
		cmocka_unit_test(test_perf_map),       cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_wrong_maps),     cmocka_unit_test(test_swapped_offsets),
		cmocka_unit_test(test_damaged_file),   cmocka_unit_test(test_shrinking_file),
	};

	if (argc == 4 && !strcmp(argv[1], SUBJECT_ARGUMENT))
		return subject_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests(tests, setup, teardown);
}
