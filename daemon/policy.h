/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy.h - what becomes of a trigger: cooldown, quotas, one snapshot at a time.
 *
 * Pure: no I/O, no clock. `now` is CLOCK_MONOTONIC ns and may not go back.
 *
 *   IDLE --policy_trigger: accepted, or policy_manual--> PENDING (due at a time)
 *        --policy_take--> WRITING --policy_done--> IDLE or PENDING
 *
 * What arrives while a snapshot is pending is merged into it; what arrives
 * while one is written opens (once) the next. Manual requests are never merged:
 * each has its own client and parameters and waits in a short queue.
 */
#ifndef FREC_POLICY_H
#define FREC_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#define POLICY_HITS_MAX 16u		  /* records kept of one snapshot; more are only counted */
#define POLICY_MANUAL_MAX 8u		  /* manual requests that may wait */
#define POLICY_MERGE_MAX_NS 2000000000ull /* a later post delays a snapshot at most so long */
#define POLICY_MINUTES 61u		  /* an hour, and the minute that is under way */
#define POLICY_NEVER UINT64_MAX
#define POLICY_TEXT_MAX 256u

enum policy_verdict {
	POLICY_ACCEPTED = 1, /* opened a snapshot: policy_next_due() has changed */
	POLICY_MERGED = 2,   /* goes into the pending one */
	POLICY_SUPPRESSED = 3,
};

/* One trigger. fired, merged and the suppressed_* are disjoint and count records. */
struct policy_trigger {
	char name[CONFIG_NAME_MAX];
	uint64_t cooldown;
	uint64_t post;
	uint64_t hold;
	uint64_t threshold;
	uint32_t max_per_hour;
	uint32_t kind; /* enum trigger_kind */

	uint64_t fired;	 /* opened a snapshot, or tested with `fire` */
	uint64_t merged; /* went into a snapshot that was pending already */
	uint64_t suppressed_cooldown;
	uint64_t suppressed_hour;
	uint64_t suppressed_total;
	uint64_t suppressed_paused;
	uint64_t last;	   /* when it fired or merged; 0: never */
	uint64_t accepted; /* start of the cooldown; 0: never */
	bool spent_said;   /* policy_newly_spent() has */

	/* snapshots opened, by minute: the place of minute m is m % POLICY_MINUTES */
	struct {
		uint64_t minute;
		uint32_t count;
	} minutes[POLICY_MINUTES];
};

/* A record with what it needs to be understood after a reload. */
struct policy_hit {
	char name[CONFIG_NAME_MAX];
	uint64_t threshold;
	uint64_t post;
	uint64_t due; /* the snapshot may be taken then, as far as this one goes */
	uint32_t kind;
	uint32_t pad;
	struct trigger_record record; /* WAIT_OPEN in w.flags: the wait still lasts */
	char text[POLICY_TEXT_MAX];   /* more about it, in words; often empty */
};

/* A manual snapshot. id is the caller's and means nothing here. */
struct policy_request {
	uint64_t id;
	uint64_t due;
	int trigger;		    /* index of the trigger that is tested with `fire`, or -1 */
	char name[CONFIG_NAME_MAX]; /* its name, or "manual" */
};

/* What is to be captured now. hits[0] is the one that opened the snapshot. */
struct policy_job {
	bool manual;
	bool rescue; /* manual, and nobody waits for it: of a recorder that died */
	struct policy_request request; /* manual only */
	uint64_t first;		       /* when the first hit arrived */
	uint64_t due;
	uint64_t n_merged; /* records in it besides the first, kept or not */
	unsigned int n_hits;
	struct policy_hit hits[POLICY_HITS_MAX];
};

struct policy {
	struct policy_trigger triggers[TRIGGERS_MAX];
	unsigned int n_triggers;
	uint32_t bank; /* generation of the table; records of the one before are understood too */
	uint32_t old_bank;
	int8_t old_index[TRIGGERS_MAX]; /* old index -> index, -1: gone */

	uint64_t merge_max;
	uint64_t hold_max;
	uint32_t max_total;
	bool total_said; /* as spent_said */
	bool paused;

	bool pending;	 /* `next` is filled */
	uint64_t joined; /* bit set: this trigger is part of `next` */
	struct policy_job next;

	struct policy_request manual[POLICY_MANUAL_MAX]; /* in order of arrival */
	unsigned int n_manual;

	bool writing;
	bool writing_counts; /* what is being written counts against max_total */
	char writing_for[CONFIG_NAME_MAX]; /* the trigger in whose hour it counts … */
	uint64_t writing_since;		   /* … since then */

	uint64_t counted; /* snapshots that triggers caused, for max_total */
	uint64_t written; /* all snapshots that succeeded … */
	uint64_t failed;  /* … and that did not */
	uint64_t unknown; /* records of triggers that no longer exist, or rubbish */
};

/* bank: what the kernel's records of this table of triggers carry. */
void policy_init(struct policy *p, const struct config *c, uint32_t bank);

/*
 * A new configuration. Triggers whose name stays keep their counts, their
 * cooldown and their hour; a pending snapshot and queued requests stay.
 */
void policy_reconfigure(struct policy *p, const struct config *c, uint32_t bank);

/* While paused all triggers are suppressed; what is pending is still written. */
void policy_pause(struct policy *p, bool paused);

enum policy_verdict policy_trigger(struct policy *p, uint64_t now, const struct trigger_record *r);

/* Words about a record that was not suppressed just now; they are kept if it is. */
void policy_tell(struct policy *p, const struct trigger_record *r, const char *text);

/*
 * A wait that was told of while it lasted has ended (index TRIGGER_ENDED): its
 * record is completed, and a snapshot that was held for it is due after post.
 * False if none waits for it.
 */
bool policy_ended(struct policy *p, uint64_t now, const struct trigger_record *r);

/*
 * Queues a manual snapshot; trigger is -1, or the index of the one to test,
 * whose post then applies. Neither cooldown nor quotas (max_total included)
 * hold it back. Returns 0, -EBUSY when the queue is full, -EINVAL.
 */
int policy_manual(struct policy *p, uint64_t now, uint64_t id, int trigger);

/* Drops a request that has not been taken, e.g. of a client that hung up. */
bool policy_cancel(struct policy *p, uint64_t id);

/* When to call policy_take(); POLICY_NEVER while one is written or none waits. */
uint64_t policy_next_due(const struct policy *p);

/* The job that is due, which is then being written. -EAGAIN if there is none. */
int policy_take(struct policy *p, uint64_t now, struct policy_job *ret);

/*
 * Before all else, and while none is written: what a recorder that died has left. It counts for
 * max_total, though that does not hold it back.
 */
void policy_take_rescue(struct policy *p, struct policy_job *ret);

/*
 * A manual request that does not go into the spool, while a snapshot is being
 * written that does: -EAGAIN if this one does not wait or is not due. Its end is
 * told to policy_done_aside().
 */
int policy_take_aside(struct policy *p, uint64_t now, uint64_t id, struct policy_job *ret);
void policy_done_aside(struct policy *p, bool success);

/* The end of what policy_take() gave. A failed one counts for no quota. */
void policy_done(struct policy *p, bool success);

/*
 * What struct trigger_count.quiet_until of this trigger should be so that the
 * kernel sends no record that would only be suppressed (it counts those it
 * withholds: add its `suppressed` to ours). POLICY_NEVER: until told
 * otherwise. Can change with every call above: publish it after each.
 */
uint64_t policy_quiet_until(const struct policy *p, unsigned int index, uint64_t now);

/*
 * 0, or when the quota of this trigger allows one more; of n_triggers: POLICY_NEVER
 * if max_total is reached.
 */
uint64_t policy_spent_until(const struct policy *p, unsigned int index, uint64_t now);

/* One whose quota (or n_triggers: max_total) was spent since it was asked last, or -1. */
int policy_newly_spent(struct policy *p, uint64_t now);

/* Sum of the suppressed_* of one trigger. */
uint64_t policy_suppressed(const struct policy_trigger *t);

/* Who serves a request, in words. */
const char *policy_server(const struct wait_facts *w, char *buf, size_t size);

#endif
