/* SPDX-License-Identifier: GPL-2.0 */
/* story_private.h - while a story is read; shared by the story*.c files alone. */
#ifndef FREC_STORY_PRIVATE_H
#define FREC_STORY_PRIVATE_H

#include "story.h"

/* Of a run, a wake and a wait, members that mean threads hold tids until story_finish(). */
#define TID_UNKNOWN UINT32_MAX

/* What is said of a tid: that it began to mean another thread, or what thread it was then. */
struct birth {
	uint64_t ts;
	int32_t tid;
	int32_t pid;	 /* 0: not said; of a new thread -creator: the same as of this thread */
	int32_t creator; /* its tid, 0: not said */
	const char *comm;
	bool is_new;
	bool is_guess; /* a switch says less of a comm than a description */
};

/* One end of a system call. */
struct call_end {
	uint64_t ts;
	int32_t tid;
	int32_t nr;
	bool exit;
	bool interrupted; /* of an exit: by a signal */
	uint64_t args[2];
};

/* A track of a thread, and its slices that are open. */
struct open_track {
	int32_t tid;	  /* 0: no thread's */
	uint32_t wait;	  /* index + 1 of the open one in story.waits, 0: none */
	uint32_t trigger; /* likewise in story.triggers */
	int32_t pid;	  /* 0: not known */
};

/* Who runs on a CPU at this point of its stream. */
struct cpu_cursor {
	uint64_t since; /* 0: from the window's beginning */
	uint32_t tid;
	bool known;
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
	size_t size_runs, size_wakes, size_waits, size_blocked, size_triggers, size_processes,
		size_names, size_ends;
	struct cpu_cursor cursors[TRACE_MAX_CPUS];
	uint64_t first, last; /* oldest and newest time seen on a CPU */
	struct story_index process_index; /* of a pid in story.processes, + 1 */
	uint32_t arch; /* SCMP_ARCH_* of the syscall numbers, 0: not known */
	struct story_index seen; /* tids of the streams */
	uint64_t since, wakes_since; /* of runs and wake-ups from before, little is kept */
	struct story_index former;   /* the last run of a tid before that, + 1 */
};

/* story_text.c: each text and stack is there once. What failed is said by story_text_error(). */
struct story_text *story_text_new(void);
void story_text_free(struct story_text *t);
int story_text_error(const struct story_text *t);
/* A clean copy that lives as long as the story; NULL stays NULL. */
const char *story_keep(struct story *s, const char *text);
const char *story_keep_part(struct story *s, const char *text, size_t n);
/* No byte between the members may be anything but 0. */
const struct story_frame *story_keep_frames(struct story *s, const struct story_frame *frames,
					    size_t n);

/* story_ends.c. -ENOMEM, -E2BIG. */
int story_add_exit(struct story_builder *b, const struct trace_task *t);
/* Is an instant of this name the end of a process? */
bool story_tells_end(const char *name);
int story_add_told_end(struct story_builder *b, const struct trace_slice *slice, int32_t pid);
/* story_read.c. -ENOMEM. */
int story_add_birth(struct story_builder *b, struct birth birth);
int story_add_blocked(struct story_builder *b, const struct story_blocked *e);
/* That of pid, made where it is new; NULL: no memory. */
struct story_process *story_process_of(struct story_builder *b, int32_t pid);
const char *story_base_name(const char *path);
/* story_slices.c: tracks are declared before their slices. -ENOMEM. */
int story_add_track(struct story_builder *b, const struct trace_track *t);
int story_add_slice(struct story_builder *b, const struct trace_slice *slice);
/* story_calls.c: system calls that are no wait yet become one. */
int story_add_calls(struct story_builder *b);
/* story_threads.c: the lives of each tid, and from tids to them. -ENOMEM. */
int story_make_threads(struct story_builder *b);
int story_resolve(struct story *s);
/* story_holds.c: when waits are complete. -ENOMEM. */
int story_make_holds(struct story *s);
/* story.c: for qsort(), by thread and time. */
int story_compare_waits(const void *a, const void *b);
/* story.c: sorted and cut into parts. -ENOMEM. */
int story_finish(struct story_builder *b);

/*
 * Room for one more in *list, which has n of *size elements; -ENOMEM, or -E2BIG beyond 2^31.
 */
int story_grow(void *list, size_t n, size_t *size, size_t element);

#endif
