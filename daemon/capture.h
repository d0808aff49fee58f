/* SPDX-License-Identifier: GPL-2.0 */
/*
 * capture.h - the one copy of the window that a snapshot is made of.
 *
 * The daemon fills a memfd in one go (recording goes on meanwhile) and hands
 * it to the worker. The layout is private to one build: both are one binary.
 * The worker still checks every offset: the daemon may be dead by then, the
 * records come from everybody's processes.
 */
#ifndef FREC_CAPTURE_H
#define FREC_CAPTURE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledger.h"
#include "policy.h"
#include "recorder.h"
#include "window.h"

#define CAPTURE_MAGIC 0x3170616363657266ull /* "freccap1" */
#define CAPTURE_CPUS_MAX 1024u

struct capture_span {
	uint64_t offset;
	uint64_t len;
};

/* One CPU's slots: positions [begin, end), those before `good` were overtaken while being copied. */
struct capture_cpu {
	uint32_t cpu;
	uint32_t pad;
	uint64_t begin, end, good;
	uint64_t held_since; /* from here on the CPU's window held everything */
	uint64_t lost;	     /* ever */
	struct ledger_mark first, last; /* within the window, and at its end; pos LEDGER_NO_MARK: none */
	struct capture_span slots;
};

struct capture_clocks {
	uint64_t monotonic, boottime, realtime;
};

/* From this MONOTONIC time on BOOTTIME was so far ahead of it; a suspend makes a new one. */
struct capture_offset {
	uint64_t since;
	uint64_t offset;
};
#define CAPTURE_OFFSETS_MAX 16u

/* From then on (MONOTONIC) so much was left out: recording took this share of all CPUs. */
struct capture_step {
	uint64_t at;
	uint32_t level; /* enum governor_level */
	uint32_t pad;
	double share;
};
#define CAPTURE_STEPS_MAX 16u

struct capture_header {
	uint64_t magic;
	uint64_t size; /* of the whole capture */
	struct capture_clocks clocks;
	uint64_t from;	     /* nothing older than this is wanted */
	uint64_t held_since; /* what all CPUs and the evidence cover */
	uint64_t evidence_since;
	uint64_t lost;	     /* ever, of all kinds */
	uint64_t refused, refused_stacks, refused_distinct, excluded_stacks;
	uint32_t focus_pid;  /* --pid; 0: none */
	uint32_t only;	     /* --only */
	uint32_t syscalls;   /* enum syscall_mode */
	uint32_t n_cpus;
	uint64_t slow_ns;
	uint64_t stacks_ns;
	uint64_t n_merged;
	uint32_t n_hits;
	uint32_t n_offsets;
	uint32_t anonymous;  /* focus_pid alone, all others are "other" */
	uint32_t n_steps;
	uint32_t redact; /* command lines and paths are left out */
	uint32_t pad;
	struct capture_offset offsets[CAPTURE_OFFSETS_MAX]; /* oldest first */
	struct capture_step steps[CAPTURE_STEPS_MAX]; /* likewise */
	struct policy_hit hits[POLICY_HITS_MAX];
	struct ledger_gaps gaps; /* as the daemon saw them last */
	uint64_t missed;	 /* recursion_misses of all programs */
	struct evidence_count counts[EV_KINDS]; /* of all CPUs, at the end of the evidence */
	struct capture_span evidence; /* BPF ring-buffer records, header words included */
	struct capture_span walked;   /* ev_task of every thread that lives */
	struct capture_span table;    /* task_slot of every thread that waits */
	struct capture_span text;     /* "key=value\0" … for the trace's attributes */
	struct capture_cpu cpus[];    /* n_cpus */
};

struct capture_request {
	uint64_t last; /* ns to reach back; 0: the whole window */
	uint32_t focus_pid;
	uint32_t only;
	uint32_t anonymous;
	const struct policy_job *job;
	const struct capture_offset *offsets; /* at most CAPTURE_OFFSETS_MAX */
	uint32_t n_offsets;
	const struct capture_step *steps; /* at most CAPTURE_STEPS_MAX */
	uint32_t n_steps;
	const struct ledger *ledger; /* whose marks stay until capture_end() */
	const char *text; /* attributes */
	size_t text_len;
};

struct capture;

/*
 * Copies the window into a new memfd, in a thread of its own: the walk of ten thousand threads, a
 * hostile stack, and the copy itself hold nobody up. window: that of the evidence, whose consumer
 * must not move until capture_end(); all else that is passed is read at once, but for the recorder.
 * Returns 0 or -errno.
 */
int capture_begin(struct recorder *r, const struct window *window, const struct config *c,
		  const struct capture_request *q, struct capture **ret);
/* Becomes readable at its end. */
int capture_done_fd(const struct capture *c);
/* Waits for that end, and takes c. Returns 0 or -errno (-ENOMEM: no room for a copy). */
int capture_end(struct capture *c, int *ret_fd);

/*
 * Maps a capture for reading and sorting in place, every span checked against
 * the size. -EBADMSG for anything that is none.
 */
int capture_map(int fd, struct capture_header **ret);

static inline void *capture_at(const struct capture_header *h, struct capture_span s)
{
	return (uint8_t *)(uintptr_t)h + s.offset;
}

#endif
