/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Any bytes as the parts of a snapshot that recorded processes wrote: the
 * texts of names, or an ELF file (the vDSO with damage, or from scratch) with
 * registers and a stack that lead into it.
 */
#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/demangle.h"
#include "../../daemon/unwind.h"

#define BASE 0x10000u /* where the file is mapped */
#define STACK 0x70000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libdw leaks a little when it gives up on a DWARF expression that makes no sense */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static int elf = -1;
static size_t sum;

static int open_file(void *arg, const struct proc_mapping *mapping)
{
	char path[64];

	(void)arg, (void)mapping;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", elf);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_debug(void *arg, const uint8_t *build_id, size_t len)
{
	sum += len ? build_id[len - 1] : 0;
	return open_file(arg, NULL);
}

static const struct image_callbacks callbacks = { .open_file = open_file,
						  .open_debug = open_debug };

static void touch(const struct image_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += frames[i].function ? strlen(frames[i].function) : 0;
		sum += frames[i].file ? strlen(frames[i].file) : 0;
		sum += frames[i].module ? frames[i].module->build_id_len : 0;
	}
}

static void texts(const char *text, size_t len)
{
	struct symbol_table *t = NULL;
	struct arena strings = { 0 };
	struct proc_maps maps;
	char *name = strndup(text, len);
	static const uint64_t wanted[] = { 0x1000, 0xffffffff81000000, 0xffffffff81000010 };

	if (!proc_maps_parse(text, len, &maps)) {
		for (size_t i = 1; i < maps.n; i++)
			assert(maps.list[i - 1].end <= maps.list[i].start);
		proc_maps_free(&maps);
	}
	if (!symbols_perf_map(text, len, &t)) {
		sum += symbols_find(t, 0x1000) != NULL;
		symbols_free(t);
	}
	if (!kernel_symbols(text, len, wanted, 3, &t)) {
		sum += symbols_find(t, 0xffffffff81000000) != NULL;
		symbols_free(t);
	}
	if (name)
		sum += strlen(demangle(&strings, name));
	arena_free(&strings);
	free(name);
}

/* Patches: how many, then places and bytes. Returns what is left of the data. */
static size_t damage(char *copy, size_t len, const uint8_t *data, size_t size)
{
	size_t n = size ? data[0] % 64 : 0, at = 1;

	for (; n > 0 && at + 3 <= size; n--, at += 3)
		copy[(data[at] | data[at + 1] << 8) % len] = data[at + 2];
	return at < size ? at : size;
}

/* Returns the bytes used of data. */
static size_t make_elf(const uint8_t *data, size_t size, bool scratch)
{
	const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	size_t len, used = size / 2;
	char *copy;

	elf = memfd_create("elf", MFD_CLOEXEC);
	assert(elf >= 0);
	if (scratch || !vdso) {
		assert(write(elf, data, used) == (ssize_t)used);
		return used;
	}
	len = vdso->e_shoff + (size_t)vdso->e_shnum * vdso->e_shentsize;
	copy = malloc(len);
	assert(copy);
	memcpy(copy, vdso, len);
	used = damage(copy, len, data, size);
	assert(write(elf, copy, len) == (ssize_t)len);
	free(copy);
	return used;
}

static void stacks(const uint8_t *data, size_t size, bool scratch)
{
	static const char maps[] = "10000-14000 r-xp 00000000 00:00 7 /lib/x\n"
				   "20000-24000 r-xp 00001000 00:00 7 /lib/x\n"
				   "70000000-70010000 rw-p 00000000 00:00 0 [stack]\n";
	struct unwind_regs regs = { .sp = STACK, .valid = UINT32_MAX };
	struct image_frame frames[64];
	uint16_t places[UNWIND_REGS] = { 0 };
	const char *variable;
	struct image *image;
	enum unwind_end end;
	uint64_t offset;
	size_t used = make_elf(data, size, scratch), n;

	data += used;
	size -= used;
	used = size < sizeof(places) ? size : sizeof(places);
	memcpy(places, data, used);
	for (int i = 0; i < UNWIND_REGS; i++)
		regs.reg[i] = places[i] & 1 ? BASE + places[i] : STACK + places[i];
	regs.pc = BASE + places[0] % 0x4000;
	assert(!image_open(maps, sizeof(maps) - 1, &callbacks, &image));
	n = unwind_dwarf(image, &regs, data + used, size - used, 0, frames, 64, &end);
	assert(n >= 1 && n <= 64 && end <= UNWIND_LATE);
	touch(frames, n);
	n = unwind_pcs(image, regs.reg, UNWIND_REGS, 0, frames, 64, &end);
	touch(frames, n);
	variable = image_variable(image, BASE + places[1], 0, &offset);
	sum += variable ? strlen(variable) : 0;
	image_close(image);
	close(elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] % 4 == 0)
		texts((const char *)data + 1, size - 1);
	else
		stacks(data + 1, size - 1, data[0] % 4 == 1);
	return 0;
}
