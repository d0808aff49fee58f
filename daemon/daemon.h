/* SPDX-License-Identifier: GPL-2.0 */
/*
 * daemon.h - the one recorder of this process, and what its parts share. One thread, but for
 * capture.c's.
 */
#ifndef FREC_DAEMON_H
#define FREC_DAEMON_H

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

#include "app.h"
#include "capture.h"
#include "config.h"
#include "governor.h"
#include "ledger.h"
#include "pins.h"
#include "policy.h"
#include "percentile.h"
#include "pressure.h"
#include "recorder.h"
#include "scan.h"
#include "snapshot.h"
#include "span.h"
#include "spooler.h"
#include "user.h"
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
	bool anonymous; /* all others are "other" */
	char text[POLICY_TEXT_MAX]; /* of fire */
};

/* Until then it may be the spooler of a recorder that has just ended. */
#define STORE_SHARED 4
/* What becomes of a snapshot for the spool after its worker; store.c. */
struct store {
	bool busy; /* the spooler has it */
	bool manual;
	bool stalled_said;
	uint32_t tag; /* of the directory now configured: state is that of no other */
	int fd; /* in memory, while the worker writes it; else -1 */
	struct spooler_request request;
	struct worker_result result;
	struct spool_state state; /* of the spool, a second ago */
	unsigned int shared; /* so often, at once, it was another's; from STORE_SHARED on it is told */
	uint64_t id; /* of the manual request; 0: a trigger's */
	uint64_t took;
};

/* What recording had cost until then. */
struct cost {
	uint64_t ts, daemon; /* MONOTONIC ns; ns of CPU */
	double bpf;	     /* ns of CPU */
	uint64_t evidence, refused; /* records */
};
#define COSTS_MAX 6
#define COST_EVERY_NS (10 * 1000000000ull)

/* What had been lost and refused until then, since the recorder's start. */
struct losses {
	uint64_t ts; /* MONOTONIC ns */
	uint64_t lost, refused, refused_stacks;
};
#define LOSSES_MAX 34

/* Whom a trigger means. */
struct subject {
	char *cgroup;  /* its unit: where it was found last, or NULL */
	uint64_t next; /* when to search again */
	bool no_comm;  /* no thread had that name when they were looked at last */
};
#define SUBJECT_TEXT_MAX 256

/* What a recorder that died has left; rescue.c. */
struct rescue {
	struct recorder *former; /* NULL: nothing, or it has been copied */
	struct recorder_former facts;
	struct config config; /* as far as that can be told, what it recorded by */
	struct window window;
	char path[PATH_MAX + SPOOL_NAME_MAX + 1]; /* of the snapshot; of --rescue alone */
	bool only; /* --rescue */
	bool pinned; /* in the place of our pins */
	int error;   /* why that could not be opened */
};

struct daemon {
	const char *config_file; /* of --config, or NULL */
	struct config config;
	struct recorder *recorder;
	struct rescue rescue;
	struct window window;
	struct scan scan;
	struct policy policy;
	uid_t uid;	     /* owner of files, (uid_t)-1: as we are */
	gid_t gid;
	struct snapshot_identity worker;
	struct capture *capture; /* under way; NULL: none is, a worker may be at the last */
	uint64_t capture_since;	 /* MONOTONIC ns */
	struct snapshot snapshot;
	uint64_t writing_id; /* of the manual request that the worker is at; 0: a trigger's */
	bool writing_aside;  /* while the spooler is at another */
	struct spooler spooler;
	struct store store;

	int lock_fd, listen_fd, signal_fd, timer_fd, epoll_fd;
	int opener_fd;
	pid_t opener_pid; /* 0: none */
	unsigned int opener_deaths;
	struct pins pins;
	struct client clients[CLIENTS_MAX];
	struct app app;
	struct pressure pressure;
	struct spans spans;
	struct percentile percentile;
	struct subject subjects[TRIGGERS_MAX];
	uint64_t next_comms; /* when to look at the names of all threads again */
	struct users users;
	uint64_t next_id;

	uint64_t window_since; /* when the window wanted was last made longer, at first the start */
	uint64_t paused_since; /* MONOTONIC ns, while it is */

	bool pinned;	/* everything outlives us */
	bool stopping;
	char rejected[1024]; /* when, and why, a reload was; empty: the last one was not */
	bool restart_wanted; /* for what a reload does not change */
	uint64_t notes_taken; /* of the recorder's process notes */
	uint64_t tick;	      /* ns between two, as the timer has it */
	uint64_t next_scan;   /* when the task table is looked at again */
	uint64_t next_requests; /* likewise the requests under way */
	uint64_t next_second; /* when the next once-a-second work is due */
	bool opener_silent;   /* as the log knows */
	uint64_t lost_said;   /* losses that the log knows of */
	uint64_t cpu_before;  /* ns of CPU that the start took */
	struct cost costs[COSTS_MAX]; /* of the last minute, the oldest first */
	unsigned int n_costs;
	struct losses losses[LOSSES_MAX]; /* of a window and a little more, the oldest first */
	unsigned int n_losses;
	struct capture_offset offsets[CAPTURE_OFFSETS_MAX];
	uint32_t n_offsets;
	struct ledger ledger;
	uint64_t next_switches; /* when the kernel's count of switches is due */
	bool unbalanced_said;	/* as the log knows */
	struct config asked; /* what the governor makes `config` of */
	struct governor governor;
	struct cost governed; /* when it was asked last */
	struct capture_step steps[CAPTURE_STEPS_MAX]; /* the last ones, the oldest first */
	uint32_t n_steps;
};

/* ---- setup.c: before anything is recorded ---- */

/* Directories, lock, bpffs, opener, privileges. Says what failed; returns 0 or -errno. */
int setup_host(struct daemon *d);
/* Unmounts and removes what setup_host() made, unless what a recorder that died has left is there. */
void setup_undo(struct daemon *d);
int setup_opener(struct daemon *d);
/* The programs are loaded: addresses of the kernel's functions need not be seen any more. */
void setup_forget_kernel(void);

/* ---- rescue.c: the window of a recorder that died ---- */

/* At the start, with all rights: opens what is pinned, or clears what is of no use. */
void rescue_find(struct daemon *d);
/* Once the new one records, or there is none: the former one ends here; the new one takes its pins. */
void rescue_freeze(struct daemon *d);
/* It has been copied, or cannot be. */
void rescue_drop(struct daemon *d);
/* As capture_begin(), of all that is held of it. */
int rescue_capture(struct daemon *d, const struct capture_request *q);
/* More attributes, as "key=value" each with a NUL behind it. */
void rescue_say(const struct daemon *d, FILE *f);
void rescue_stored(struct daemon *d, const char *path);
/* frecd --rescue: returns the exit status. */
int rescue_run(struct daemon *d);

/* ---- notes.c ---- */

/* Has the opener note what processes have mapped whose stacks were taken. */
void notes_take(struct daemon *d);
/* A process that dies: passes on what it has mapped, once the last part has come. */
void notes_map(struct daemon *d, const struct trigger_map *m);

/* ---- pressure.c: triggers of that kind ---- */

/* At the start and after a reload: watches what the configuration says. */
void pressure_configure(struct daemon *d);
/* At each tick: looks how much has been stalled. */
void pressure_tick(struct daemon *d, uint64_t now);

/* ---- span.c: triggers of that kind ---- */

/* At the start and after a reload: looks for what the configuration says. */
void span_configure(struct daemon *d);
/* At each tick: goes on looking for files and in them, attaches what was found. */
void span_tick(struct daemon *d, uint64_t now);
/* As often as waits are scanned: the spans that last, and those of programs that have gone. */
void span_scan(struct daemon *d, uint64_t now);
/* Why trigger i cannot fire, or NULL. */
const char *span_problem(const struct daemon *d, unsigned int i);
void span_close_all(struct daemon *d);

/* ---- percentile.c: triggers of that kind ---- */

/* At the start, and when this configuration is about to take the place of d's: goes on with what stays. */
void percentile_configure(struct daemon *d, const struct config *fresh);
/* At each tick: looks at what has been counted. */
void percentile_tick(struct daemon *d, uint64_t now);
/* True: too little came of late for trigger i to judge; buf says so, behind the trigger's name. */
bool percentile_flaw(const struct daemon *d, unsigned int i, char *buf, size_t size);

/* ---- reload.c ---- */

/* Reads the configuration anew; with a mistake in it, what is in force stays. */
void reload_config(struct daemon *d);
/* Once a second: leaves out what overhead_budget does not allow. */
void reload_governed(struct daemon *d, uint64_t now);

/* ---- subject.c: whom triggers mean ---- */

/* At the start and after a reload: logs which triggers mean nobody. */
void subject_configure(struct daemon *d);
/* True: nobody is there whom trigger i means; buf says so, behind the trigger's name. */
bool subject_flaw(struct daemon *d, unsigned int i, uint64_t now, char *buf, size_t size);
/* subject_comm.c: trigger i has a comm that, a minute ago at most, no thread had. */
bool subject_no_comm(struct daemon *d, unsigned int i, uint64_t now);
/* Whose thread that is, as /proc has it; 0: it does not live. */
uint32_t subject_process_of(uint32_t tid);

/* ---- loop.c ---- */

/* Until a signal ends it. Returns 0 or -errno. */
int loop_run(struct daemon *d);
/* Until the snapshot under way, of a recorder that died, is in the spool, or cannot be. */
int loop_rescue(struct daemon *d);
/* Writes the policy's quiet times where the kernel sees them. */
void loop_publish(struct daemon *d);

/* ---- shoot.c: from a job to a file ---- */

/* Takes what is due, if the worker is free. */
void shoot_due(struct daemon *d, uint64_t now);
/* Begins to copy the window. */
int shoot_capture(struct daemon *d, const struct policy_job *job, const struct client *client,
		  uint64_t now);
/* The copy has been made: starts the worker. */
void shoot_captured(struct daemon *d);
/* The worker has ended, or not yet. */
void shoot_finish(struct daemon *d);

/* ---- store.c: snapshots on their way into the spool ---- */

/* Before the worker starts: the memory that it writes to. Returns 0 or -errno. */
int store_prepare(struct daemon *d, const struct policy_job *job, const struct client *client);
void store_drop(struct daemon *d);
/* After it: on to the disk. */
void store_begin(struct daemon *d, const struct worker_result *r, uint64_t took);
/* The spooler has replied, or died. */
void store_readable(struct daemon *d);
/* Once a second, and after a reload: how is the spool? */
void store_watch(struct daemon *d, uint64_t now);
/* At the end: gives what is under way some seconds. */
void store_end(struct daemon *d);
void store_request(const struct daemon *d, uint32_t op, struct spooler_request *ret);
const char *store_reason(int err);
/* That the spool is another recorder's too; empty: it is not. */
const char *store_shared(const struct daemon *d);
/* Tells how a snapshot went to whoever waits for it; err is why it failed, or 0. */
void shoot_answer(struct daemon *d, uint64_t id, const struct worker_result *r, uint64_t took,
		  const char *path);

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
/* Once a second: notes what recording costs, for the mean of the last minute. */
void status_note_cost(struct daemon *d, uint64_t now);
/* Likewise what is lost and refused, for status_losses(). */
void status_note_losses(struct daemon *d, uint64_t now, const struct recorder_totals *t);
/*
 * What was lost and refused of the last `last` ns (0: the whole window) as far as they are held, and
 * up to a 32nd of the window or a second more. -ENOENT: who had the window before us knows.
 */
int status_losses(struct daemon *d, uint64_t now, uint64_t last, struct losses *ret);
json_t *status_triggers(struct daemon *d);
/* status_histograms.c: latencies of all kinds that are counted. */
json_t *status_histograms(struct daemon *d);
/* ns of CPU that this process and its children have used. */
uint64_t status_cpu_used(void);
/* ns that all CPUs and the evidence cover. */
uint64_t status_held(struct daemon *d, uint64_t now);
/* Whether it is too early to judge by how much is held. */
bool status_filling(const struct daemon *d, uint64_t now);
/* ns of CPU of frecd itself, without helpers and workers. */
uint64_t status_own_cpu(void);
/* Of one CPU, since recording began, without helpers and workers. */
double status_own_share(struct daemon *d, uint64_t now);
/* status_ledger.c: once a second; what does not balance is logged once. */
void status_watch_ledger(struct daemon *d, uint64_t now, const struct recorder_totals *t);
json_t *status_ledger(const struct daemon *d);
#define STATUS_LEDGER_TEXT 320
const char *status_ledger_text(const struct ledger_gaps *g, char *buf, size_t size);

/* ---- warnings.c ---- */

/* Lines that say what is wrong and what to do about it. */
json_t *warnings_json(struct daemon *d, uint64_t now, double bpf_share);
/* Quotas that have been spent, once each. */
void warnings_log(struct daemon *d, uint64_t now);

#endif
