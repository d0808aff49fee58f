/* SPDX-License-Identifier: GPL-2.0 */
/* daemon.h - the one recorder of this process, and what its parts share. One thread. */
#ifndef FREC_DAEMON_H
#define FREC_DAEMON_H

#include <jansson.h>
#include <sys/types.h>

#include "capture.h"
#include "config.h"
#include "pins.h"
#include "policy.h"
#include "recorder.h"
#include "scan.h"
#include "snapshot.h"
#include "spool.h"
#include "window.h"

#define CLIENTS_MAX 16

struct client {
	int fd;	     /* -1: free */
	uint64_t id; /* of its request in the policy; 0: none under way */
	int output;  /* descriptor that came with the request, or -1 */
	uint64_t seen; /* MONOTONIC ns of its last sign of life */
	uint64_t last;
	uint32_t pid;
	bool only;
};

struct daemon {
	const char *config_file; /* of --config, or NULL */
	struct config config;
	struct recorder *recorder;
	struct window window;
	struct scan scan;
	struct policy policy;
	struct spool *spool; /* NULL: cannot be opened now */
	uid_t uid;	     /* owner of files, (uid_t)-1: as we are */
	gid_t gid;
	struct snapshot_identity worker;
	struct snapshot snapshot;
	uint64_t writing_id; /* of the manual request that is being written; 0: a trigger's */
	char writing_directory[PATH_MAX];

	int lock_fd, listen_fd, signal_fd, timer_fd, epoll_fd;
	int opener_fd;
	pid_t opener_pid; /* 0: none */
	unsigned int opener_deaths;
	struct pins pins;
	struct client clients[CLIENTS_MAX];
	uint64_t next_id;

	bool pinned;	/* everything outlives us */
	bool stopping;
	uint64_t notes_taken; /* of the recorder's process notes */
	uint64_t next_scan;   /* when the task table is looked at again */
	uint64_t next_second; /* when the next once-a-second work is due */
	uint64_t lost_said;   /* losses that the log knows of */
	uint64_t cpu_before;  /* ns of CPU that the start took */
	struct capture_offset offsets[CAPTURE_OFFSETS_MAX];
	uint32_t n_offsets;
};

/* ---- setup.c: before anything is recorded ---- */

/* Directories, lock, bpffs, opener, privileges. Says what failed; returns 0 or -errno. */
int setup_host(struct daemon *d);
/* Unmounts and removes what setup_host() made. */
void setup_undo(struct daemon *d);
int setup_spool(struct daemon *d);
int setup_opener(struct daemon *d);

/* ---- notes.c ---- */

/* Has the opener note what processes have mapped whose stacks were taken. */
void notes_take(struct daemon *d);

/* ---- loop.c ---- */

/* Until a signal ends it. Returns 0 or -errno. */
int loop_run(struct daemon *d);
/* Writes the policy's quiet times where the kernel sees them. */
void loop_publish(struct daemon *d);

/* ---- shoot.c: from a job to a file ---- */

/* Takes what is due, if the worker is free. */
void shoot_due(struct daemon *d, uint64_t now);
/* The worker has ended, or not yet. */
void shoot_finish(struct daemon *d);

/* ---- control.c: clients of the control socket ---- */

int control_open(struct daemon *d);
void control_accept(struct daemon *d);
void control_readable(struct daemon *d, unsigned int i);
/* Once a second: parts from clients that have long asked nothing; sees that the socket is there. */
void control_expire(struct daemon *d, uint64_t now);
/* Answers the client of this request, if it is still there, and forgets it. Takes reply. */
void control_answer(struct daemon *d, uint64_t id, json_t *reply);
struct client *control_client(struct daemon *d, uint64_t id);
void control_close_all(struct daemon *d);

/* ---- status.c ---- */

json_t *status_json(struct daemon *d);
json_t *status_triggers(struct daemon *d);
/* ns of CPU that this process and its children have used. */
uint64_t status_cpu_used(void);
/* ns that all CPUs and the evidence cover. */
uint64_t status_held(struct daemon *d, uint64_t now);

#endif
