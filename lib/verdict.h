/* SPDX-License-Identifier: GPL-2.0 */
/*
 * verdict.h - why it was slow: from a story, the accounting of a slow interval and the chain of
 * who waited for whom. Nothing here does I/O.
 *
 * The chain: what filled most of the interval; if that was a wait for another thread, what that
 * one did in exactly the time it was waited for; and so on. A link that cannot be followed ends
 * the chain, and the verdict says what is missing: nobody is accused of having been near.
 */
#ifndef FREC_VERDICT_H
#define FREC_VERDICT_H

#include "story.h"

enum verdict_wait {
	VERDICT_UNKNOWN,
	VERDICT_RUNNING,
	VERDICT_RUNQUEUE,
	VERDICT_THROTTLED,
	VERDICT_LOCK,
	VERDICT_FUTEX,
	VERDICT_PIPE,
	VERDICT_SOCKET,
	VERDICT_NETWORK,
	VERDICT_DISK,
	VERDICT_MEMORY,
	VERDICT_SLEEP,
	VERDICT_POLL,
	VERDICT_CHILD,
	VERDICT_FILE_LOCK,
	VERDICT_KERNEL_LOCK,
	VERDICT_STOPPED,
	VERDICT_DEADLOCK,
	VERDICT_EXIT, /* no wait: the process, or the thread, had ended */
	VERDICT_WAITS
};

const char *verdict_wait_name(enum verdict_wait w);

/* What says that one thread waited for another. */
#define VERDICT_BY_OWNER 1u /* the lock's owner field */
#define VERDICT_BY_WAKER 2u /* it ended the wait */
#define VERDICT_BY_PEER 4u  /* it has the other end of the pipe or socket, or is the child */
#define VERDICT_BY_CREATOR 8u /* it made, rather late, the one that did */
#define VERDICT_BY_REQUEST 16u /* it was asked, and has not answered */

#define VERDICT_HOPS 8
#define VERDICT_TEXT 4608 /* a deadlock of VERDICT_HOPS is told in full */
#define VERDICT_WHAT 320
#define VERDICT_RAN_INSTEAD 4
#define VERDICT_GROUPS 10

struct verdict_ran {
	uint32_t thread; /* one of the process; STORY_NOBODY: the CPU was idle */
	uint64_t ns;
};

struct verdict_link {
	uint32_t thread;
	enum verdict_wait wait; /* that filled most of its time */
	uint64_t ns;		/* of that wait */
	uint64_t of_ns;		/* of the time that was looked at */
	char what[VERDICT_WHAT];
	const struct story_wait *evidence; /* the longest one of these waits, or NULL */
	bool on_others;			   /* most of that wait was for somebody to end it */
	uint32_t rounds;		   /* it waited again and again for next; 0: at once */
	uint32_t next;			   /* whom it waited for, or STORY_NOBODY */
	unsigned int rests_on;		   /* VERDICT_BY_* for next */
	bool sure;			   /* false: the evidence allows for another next */
	struct verdict_ran ran_instead[VERDICT_RAN_INSTEAD]; /* runqueue: most first */
	size_t n_ran_instead;
};

/* The same kind of wait of one process, for a snapshot that no wait fired. */
struct verdict_group {
	int32_t pid;
	enum verdict_wait wait;
	uint64_t ns, longest_ns, count;
	const struct story_wait *longest; /* NULL: runqueue */
	uint32_t thread;		  /* of the longest */
	uint64_t start, end;		  /* of the longest */
	unsigned int rank;		  /* groups of a lower one come first */
	uint8_t idle;			  /* enum verdict_idleness */
};

struct verdict {
	uint32_t thread; /* the subject; STORY_NOBODY: nothing hurt */
	uint64_t start, end;
	uint64_t read; /* of a request: when it was; else 0 */
	uint64_t parts[VERDICT_WAITS]; /* ns, all together end - start */
	double explained;	       /* share of the interval that events account for */
	struct verdict_link chain[VERDICT_HOPS];
	size_t n_chain;
	struct verdict_link also; /* where it ran most: what took nearly as long; ns 0: nothing */
	enum verdict_wait cause; /* of the last link; or DEADLOCK, UNKNOWN; LOCK: it ended with the lock */
	uint32_t culprit;	 /* its thread */
	uint64_t cause_ns;
	char text[VERDICT_TEXT]; /* the cause, in one sentence */
	struct verdict_group groups[VERDICT_GROUPS]; /* manual: most time first */
	size_t n_groups;
	bool idle; /* the subject waited for work, as far as is known */
	const struct story_end *end_of; /* of the process that was asked for, or NULL */
	double wanted_cpus; /* of a host: so many threads ran, or were ready to, on average … */
	uint32_t cpus;	    /* … on so many; 0: not looked at */
};

/* What thread was called in the interval: what a shell makes becomes its program only later. */
const char *verdict_comm(const struct story *s, const struct verdict *v, uint32_t thread);
/*
 * Why thread took from start to end. What was before its birth is looked for with who made it.
 * -ENOMEM.
 */
int verdict_of(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
	       struct verdict *ret);
/*
 * The same of a request that thread answered at end, and the thread `reader` (STORY_NOBODY: thread
 * itself) had read at `read`: until then it was in that one's hands.
 */
int verdict_of_request(const struct story *s, uint32_t reader, uint64_t read, uint32_t thread,
		       uint64_t start, uint64_t end, struct verdict *ret);
/*
 * The same of a request that nobody has read, to the process of this thread: what kept its only
 * thread from it or, of several, the one that had most of something else to do.
 */
int verdict_of_unread(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
		      struct verdict *ret);
/*
 * The same of a span that thread ended, and the thread `beginner` (STORY_NOBODY: thread itself) had
 * begun: until that one handed it over it was in its hands.
 */
int verdict_of_span(const struct story *s, uint32_t beginner, uint32_t thread, uint64_t start,
		    uint64_t end, struct verdict *ret);
/* The same of a thread that waited for work, for which nobody is to blame. */
int verdict_of_idle(const struct story *s, uint32_t thread, uint64_t start, uint64_t end,
		    struct verdict *ret);
/*
 * Why what this trigger fired for took so long: one of the above, or the worst waits of its thread
 * where it tells of no time.
 */
int verdict_of_trigger(const struct story *s, const struct story_trigger *t, struct verdict *ret);
/*
 * The worst waits of process pid, unless it is 0, of the systemd unit or cgroup, unless it is NULL,
 * and why the longest of the worst kind was. -ENOMEM; -ESRCH: there is no such process.
 */
int verdict_worst(const struct story *s, int32_t pid, const char *unit, struct verdict *ret);

/* The same, waits of these kinds, 1 << enum verdict_wait, before all others. */
int verdict_worst_kinds(const struct story *s, uint32_t kinds, const char *unit,
			struct verdict *ret);

/* Were clearly more CPUs wanted than there are? */
bool verdict_is_overload(const struct verdict *v);

/* The worst of the waits of this thread that began before until, and why it took so long. -ENOMEM. */
int verdict_worst_of(const struct story *s, uint32_t thread, uint64_t until, struct verdict *ret);

/*
 * The same of a host or cgroup that was under pressure from start to end: text, as the trigger has
 * it, says which. For CPUs, it begins with who had them.
 */
int verdict_pressure(const struct story *s, const char *text, uint64_t start, uint64_t end,
		     struct verdict *ret);
/* Puts what a trigger of kind percentile says, and for CPUs who had them, before the cause. */
void verdict_percentile(const struct story *s, const char *text, struct verdict *v);

/* ---- between the verdict's own files ---- */

struct verdict_span {
	uint64_t start, end;
};

struct verdict_spans {
	struct verdict_span *list;
	size_t n, size;
};

int verdict_spans_add(struct verdict_spans *spans, uint64_t start, uint64_t end);

/* verdict_kind.c: of a segment of a thread, with the wait that covers it, or NULL. */
enum verdict_wait verdict_kind(const struct story *s, uint32_t thread,
			       const struct story_segment *g, const struct story_wait *w);
/* The wait in words: "mutex 0x4a30e0", "recvfrom fd 7 127.0.0.1:8091". */
void verdict_what(const struct story_wait *w, enum verdict_wait kind, char *buf, size_t size);
/* Did it wait for a signal, which whoever sends it ends? */
bool verdict_awaits_signal(const struct story_wait *w);
/* Is it one of the kernel's own? */
bool verdict_is_kthread(const struct story *s, uint32_t thread);
/* Is it frec's? */
bool verdict_is_recorder(const struct story *s, uint32_t thread);
/* Did it wait for a process to serve it, whatever the call was: a FUSE server, a handler of faults? */
bool verdict_is_served(const struct story_wait *w);
/* Did it wait in pthread_join(3)? */
bool verdict_joins(const struct story_wait *w);
/* Is it at an internet socket that anybody may send to? */
bool verdict_is_unconnected(const struct story_wait *w);
/* Does a runtime that schedules tasks of its own park in this wait? Its name, or NULL. */
const char *verdict_runtime(const struct story_wait *w);

/*
 * verdict_users.c: who had the CPUs in that time, most first, in words: "of 2 CPUs sh (pid 7) had
 * 98 %"; *ret_ours: the recorder's share. -ENODATA, -ENOMEM.
 */
#define VERDICT_USERS 512
int verdict_users(const struct story *s, struct verdict_span span, char buf[VERDICT_USERS],
		  double *ret_ours);

/* verdict_hands.c: whose turn it was, one after the other and without gaps. */
#define VERDICT_HANDS 8
struct verdict_hand {
	uint32_t thread;
	struct verdict_span span;
};
/*
 * When did thread get the work that `from` had at start, and thread itself ended at end? When `from`
 * woke it first; if that was never, it was there already, and had taken the work, or should have.
 */
uint64_t verdict_handover(const struct story *s, uint32_t from, uint32_t thread,
			  struct verdict_span span);
/* As verdict_of_request(). Returns how many, at least 1. */
size_t verdict_hands(const struct story *s, uint32_t reader, uint64_t read, uint32_t thread,
		     struct verdict_span span, struct verdict_hand ret[VERDICT_HANDS]);

/* verdict_blame.c: whom a thread waited for. */
struct verdict_blame {
	uint32_t thread;
	unsigned int rests_on;
	bool sure;
	struct verdict_spans spans; /* when it was waited for */
	uint64_t ns;
	const struct story_wait *longest;
	uint64_t longest_ns;
	uint32_t rounds; /* that were not ended by it, but whose time was up */
};

/* Somebody had the lock of the wait at hand from start to end. */
struct verdict_tenure {
	uint64_t start, end;
	uint32_t thread; /* STORY_NOBODY: not known who */
	unsigned int rests_on;
	bool sure;
};

struct verdict_blames {
	struct verdict_blame *list;
	size_t n, size;
	uint32_t *places; /* 1 + where in list each thread is, nobody last; 0: nowhere */
	const struct story_wait *lock; /* whose tenures these are, by time */
	struct verdict_tenure *tenures;
	size_t n_tenures, size_tenures, at; /* those before at ended before the last part */
	const struct story_wait *peer_of;
	uint32_t peer; /* the thread at the other end of that wait */
};

/*
 * Adds those to blame for a part of wait w, of that kind, that lies within segment g; parts come by
 * time. The end of wait `last`, which may be w, tells whom it was for. -ENOMEM.
 */
int verdict_blame(const struct story *s, enum verdict_wait kind, const struct story_segment *g,
		  const struct story_wait *w, const struct story_wait *last,
		  struct verdict_span part, struct verdict_blames *blames);
/* The same of a round, see verdict_round_of(). */
int verdict_blame_round(const struct story *s, const struct story_wait *w, uint32_t holder,
			bool sure, struct verdict_span part, struct verdict_blames *blames);
void verdict_blames_free(struct verdict_blames *blames);

/* When the thread ended, if that was before the interval's end; else UINT64_MAX. */
uint64_t verdict_gone_since(const struct story *s, const struct verdict *v, uint32_t thread);

/*
 * verdict_deed.c: what ended a wait of that kind, from its waker_stack: "let go", "wrote", "closed",
 * …; "woke it" where that does not say.
 */
const char *verdict_deed(enum verdict_wait wait, const char *functions);

/* verdict_text.c: the sentence about v's chain. */
void verdict_tell(const struct story *s, struct verdict *v);
/* The function that says most of a wait: the program's own before the C library's; NULL. */
const char *verdict_function(const struct story_wait *w);

#endif
