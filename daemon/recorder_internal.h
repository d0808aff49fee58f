/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_internal.h - shared by the recorder_*.c files alone. */
#ifndef FREC_RECORDER_INTERNAL_H
#define FREC_RECORDER_INTERNAL_H

#include <bpf/libbpf.h>
#include <limits.h>

#include "call_ends.h"
#include "recorder.h"

#define TASK_TABLE_SIZE (1u << 16)
#define RECORDER_LINKS_MAX 64

struct recorder_program {
	const char *name;
	enum {
		PROGRAM_ALWAYS,
		PROGRAM_SLOW, /* syscalls = slow … */
		PROGRAM_RETURN, /* … instead of it, where recorder_find_call_end() found better */
		PROGRAM_ALL,  /* syscalls = all */
		PROGRAM_MM,   /* where sched_process_exit comes too late, if the kernel takes it */
		PROGRAM_ITER,
		PROGRAM_KIND,	  /* while a trigger of this kind is set */
		PROGRAM_KIND_OLD, /* likewise, on kernels that have no such tracepoint yet */
	} when;
	const char *tracepoint; /* optional ones: left out where BTF lacks btf_trace_NAME */
	unsigned int kind; /* enum trigger_kind, or RECORDER_WAKEUPS */
};

#define RECORDER_WAKEUPS 31 /* beyond the kinds of triggers: wake-ups are recorded */

struct recorder_link {
	const struct recorder_program *program;
	struct bpf_link *link;
};

struct recorder {
	struct bpf_object *object; /* NULL: of a recorder that died, see recorder_former.c */
	int walker;		   /* then: its iterator over all threads, 0: none */
	const char *variant;
	struct recorder_sizes sizes;
	unsigned int n_cpus;
	unsigned int n_windows;
	struct hot_slot **hot; /* by CPU */
	int *hot_fds;	       /* likewise, until they are pinned; 0: none */
	uint64_t *hot_since;   /* by CPU: when it got its window, 0: at the start */
	struct call_ends call_ends;
	bool all_asked; /* on_rseq_update has nothing to tell */
	struct cpu_state *cpus;
	struct control *control;
	struct trigger_count *counts;
	struct task_slot *tasks;
	struct process_notes *notes;
	struct request_watch *requests;
	struct histogram *histograms; /* of all CPUs */
	struct recorder_ring ring;
	struct ring_buffer *triggers;
	recorder_trigger_fn trigger_fn;
	void *trigger_arg;
	struct recorder_link links[RECORDER_LINKS_MAX];
	unsigned int n_links;
	int mode; /* enum syscall_mode that is attached; meaningful once started */
	uint32_t kinds; /* likewise: bit set: a trigger of this kind is set */
	bool started;
	uint64_t started_at;
	uint64_t paused_at; /* the last time */
	uint64_t live_since; /* of a recorder that died, once it is frozen: as it was in control */
	double entry_ns; /* the way into a program; 0: not known */
	pid_t hung; /* of recorder_sleepers(), killed but not reaped; 0: none */
	char pins[PATH_MAX]; /* directory, or empty */
};

const struct recorder_program *recorder_program(const char *name);
bool recorder_program_wanted(const struct recorder_program *p);
/* The types of the running kernel, which stay; NULL: it has none. */
const struct btf *recorder_kernel(void);

/*
 * Attaches the programs of one mode and of these kinds of triggers, and lets go of those of others;
 * nothing before the start.
 */
int recorder_attach_mode(struct recorder *r, enum syscall_mode mode, uint32_t kinds,
			 char error[RECORDER_ERROR_MAX]);
/*
 * Runs a task iterator to its end, over all threads or (tid not 0) this one;
 * what it writes goes to *ret (free it) where that is wanted.
 */
int recorder_iterate(struct recorder *r, const char *name, uint32_t tid, uint8_t **ret,
		     size_t *ret_len);
/* Where threads can tell themselves that a syscall ends: sets control.returned_flag. */
void recorder_find_call_end(struct recorder *r);
/* How long the way into a program takes, before any is attached. */
void recorder_calibrate(struct recorder *r);
/* Of connections that no trigger means now. */
void recorder_forget_requests(struct recorder *r);
/* Tells the kernel side which syscalls wait on a descriptor. */
void recorder_name_descriptors(struct recorder *r);
void recorder_detach(struct recorder *r);
/* Before it is loaded: a program of spans is attached in the way that this kernel has. */
void recorder_span_prepare(struct bpf_program *p);
/* ---- recorder_pins.c ---- */

#define CONTROL_PIN "control"
#define WALKER_PIN "walker"
#define WINDOW_PIN "hot_window_"

/* Nothing while nothing is pinned yet: recorder_pin() does it. */
int recorder_pin_link(const struct recorder *r, const struct recorder_link *l);
int recorder_pin_window(const struct recorder *r, unsigned int cpu, int fd);
uint64_t recorder_layout(void);
void recorder_unpin(struct recorder *r);
/* The memory behind this descriptor, from this offset on; NULL and errno. */
void *recorder_map_memory(int fd, size_t size, off_t offset, int protection);
/* Into r->ring, of sizes.evidence bytes. */
int recorder_map_evidence(struct recorder *r, int fd);

/* Online CPUs: their number; the first max of them into cpus. */
int recorder_online(unsigned int *cpus, unsigned int max);

#endif
