/* SPDX-License-Identifier: GPL-2.0 */
/*
 * maps.bpf.h - the maps, and the only ways to write into them.
 *
 * Sizes marked "set by the daemon" are placeholders that it replaces before
 * loading. Everything here is pinned by name.
 */
#ifndef FREC_MAPS_BPF_H
#define FREC_MAPS_BPF_H

#include "compat.bpf.h"
#include "record.h"

#ifdef FREC_MAPS_DEFINE
#define MAP
#else
#define MAP extern
#endif

struct hot_window {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4096); /* set by the daemon: a power of two */
};

/* What the recorder knows of a thread; lives and dies with it. */
struct task_state {
	u64 out;       /* asleep since; 0: not asleep */
	u64 first_out; /* first sleep of the syscall it is in; 0: none whose end is to be told */
	u64 woken;     /* last wake-up, of this sleep or an earlier one: see wait_woken() */
	u64 runnable;  /* preempted, or new, since; 0: neither */
	u64 in;	       /* last switch-in after a sleep, or the first of all */
	u64 enter;     /* entry of the syscall it is in, where that is recorded */
	u64 futex;     /* of a WAIT_FUTEX: its address */
	u32 waker_tid;
	u32 waker_tgid;
	u32 owner; /* of the lock it went to sleep for */
	u32 slot;  /* place in the task table + 1; 0: none */
	u32 sleeps;
	u32 switches; /* task_switches() when it left the CPU last; written before out */
	u32 bank;     /* configuration in force at first_out */
	s16 nr;
	u16 state;
	u16 flags; /* WAIT_* */
	u8 waker_irq;
	u8 iowait;
	u8 announced; /* ANNOUNCED_*: a trigger has been told of this wait while it lasts */
	u8 unplaced; /* has no place in the task table; counted once */
	u8 enter_compat;
	u8 watched; /* it will tell us when it leaves the syscall that it is in */
	s16 enter_nr; /* of the syscall entered at `enter`; exec changes what the registers say */
	u16 pad;
	char waker_comm[COMM_LEN]; /* only for slow waits; its begin is among what each wake-up writes */
	u32 histograms; /* bit set: of a trigger that means this thread, as far as filters of threads go … */
	u32 histograms_bank; /* … of this configuration, 0: of none … */
	u32 ran_told; /* when an ev_ran told of it last, in 2^20 ns */
	u64 cgroups, cred; /* … and with these of the thread */
};

#define SCRATCH_SWITCH 0
#define SCRATCH_EXIT 1
#define SCRATCH_LIFE 2
#define SCRATCH_ITER 3 /* iterators of the main loop, which can be preempted by … */
#define SCRATCH_REQUEST 4
#define SCRATCH_RESET 5 /* of a connection, in a soft interrupt */
#define SCRATCH_SPAN 6
#define SCRATCH_WALK 7 /* … those of a snapshot, which a thread of its own runs */
#define SCRATCH_STACK 8 /* of stack_user(), one for each STACK_ROOM_* that it has */
#define SCRATCHES 10

/* Room that does not fit the stack; one for each program that can interrupt another. */
struct scratch {
	u64 task_address; /* input of path_*() and file_look() */
	u64 file_address; /* likewise */
	u64 mm_address; /* of a task that has let go of its own; else 0 */
	struct ev_file file; /* with its path in file_path */
	char file_path[EV_FILE_PATH_MAX];
	struct {	  /* input of trigger_run() */
		u64 now;
		u64 runnable;	  /* start of the run-queue wait */
		u64 durations[TRIGGER_KINDS]; /* by trigger_kind; 0: this is no such wait */
		u64 before; /* up to this duration it has been judged already */
		u32 bank;
		u32 cpu;
	} judge;
	struct wait_facts facts;
	struct ev_wait open; /* of the iterator */
	struct ev_request request;
	struct ev_task task;
	char text[1024]; /* right behind it: strings of an ev_task; room for bounded copies behind them */
	char name[256];	 /* one component of a path */
	char path[1024];
	u32 path_at, path_done;
	u64 ended; /* task_struct whose end has just fired a trigger, or 0 */
	struct { /* of mapped.bpf.c */
		u64 at, max; /* address that is looked for, and the end of what the node is about */
		u64 pivots[15], slots[16]; /* of the node */
		u64 node;		 /* to go down to; 0: this is a leaf */
		u32 n, pad;		 /* files told */
	} mapped;
	struct trigger_map map;
	struct ev_exit exit;
	u64 busy; /* SCRATCH_SPAN: a thread that was preempted is at it */
	struct { /* input of histogram_add_each() */
		u64 now, start, ns, connection;
		u32 cpu;
		u32 histograms; /* bit set: it belongs there */
	} latency;
};

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* set by the daemon: possible CPUs, as for cpus */
	__type(key, u32);
	__array(values, struct hot_window);
} hot_windows SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* set by the daemon */
} evidence SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} trigger_ring SEC(".maps");

/* tgid of a process that a trigger has fired for lately -> when */
MAP struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u64);
} fired_for SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * (TRIGGERS_MAX + EXCLUDES_MAX));
	__type(key, u32);
	__type(value, struct trigger_filter);
} trigger_filters SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * TRIGGERS_MAX);
	__type(key, u32);
	__type(value, struct trigger_count);
} trigger_counts SEC(".maps");

/* HISTOGRAMS_MAX of each CPU, one CPU behind the other */
MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HISTOGRAMS_MAX); /* set by the daemon: times the possible CPUs */
	__type(key, u32);
	__type(value, struct histogram);
} histograms SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 16); /* a power of two; set by the daemon */
	__type(key, u32);
	__type(value, struct task_slot);
} task_table SEC(".maps");

/*
 * Where most threads' states are: finding one in the storage of tasks costs as much as the rest of a
 * wake-up. A thread has one place here, by its tid; where that is taken, its state is in its storage.
 */
#define NEAR_STATES (1u << 14)

struct near_state {
	u64 task;  /* task_struct; 0: free */
	u64 start; /* of that thread */
	struct task_state state;
	u64 pad[4]; /* three cache lines, of which most events look at two */
};
_Static_assert(sizeof(struct near_state) == 192, "near_state");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* elements begin at cache lines */
	__uint(max_entries, NEAR_STATES);
	__type(key, u32);
	__type(value, struct near_state);
} near_states SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_states SEC(".maps");

/* (inode of the pid namespace << 32 | tid in it) -> tid, for threads in inner namespaces */
MAP struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, u64);
	__type(value, u32);
} ns_tids SEC(".maps");

/* Threads that have ended, by thread_ended_key(): what they held they have taken along. */
MAP struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} ended_threads SEC(".maps");

/* id of a stack, or of a cgroup's path, -> when it was last copied */
MAP struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} stacks_seen SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct process_notes);
} process_notes SEC(".maps");

/* Room to build a stack's record in: 0 for sys_exit and switches, 1 for wake-ups. */
#define STACK_ROOM_EXIT 0
#define STACK_ROOM_WAKING 1
#define STACK_ROOM_ITER 2 /* iterators can be preempted */

struct stack_room {
	struct ev_frames frames;
	u64 pcs[STACK_FRAMES_MAX + 1];
};

MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, struct stack_room);
} stack_rooms SEC(".maps");

/* An ev_dump and its bytes, rounded up so that bounded copies fit. Two for each CPU. */
struct dump_room {
	struct ev_dump e;
	u8 bytes[STACK_DUMP_MAX + 4096];
};

MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* set by the daemon: twice the possible CPUs */
	__type(key, u32);
	__type(value, struct dump_room);
} dump_rooms SEC(".maps");

MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

#ifdef FREC_MAPS_DEFINE
const volatile u64 hot_mask = 4096 - HOT_SLOT_SIZE;
const volatile u32 task_mask = (1 << 16) - 1;
#else
extern const volatile u64 hot_mask;
extern const volatile u32 task_mask;
#endif

static __always_inline struct cpu_state *cpu_self(u32 *ret_cpu)
{
	u32 cpu = bpf_get_smp_processor_id();

	*ret_cpu = cpu;
	return bpf_map_lookup_elem(&cpus, &cpu);
}

#define COST_SAMPLE 64u /* one of so many runs is timed */

/*
 * At the end of a program that runs often and began at `now`: counts it, by the hot_kind that it tried
 * to write, and what it costs. Nothing interrupts that: one that is nested in itself does not run.
 */
static __always_inline void cost_count(struct cpu_state *c, u64 now, u32 kind)
{
	if (!(c->runs[kind]++ & (COST_SAMPLE - 1)))
		c->cost_ns += COST_SAMPLE * (bpf_ktime_get_ns() - now);
}

/*
 * The control block, or NULL while nothing is to be recorded. Whoever sees the
 * first event after a pause on a CPU where events were missed moves live_since:
 * before a thread's missed past can matter, that CPU has had such an event.
 */
static __always_inline struct control *control_live(u64 now, struct cpu_state *c)
{
	u32 zero = 0;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);

	if (!ctl)
		return NULL;
	/* the heartbeat may be newer than `now`, which was read before */
	if (ctl->paused || (s64)(now - ctl->heartbeat) > (s64)HEARTBEAT_MAX_NS) {
		c->blind = 1;
		return NULL;
	}
	if (c->blind) {
		c->blind = 0;
		ctl->live_since = now;
	}
	return ctl;
}

static __always_inline struct scratch *scratch_get(u32 which)
{
	return bpf_map_lookup_elem(&scratches, &which);
}

/* ---- hot window ---- */

/* Tells the daemon, once, that this CPU has no window: it came online. In trigger.bpf.c. */
extern int trigger_cpu(void);

/* Base of this CPU's window, or NULL (counted: `n` slots are lost). */
static __always_inline void *hot_base(struct cpu_state *c, u32 cpu, u32 n)
{
	u32 zero = 0;
	void *window = bpf_map_lookup_elem(&hot_windows, &cpu);

	window = window ? bpf_map_lookup_elem(window, &zero) : NULL;
	if (!window) {
		__sync_fetch_and_add(&c->lost_hot, n);
		if (!c->asked)
			trigger_cpu();
	}
	return window;
}

/* Claims n slots; the record of an interrupt that comes now lands behind them. */
static __always_inline u64 hot_claim(struct cpu_state *c, u32 n)
{
	return __sync_fetch_and_add(&c->pos, n * HOT_SLOT_SIZE);
}

static __always_inline struct hot_slot *hot_open(void *base, u64 pos)
{
	struct hot_slot *e = base + (pos & hot_mask);

	e->seq = 0;
	barrier();
	return e;
}

static __always_inline void hot_close(struct hot_slot *e, u64 pos, u32 kind)
{
	barrier();
	*(volatile u64 *)&e->seq = pos | kind;
}

/* ---- evidence ---- */

#define BUDGET_GAP_NS 10000000ull
#define BUDGET_GAP_MAX_NS (1ull << 36) /* times any rate of a ring: no overflow */
#define BUDGET_STEP 1024 /* bytes: smaller refills would round slow rates to nothing */

static __always_inline void budget_refill(struct control *ctl, u64 now)
{
	u64 last = ctl->budget_last, gap = now - last;
	s64 room, more;

	if (now < last || gap < BUDGET_GAP_NS)
		return;
	if (gap > BUDGET_GAP_MAX_NS)
		gap = BUDGET_GAP_MAX_NS;
	more = ctl->budget_rate * (gap / 1000) / 1000000;
	if (more < BUDGET_STEP && gap < BUDGET_GAP_MAX_NS)
		return;
	if (__sync_val_compare_and_swap(&ctl->budget_last, last, now) != last)
		return;
	room = ctl->budget_cap - ctl->budget_tokens;
	if (more > room)
		more = room;
	if (more > 0)
		__sync_fetch_and_add(&ctl->budget_tokens, more);
}

/*
 * What must be left of the savings, in sixteenths, for a record to be paid: the
 * more it matters the less. Without the lives of tasks nothing has a name; in a
 * storm of short waits the long ones must get through.
 */
enum budget_class {
	BUDGET_EXIT = 0, /* the last word on a thread: name, process, start */
	BUDGET_EXEC = 1,
	BUDGET_NEW = 2,
	BUDGET_RENAME = 3,
	BUDGET_FIRES = 3, /* waits that are long enough for a trigger, or half of it: it may be asked why */
	BUDGET_LONG = 4, /* waits that are long enough for stacks */
	BUDGET_STACK = 6,
	BUDGET_SHORT = 8,
};

static __always_inline bool budget_fires(const struct control *ctl, u64 lasted)
{
	return lasted >= ctl->fires_ns;
}

static __always_inline enum budget_class budget_of(const struct control *ctl, u64 lasted)
{
	return budget_fires(ctl, lasted)  ? BUDGET_FIRES
	       : lasted >= ctl->stacks_ns ? BUDGET_LONG
					  : BUDGET_SHORT;
}

static __always_inline struct evidence_count *evidence_of(struct cpu_state *c, u64 kind)
{
	return &c->evidence[(kind - 1) & (EV_KINDS - 1)];
}

/*
 * Takes len bytes from the budget (a token bucket) for a record of this kind; false: refused. Each
 * record begins here, and is counted.
 */
static __always_inline bool evidence_afford(struct control *ctl, struct cpu_state *c, u64 now,
					    u32 len, enum budget_class class, u32 kind)
{
	struct evidence_count *n = evidence_of(c, kind);
	s64 floor = (ctl->budget_cap >> 4) * class;
	s64 had;

	__sync_fetch_and_add(&n->tried, 1);
	budget_refill(ctl, now);
	/* the common refusal, in a storm, must not fight for the cache line */
	if (*(volatile s64 *)&ctl->budget_tokens - (s64)len >= floor) {
		had = __sync_fetch_and_add(&ctl->budget_tokens, -(s64)len);
		if (had - (s64)len >= floor)
			return true;
		__sync_fetch_and_add(&ctl->budget_tokens, (s64)len);
	}
	__sync_fetch_and_add(&n->refused, 1);
	return false;
}

/* Has what has this id been copied lately? If not, now it is. */
static __always_inline bool evidence_known(struct control *ctl, u64 id, u64 now)
{
	u64 *seen = bpf_map_lookup_elem(&stacks_seen, &id);

	if (seen && now - *seen < ctl->stack_memory_ns)
		return true;
	bpf_map_update_elem(&stacks_seen, &id, &now, BPF_ANY);
	return false;
}

/* What became of a record that was paid. */
static __always_inline void evidence_count(struct cpu_state *c, long error, u32 len, u32 kind)
{
	struct evidence_count *n = evidence_of(c, kind);

	if (error) {
		__sync_fetch_and_add(&n->lost, 1);
		if (!c->full_since)
			c->full_since = bpf_ktime_get_ns();
		return;
	}
	__sync_fetch_and_add(&n->written, 1);
	__sync_fetch_and_add(&c->evidence_bytes, ((u64)len + EV_RING_HEAD + 7) & ~7ull);
}

/* Room for a record of this size, a constant, if the budget pays for it, with its header filled in. */
static __always_inline void *evidence_reserve(struct control *ctl, struct cpu_state *c, u32 cpu,
					      u64 now, enum budget_class class, u32 kind, u32 len)
{
	struct ev_header *h;

	if (!evidence_afford(ctl, c, now, len, class, kind))
		return NULL;
	h = bpf_ringbuf_reserve(&evidence, len, 0);
	evidence_count(c, !h, len, kind);
	if (!h)
		return NULL;
	h->ts = now;
	h->kind = kind;
	h->cpu = cpu;
	h->len = len;
	return h;
}

/* Writes a record of this size, if the budget pays for it. */
static __always_inline void evidence_output(struct control *ctl, struct cpu_state *c, u64 now,
					    enum budget_class class, const void *record, u32 len)
{
	u32 kind = ((const struct ev_header *)record)->kind;

	if (!evidence_afford(ctl, c, now, len, class, kind))
		return;
	evidence_count(c, bpf_ringbuf_output(&evidence, (void *)record, len, BPF_RB_NO_WAKEUP),
		       len, kind);
}

#endif
