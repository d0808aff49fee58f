/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recorder.h - the BPF side of one recorder: loads, sizes, attaches and pins
 * it, and gives access to its memory. One thread.
 */
#ifndef FREC_RECORDER_H
#define FREC_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "histogram.h"

struct recorder;

/* Where an error text goes: one line that says what to do. */
#define RECORDER_ERROR_MAX 512

/*
 * Loads all programs without attaching them. sizes: memory and evidence of the
 * configuration, "auto" resolved for this host. Errors: -errno and a line in
 * `error`; nothing stays behind.
 */
int recorder_load(const struct config *c, struct recorder **ret, char error[RECORDER_ERROR_MAX]);

/* Attaches, adopts the threads that live and starts recording, which ends with this process. */
int recorder_start(struct recorder *r, char error[RECORDER_ERROR_MAX]);

/*
 * Waits, a second at most, until each CPU has recorded something: what recorder_seen() tells begins
 * there, as nobody knows what had become of its threads since they were adopted.
 */
void recorder_settle(struct recorder *r);

/*
 * Pins everything in this directory on a bpffs, which has none of our pins: now it outlives this
 * process. -errno: nothing is pinned.
 */
int recorder_pin(struct recorder *r, const char *directory, char error[RECORDER_ERROR_MAX]);
bool recorder_pinned(const struct recorder *r);

/*
 * What a recorder that died has pinned there, and perhaps still records: to capture from, once it is
 * frozen, and to free. -ENOENT: it is not all there. -ESTALE: it is of another build.
 */
int recorder_open_former(const char *directory, struct recorder **ret);
/* It records no more. Then its pins can be removed. */
void recorder_freeze(struct recorder *former, uint64_t now);

/* Until when what was recorded; MONOTONIC ns. */
struct recorder_former {
	uint64_t heartbeat; /* last sign of life of its daemon */
	uint64_t until;	    /* switches and wake-ups */
	uint64_t evidence_since, evidence_until;
	uint64_t lost_before, refused_before, refused_stacks_before; /* before the window */
	uint64_t window, slow_ns, stacks_ns; /* of its configuration */
	uint32_t syscalls;		     /* likewise: enum syscall_mode */
	uint32_t pid;
};
void recorder_former(const struct recorder *former, struct recorder_former *ret);

/* Removes our pins in the directory; returns their number. Their programs end. */
int recorder_clear_pins(const char *directory);

/* Detaches and unpins. NULL is fine. */
void recorder_free(struct recorder *r);

/* Puts new triggers, thresholds and the syscall mode in force, all at once; keeps the window. */
int recorder_configure(struct recorder *r, const struct config *c, char error[RECORDER_ERROR_MAX]);

void recorder_heartbeat(struct recorder *r, uint64_t now);
/*
 * For the next daemon: the evidence in the ring reaches back so far, and this had been lost and refused
 * before the window. Once a second.
 */
void recorder_note(struct recorder *r, uint64_t evidence_since, uint64_t lost, uint64_t refused,
		   uint64_t refused_stacks);
/* Going on again takes a walk over all threads, which can fail; pausing cannot. */
int recorder_pause(struct recorder *r, bool paused);
bool recorder_paused(const struct recorder *r);
/* Without a gap in what was seen: since the last pause ended, until now or the pause that lasts. */
void recorder_seen(const struct recorder *r, uint64_t now, uint64_t *ret_from, uint64_t *ret_to);

/* Gives CPUs that came online a window. Returns how many, or -errno. */
int recorder_update_cpus(struct recorder *r);

/* Descriptor to poll for trigger records, and the way to take them. */
int recorder_trigger_fd(const struct recorder *r);
typedef void (*recorder_trigger_fn)(void *arg, const struct trigger_record *t);
int recorder_take_triggers(struct recorder *r, recorder_trigger_fn fn, void *arg);

/* The generation of the trigger table in force, and its counters. */
uint32_t recorder_bank(const struct recorder *r);
struct trigger_count *recorder_trigger_count(struct recorder *r, unsigned int index);

/*
 * Has the kernel drop what is sent to this datagram socket beyond a few messages a second, of one user
 * or of all but those who seldom send, before it takes a place in the queue. -errno.
 */
int recorder_guard(const struct recorder *r, int fd);
/* The last of its senders that is a thread of pid with this tid in its own namespace. -ENOENT. */
int recorder_sender(const struct recorder *r, uint32_t pid, uint32_t own_tid,
		    struct app_sender *ret);
/* How many messages it has dropped; 0 where that is not known. */
void recorder_flood(const struct recorder *r, struct app_flood *ret);

/* ---- memory ---- */

struct recorder_sizes {
	uint64_t hot_cpu;  /* bytes of one CPU's window */
	uint64_t hot;	   /* of all */
	uint64_t evidence; /* of the ring */
};

/* A byte ring mapped twice in a row, so that any run of it is contiguous. */
struct recorder_ring {
	volatile unsigned long *consumer;
	const volatile unsigned long *producer;
	const uint8_t *data;
	uint64_t size;
};

const struct recorder_sizes *recorder_sizes(const struct recorder *r);
const struct recorder_ring *recorder_evidence(const struct recorder *r);
unsigned int recorder_cpus(const struct recorder *r); /* possible CPUs */
/* NULL where the CPU has had no window. */
const struct hot_slot *recorder_hot(const struct recorder *r, unsigned int cpu);
/* MONOTONIC ns from which on that CPU's window has everything; UINT64_MAX: it has nothing. */
uint64_t recorder_hot_since(const struct recorder *r, unsigned int cpu);
const volatile struct cpu_state *recorder_cpu(const struct recorder *r, unsigned int cpu);
const struct task_slot *recorder_tasks(const struct recorder *r, size_t *ret_n);
const volatile struct process_notes *recorder_notes(const struct recorder *r);
uint64_t recorder_started(const struct recorder *r); /* MONOTONIC ns */

/* Histogram number `which` of all CPUs; what it counts only grows. */
void recorder_histogram(const struct recorder *r, unsigned int which, struct histogram_sum *ret);
/* The longest that was counted there since then, as far as it is still known. -ENOENT. */
int recorder_histogram_worst(const struct recorder *r, unsigned int which, uint64_t since,
			     struct histogram_worst *ret);
/* Are waits in the run queue of the whole host counted? */
bool recorder_counts_queue(const struct recorder *r);
/* Are requests looked at? */
bool recorder_sees_requests(const struct recorder *r);
void recorder_histogram_forget_max(struct recorder *r, unsigned int which);

/*
 * A descriptor, the caller's, which gives the ends of all pipes and connections of the host as
 * struct peer_end while it is read, by whoever reads; or -errno.
 */
int recorder_ends(struct recorder *r);

/*
 * Reads an ev_task of every thread that lives into a buffer of its own (free
 * it). -errno on failure.
 */
int recorder_walk_tasks(struct recorder *r, uint8_t **ret, size_t *ret_len);

/*
 * Registers and stacks (ev_dump) of those of these threads that sleep now, as
 * recorder_walk_tasks(). Takes at most a tenth of a second, and may lack some.
 */
int recorder_sleepers(struct recorder *r, const uint32_t *tids, size_t n, uint8_t **ret,
		      size_t *ret_len);

/* Does this kernel let it take them? */
bool recorder_takes_sleepers(const struct recorder *r);

/*
 * Has the kernel tell, by trigger records, whether this thread's wait, which
 * still lasts, is past a trigger's threshold. -errno on failure.
 */
int recorder_judge(struct recorder *r, uint32_t tid);

/* The same of all requests that nobody has answered yet; nothing while no trigger is about them. */
int recorder_judge_requests(struct recorder *r);

/*
 * Those that have lasted for long (ev_request), as recorder_walk_tasks(). -ENOENT: no trigger is
 * about requests.
 */
int recorder_walk_requests(struct recorder *r, uint8_t **ret, size_t *ret_len);

/* ---- spans of programs: recorder_span.c ---- */

/* A place in a file, and what happens there. */
enum span_what { SPAN_BEGINS, SPAN_ENDS, SPAN_ENTERS, SPAN_LEAVES, SPAN_RETURNS };

/* What the probes of span number def, below SPAN_DEFS_MAX, are about; flags: SPAN_*. -errno. */
int recorder_span_define(struct recorder *r, uint32_t def, const struct span_def *is);
/*
 * Attaches to n places of the file behind fd, at these offsets, for all processes that have it mapped,
 * or will. They end when the descriptors in ret, of which there are at most n, are closed, or with us:
 * nobody would be there for what they tell. Returns how many descriptors, or -errno and none; -EACCES:
 * this kernel wants CAP_SYS_ADMIN for it.
 */
int recorder_span_attach(struct recorder *r, int fd, enum span_what what, const uint64_t *offsets,
			 const uint64_t *defs, uint32_t n, int *ret);
/* Has trigger number index mean those spans that its filter says. -errno. */
int recorder_span_filter(struct recorder *r, unsigned int index, const struct trigger_filter *f);

struct recorder_span {
	struct span_key key;
	struct span_open open;
};
/* Those under way, into an array (free it). -errno. */
int recorder_spans(struct recorder *r, struct recorder_span **ret, size_t *ret_n);
/* The same for a snapshot: an ev_span of each. */
int recorder_walk_spans(struct recorder *r, uint8_t **ret, size_t *ret_len);
/* As recorder_judge(), of a span under way. One of a program that has gone is forgotten. */
int recorder_span_judge(struct recorder *r, const struct recorder_span *s);
void recorder_span_forget(struct recorder *r, const struct span_key *key);

/*
 * ns of evidence to keep: a stack that is referred to is at most a quarter of
 * the window older than what refers to it.
 */
static inline uint64_t evidence_span(const struct config *c)
{
	return c->window + c->window / 4;
}

/* Sums over all CPUs and programs. */
struct recorder_totals {
	uint64_t hot;	   /* slots written */
	uint64_t evidence; /* records written */
	uint64_t lost;	   /* all kinds together */
	uint64_t lost_hot, lost_evidence, lost_trigger, lost_task, lost_slot, recursion;
	uint64_t refused, refused_stacks, refused_distinct, excluded_stacks;
	double bpf_share; /* of the CPUs, estimated from sampled runs */
	double bpf_busy; /* the same in ns of one CPU */
};
/* Asks the kernel of each program: a system call each. */
void recorder_totals(struct recorder *r, struct recorder_totals *ret);
/* bpf_busy alone, which takes none. */
double recorder_cost_ns(const struct recorder *r);

#define RECORDER_NO_INTERRUPTS "none"

/* How interrupts are told ("preempt_count", …), for people; RECORDER_NO_INTERRUPTS: not at all. */
const char *recorder_variant(const struct recorder *r);
/* Are soft interrupts threads' work here (PREEMPT_RT), so that they are not told? */
bool recorder_realtime(void);
/* Once all is set up: the kernel's types take more memory than all else here. They can be read again. */
void recorder_forget_kernel(void);
/* Once a second: whether threads that can tell of ends in passing, do (call_ends.h). */
void recorder_weigh_call_ends(struct recorder *r, const struct recorder_totals *t);
/* Who tells that a syscall has ended, in mode slow: "thread", "asked" (all of them) or "tracepoint". */
const char *recorder_call_ends(const struct recorder *r);

#endif
