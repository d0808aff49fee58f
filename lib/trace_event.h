/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a trace file says, as plain structures: trace_write.h takes them, trace_read.h gives them
 * back.
 *
 * Times are ns of CLOCK_BOOTTIME, tids and pids those of the root pid namespace. Nothing here owns
 * memory. Strings may be NULL, which is the same as "" or "not said". A comm given to the writer is
 * ended by a NUL or by TRACE_COMM_LEN; the reader's are ordinary strings. Members marked "reader"
 * are filled in by the reader and ignored by the writer.
 */
#ifndef FREC_TRACE_EVENT_H
#define FREC_TRACE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_COMM_LEN 16
#define TRACE_MAX_CPUS 1024

/* Thread states as sched_switch reports them, which is not what task->__state holds. */
enum trace_state {
	TRACE_STATE_RUNNING = 0,
	TRACE_STATE_SLEEPING = 0x01,
	TRACE_STATE_DISK = 0x02,
	TRACE_STATE_STOPPED = 0x04,
	TRACE_STATE_TRACED = 0x08,
	TRACE_STATE_DEAD = 0x10,
	TRACE_STATE_ZOMBIE = 0x20,
	TRACE_STATE_PARKED = 0x40,
	TRACE_STATE_IDLE = 0x80,
	TRACE_STATE_PREEMPTED = 0x100,
};

/* In which context a wake-up was done; 0 is the running thread itself. */
enum trace_irq {
	TRACE_IRQ_HARD = 0x08,
	TRACE_IRQ_SOFT = 0x10,
};

struct trace_switch {
	uint64_t ts;
	int32_t prev_tid; /* reader: -1 if the file does not say */
	int32_t prev_prio;
	int64_t prev_state;
	int32_t next_tid;
	int32_t next_prio;
	const char *prev_comm;
	const char *next_comm;
	bool chained; /* reader: prev was the thread that the file has running here */
};

struct trace_waking {
	uint64_t ts;
	int32_t tid; /* who is woken */
	int32_t prio;
	int32_t target_cpu;
	int32_t waker_tid; /* current on the CPU; -1 unknown */
	uint32_t irq;	   /* enum trace_irq bits */
	const char *comm;
};

struct trace_newtask {
	uint64_t ts;
	int32_t creator_tid;
	int32_t tid;
	uint64_t clone_flags; /* CLONE_THREAD decides whether it is a new process */
	const char *comm;
};

struct trace_rename {
	uint64_t ts;
	int32_t tid;
	const char *old_comm;
	const char *new_comm;
};

/* End of a thread: exit, and later free. Also exec, with filename and the tid it had before. */
struct trace_task {
	uint64_t ts;
	int32_t current_tid; /* on whose behalf; often swapper (0) for free */
	int32_t tid;
	int32_t tgid;	 /* exit only */
	int32_t old_tid; /* exec only */
	int32_t prio;
	const char *comm;
	const char *filename; /* exec only */
};

/* Why the last sleep of tid was uninterruptible; must come before tid is switched in again. */
struct trace_blocked {
	uint64_t ts;
	int32_t current_tid; /* the waker */
	int32_t tid;
	bool io_wait;
	const char *function; /* kernel function that slept, or NULL */
};

#define TRACE_SYSCALL_ARGS 6

struct trace_sys_enter {
	uint64_t ts;
	int32_t tid;
	int64_t nr;
	uint64_t args[TRACE_SYSCALL_ARGS];
	uint32_t n_args;
};

struct trace_sys_exit {
	uint64_t ts;
	int32_t tid;
	int64_t nr;
	int64_t ret;
};

struct trace_clocks {
	uint64_t boottime;
	uint64_t monotonic;
	uint64_t realtime;
};

struct trace_system {
	const char *sysname;
	const char *version;
	const char *release;  /* must be there: decides how states are decoded */
	const char *machine;  /* must be there: decides syscall names */
	const char *recorder; /* e.g. "frec 0.1" */
	uint32_t page_size;
	uint32_t cpus;
	uint64_t ram_bytes;
	int32_t timezone_min; /* offset of local time to UTC */
};

struct trace_attribute {
	const char *key;
	const char *string; /* if NULL, the value is number */
	int64_t number;
};

struct trace_process {
	uint64_t ts; /* from when on this holds; at exec another one follows */
	int32_t pid;
	int32_t ppid;
	int32_t uid;
	int32_t nspid;		 /* pid in its own pid namespace; 0: the same */
	uint64_t start;		 /* 0: unknown */
	const char *const *argv; /* n_argv strings; without any, the importer skips the process */
	size_t n_argv;
	bool argv_is_comm; /* argv[0] is the comm: kernel threads, zombies */
	bool kthread;
};

struct trace_thread {
	uint64_t ts;
	int32_t tid;
	int32_t tgid;
	int32_t nstid;	  /* 0: the same */
	const char *name; /* outranks every later comm and rename */
};

struct trace_trigger {
	uint64_t ts;
	const char *name;
	const char *producer;
};

/* Counters of one CPU at the start or at the end of the window. */
struct trace_cpu_stats {
	uint32_t cpu;
	uint64_t entries;
	uint64_t overrun;	 /* overwritten before they were copied */
	uint64_t dropped_events; /* could not be recorded */
	uint64_t read_events;
};

enum trace_order {
	TRACE_ORDER_UNKNOWN,
	TRACE_ORDER_NAME,
	TRACE_ORDER_TIME,
	TRACE_ORDER_RANK,
};

struct trace_track {
	uint64_t uuid;	  /* not 0, unique in the file; one for each life of a thread */
	uint64_t parent;  /* 0: none; ignored for thread tracks */
	const char *name; /* ignored for thread tracks */
	const char *description;
	enum trace_order child_order;
	int32_t rank; /* among siblings, if the parent orders by rank */
	int32_t tgid; /* thread track if tid is not 0 */
	int32_t tid;
	bool separate; /* do not share the row with the thread's syscalls */
};

enum trace_arg_type {
	TRACE_ARG_STRING,
	TRACE_ARG_INT,
	TRACE_ARG_UINT,
	TRACE_ARG_POINTER,
	TRACE_ARG_DOUBLE,
	TRACE_ARG_BOOL,
	TRACE_ARG_DICT, /* one level: no dict inside a dict */
};

struct trace_arg {
	const char *key;
	enum trace_arg_type type;
	union {
		const char *string;
		int64_t i;
		uint64_t u; /* UINT and POINTER */
		double d;
		bool b;
		struct {
			const struct trace_arg *entries;
			size_t n;
		} dict;
	};
};

#define TRACE_STRING(k, v) \
	((struct trace_arg){ .key = (k), .type = TRACE_ARG_STRING, .string = (v) })
#define TRACE_INT(k, v) ((struct trace_arg){ .key = (k), .type = TRACE_ARG_INT, .i = (v) })
#define TRACE_UINT(k, v) ((struct trace_arg){ .key = (k), .type = TRACE_ARG_UINT, .u = (v) })
#define TRACE_POINTER(k, v) ((struct trace_arg){ .key = (k), .type = TRACE_ARG_POINTER, .u = (v) })
#define TRACE_DOUBLE(k, v) ((struct trace_arg){ .key = (k), .type = TRACE_ARG_DOUBLE, .d = (v) })
#define TRACE_BOOL(k, v) ((struct trace_arg){ .key = (k), .type = TRACE_ARG_BOOL, .b = (v) })
#define TRACE_DICT(k, e, count) \
	((struct trace_arg){ .key = (k), .type = TRACE_ARG_DICT, .dict = { (e), (count) } })

enum trace_slice_type {
	TRACE_SLICE_BEGIN = 1,
	TRACE_SLICE_END = 2,
	TRACE_INSTANT = 3,
};

/*
 * Slices of one track must nest strictly. An END with a name closes the slice of that name, one
 * without closes the innermost. Events of equal time keep the order of the calls.
 */
struct trace_slice {
	uint64_t ts;
	uint64_t track; /* uuid */
	enum trace_slice_type type;
	const char *name;
	const char *category;
	const struct trace_arg *args;
	size_t n_args;
	const uint64_t *flows; /* ids of arrows that pass here */
	size_t n_flows;
	const uint64_t *flow_ends; /* ids of arrows that end here */
	size_t n_flow_ends;
	const char *const *stack; /* function names, outermost (main) first */
	size_t n_stack;
};

#endif
