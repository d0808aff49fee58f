/* SPDX-License-Identifier: GPL-2.0 */
/* Registers and stacks that lie, and CFI that leads in circles. */
#include "unwind_lies.h"

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
	uint8_t stack[STACK_BYTES] = { 0 };
	size_t n;

	(void)state;
	r.pc = 0x1000;
	r.valid = 0;
	assert_int_equal(unwind(image, &r, stack, sizeof(stack), &n), UNWIND_BROKEN);
	assert_int_equal(n, 1);
	assert_null(frames[0].mapping);
	assert_null(frames[0].function);
	assert_int_equal(frames[0].rel_pc, 0);
	assert_int_equal(unwind(image, &r, stack, 7, &n), UNWIND_BROKEN);
	assert_int_equal(n, 1);
#ifdef __x86_64__
	/* with code on top of the stack: from there it was called */
	unwind(image, &r, subject->stack, subject->len, &n);
	assert_true(n >= 1 && frames[0].mapping);
#endif
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wild_registers), cmocka_unit_test(test_extreme_registers),
		cmocka_unit_test(test_no_module),      cmocka_unit_test(test_zeroed_stack),
		cmocka_unit_test(test_random_stack),   cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_endless),	       cmocka_unit_test(test_circle_of_cfi),
		cmocka_unit_test(test_perf_map),
	};

	if (argc == 4 && !strcmp(argv[1], SUBJECT_ARGUMENT))
		return subject_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests(tests, setup, teardown);
}
