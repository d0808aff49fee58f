/* SPDX-License-Identifier: GPL-2.0 */
/* snapshot.h - runs the worker over a capture. One at a time. */
#ifndef FREC_SNAPSHOT_H
#define FREC_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "worker.h"

#define SNAPSHOT_DEADLINE_NS 60000000000ull
/*
 * Who gets the CPU. The recorder and its helpers take a thousandth of one in moments; among hundreds
 * that are ready to run each of them, and a snapshot asks them some hundred things, would wait for
 * its turn as long as the snapshot may take in all. So they go first.
 *
 * A worker takes half a second: most hosts have that to spare within one, and where it runs only on
 * what nobody else wants no latency suffers. Where nobody has anything to spare, it competes like
 * anyone after SNAPSHOT_IDLE_NS, which on a host with few ready to run is soon enough. On a crowded
 * one every share is tiny: somebody asked because it is slow, and an answer that takes ten times as
 * long shows less of why, as the window goes on. There the worker goes first from the beginning, and
 * the others, whose turn is tens of milliseconds away anyhow, wait for another two or three.
 */
#define SNAPSHOT_NICE -19
#define SNAPSHOT_IDLE_NS 300000000ull
/* Something else is wrong: it is to come to an end. */
#define SNAPSHOT_PRESS_NS 1500000000ull

/*
 * Are so many threads ready to run that idle priority would never have its turn?
 * Then waiting to see it starve only makes the answer late.
 */
bool snapshot_is_crowded(void);

struct snapshot_identity;

/* Stacks and names take no longer than this, or the file goes without them. */
#define SNAPSHOT_NAMING_NS 20000000000ull

struct snapshot {
	pid_t pid; /* 0: none runs */
	int pidfd; /* of it: once it has been reaped its pid may be another's */
	int result_fd;
	uint64_t started; /* MONOTONIC ns */
	bool hurried, pressed;
	int killed;    /* -errno of why it was, or 0 */
	unsigned int attempts; /* 2: the first worker came to grief over some process's files */
	int capture, output, opener, ends; /* for the second attempt; -1: none */
	const struct snapshot_identity *who;
};

/* Whom the worker runs as: (uid_t)-1 to stay what we are. */
struct snapshot_identity {
	uid_t uid;
	gid_t gid;
	int program;  /* descriptor of our own binary */
	int kallsyms; /* of /proc/kallsyms, opened with the right to see addresses; or -1 */
};

/* In a child: becomes that user, without any capability, for good. -errno. */
int snapshot_drop_privileges(const struct snapshot_identity *who);
/* In a child: of RLIMIT_`what`, soft and hard; what cannot be limited is not. */
void snapshot_limit(int what, rlim_t value);
/*
 * In a child of parent: becomes that user and our own binary (program, a copy of who's), with an
 * empty environment; dies with its parent. Exits with 126 or 127 where that fails.
 */
void snapshot_execute(const struct snapshot_identity *who, int program, char *const argv[],
		      pid_t parent) __attribute__((noreturn));

/* Of a child that was just forked; it is killed where that fails: -errno. */
int snapshot_pidfd(pid_t child);
/* 0: none. False: it has been reaped, and its pid may be another's. */
bool snapshot_signal(int pidfd, int signal);

/*
 * Starts the worker, which writes to output. capture and output are not closed;
 * who and opener must last until the end; ends (of recorder_ends(), or negative)
 * becomes the snapshot's, also on failure. Never waits for the worker: whoever
 * calls this reaps its children.
 */
int snapshot_start(struct snapshot *s, const struct snapshot_identity *who, int capture,
		   int opener, int ends, int output, uint64_t now);

/* To be called often while one runs: more CPU if it starves, SIGKILL after the deadline. */
void snapshot_watch(struct snapshot *s, uint64_t now);

/* Ends it; snapshot_finish() then returns why (-errno). */
void snapshot_kill(struct snapshot *s, int why);

/*
 * The end of the worker, when s->result_fd is readable. -EAGAIN: not yet, or it
 * died and was started again (attempts and result_fd are new then) to write the
 * file without stacks. Else 0, and all is in output, or -errno (-ETIME: the
 * deadline, -ECHILD: it died).
 */
int snapshot_finish(struct snapshot *s, struct worker_result *ret);

/* Kills the worker. */
void snapshot_abort(struct snapshot *s);

#endif
