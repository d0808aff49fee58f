/* SPDX-License-Identifier: GPL-2.0 */
/* worker_internal.h - shared by the worker_*.c files alone. */
#ifndef FREC_WORKER_INTERNAL_H
#define FREC_WORKER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/trace_write.h"
#include "capture.h"
#include "opener.h"
#include "worker.h"

/* In wait_facts.flags, of the worker alone: known from the trigger, as the evidence refused it. */
#define WAIT_OF_HIT 0x8000u

/* One life of a tid. */
struct task {
	const struct ev_task *born; /* TASK_NEW inside the window, or NULL */
	const struct ev_task *last; /* the record that says most and latest of it */
	const struct ev_task *exec; /* last exec inside the window, or NULL */
	uint64_t start;
	uint64_t exited; /* 0: lives */
	uint64_t gone;	 /* its last switch-out */
	uint32_t tid, tgid;
	uint32_t next; /* index + 1 of another life of the same bucket */
	bool declared; /* its track is in the file */
	bool detailed; /* its syscalls and waits go into the file */
	bool threads_live; /* leader: some thread of the process outlives it */
	char comm[COMM_LEN + 1];
};

#define TASK_BUCKETS (1u << 16)

#define TASKS_RECENT 1024u

struct tasks {
	struct task *list;
	size_t n, size;
	uint32_t buckets[TASK_BUCKETS]; /* index + 1 */
	struct {
		uint64_t from, until; /* tid means this life; until 0: none */
		uint32_t tid, index;
	} recent[TASKS_RECENT]; /* by a part of the tid: found before */
};

/* An event of evidence that belongs into the stream of a CPU. */
struct extra {
	uint64_t ts;
	enum { EXTRA_TASK, EXTRA_ENTER, EXTRA_EXIT } what;
	uint32_t cpu;
	const void *record; /* ev_task or ev_wait */
};

/* An ev_frames or ev_dump, checked. */
struct stack_record {
	const struct ev_header *h;
	const struct stack_key *key;
};

struct stacks;

/* How a wait is told. */
#define TOLD_SYSCALL 1u /* as a syscall */
#define TOLD_SLICE 2u	/* as a slice of its own */
#define TOLD_BRIEF 4u	/* without arguments and waker */

struct worker {
	struct capture_header *h;
	struct trace_writer *out;
	struct opener_client opener;
	unsigned int cpus; /* that the host may have */
	struct tasks tasks;
	const struct ev_wait **waits; /* in order of their end */
	size_t n_waits, size_waits;
	const struct ev_wait **open; /* that have not ended, of the walk */
	size_t n_open, size_open;
	struct stack_record *stacks;
	size_t n_stacks, size_stacks;
	struct stacks *stack_index;
	const struct ev_file **files; /* by wait, once sorted */
	size_t n_files, size_files;
	const struct ev_request **requests;
	size_t n_requests, size_requests;
	const struct ev_span **spans;
	size_t n_spans, size_spans;
	const struct ev_exit **ends;
	size_t n_ends, size_ends;
	const struct ev_ran **rans;
	size_t n_rans, size_rans;
	struct wait_facts *end_facts; /* one for each, as the naming of stacks wants them */
	struct peer *peers; /* of the files that have another end */
	size_t n_peers;
	struct lock_wait *locks; /* those that wait for the lock of a file now */
	size_t n_locks;
	const struct ev_task **cgroups; /* one record with the path of each */
	size_t n_cgroups, size_cgroups;
	const struct ev_task **lives; /* TASK_* of the evidence, in its order */
	size_t n_lives, size_lives;
	struct extra *extras; /* ordered by CPU and time */
	size_t n_extras;
	uint8_t *told; /* of each of `waits`: TOLD_* */
	uint64_t n_told; /* waits that are in the file, the open ones apart … */
	uint64_t n_open_told; /* … and those */
	uint64_t dropped, dropped_ns; /* waits left out for room, and the longest of them */
	uint64_t brief, brief_ns;     /* likewise told in brief */
	uint64_t held; /* from here on the switches of all CPUs are there */
	uint64_t torn;
	uint64_t bad; /* records that are none */
	uint64_t events[8]; /* written, by hot_kind */
	uint64_t evidence[EV_KINDS]; /* records in the capture, by kind */
	uint64_t flows;	    /* ids given to arrows */
	struct worker_verdict verdict;
};

/* BOOTTIME of a record's MONOTONIC time. */
uint64_t worker_boot(const struct worker *w, uint64_t mono);

/* ---- worker_redact.c ---- */

/* Takes command lines and paths out of what was read. */
void worker_redact(struct worker *w);
/* Of a program or library, as it may be told: its name alone where paths may not. */
const char *worker_shown_path(const struct worker *w, const char *path);

/* ---- worker_tasks.c: who is who ---- */

/* Reads evidence and walk. -ENOMEM. */
int worker_read(struct worker *w);
/* The life of tid at that time; NULL if nothing is known of it. */
struct task *worker_task(struct worker *w, uint32_t tid, uint64_t ts);
/* A time from which on the importer must know this life: after the task_newtask that makes it. */
uint64_t worker_known(const struct worker *w, const struct task *t);
const char *worker_comm(struct worker *w, uint32_t tid, uint64_t ts);
/* Path of its cgroup, NULL if that is not known. */
const char *worker_cgroup(const struct worker *w, const struct task *t);
void worker_write_tasks(struct worker *w);

/* Another life of tid; -ENOMEM is NULL. */
struct task *worker_add_task(struct tasks *ts, uint32_t tid, uint32_t tgid, uint64_t start);

/* ---- worker_others.c ---- */

/* The process of all that is not to be known; the kernel gives no such pid. */
#define WORKER_OTHER 0x400000u

/* Forgets all that is not about the process of the focus. -ESRCH: there is none. -ENOMEM. */
int worker_hide_others(struct worker *w);

/* ---- worker_ledger.c ---- */

/* What is in the window, by kind, against what was tried. */
struct worker_ledger {
	uint64_t slots[HOT_KIND_MAX + 1]; /* all that are readable */
	uint64_t runs[HOT_KIND_MAX + 1];  /* ever */
	uint64_t lost;	      /* slots, ever */
	uint64_t unreadable;  /* slots, and records of evidence */
	uint64_t compared;    /* events between marks */
	uint64_t unexplained; /* of these */
};
void worker_look_at_ledger(const struct worker *w, struct worker_ledger *ret);

/* ---- worker_runtime.c ---- */

/* How long threads ran between two switch-ins, by the switches and by the kernel's own account. */
struct worker_runtime {
	uint64_t threads; /* that could be compared */
	uint64_t kernel, events; /* ns of all of them */
	uint64_t worst_ppm; /* of those that ran for long enough to tell */
	uint64_t failed; /* threads of which they differ by more than can be explained; the worst of them: */
	uint32_t tid;
	uint64_t failed_kernel, failed_events;
};
/* -ENOMEM */
int worker_check_runtime(struct worker *w, struct worker_runtime *ret);

/* ---- worker_exits.c ---- */

/* The TASK_EXITs that stand in the hot window (free them). -ENOMEM. */
int worker_read_exits(const struct worker *w, struct ev_task **ret, size_t *ret_n);

/* ---- worker_plan.c: which waits are told ---- */

/* Fills in told and held. -ENOMEM. */
int worker_plan(struct worker *w);

/* ---- worker_cpus.c: the streams of the CPUs ---- */

int worker_write_cpus(struct worker *w);

/* Tracks besides those of threads and of hits, see worker_waits.c */
#define WORKER_TRACK_ROOT 1u
#define WORKER_TRACK_REQUESTS 0x100u /* and its lanes behind it */
#define WORKER_TRACK_SPANS 0x800u /* likewise */

/* ---- worker_waits.c: slices of waits and triggers ---- */

uint64_t worker_track(struct worker *w, struct task *t);
/* Where the slice of a wait of t begins: inside the window, and after t got its tid. */
uint64_t worker_wait_start(const struct worker *w, const struct task *t,
			   const struct wait_facts *f);
void worker_write_waits(struct worker *w);
void worker_write_triggers(struct worker *w);
/* The name of a wait: "lock", "futex", a syscall, "fault", … */
/* Who then woke the thread sent a signal, and did not do what was waited for. */
static inline bool worker_interrupted(const struct wait_facts *f)
{
	return (f->flags & WAIT_HAS_RET) && trace_interrupted(f->ret);
}
const char *worker_wait_name(const struct wait_facts *f, char *buf, size_t size);
/* -ESRCH: nothing is known of the process that it is all about. */
int worker_mark_details(struct worker *w);

/* ---- worker_owners.c ---- */

/* Takes back owners of locks that cannot have them. */
void worker_check_owners(struct worker *w);

/* ---- worker_files.c: what waits were about ---- */

void worker_sort_files(struct worker *w);
/* "127.0.0.1:80", "[::1]:80"; bytes as in ev_file. */
#define WORKER_ADDRESS 64
const char *worker_address(uint16_t family, const uint8_t bytes[16], uint16_t port,
			   char buf[WORKER_ADDRESS]);
/* NULL: not known, or nothing with a descriptor. */
const struct ev_file *worker_file(const struct worker *w, const struct wait_facts *f);
const char *worker_file_text(const struct ev_file *e, char *buf, size_t size);
/* "pipe", "unix", "inet", "socket", "regular", "directory", "block", "character", "anonymous". */
const char *worker_file_type(const struct ev_file *e);

/* ---- worker_requests.c ---- */

/* The kind of what this hit of a trigger is about: of a percentile, of those that were counted. */
static inline unsigned int worker_hit_of(const struct policy_hit *hit)
{
	return hit->kind == TRIGGER_PERCENTILE ? hit->record.h.kind : hit->kind;
}
/* The request that this hit of a trigger is about, or NULL. */
const struct ev_request *worker_request(const struct worker *w, const struct policy_hit *hit);
#define WORKER_REQUEST_ARGS 12
#define WORKER_REQUEST_TEXT 512
/* Arguments that say all of a request, and where their texts stand. Returns how many. */
size_t worker_request_args(struct worker *w, const struct ev_request *e, struct trace_arg *ret,
			   char text[WORKER_REQUEST_TEXT]);
void worker_write_requests(struct worker *w);

/* ---- worker_lanes.c: slices that overlap ---- */

#define WORKER_LANES 1024u

/* A track, on which slices that do not overlap are put one after the other. */
struct worker_lane {
	uint64_t end;
	uint32_t tgid;
	const char *name;
};

struct worker_lanes {
	uint64_t parent; /* track; those of the lanes have the numbers behind its own */
	unsigned int n;
	struct worker_lane list[WORKER_LANES];
};

/* One such slice; what it points to is copied, but for lane. */
struct worker_lasting {
	const char *lane; /* those of other names, and of other processes, have other lanes */
	uint32_t tgid;	  /* 0: of no one process */
	bool open;	  /* it reaches the end of the trace */
	uint64_t begin, end;
	const char *name;
	const struct trace_arg *args;
	size_t n_args;
};

/* To be called in the order of begin. */
void worker_put_lasting(struct worker *w, struct worker_lanes *l, const struct worker_lasting *s);

/* ---- worker_spans.c ---- */

bool worker_span_ok(const struct ev_span *e, uint64_t len);
/* The span that this hit of a trigger is about, or NULL. */
const struct ev_span *worker_span(const struct worker *w, const struct policy_hit *hit);
#define WORKER_SPAN_ARGS 4
size_t worker_span_args(struct worker *w, const struct ev_span *e,
			struct trace_arg ret[WORKER_SPAN_ARGS]);
void worker_write_spans(struct worker *w);

/* ---- worker_ends.c: ends of processes ---- */

bool worker_end_ok(const struct ev_exit *e, uint64_t len);
/* The end that this hit of a trigger is about, or NULL. */
const struct ev_exit *worker_end(const struct worker *w, const struct policy_hit *hit);
void worker_end_facts(const struct ev_exit *e, struct wait_facts *ret);
#define WORKER_END_ARGS 10
#define WORKER_END_TEXT 64
size_t worker_end_args(const struct ev_exit *e, struct trace_arg ret[WORKER_END_ARGS],
		       char text[WORKER_END_TEXT]);
void worker_write_ends(struct worker *w);
/* Fills in the verdict on the first hit, which is an end. */
void worker_judge_end(struct worker *w);

/* ---- worker_peers.c: the other ends of pipes and connections ---- */

/* fd: of the iterator iter_ends, read to its end. -ENOMEM. */
int worker_find_peers(struct worker *w, int fd);
/* fd: of /proc/locks; it is closed. */
void worker_find_locks(struct worker *w, int fd);
/*
 * The one process that has the other end of what this wait is about, or, while it lasts, the lock
 * of the file; 0: none, several, not known.
 */
uint32_t worker_peer(struct worker *w, const struct wait_facts *f, const struct ev_file *file);

/* ---- worker_syscalls.c ---- */

const char *worker_syscall_name(int nr, bool compat, char *buf, size_t size);
/* How many arguments a native syscall has; 6 where it is not known. */
unsigned int worker_syscall_args(int nr);
bool worker_syscall_returns(int nr);

/* ---- worker_verdict.c ---- */

/* Fills in the verdict on the first hit, if what is written so far allows for one. */
void worker_judge(struct worker *w);

/* ---- worker_summary.c: attributes ---- */

void worker_write_head(struct worker *w);
void worker_write_summary(struct worker *w);

#endif
