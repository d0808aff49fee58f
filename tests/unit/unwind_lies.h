/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unwind_lies.h - inputs that lie, for the tests that tell such lies. Nothing may crash, all must
 * end, and no lie may be called complete where it cannot be.
 */
#ifndef UNWIND_LIES_H
#define UNWIND_LIES_H

#include <sys/mman.h>

#include "unwind_subject.h"

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

static inline struct image *open_subject(void)
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

#endif
