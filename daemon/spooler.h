/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spooler.h - the process that does all that may wait for the spool's disk.
 *
 * A disk that does not answer must not stop the recorder, nor keep it from
 * ending: so this is no thread. It takes one request after the other; the
 * daemon asks, goes on, and reads the reply when it is there. When the daemon
 * has gone it finishes what it was asked and ends.
 */
#ifndef FREC_SPOOLER_H
#define FREC_SPOOLER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool.h"

/* What is asked at once, at most: others are told that the disk does not answer. */
#define SPOOLER_PENDING_MAX 8u
#define SPOOLER_COMM_MAX 32

enum spooler_op {
	SPOOLER_STATE = 1,
	SPOOLER_STORE = 2, /* with a descriptor: the finished snapshot, in memory */
	SPOOLER_LIST = 3,  /* with a descriptor: the client's, who gets the answer */
};

struct spooler_request {
	uint32_t op;
	uint32_t tag; /* comes back with the reply */
	uint32_t pid;
	uint32_t pad;
	uint64_t realtime; /* this and the next: as in struct spool_naming, "" for NULL */
	char trigger[SPOOL_TRIGGER_MAX];
	char comm[SPOOLER_COMM_MAX];
	struct spool_limits limits;
	char directory[PATH_MAX];
};

struct spooler_reply {
	uint32_t op;
	uint32_t tag;
	int32_t error;	  /* of SPOOLER_STORE … */
	uint32_t created; /* … and whether it came so far that the file was created */
	char name[SPOOL_NAME_MAX];
	struct spool_removed removed; /* for it */
	struct spool_state state; /* of the directory that was named */
};

struct spooler {
	int fd;	   /* -1: none runs */
	pid_t pid;
	unsigned int pending;
	uint64_t since; /* MONOTONIC ns: the oldest request waits since then; 0: none */
};

/* uid and gid: of the files, as for spool_open(). Returns 0 or -errno. */
int spooler_start(struct spooler *s, uid_t uid, gid_t gid);

/* Closes its socket; what it was asked it still does. */
void spooler_stop(struct spooler *s);

/*
 * Never waits. fd goes along, -1: none; the caller keeps its own. Returns 0 or
 * -errno; -EAGAIN: too much is pending.
 */
int spooler_ask(struct spooler *s, const struct spooler_request *q, int fd, uint64_t now);

/* 0: *ret is a reply. -EAGAIN: none yet. Anything else: it has died, and is closed. */
int spooler_receive(struct spooler *s, struct spooler_reply *ret, uint64_t now);

/* ns that the disk has not answered, 0 where that is nothing to speak of. */
uint64_t spooler_stalled(const struct spooler *s, uint64_t now);

#endif
