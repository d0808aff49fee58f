/* SPDX-License-Identifier: GPL-2.0 */
/*
 * span_find.h - where the spans of a program begin and end: reads its ELF file, which may be hostile.
 *
 * A process of its own, without privileges, started by the daemon (span_child.c) from the same binary.
 */
#ifndef FREC_SPAN_FIND_H
#define FREC_SPAN_FIND_H

#include <stdint.h>

#include "../bpf/record.h"
#include "recorder.h"

#define SPAN_FIND_ARGV0 "frecd-finder" /* then what is looked for: span, begin, end; empty: none */

enum span_find_fd { SPAN_FIND_FILE = 3, SPAN_FIND_RESULT = 4 };

#define SPAN_SITES_MAX 128u

/* Numbers are of one run of one binary. */
enum span_flaw {
	SPAN_FOUND,
	SPAN_NO_ELF,	   /* or of another machine */
	SPAN_NO_SPAN,
	SPAN_NO_BEGIN,
	SPAN_NO_END,
	SPAN_MANY,	   /* more places than SPAN_SITES_MAX */
	SPAN_GO,	   /* no return can be probed: its stacks move … */
	SPAN_EXCEPTIONS,   /* … exceptions unwind them … */
	SPAN_SHADOW_STACK, /* … or they are compared */
	SPAN_FLAWS
};

struct span_site {
	uint64_t offset; /* in the file */
	uint32_t what;	 /* enum span_what */
	uint32_t pad;
	char name[SPAN_NAME_MAX];
};

struct span_found {
	uint32_t flaw; /* enum span_flaw */
	uint32_t n;
	struct span_site sites[SPAN_SITES_MAX];
};

/* Looks in the ELF file behind fd. begin or end empty: none; span empty: not those of frec.h. */
void span_find(int fd, const char *span, const char *begin, const char *end,
	       struct span_found *ret);

/* main() of the finder; returns its exit status. */
int span_find_main(int argc, char **argv);

#endif
