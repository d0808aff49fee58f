/* SPDX-License-Identifier: GPL-2.0 */
/* story_private.h - while a story is read; shared by the story*.c files alone. */
#ifndef FREC_STORY_PRIVATE_H
#define FREC_STORY_PRIVATE_H

#include <obstack.h>
#include <stdlib.h>

#include "story.h"

/* Of a run, a wake and a wait, members that mean threads hold tids until story_finish(). */
#define TID_UNKNOWN UINT32_MAX

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

/* A tid, when it began to mean this thread, and what is said of it; of one tid several. */
struct birth {
	uint64_t ts; /* 0: before the window */
	int32_t tid, pid;
	const char *comm;
};

/* One end of a system call. */
struct call_end {
	uint64_t ts;
	int32_t tid;
	int32_t nr;
	bool exit;
	uint64_t args[2];
};

/* A track of a thread, and its slices that are open. */
struct open_track {
	int32_t tid;	  /* 0: no thread's */
	uint32_t wait;	  /* index + 1 of the open one in story.waits, 0: none */
	uint32_t trigger; /* likewise in story.triggers */
};

/* Who runs on a CPU at this point of its stream. */
struct cpu_cursor {
	uint64_t since; /* 0: nothing was read yet */
	uint32_t tid;
};

/* From a number to another, open hashing; zeroed it is empty. */
struct story_index {
	struct {
		uint64_t key;
		uint32_t value;
		bool used;
	} *places;
	size_t n, size; /* a power of two */
};

/* Where the value of key is, or with add where it is now, 0 at first. NULL: not there, no memory. */
uint32_t *story_index_at(struct story_index *x, uint64_t key, bool add);

struct story_builder {
	struct story *s;
	struct birth *births;
	size_t n_births, size_births;
	struct call_end *calls;
	size_t n_calls, size_calls;
	struct open_track *tracks;
	size_t n_tracks, size_tracks;
	struct story_index track_index; /* of the last one declared with that uuid, + 1 */
	size_t size_runs, size_wakes, size_waits, size_blocked, size_triggers, size_processes;
	struct cpu_cursor cursors[TRACE_MAX_CPUS];
	uint64_t last; /* newest time seen */
	uint32_t arch; /* SCMP_ARCH_* of the syscall numbers, 0: not known */
	struct story_index seen; /* tids of the streams */
};

/* story_calls.c: system calls that are no wait yet become one. */
int story_add_calls(struct story_builder *b);
/* story.c: from tids to threads, sorted and cut into parts. -ENOMEM. */
int story_finish(struct story_builder *b);

/*
 * Room for one more in *list, which has n of *size elements; -ENOMEM, or -E2BIG beyond 2^31.
 */
int story_grow(void *list, size_t n, size_t *size, size_t element);
/* A copy that lives as long as the story; NULL stays NULL. */
const char *story_keep(struct story *s, const char *text);

#endif
