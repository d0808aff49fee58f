/* SPDX-License-Identifier: GPL-2.0 */
/* worker_processes.h - the user frames of recorded processes' stacks. */
#ifndef FREC_WORKER_PROCESSES_H
#define FREC_WORKER_PROCESSES_H

#include "worker_internal.h"

struct processes;

enum processes_end {
	PROCESSES_COMPLETE,
	PROCESSES_CUT,
	PROCESSES_BROKEN,
	PROCESSES_GONE, /* what it had mapped is not known */
	PROCESSES_LATE, /* deadline */
};

/* 0 or -ENOMEM. */
int processes_open(struct worker *w, struct processes **ret);
void processes_close(struct processes *p);
/* Gives back all but what frames and names point to. */
void processes_forget(struct processes *p);

/*
 * The user frames of a stack that process tgid had at that time, innermost
 * first, from the copy of its memory and from frame pointers, whichever leads
 * further (either may be NULL). What the frames point to lives as long as p.
 * deadline: MONOTONIC ns; what is unwound later has no names. Returns their number. Ask by
 * process: of those that were asked for long ago files are read again.
 */
size_t processes_unwind(struct processes *p, uint32_t tgid, uint64_t when,
			const struct ev_dump *dump, const struct ev_frames *pcs, uint64_t deadline,
			struct trace_frame *frames, size_t max, enum processes_end *ret_end);

/* "name" or "name+0x40" of the variable at that address, as long as p; NULL: not known. */
const char *processes_variable(struct processes *p, uint32_t tgid, uint64_t when, uint64_t address,
			       uint64_t deadline);

/* The one copy of these bytes, as long as p; NULL without memory. */
const void *processes_keep(struct processes *p, const void *bytes, size_t len);
/* See image_files_lines(). */
void processes_lines(struct processes *p, uint64_t until, bool unpack);

#endif
