/* SPDX-License-Identifier: GPL-2.0 */
/* evidence.h - the records of the evidence ring; a part of record.h, which includes it. */
#ifndef FREC_EVIDENCE_H
#define FREC_EVIDENCE_H

/* ---- evidence: variable-size records in one BPF ring buffer ---- */

enum evidence_kind {
	EV_TASK = 1, /* struct ev_task */
	EV_WAIT = 2, /* struct ev_wait */
	EV_FRAMES = 3, /* struct ev_frames */
	EV_DUMP = 4,   /* struct ev_dump */
	EV_FILE = 5,   /* struct ev_file */
	EV_REQUEST = 6, /* struct ev_request */
	EV_EXIT = 7,	/* struct ev_exit */
	EV_SPAN = 8,	/* struct ev_span */
	EV_RAN = 9,	/* struct ev_ran */
};
#define EV_KIND_MAX EV_RAN

struct ev_header {
	__u64 ts;
	__u16 kind;
	__u16 cpu;
	__u32 len; /* of the whole record, header included */
};
_Static_assert(sizeof(struct ev_header) == 16, "evidence header");

enum task_event {
	TASK_NEW = 2, /* fork, clone */
	TASK_EXEC = 3,
	TASK_RENAME = 4,
	TASK_EXIT = 5,
	TASK_ALIVE = 6, /* from the task iterator of a snapshot */
};

#define TASK_KTHREAD 1u
#define TASK_LEADER 2u	/* tid == tgid */
#define TASK_CLIPPED 4u /* a string below did not fit */

#define EV_CGROUP_MAX 256u
#define EV_CMDLINE_MAX 256u

/*
 * A thread at one moment of its life. Behind the struct stand cgroup_len bytes
 * of cgroup path ("/system.slice/x.service/", its tail if clipped) and
 * cmdline_len bytes of arguments, each ended by NUL. Of the evidence only some
 * records carry the path: one for each cgroup_id and quarter of the window.
 * h.len is rounded up to 8.
 */
struct ev_task {
	struct ev_header h;
	__u64 start;	 /* of the thread, MONOTONIC: with tid it names the incarnation */
	__u64 cgroup_id; /* cgroup v2 */
	__u32 tid;
	__u32 tgid;
	__u32 ppid;   /* tgid of the real parent; TASK_NEW: of the creator */
	__u32 ns_tid; /* tid in the task's own pid namespace */
	__u32 uid;
	__u32 old_tid; /* TASK_NEW: thread that made it; TASK_EXEC by no leader: its tid until now */
	__s32 exit_code;
	__u16 event; /* enum task_event */
	__u16 flags; /* TASK_* */
	__u16 cgroup_len;
	__u16 cmdline_len;
	__u16 state; /* TASK_ALIVE: TASK_REPORT_* */
	__u16 cpu;   /* TASK_ALIVE: where it ran last */
	char comm[COMM_LEN];
};
_Static_assert(sizeof(struct ev_task) == 88, "ev_task");

/* flags of struct wait_facts */
#define WAIT_KTHREAD 1u
#define WAIT_COMPAT 2u	/* nr and args are of the 32-bit table */
#define WAIT_HAS_RET 4u /* taken at the syscall's exit; end and ret are its */
#define WAIT_FUTEX 8u	/* a futex wait: see wait_futex() */
#define WAIT_LOCK 16u	/* a mutex-like futex wait whose owner lives, or ended a short while ago */
#define WAIT_OWNER_WORD 32u /* owner comes from the futex word itself (PI) */
#define WAIT_OPEN 64u	/* still waits: end and in are the time of the snapshot */
#define WAIT_FROZEN 128u	/* by the freezer: state says DISK, but no I/O was waited for */
#define WAIT_SENT_HERE 1024u /* and that is on a connection to this host itself */
#define WAIT_SENT 512u /* woken by a soft interrupt within a call of waker_tid that sends or closes */
#define WAIT_AT_LEAST 256u	/* began before the recording did, which is where start stands */

/*
 * One wait: a sleep, or all sleeps of one syscall. start is the (first)
 * switch-out, woken the (last) wake-up, in the (last) switch-in, end the
 * syscall's exit, or in where there is none. For a run-queue wait start is
 * the moment the thread became runnable.
 */
struct wait_facts {
	__u64 start;
	__u64 woken; /* 0: not seen */
	__u64 in;
	__u64 end;
	__u64 enter;	  /* syscall's entry where it is known (mode all), else 0 */
	__u64 task_start; /* incarnation of tid */
	__u64 args[6];	  /* syscall arguments */
	__s64 ret;
	__u32 tid;
	__u32 tgid;
	__u32 waker_tid; /* current at the last wake-up; innocent where waker_irq is set */
	__u32 waker_tgid;
	/* owner of the lock while the thread went to sleep; 0: none known; without WAIT_LOCK no thread then */
	__u32 owner_tid;
	__u32 sleeps;
	__s16 nr; /* syscall; -1: fault, interrupt or kernel thread */
	__u16 state; /* TASK_REPORT_*, of the (last) sleep */
	__u16 flags; /* WAIT_* */
	__u8 waker_irq; /* IRQ_* */
	__u8 iowait;
	char comm[COMM_LEN];
	char waker_comm[COMM_LEN];
};
_Static_assert(sizeof(struct wait_facts) == 168, "wait_facts");

/* The same number on every architecture, 32 bit included. */
#define NR_FUTEX_WAITV 449
#define NR_FUTEX_WAIT 455

/*
 * Address of what a WAIT_FUTEX waits for; 0: not known. futex_waitv(2) has but
 * five arguments: in the place of a sixth stands its first futex.
 */
static inline __u64 wait_futex(const struct wait_facts *w)
{
	return w->nr == NR_FUTEX_WAITV ? w->args[5] : w->args[0];
}

struct ev_wait {
	struct ev_header h;
	struct wait_facts w;
};

/*
 * How long a thread had run when it was switched in, at h.ts, after a wait over slow_syscall, as the
 * scheduler counts it (sum_exec_runtime): a few of each thread in a window.
 */
struct ev_ran {
	struct ev_header h;
	__u64 task_start;
	__u64 ran;
	__u32 tid;
	__u32 pad;
};
_Static_assert(sizeof(struct ev_ran) == 40, "ev_ran");

/* ---- stacks of slow waits ---- */

enum stack_role {
	STACK_KERNEL = 1,  /* of the sleeper, at its switch-in */
	STACK_SLEEPER = 2, /* its user stack, at the end of the syscall */
	STACK_WAKER = 3,   /* user stack of who ended the wait */
	STACK_EXIT = 4,	   /* user stack of who is about to die */
};

#define STACK_REFERENCE 1u /* equal to an earlier one with this id: no content here */
#define STACK_CUT 2u	   /* more was there than was copied */

/* Which wait a stack belongs to: that of thread wait_tid around time wait_at. */
struct stack_key {
	__u64 id; /* equal for equal stacks of one process */
	__u64 wait_at;
	__u64 task_start; /* with tid: whose stack this is */
	__u32 wait_tid;
	__u32 tid;
	__u32 tgid;
	__u16 role;  /* enum stack_role */
	__u16 flags; /* STACK_* */
};
_Static_assert(sizeof(struct stack_key) == 40, "stack_key");

#define STACK_FRAMES_MAX 127u

/* n return addresses behind it, innermost first: kernel's, or user's by frame pointers. */
struct ev_frames {
	struct ev_header h;
	struct stack_key key;
	__u32 n;
	__u32 pad;
};
_Static_assert(sizeof(struct ev_frames) == 64, "ev_frames");

#define STACK_DUMP_MAX (64u << 10)

/*
 * Registers of a thread in user mode, in the order of the architecture's
 * DWARF numbers: x86-64 rax rdx rcx rbx rsi rdi rbp rsp r8 … r15 rip; arm64 x0
 * … x30 sp pc. Behind the struct stand len bytes of its stack from sp on.
 */
#define STACK_REGISTERS_MAX 33u
struct ev_dump {
	struct ev_header h;
	struct stack_key key;
	__u64 sp;
	__u32 len;
	__u32 n_registers;
	__u64 registers[STACK_REGISTERS_MAX];
};

/*
 * Processes that a user stack was taken of, for the daemon to note what they have
 * mapped while they live. Written round and round; pos counts them all. seq is
 * pos + 1, written last: a note that does not have it is another, or half written.
 */
#define PROCESS_NOTES 256u
struct process_note {
	__u64 start; /* of the leader, MONOTONIC */
	__u32 tgid;
	__u32 seq;
};

struct process_notes {
	__u64 pos;
	struct process_note list[PROCESS_NOTES];
};

/* ---- what a slow wait waited on ---- */

#define EV_FILE_PATH_MAX 256u

/*
 * The file behind the descriptor that the wait of wait_tid around wait_at was
 * about. Behind the struct stand path_len bytes of path (of a file, or of a UNIX
 * socket), its NUL included; the whole is rounded up to 8.
 */
struct ev_file {
	struct ev_header h;
	__u64 wait_at;
	__u64 inode;
	__u32 wait_tid;
	__u32 fd;
	__u32 mode;	/* S_IFMT of it tells what it is */
	__u32 peer_pid; /* UNIX socket: process that connected or listened; 0: unknown */
	__u16 family;	/* AF_*, of a socket */
	__u16 local_port;
	__u16 remote_port; /* 0: not connected */
	__u16 path_len;
	__u8 local[16]; /* IPv4: the first four bytes; network order */
	__u8 remote[16];
	__u64 net; /* network namespace of an internet socket; means nothing but itself */
	__u32 writes; /* of a pipe: it is the end to write to */
	__u32 device; /* of its file system; compared only */
};
_Static_assert(sizeof(struct ev_file) == 104, "ev_file");

/* ---- requests to servers ---- */

#define REQUEST_QUEUED 1u /* arrived before the connection was accepted */
#define REQUEST_SEND_START 2u /* end is where the call that sends began, else a time within it */
#define REQUEST_OPEN 4u	      /* not answered yet: end is when that was so */
#define REQUEST_CLOSED 8u     /* never answered: end is when its connection ended … */
#define REQUEST_LEFT 16u      /* … which its client did first */

/*
 * One request that took long; arrived <= read <= end, but read is 0 if nobody has read it. Of one
 * that was not answered, tid is who has it: its reader or, where there is none, the main thread
 * of a process that has its socket or, before that is accepted, the one that listens; 0: not known.
 */
struct ev_request {
	struct ev_header h;
	__u64 connection; /* means nothing but itself */
	__u64 arrived; /* its first byte */
	__u64 read;    /* end of the first call that took some of it */
	__u64 end;     /* first call that sent something after that */
	__u64 bytes_in;
	__u32 tid; /* who sent */
	__u32 tgid;
	__u32 reader_tid; /* who read; 0: nobody */
	__u32 reader_tgid;
	__u32 bytes_out; /* of the first call that sent */
	__u16 flags; /* REQUEST_* */
	__u16 family; /* AF_* */
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16]; /* as in ev_file */
	__u8 remote[16];
	__u32 path_len; /* UNIX: of path; an abstract name begins with NUL */
	char path[SOCKET_PATH_MAX];
};
_Static_assert(sizeof(struct ev_request) == 232, "ev_request");

#define REQUEST_PORT_WORDS 1024u

/* One element, written by the daemon: which connections are looked at. */
struct request_watch {
	__u64 ports[REQUEST_PORT_WORDS]; /* bit set: connections to this port of this host */
	__u32 any;   /* a trigger names no port: all connections over TCP … */
	__u32 local; /* … and UNIX; or one names a UNIX socket */
	__u32 scan; /* of those that last: the number of the one under way */
	__u32 epoch; /* raised while nobody looks at connections: they end unseen then */
};

/* ---- spans of programs ---- */

#define SPAN_NAME_MAX 64u
#define SPAN_FUNCTION 1u /* from function to function, of one thread; id is its tid */
#define SPAN_RETURN 2u	 /* of a SPAN_FUNCTION: until it returns */
#define SPAN_OPEN 4u	 /* has not ended: end is the time of the snapshot, tid the thread that began */

struct ev_span {
	struct ev_header h;
	__u64 begin;
	__u64 end;
	__u64 id;
	__u32 tid; /* who ended it */
	__u32 tgid;
	__u32 begin_tid;
	__u32 flags; /* SPAN_* */
	char name[SPAN_NAME_MAX]; /* ended by a NUL */
};
_Static_assert(sizeof(struct ev_span) == 120, "ev_span");

/* ---- ends of processes ---- */

/* How it ended; of a TRIGGER_EXIT, also the bits of trigger_filter.syscalls. 1 to 64: the signal. */
#define END_OOM 65u   /* SIGKILL by the OOM killer */
#define END_CODE 128u /* + exit code */

/*
 * A process ends: by a signal, or with an exit code that somebody wants to know of. Its stack has
 * the role STACK_EXIT and the same time. Memory is in bytes.
 */
struct ev_exit {
	struct ev_header h;
	__u64 task_start;
	__u64 address; /* of a fault */
	__u64 rss;
	__u64 usage, limit; /* of the memory cgroup around it that is fullest; limit 0: it has none */
	__u32 tid; /* in which the signal arrived first */
	__u32 tgid;
	__u32 end; /* END_* or the signal */
	__s32 code; /* si_code */
	__u32 sender_tid; /* 0: the kernel, or not known */
	__u32 sender_tgid;
	__s16 oom_score_adj;
	__u16 pad[3];
	char comm[COMM_LEN];
	char sender_comm[COMM_LEN];
};
_Static_assert(sizeof(struct ev_exit) == 120, "ev_exit");

/*
 * A descriptor that is an end of a pipe or of a connection, or a file that
 * somebody has, or had, a lock on. The iterator
 * iter_ends writes these one behind the other; they are no evidence.
 */
struct peer_end {
	__u64 inode;
	__u64 peer_inode; /* UNIX socket: of the other end */
	__u64 net;	  /* network namespace of an internet socket; means nothing but itself */
	__u32 pid;
	__u32 fd;
	__u16 mode;   /* S_IFIFO, S_IFSOCK or S_IFREG */
	__u16 family; /* AF_*, of a socket */
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16]; /* as in ev_file */
	__u8 remote[16];
	__u8 writes; /* of a pipe: this is the end to write to */
	__u8 pad[3];
	__u32 device; /* as in ev_file */
};
_Static_assert(sizeof(struct peer_end) == 80, "peer_end");

#endif
