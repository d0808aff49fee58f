/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unwind.h - stacks from registers and a copy of the stack, or from return
 * addresses that the kernel collected along frame pointers.
 *
 * The first stack of a process costs tens of milliseconds (its files are
 * opened), later ones about a microsecond a frame: keep the image.
 */
#ifndef FREC_UNWIND_H
#define FREC_UNWIND_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"

#define UNWIND_FRAMES_MAX 512 /* machine frames of one stack */
#define UNWIND_REGS 32

/* DWARF numbers of what is known in a thread that sleeps or comes out of a syscall. */
enum {
	UNWIND_X86_RBX = 3,
	UNWIND_X86_RBP = 6,
	UNWIND_X86_R12 = 12,   /* to R15 = 15 */
	UNWIND_ARM64_X19 = 19, /* to X28 = 28 */
	UNWIND_ARM64_FP = 29,
	UNWIND_ARM64_LR = 30,
};

struct unwind_regs {
	uint64_t pc, sp;	   /* rip and rsp; always known */
	uint64_t reg[UNWIND_REGS]; /* by DWARF number */
	uint32_t valid;		   /* bit i: reg[i] is known */
};

/* How a stack ended: exactly one of them. */
enum unwind_end {
	UNWIND_COMPLETE, /* at the start of the thread, which is the last frame */
	UNWIND_CUT,	 /* the rest lies beyond the bytes that were copied */
	UNWIND_BROKEN,	 /* no CFI, no progress, an address that is no code, a wild pointer */
	UNWIND_LONG,	 /* more than UNWIND_FRAMES_MAX, or than the caller has room for */
	UNWIND_LATE,	 /* deadline */
};

/*
 * The stack of a thread, innermost frame first. stack: the len bytes from
 * regs->sp upwards; nothing else is read but files of the image. deadline:
 * CLOCK_MONOTONIC ns (0: none), looked at between frames; after it frames have
 * no names either. Frames that were found stand also where the end is not
 * UNWIND_COMPLETE. Returns their number, at least 1 if max > 0.
 */
size_t unwind_dwarf(struct image *image, const struct unwind_regs *regs, const void *stack,
		    size_t len, uint64_t deadline, struct image_frame *frames, size_t max,
		    enum unwind_end *ret_end);

/*
 * The same from addresses, innermost first: pcs[0] is where the thread was,
 * the others are return addresses. The end is UNWIND_COMPLETE, _LONG, _LATE, or
 * _BROKEN if the last one is not where a thread starts.
 */
size_t unwind_pcs(struct image *image, const uint64_t *pcs, size_t n, uint64_t deadline,
		  struct image_frame *frames, size_t max, enum unwind_end *ret_end);

#endif
