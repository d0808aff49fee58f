/* SPDX-License-Identifier: GPL-2.0 */
/* Stacks of a real process, down to main and the thread's start. */
#include <sys/mman.h>

#include "unwind_subject.h"

struct fixture {
	struct subject *subject;
	struct image *image;
	struct image_frame frames[FRAMES];
	size_t n;
	enum unwind_end end;
};

static struct fixture fx;

static void start(const char *where, int depth, const struct image_callbacks *callbacks)
{
	opened = debug_wanted = 0;
	fx.subject = subject_start(where, depth);
	if (!fx.subject)
		skip();
	assert_int_equal(image_open(fx.subject->maps, fx.subject->maps_len, callbacks, &fx.image),
			 0);
}

static void unwind(size_t len)
{
	fx.n = unwind_dwarf(fx.image, &fx.subject->regs, fx.subject->stack, len, 0, fx.frames,
			    FRAMES, &fx.end);
}

static int finish(void **state)
{
	(void)state;
	image_close(fx.image);
	subject_stop(fx.subject);
	fx = (struct fixture){ 0 };
	return 0;
}

/* The chain from the mutex to the outermost function of ours. */
static void check_chain(const char *outermost)
{
	int lock = find(fx.frames, fx.n, "pthread_mutex_lock");
	int guess = find(fx.frames, fx.n, "handle_guess");
	int play = find(fx.frames, fx.n, "play_round");
	int outer = find(fx.frames, fx.n, outermost);

	if (lock < 0 || guess < 0 || play < 0 || outer < 0)
		print_frames(fx.frames, fx.n, fx.end);
	assert_true(lock >= 0);
	assert_true(guess > lock && play > guess && outer > play);
	assert_true(fx.frames[guess].module != NULL);
	assert_true(fx.frames[lock].module != fx.frames[guess].module);
}

static void test_main_thread(void **state)
{
	(void)state;
	start("main", 3, &by_path);
	unwind(fx.subject->len);
	check_chain("main");
	assert_int_equal(fx.end, UNWIND_COMPLETE);
	assert_string_equal(fx.frames[fx.n - 1].function, "_start");
}

static void test_thread(void **state)
{
	(void)state;
	start("thread", 3, &by_path);
	unwind(fx.subject->len);
	check_chain("subject_thread");
	assert_int_equal(fx.end, UNWIND_COMPLETE);
	assert_true(image_maps(fx.image)->n > 10);
}

static void test_signal_frame(void **state)
{
	int handler;

	(void)state;
	start("signal", 0, &by_path);
	unwind(fx.subject->len);
	check_chain("main");
	handler = find(fx.frames, fx.n, "on_signal");
	assert_true(handler > 0);
	assert_true(find(fx.frames, fx.n, "raise") > handler ||
		    find(fx.frames, fx.n, "gsignal") > handler);
	assert_int_equal(fx.end, UNWIND_COMPLETE);
}

/* What it interrupted is on a stack that was not copied: where it was is known, who called that not. */
static void test_signal_stack(void **state)
{
	(void)state;
	start("signal-stack", 0, &by_path);
	unwind(fx.subject->len);
	assert_true(find(fx.frames, fx.n, "on_signal") > 0);
	assert_true(find(fx.frames, fx.n, "main") < 0);
	assert_true(fx.n > (size_t)find(fx.frames, fx.n, "on_signal") + 2);
	assert_int_equal(fx.end, UNWIND_CUT);
}

static void test_recursion_is_no_loop(void **state)
{
	int count = 0;

	(void)state;
	start("main", 100, &by_path);
	unwind(fx.subject->len);
	for (size_t i = 0; i < fx.n; i++)
		count += fx.frames[i].function && !fx.frames[i].inlined &&
			 !strcmp(fx.frames[i].function, "handle_guess");
	assert_int_equal(count, 101);
	assert_int_equal(fx.end, UNWIND_COMPLETE);
}

/* What was inlined is there, with the lines of both functions. */
static void test_inlined(void **state)
{
	int turn, guess;

	(void)state;
	start("main", 0, &by_path);
	unwind(fx.subject->len);
	turn = find(fx.frames, fx.n, "take_turn");
	guess = find(fx.frames, fx.n, "handle_guess");
	assert_true(turn > 0);
	assert_int_equal(guess, turn + 1);
	assert_true(fx.frames[turn].inlined && !fx.frames[guess].inlined);
	assert_int_equal(fx.frames[turn].pc, fx.frames[guess].pc);
	assert_non_null(strstr(fx.frames[turn].file, "unwind_subject.h"));
	assert_int_equal(fx.frames[turn].line, TAKE_TURN_LINE);
	assert_true(fx.frames[guess].line > TAKE_TURN_LINE &&
		    fx.frames[guess].line < TAKE_TURN_LINE + 14);
	assert_true(fx.frames[guess].function_offset > 0);
}

/* What Perfetto computes from Mapping and Frame is the place in the file. */
static void test_places(void **state)
{
	(void)state;
	start("main", 0, &by_path);
	unwind(fx.subject->len);
	for (size_t i = 0; i < fx.n; i++) {
		const struct image_frame *f = &fx.frames[i];
		uint64_t address = f->pc - (i > 0);

		assert_non_null(f->mapping);
		assert_non_null(f->module);
		assert_true(f->mapping->start <= address && address < f->mapping->end);
		assert_int_equal(f->rel_pc,
				 address - f->mapping->start + f->mapping->offset + f->load_bias);
		assert_int_equal(f->rel_pc, address - f->module->bias);
		assert_true(f->module->build_id_len > 0);
	}
}

/* Files that no address fell into stay closed; one call for each of the others. */
static void test_lazy(void **state)
{
	(void)state;
	start("main", 0, &by_path);
	assert_int_equal(opened, 0);
	unwind(fx.subject->len);
	assert_int_equal(opened, image_counters(fx.image)->modules);
	assert_int_equal(opened, 2); /* program and C library */
	unwind(fx.subject->len);
	assert_int_equal(opened, 2);
	assert_int_equal(image_counters(fx.image)->refused, 0);
}

static void test_debug_file(void **state)
{
	static const struct image_callbacks with_debug = { .open_file = open_path,
							   .open_debug = open_build_id };
	int lock;

	(void)state;
	start("main", 0, &with_debug);
	unwind(fx.subject->len);
	check_chain("main");
	assert_true(debug_wanted > 0);
	if (!image_counters(fx.image)->debug_files)
		skip();
	lock = find(fx.frames, fx.n, "pthread_mutex_lock");
	assert_non_null(fx.frames[lock].file);
	assert_non_null(strstr(fx.frames[lock].file, "pthread_mutex_lock.c"));
}

/* A debug file of another build is not believed. */
static int wrong_debug(void *arg, const uint8_t *id, size_t len)
{
	(void)arg, (void)id, (void)len;
	debug_wanted++;
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static void test_wrong_debug_file(void **state)
{
	static const struct image_callbacks wrong = { .open_file = open_path,
						      .open_debug = wrong_debug };

	(void)state;
	start("main", 0, &wrong);
	unwind(fx.subject->len);
	check_chain("main");
	assert_true(debug_wanted > 0);
	assert_int_equal(image_counters(fx.image)->debug_files, 0);
}

/* Whatever is cut off, the frames that are left are right, and it says so. */
static void test_cut(void **state)
{
	struct image_frame whole[FRAMES];
	size_t n, cut = 0;

	(void)state;
	start("thread", 5, &by_path);
	unwind(fx.subject->len);
	memcpy(whole, fx.frames, sizeof(whole));
	n = fx.n;
	for (size_t len = 0; len < fx.subject->len; len += 8) {
		unwind(len);
		assert_true(fx.n > 0 && fx.n <= n);
		for (size_t i = 0; i < fx.n; i++)
			assert_true(fx.frames[i].pc == whole[i].pc &&
				    fx.frames[i].function == whole[i].function);
		assert_int_equal(fx.end, fx.n < n ? UNWIND_CUT : UNWIND_COMPLETE);
		cut += fx.end == UNWIND_CUT;
	}
	assert_true(cut > 10);
}

/* Return addresses alone give the same names. */
static void test_pcs(void **state)
{
	struct image_frame frames[FRAMES];
	uint64_t pcs[FRAMES];
	size_t n_pcs = 0, n;
	enum unwind_end end;

	(void)state;
	start("thread", 2, &by_path);
	unwind(fx.subject->len);
	for (size_t i = 0; i < fx.n; i++) {
		if (!fx.frames[i].inlined)
			pcs[n_pcs++] = fx.frames[i].pc;
	}
	n = unwind_pcs(fx.image, pcs, n_pcs, 0, frames, FRAMES, &end);
	assert_int_equal(n, fx.n);
	assert_int_equal(end, UNWIND_COMPLETE);
	for (size_t i = 0; i < n; i++)
		assert_true(frames[i].function == fx.frames[i].function);
	/* without clone3() and start_thread() */
	n = unwind_pcs(fx.image, pcs, n_pcs - 2, 0, frames, FRAMES, &end);
	assert_int_equal(n, fx.n - 2);
	assert_int_equal(end, UNWIND_BROKEN);
	n = unwind_pcs(fx.image, pcs, n_pcs, 0, frames, 2, &end);
	assert_int_equal(n, 2);
	assert_int_equal(end, UNWIND_LONG);
	assert_int_equal(unwind_pcs(fx.image, pcs, 0, 0, frames, FRAMES, &end), 0);
	/* what the kernel took for frames beyond: no code, code, its own stack, nothing */
	pcs[n_pcs] = 1;
	pcs[n_pcs + 1] = pcs[2];
	pcs[n_pcs + 2] = fx.subject->regs.sp;
	pcs[n_pcs + 3] = 0;
	n = unwind_pcs(fx.image, pcs, n_pcs + 4, 0, frames, FRAMES, &end);
	assert_int_equal(n, fx.n);
	assert_int_equal(end, UNWIND_COMPLETE);
	n = unwind_pcs(fx.image, pcs + n_pcs - 4, 8, 0, frames, FRAMES, &end);
	assert_int_equal(n, 4);
	pcs[n_pcs - 2] = pcs[n_pcs - 1] = 1;
	n = unwind_pcs(fx.image, pcs, n_pcs + 1, 0, frames, FRAMES, &end);
	assert_int_equal(n, fx.n - 2);
	assert_int_equal(end, UNWIND_BROKEN);
}

/* The maps name all files, and none is there. */
static int open_nothing(void *arg, const struct proc_mapping *m)
{
	(void)arg, (void)m;
	opened++;
	return -ENOENT;
}

static void test_no_files(void **state)
{
	static const struct image_callbacks nothing = { .open_file = open_nothing };

	(void)state;
	start("main", 0, &nothing);
	unwind(fx.subject->len);
	assert_true(fx.n >= 1);
	assert_int_not_equal(fx.end, UNWIND_COMPLETE);
	assert_null(fx.frames[0].module);
	assert_null(fx.frames[0].function);
	assert_non_null(fx.frames[0].mapping);
	assert_int_equal(fx.frames[0].rel_pc, fx.frames[0].pc - fx.frames[0].mapping->start +
						      fx.frames[0].mapping->offset);
	/* a file that is not there is not asked for again */
	opened = 0;
	for (int i = 1; i < 10; i++)
		image_frames(fx.image, fx.frames[0].pc + i, true, 0, fx.frames + 1);
	assert_int_equal(opened, 0);
	assert_true(image_counters(fx.image)->refused > 0);
}

static void test_deadline(void **state)
{
	(void)state;
	start("main", 0, &by_path);
	fx.n = unwind_dwarf(fx.image, &fx.subject->regs, fx.subject->stack, fx.subject->len, 1,
			    fx.frames, FRAMES, &fx.end);
	assert_int_equal(fx.end, UNWIND_LATE);
	assert_int_equal(fx.n, 1);
	assert_null(fx.frames[0].function);
	assert_int_equal(opened, 0);
	assert_true(image_counters(fx.image)->late > 0);
	/* and what was late then is looked up now */
	unwind(fx.subject->len);
	check_chain("main");
}

/* Names outlive images and tables; what one image has read, another knows without a look. */
static void test_shared_files(void **state)
{
	struct image_callbacks shared = by_path;
	struct image_frame frames[FRAMES];
	const struct image_frame *of;
	uint64_t pcs[FRAMES];
	enum unwind_end end;
	struct image *late;
	size_t main_at = 0, n = 0;

	(void)state;
	shared.files = image_files_new();
	assert_non_null(shared.files);
	start("main", 0, &shared);
	unwind(fx.subject->len);
	check_chain("main");
	of = &fx.frames[find(fx.frames, fx.n, "main")];
	for (size_t i = 0; i < fx.n; i++) {
		if (&fx.frames[i] == of)
			main_at = n;
		if (!fx.frames[i].inlined)
			pcs[n++] = fx.frames[i].pc;
	}
	opened = 0;
	assert_int_equal(image_open(fx.subject->maps, fx.subject->maps_len, &shared, &late), 0);
	assert_int_equal(unwind_pcs(late, pcs, n, 1, frames, FRAMES, &end), n);
	assert_int_equal(end, UNWIND_LATE);
	assert_int_equal(opened, 0);
	assert_null(frames[main_at].function);
	assert_true(frames[main_at].rel_pc == of->rel_pc);
	assert_int_equal(frames[main_at].build_id_len, of->module->build_id_len);
	n = unwind_pcs(late, pcs, n, 0, frames, FRAMES, &end);
	assert_int_equal(n, fx.n);
	main_at = find(frames, n, "main");
	assert_true(frames[main_at].function == of->function); /* a text once */
	image_close(late);
	image_close(fx.image);
	fx.image = NULL;
	image_files_forget(shared.files);
	assert_string_equal(frames[main_at].function, "main");
	image_files_free(shared.files);
}

static void test_time(void **state)
{
	uint64_t t[3];

	(void)state;
	start("thread", 10, &by_path);
	t[0] = now();
	unwind(fx.subject->len);
	t[1] = now();
	for (int i = 0; i < 100; i++)
		unwind(fx.subject->len);
	t[2] = now();
	printf("[   INFO   ] %zu frames: first %.1f ms, later %.1f us\n", fx.n,
	       (double)(t[1] - t[0]) / 1e6, (double)(t[2] - t[1]) / 1e5);
	assert_int_equal(fx.end, UNWIND_COMPLETE);
}

/* ---- odd files ---- */

static int open_memory(void *file, const struct proc_mapping *m)
{
	char path[64];

	(void)m;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *(int *)file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Two segments have a page of the file in common; the code's lies a page further in memory. */
static void test_shared_page(void **state)
{
	static const char maps[] = "10000-12000 r--p 00000000 00:00 7 /lib/x\n"
				   "12000-14000 r-xp 00001000 00:00 7 /lib/x\n";
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[2];
	} file = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				    EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2 },
		.p = { { .p_type = PT_LOAD,
			 .p_flags = PF_R,
			 .p_filesz = 0x1234,
			 .p_memsz = 0x1234,
			 .p_align = 0x1000 },
		       { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_offset = 0x1234,
			 .p_vaddr = 0x2234,
			 .p_filesz = 0x1000,
			 .p_memsz = 0x1000,
			 .p_align = 0x1000 } },
	};
	int fd = memfd_create("x", MFD_CLOEXEC);
	const struct image_callbacks callbacks = { .open_file = open_memory, .arg = &fd };
	struct image_frame frames[IMAGE_INLINES_MAX];
	struct image *image;

	(void)state;
	assert_int_equal(write(fd, &file, sizeof(file)), sizeof(file));
	assert_int_equal(ftruncate(fd, 0x2234), 0);
	assert_int_equal(image_open(maps, sizeof(maps) - 1, &callbacks, &image), 0);
	assert_int_equal(image_frames(image, 0x12300, true, 0, frames), 1);
	assert_non_null(frames[0].module);
	assert_int_equal(frames[0].module->bias, 0x10000);
	assert_int_equal(frames[0].rel_pc, 0x2300);
	assert_int_equal(frames[0].load_bias, 0x1000);
	image_close(image);
	close(fd);
}

/* ---- the vDSO is ours ---- */

static void test_vdso(void **state)
{
	struct image_frame frames[IMAGE_INLINES_MAX];
	size_t len, n;
	char *maps = slurp("/proc/self/maps", &len), *line;
	unsigned long start_of;
	struct image *image;

	(void)state;
	maps[len - 1] = '\0';
	line = strstr(maps, "[vdso]");
	if (!line)
		skip();
	while (line > maps && line[-1] != '\n')
		line--;
	assert_int_equal(sscanf(line, "%lx", &start_of), 1);
	maps[len - 1] = '\n';
	assert_int_equal(image_open(maps, len, &by_path, &image), 0);
	for (unsigned long at = start_of; at < start_of + 4096; at += 16) {
		n = image_frames(image, at, true, 0, frames);
		assert_int_equal(n, 1);
		if (frames[0].function && !strcmp(frames[0].function, "clock_gettime"))
			break;
	}
	assert_non_null(frames[0].module);
	assert_string_equal(frames[0].module->path, "[vdso]");
	assert_non_null(frames[0].function);
	image_close(image);
	free(maps);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_main_thread, finish),
		cmocka_unit_test_teardown(test_thread, finish),
		cmocka_unit_test_teardown(test_signal_stack, finish),
		cmocka_unit_test_teardown(test_signal_frame, finish),
		cmocka_unit_test_teardown(test_recursion_is_no_loop, finish),
		cmocka_unit_test_teardown(test_inlined, finish),
		cmocka_unit_test_teardown(test_places, finish),
		cmocka_unit_test_teardown(test_lazy, finish),
		cmocka_unit_test_teardown(test_debug_file, finish),
		cmocka_unit_test_teardown(test_wrong_debug_file, finish),
		cmocka_unit_test_teardown(test_cut, finish),
		cmocka_unit_test_teardown(test_pcs, finish),
		cmocka_unit_test_teardown(test_no_files, finish),
		cmocka_unit_test_teardown(test_deadline, finish),
		cmocka_unit_test_teardown(test_shared_files, finish),
		cmocka_unit_test_teardown(test_time, finish),
		cmocka_unit_test(test_shared_page),
		cmocka_unit_test(test_vdso),
	};

	if (argc == 4 && !strcmp(argv[1], SUBJECT_ARGUMENT))
		return subject_main(argv[2], atoi(argv[3]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
