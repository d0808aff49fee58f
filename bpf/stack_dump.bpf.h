/* SPDX-License-Identifier: GPL-2.0 */
/* stack_dump.bpf.h - copying the memory of a stack. */
#ifndef FREC_STACK_DUMP_BPF_H
#define FREC_STACK_DUMP_BPF_H

#include "stack.bpf.h"

struct dump_walk {
	struct dump_room *room;
	u64 sp;
	u32 want;
	u32 len;
};

/* Bytes to copy next: a copy is all or nothing, and the next page may not be there. 0: that is all. */
static __always_inline u64 dump_span(const struct dump_walk *w)
{
	u64 at = w->len, n; /* 64 bits: 6.1 does not carry bounds over from 32 */

	if (at >= w->want)
		return 0;
	n = 4096 - ((w->sp + at) & 4095);
	if (n > w->want - at)
		n = w->want - at;
	barrier_var(n);
	return n;
}

#endif
