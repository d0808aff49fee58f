/* SPDX-License-Identifier: GPL-2.0 */
/*
 * record.h - everything that BPF programs and user space share: layouts of the
 * hot window, the evidence ring (evidence.h), the task table, triggers and counters.
 *
 * All times are CLOCK_MONOTONIC nanoseconds, all tids and pids those of the
 * initial pid namespace unless a name says otherwise. Kind numbers are never
 * reused. Both sides run on one host: native byte order.
 */
#ifndef FREC_RECORD_H
#define FREC_RECORD_H

#ifdef __bpf__
#include "kernel.h"
#else
#include <linux/types.h>
#include <stddef.h>
#endif

#define COMM_LEN 16
#define SOCKET_PATH_MAX 108u

/* ---- hot window: one array of 32-byte slots for each CPU, overwritten ---- */

enum hot_kind {
	HOT_SWITCH = 1,
	HOT_WAKING = 2,
	HOT_SYS_ENTER = 3,
	HOT_SYS_ARGS = 4, /* second half of the HOT_SYS_ENTER or HOT_EXIT right before it */
	HOT_SYS_EXIT = 5,
	HOT_WAKEUP_NEW = 6,
	HOT_EXIT = 7, /* of a thread whose TASK_EXIT the budget of the evidence refused */
};
#define HOT_KIND_MAX HOT_EXIT

#define HOT_SLOT_SIZE 32u
#define HOT_KIND_MASK 31u /* low bits of hot_slot.seq */

/* flags of a HOT_SWITCH */
#define SWITCH_IOWAIT 1u
#define SWITCH_PREEMPT 2u
#define SWITCH_COMPAT 4u  /* prev_nr is of the 32-bit table */
#define SWITCH_KTHREAD 8u /* prev is a kernel thread: prev_nr says nothing */
#define SWITCH_THROTTLED 16u /* prev may not run on: its cgroup has used up its CPU quota */

/* context of a waker, also the bits of ftrace's common_flags */
#define IRQ_HARD 0x08u
#define IRQ_SOFT 0x10u

/*
 * seq is the slot's position in the CPU's endless stream (a multiple of 32)
 * plus its kind. It is zeroed before and written after the rest, so a slot
 * whose seq does not belong to its place is not (or no longer) that record.
 */
struct hot_slot {
	__u64 ts; /* HOT_SYS_ARGS: argument 1; of a HOT_EXIT: uid << 32 | ppid */
	union {
		struct {
			__u32 prev_tid;
			__u32 next_tid;
			__u16 prev_state; /* as sched_switch reports it: see TASK_REPORT_* */
			__s16 prev_nr;	  /* syscall prev is in; -1: fault or interrupt */
			__u16 next_prio;
			__u8 flags;
			__u8 pad;
		} sw;
		struct {
			__u32 tid;
			__u32 waker_tid; /* current, innocent where irq is set */
			__u16 target_cpu;
			__u16 prio;
			__u8 irq; /* IRQ_* */
			__u8 throttled; /* it has to wait until its cgroup has CPU quota again */
			__u8 pad[2];
		} waking; /* also HOT_WAKEUP_NEW */
		struct {
			__u32 tid;
			__s16 nr;
			__u8 compat;
			__u8 pad;
			__s64 value; /* enter: argument 0; exit: return value */
		} sys;
		struct {
			__u32 tid;
			__u32 tgid;
			__u64 start;
		} exit;
		__u64 args[2]; /* HOT_SYS_ARGS: arguments 2 and 3; of a HOT_EXIT: comm */
	};
	__u64 seq;
};
_Static_assert(sizeof(struct hot_slot) == HOT_SLOT_SIZE, "hot slot");

/* prev_state values, as ftrace and Perfetto report them */
#define TASK_REPORT_RUNNING 0x000u
#define TASK_REPORT_SLEEPING 0x001u
#define TASK_REPORT_DISK 0x002u
#define TASK_REPORT_STOPPED 0x004u
#define TASK_REPORT_TRACED 0x008u
#define TASK_REPORT_DEAD 0x010u
#define TASK_REPORT_ZOMBIE 0x020u
#define TASK_REPORT_PARKED 0x040u
#define TASK_REPORT_IDLE 0x080u
#define TASK_REPORT_PREEMPTED 0x100u

#include "evidence.h"
#include "histogram.h"

/* ---- task table: what each thread waits for now ---- */

/*
 * Open hashing by tid, TASK_PROBES places. since is 0 while the thread runs;
 * state is TASK_REPORT_RUNNING while it waits for a CPU. Written by the CPU that switches the thread, read by anybody.
 */
struct task_slot {
	__u64 since;
	__u64 call;  /* first sleep of the syscall that it sleeps in, or last slept in; 0: none */
	__u32 tid;   /* 0: free */
	__u32 tgid;
	__u32 owner; /* of the lock it waits for, 0: none */
	__s16 nr;
	__u8 state; /* TASK_REPORT_* but _PREEMPTED, which is _RUNNING */
	__u8 flags; /* WAIT_* */
};
_Static_assert(sizeof(struct task_slot) == 32, "task slot");
#define TASK_PROBES 8u

/* ---- triggers ---- */

#define TRIGGERS_MAX 64u
#define EXCLUDES_MAX 16u
#define GLOB_COMM_MAX 32u
#define GLOB_PATH_MAX 128u

enum trigger_kind {
	TRIGGER_LOCK = 1,
	TRIGGER_FUTEX = 2,
	TRIGGER_SYSCALL = 3,
	TRIGGER_OFFCPU = 4,
	TRIGGER_RUNQUEUE = 5,
	TRIGGER_IOWAIT = 6,
	TRIGGER_MANUAL = 7, /* never evaluated in the kernel */
	TRIGGER_REQUEST = 8,
	TRIGGER_SPAN = 9,
	TRIGGER_EXIT = 10,
	TRIGGER_PRESSURE = 11,	/* as 7 */
	TRIGGER_PERCENTILE = 12, /* as 7 */
	TRIGGER_APP = 13,	/* as 7 */
};
#define TRIGGER_KINDS 16u

/* Does it say that a thread slept? Then its wait_facts are those of a sleep. */
static inline int trigger_of_sleep(unsigned int kind)
{
	return kind && kind <= TRIGGER_IOWAIT && kind != TRIGGER_RUNQUEUE;
}

#define FILTER_COMM 1u
#define FILTER_EXE 2u
#define FILTER_PID 4u
#define FILTER_UNIT 8u
#define FILTER_UID 16u
#define FILTER_SYSCALLS 32u
#define FILTER_PORT 64u
#define FILTER_SOCKET 128u

#define SYSCALL_WORDS 8u /* numbers below 512 */

/* One trigger as the kernel evaluates it; kind 0 ends the list. */
struct trigger_filter {
	__u64 threshold;
	__u32 kind;
	__u32 filters; /* FILTER_* */
	__u32 pid;     /* tgid */
	__u32 uid;
	__u64 syscalls[SYSCALL_WORDS]; /* bit set: native number is meant; of a TRIGGER_EXIT: END_*; of a
					   TRIGGER_SPAN: its span_defs */
	char comm[GLOB_COMM_MAX];      /* globs: '*' and '?' */
	char exe[GLOB_PATH_MAX];       /* over the path of the executable */
	char unit[GLOB_PATH_MAX];      /* over the cgroup path with a '/' at its end */
	char socket[SOCKET_PATH_MAX];  /* of a UNIX socket, NULs behind it; abstract: one before it */
	__u32 port;		       /* TCP, of this host */
	__u32 of;		       /* TRIGGER_PERCENTILE: kind of what is counted … */
	__u32 histogram;	       /* … and where */
};

/*
 * The table has TRIGGERS_MAX of each bank, then EXCLUDES_MAX of each: of processes whose stacks are
 * none of our business. filters of one of those is FILTER_COMM or FILTER_UNIT; 0 ends the list.
 */
#define EXCLUDES_AT(bank) (2 * TRIGGERS_MAX + ((bank) & 1) * EXCLUDES_MAX)

/* Counters of one trigger; index as in the table of filters. */
struct trigger_count {
	__u64 quiet_until; /* written by the daemon: no record before this time */
	__u64 hits;	   /* waits that passed the threshold and the filters */
	__u64 suppressed;  /* of those, withheld because of quiet_until */
	__u64 pad;
};

/*
 * In the ring `trigger_ring`, which alone wakes the daemon. A wait may be told
 * twice: with WAIT_OPEN in w.flags while it lasts (then end and in are the time
 * of looking), and with index TRIGGER_ENDED when such a wait has ended.
 */
#define TRIGGER_ENDED 0xffffffffu
#define TRIGGER_CPU 0xfffffffeu /* no wait at all: CPU h.cpu has no window */
#define TRIGGER_MAP 0xfffffffdu /* a struct trigger_map */

struct trigger_record {
	struct ev_header h;
	__u32 index; /* of the trigger */
	__u32 bank;  /* generation of the table that it is an index into */
	__u64 duration;
	struct wait_facts w;
};

/*
 * In the same ring, behind the record of an end: a file that the process has mapped for execution,
 * as nobody can ask any more in a moment. The last one has no path.
 */
struct trigger_map {
	struct ev_header h;
	__u32 index; /* TRIGGER_MAP, where a trigger_record has its own */
	__u32 tgid;
	__u64 process_start; /* of the leader */
	__u64 start, end, offset;
	__u64 inode;
	__u32 device;	/* of its file system, as the kernel has it: 20 bits are the minor number */
	__u32 mnt_ns; /* that the path is of */
	char path[256];
};
_Static_assert(sizeof(struct trigger_map) == 328, "trigger_map");
_Static_assert(offsetof(struct trigger_map, index) == offsetof(struct trigger_record, index),
	       "trigger_map");

/* ---- spans that are measured ---- */

#define SPAN_DEFS_MAX (SYSCALL_WORDS * 64) /* a bit each in trigger_filter.syscalls */

/* Written by the daemon; the attach cookie of a probe is its index. */
struct span_def {
	char name[SPAN_NAME_MAX]; /* ended by a NUL */
	__u64 threshold;	  /* smallest of a trigger that means it */
	__u32 flags;		  /* SPAN_* */
	__u32 pad;
};

struct span_key {
	__u64 id; /* of a SPAN_FUNCTION: tid */
	__u32 def;
	__u32 tgid;
};

/* A span under way. process and mm tell the program that began it from another of the same pid. */
struct span_open {
	__u64 begin;
	__u64 process; /* start of the leader */
	__u64 mm;
	__u64 task_start; /* of the thread */
	__u64 sp; /* of a SPAN_FUNCTION: deeper calls have a lower one; else 0 */
	__u32 tid;
	__u32 depth; /* of a SPAN_FUNCTION with an end of its own */
	__u32 announced; /* a trigger has been told of it while it lasts */
	__u32 pad;
};
_Static_assert(sizeof(struct span_open) == 56, "span_open");
#define SPAN_OPENS_MAX 16384u /* of all programs together */

/* A thread that has sent something to the trigger socket. */
struct app_sender {
	__u64 at;    /* when it sent the last one */
	__u64 start; /* of the thread */
	__u32 tid;
	__u32 tgid;
	char comm[COMM_LEN];
};

/* What is sent to the trigger socket and not let in. */
struct app_flood {
	__u64 one;   /* messages of who sends too fast */
	__u64 many;  /* that came while there was too much of all together */
	__u64 until; /* when all that was let in of those that are not calm will have been earned */
};

/* ---- control and counters ---- */

enum syscall_mode { SYSCALLS_OFF = 0, SYSCALLS_SLOW = 1, SYSCALLS_ALL = 2 };

#define HEARTBEAT_MAX_NS 30000000000ull

/*
 * One element, written by the daemon (live_since, budget_last and budget_tokens:
 * by BPF). Most events read the first two cache lines only, and nothing that is
 * written often is near them.
 */
struct control {
	__u64 heartbeat; /* last sign of life of the daemon */
	__u64 live_since;      /* end of the last pause: what began before may not be what it was */
	__u64 slow_ns;	 /* waits from here on are evidence */
	__u64 stacks_ns; /* waits from here on get stacks */
	__u64 min_sleep_ns;    /* smallest threshold of a trigger on a sleep; ~0: none */
	__u64 min_runqueue_ns; /* likewise on the run queue */
	__u64 regs_offset; /* from task_struct.stack to a thread's registers of user space; 0: not known */
	__u32 paused;
	__u32 syscalls; /* enum syscall_mode */
	/* the second line */
	__u32 bank;	/* generation of the trigger table; bank & 1 is the half in force */
	__u32 queue_histograms; /* bit set: a trigger wants this one, of waits in the run queue */
	__u64 min_syscall_ns;  /* as min_sleep_ns, on a syscall */
	__u64 min_request_ns;  /* likewise on a request, or on many */
	__u64 hung_request_ns; /* likewise on a request, also while it lasts */
	__u64 fires_ns; /* waits from here on may explain why a trigger fired */
	__u64 returned_flag;   /* of thread_info.flags: clear if it was in user space since it ran first; 0: none */
	__u32 probes;	       /* times that `probe` was looked at */
	__u32 ends_pass; /* 1: threads registered for rseq(2) tell of ends in passing; 0: all are asked */
	__u64 probe;	       /* task_struct that returned_flag is being found out with */
	/* the third, and those behind */
	__u64 probe_flags;     /* its flags when it went to sleep */
	__u64 stack_dump; /* bytes of user stack at most; 0: frame pointers only */
	__u64 crash_dump; /* the same of a thread that crashes */
	__u64 sleeper_room; /* index into dump_rooms that no CPU uses */
	__u64 stack_memory_ns; /* a stack that was copied so long ago is copied again */
	__u64 fd_syscalls[SYSCALL_WORDS];   /* bit set: argument 0 is a descriptor … */
	__u64 poll_syscalls[SYSCALL_WORDS]; /* … or points to a struct pollfd */
	__u64 send_syscalls[SYSCALL_WORDS]; /* may send, or end a connection */
	__u64 exit_ends[SYSCALL_WORDS]; /* bit set: a trigger wants to know of such an end */
	__u64 budget_rate; /* evidence bytes a second */
	__s64 budget_cap;  /* bytes that may be saved up */
	__u64 budget_last;
	__s64 budget_tokens;
	/* what the next daemon wants to know if this one dies; written by it */
	__u64 layout;  /* recorder_layout() of all that is pinned; 0: not all is yet */
	__u64 started; /* recording began */
	__u64 evidence_since; /* what stands in the ring of evidence covers all since then */
	__u64 lost_before; /* what was lost and refused before the window, of that second */
	__u64 refused_before;
	__u64 refused_stacks_before;
	__u32 pid; /* of the daemon */
	__u32 pad;
};
_Static_assert(__builtin_offsetof(struct control, bank) == 64, "control");
_Static_assert(__builtin_offsetof(struct control, probe_flags) == 128, "control");

/*
 * What became of records of one kind, on one CPU. At any moment
 * tried = written + lost + refused, but for those under way.
 */
struct evidence_count {
	__u64 tried;
	__u64 written;
	__u64 lost;    /* ring full, or no memory */
	__u64 refused; /* withheld by the budget */
};
#define EV_KINDS 16u /* that of a kind is the kind-1st */

/*
 * One element for each possible CPU, cache lines of its own: the first two are
 * of events in the hot window, the others of evidence and losses.
 */
struct cpu_state {
	__u64 pos;	     /* bytes ever claimed in the hot window */
	__u64 armed;	     /* task_struct that is to tell of the end of its syscall, or 0 */
	__u64 armed_tick;    /* an end before the next tick after this one is of no interest; 0: each is */
	__u64 blind; /* 1: something happened here while nothing was recorded */
	__u64 cost_ns; /* what the programs that run often have taken, by a sample, without the way in */
	__u64 lost_hot;	     /* slots: no window on this CPU */
	__u64 asked; /* 1: the daemon has been told that there is no window */
	__u64 long_ends; /* syscalls slept in for long enough that their end is told of, not in mode all */
	/* runs of the programs that run often, by the hot_kind that each of them tried to write; 0: none */
	__u64 runs[HOT_KIND_MAX + 1];
	__u64 lost_trigger;  /* trigger ring full */
	__u64 lost_task;     /* no task storage to be had: waits of the thread unseen */
	__u64 lost_slot;     /* no free place in the task table */
	__u64 evidence_bytes; /* written, as they stand in the ring: with heads, rounded up to 8 */
	__u64 refused_stacks; /* of those refused */
	__u64 refused_distinct; /* different stacks among refused_stacks */
	__u64 full_since; /* evidence is lost since then; 0: none, as the daemon saw it within a second */
	__u64 excluded_stacks; /* user stacks that were not looked at: see stack_excluded() */
	struct evidence_count evidence[EV_KINDS];
};
_Static_assert(sizeof(struct cpu_state) == 704, "cpu_state");
#define EV_RING_HEAD 8u /* bytes before each record in the ring */

/* How many slots an event of this kind takes. */
static inline __u32 hot_slots(__u32 kind)
{
	return kind == HOT_SYS_ENTER || kind == HOT_EXIT ? 2 : kind && kind != HOT_SYS_ARGS;
}

#endif
