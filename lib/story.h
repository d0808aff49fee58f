/* SPDX-License-Identifier: GPL-2.0 */
/*
 * story.h - a snapshot in memory, by thread: who ran when and where, who woke whom, what was
 * waited for. Times are ns of CLOCK_BOOTTIME. All memory is the story's, until story_free(). Texts
 * are UTF-8 without control characters, whatever the trace said.
 */
#ifndef FREC_STORY_H
#define FREC_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace_read.h"

#define STORY_NOBODY UINT32_MAX /* index of no thread */

/* One life of a tid. Those of tid 0 are not here: idle CPUs run nobody. */
struct story_thread {
	int32_t tid, pid;
	int32_t creator; /* tid of who made it at `from`, 0: not known */
	uint64_t from, until; /* of its life, as far as the snapshot knows */
	const char *comm; /* the last one, see story_comm() */
	uint32_t runs, n_runs;	 /* in story.by_thread */
	uint32_t wakes, n_wakes; /* in story.wakes */
	uint32_t waits, n_waits; /* in story.waits */
};

#define STORY_COMMAND 512

struct story_process {
	int32_t pid, ppid;
	bool kthread;
	const char *name; /* base name of its program, else its comm */
	const char *command; /* its arguments, spaces between, cut to STORY_COMMAND bytes; NULL: not known */
	const char *cgroup; /* path, NULL: not known */
};

/* What tid is called from ts on. */
struct story_name {
	int32_t tid;
	uint64_t ts;
	const char *comm;
};

#define STORY_NO_CPU UINT16_MAX
#define STORY_LEFT_UNKNOWN 0xffffu /* story_run.state: nobody saw it leave the CPU */

struct story_run {
	uint64_t start, end;
	uint32_t thread; /* STORY_NOBODY: idle */
	uint16_t cpu;
	uint16_t state; /* enum trace_state it left the CPU in */
};

struct story_wake {
	uint64_t ts;
	uint32_t thread;
	uint32_t waker; /* who ran where it was woken, innocent if irq is set; or STORY_NOBODY */
	uint16_t cpu;	/* that it had been on: another may be chosen; or STORY_NO_CPU */
	uint8_t irq;	/* enum trace_irq */
};

struct story_frame {
	const char *function; /* NULL: unknown */
	const char *module;   /* base name of the file, NULL: unknown */
	bool kernel;
};

struct story_stack {
	size_t n;
	const struct story_frame *frames; /* innermost first */
};

/* A slow wait as the recorder tells it, from the first sleep to running again. */
struct story_wait {
	uint64_t start, end;
	uint32_t thread;
	uint32_t owner;	   /* of the lock when the wait began */
	uint32_t owner_tid; /* of one of whom nothing else is told; else 0 */
	uint32_t waker;	   /* who ended it */
	uint32_t sender;   /* in whose call that sends a soft interrupt ended it */
	bool sent_here;	   /* that was on a connection to this host itself */
	int32_t peer_pid;  /* process at the other end of a socket or pipe, 0: not known */
	const char *name;  /* "lock", "futex", "fault", "stopped", "kernel thread", or a syscall's */
	const char *file;  /* what the descriptor is, NULL: not known */
	const char *type;  /* of file: "pipe", "unix", "inet", "regular", …; NULL: not known */
	const char *symbol; /* of the lock, NULL: not known */
	int32_t fd;	   /* -1: none */
	uint64_t address;  /* of a futex */
	bool is_private;   /* … that no other process uses */
	uint32_t value;	   /* that stood there as the wait began; 0: not known */
	uint64_t args[2];  /* of the syscall */
	bool open;	   /* still waited when the snapshot was taken */
	bool at_least;	   /* began before the recording did */
	uint64_t waited;   /* ns, also before the window; 0: not known */
	int32_t tracer_pid; /* who traces it, at the end of one that is open; 0: nobody, not known */
	bool killed;	   /* ended with its process: nobody let it go */
	bool interrupted;  /* by a signal: what it waited for had not come … */
	bool unreturned;   /* … or may not have come, as nobody saw what the call returned */
	struct story_stack stack;
	const char *waker_stack; /* functions, innermost first, semicolons between; NULL */
};

/* Who held the lock at an address, as another's wait for it shows. */
struct story_hold {
	uint64_t address, ts;
	uint32_t thread; /* held it at ts */
	uint32_t wait;	 /* in story.waits: the one that shows it */
	bool release;	 /* and let go of it then, which woke the thread of that wait */
	bool took;	 /* which did not sleep again, so it should have it now */
};

/* More about how the thread left the CPU just before ts. */
struct story_blocked {
	uint64_t ts;
	uint32_t tid;
	bool io;	/* an uninterruptible sleep for a disk */
	bool throttled; /* it could run, but for the CPU quota of its cgroup */
};

/* A process that ended within the window. */
struct story_end {
	uint64_t ts;
	int32_t pid;
	const char *text; /* "was killed by SIGKILL, sent by sh (pid 7)"; NULL: not known how */
};

/* A slow interval that the recorder fired for. */
struct story_trigger {
	uint64_t start, end, duration, threshold;
	int32_t pid, tid;
	const char *name, *kind, *comm;
	const char *text; /* what its program, or the daemon, says of it; NULL: nothing */
	const char *server, *client; /* of a request: the connection's ends; NULL: not known */
	int32_t reader; /* of a request: tid of who read it, 0: it is none … */
	uint64_t read;	/* … and when */
	int32_t beginner; /* of a span: tid of who began it, 0: it is none */
	bool open;
};

struct story {
	uint64_t start, end; /* the window, complete on all CPUs */
	uint64_t lost;
	uint64_t refused;	 /* details that the budget withheld, ever … */
	uint64_t refused_within; /* … and about within the window, where that is known */
	struct story_thread *threads; /* by tid and time */
	size_t n_threads;
	struct story_process *processes; /* by pid; one of each */
	size_t n_processes;
	struct story_name *names; /* by tid and time: births, and what was renamed in the window */
	size_t n_names;
	struct story_run *runs; /* by CPU and time */
	size_t n_runs;
	uint32_t *by_thread; /* runs, by thread and time; not those of idle CPUs */
	struct story_wake *wakes; /* by thread and time */
	size_t n_wakes;
	struct story_wait *waits; /* by thread and time */
	size_t n_waits;
	struct story_blocked *blocked; /* by tid and time */
	size_t n_blocked;
	struct story_trigger *triggers;
	size_t n_triggers;
	struct story_end *ends;
	size_t n_ends;
	uint32_t n_cpus;
	uint32_t *cpu_runs; /* n_cpus + 1: where the runs of each begin */
	struct story_hold *holds; /* by address and time */
	size_t n_holds;
	struct story_text *text;
};

/*
 * Reads the rest of a trace. Of what is not frec's, it takes what it knows. -ENOMEM, -E2BIG if the
 * trace is larger than STORY_EVENTS_MAX, or as of trace_reader_event().
 */
#define STORY_EVENTS_MAX (256u << 20)
int story_read(struct trace_reader *r, struct story **ret);
/* The same for questions about times from since on, in less memory. */
int story_read_since(struct trace_reader *r, uint64_t since, struct story **ret);
/* NULL is fine. */
void story_free(struct story *s);

/* The life of tid at that time, or the nearest one before; STORY_NOBODY. */
uint32_t story_thread_at(const struct story *s, int32_t tid, uint64_t ts);
/* Who made thread; STORY_NOBODY: not known. */
uint32_t story_creator(const struct story *s, uint32_t thread);
/* What thread was called at that time, as far as known; else its last name. */
const char *story_comm(const struct story *s, uint32_t thread, uint64_t ts);
const struct story_process *story_process(const struct story *s, int32_t pid);
/* How that process ended, or NULL. */
const struct story_end *story_end_of(const struct story *s, int32_t pid);

enum story_state { STORY_UNKNOWN, STORY_RUNNING, STORY_RUNNABLE, STORY_SLEEPING, STORY_GONE };

struct story_segment {
	uint64_t start, end;
	enum story_state state;
	uint16_t sleep; /* enum trace_state of a sleep */
	uint16_t cpu;	/* it runs on, or queues for; STORY_NO_CPU */
	const struct story_wake *wake; /* that ended the sleep, or began the queueing; or NULL */
};

/* What a thread did at a time inside the window: the whole segment around it. */
void story_segment(const struct story *s, uint32_t thread, uint64_t ts, struct story_segment *ret);
/* How many waits of the thread begin until ts. */
uint32_t story_waits_until(const struct story *s, uint32_t thread, uint64_t ts);
/* The wake-ups of the thread before ts: how many; from s->wakes + its own wakes on. */
uint32_t story_wakes_before(const struct story *s, uint32_t thread, uint64_t ts);
/* The wait of the thread that covers this time, or NULL. */
const struct story_wait *story_wait_at(const struct story *s, uint32_t thread, uint64_t ts);
/* First run of that CPU that ends after ts; its last run is before s->cpu_runs[cpu + 1]. */
size_t story_cpu_run(const struct story *s, uint32_t cpu, uint64_t ts);

#endif
