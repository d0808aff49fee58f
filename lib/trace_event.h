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

/* Has a signal cut it short? -EINTR, and what the kernel says inside: -ERESTARTSYS … -ERESTART_RESTARTBLOCK. */
static inline bool trace_interrupted(int64_t ret)
{
	return ret == -4 || (ret <= -512 && ret >= -516 && ret != -515);
}

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
	uint64_t ts;	  /* thread tracks: a time within the thread's life; 0: none */
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

/* --- stacks --- */

#define TRACE_STACK_MAX 1024 /* frames of a stack */
#define TRACE_TEXT_MAX 4096  /* a name or path; what is longer is cut */
#define TRACE_BUILD_ID_MAX 64

/*
 * What the importer takes for the kernel is a mapping of this path which says nothing else, not
 * even a build id.
 */
#define TRACE_KERNEL_PATH "kernel"

/*
 * A part of a file that a process has mapped. With start and end 0, all processes that map the same
 * part of a file share one entry.
 */
struct trace_mapping {
	const char *path;	 /* absolute, or one such as TRACE_KERNEL_PATH or "[vdso]" */
	const uint8_t *build_id; /* as bytes; NULL: none known */
	size_t build_id_len;	 /* up to TRACE_BUILD_ID_MAX */
	uint64_t start, end;	 /* addresses in the process */
	uint64_t offset;	 /* in the file, of start */
	uint64_t load_bias;	 /* p_vaddr - p_offset of the executable segment */
};

enum trace_frame_kind {
	TRACE_FRAME_UNKNOWN = 0,
	TRACE_FRAME_NATIVE = 1,
	TRACE_FRAME_KERNEL = 2,
	TRACE_FRAME_INTERPRETED = 3,
	TRACE_FRAME_JIT = 4,
};

struct trace_frame {
	const char *function;		     /* NULL: unknown */
	const struct trace_mapping *mapping; /* NULL: only the name is known */
	uint64_t rel_pc;		     /* see trace_rel_pc(); ignored without a mapping */
	const char *file;		     /* of the source; NULL: unknown */
	uint32_t line;			     /* 0: unknown */
	enum trace_frame_kind kind;
};

/*
 * From an address in the process, with start, offset and load_bias filled in, to one in the ELF
 * file, as a symbol table or addr2line has it. Less load_bias, it is the offset in the file.
 */
static inline uint64_t trace_rel_pc(const struct trace_mapping *m, uint64_t pc)
{
	return pc - m->start + m->offset + m->load_bias;
}

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
	uint64_t stack_id;			/* of trace_put_stack(), 0: none; writer */
	const struct trace_frame *const *stack; /* outermost (main) first; reader */
	size_t n_stack;
};

#endif
