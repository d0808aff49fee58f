/* SPDX-License-Identifier: GPL-2.0 */
/*
 * user.h - snapshots that programs ask for: of what they may look into, without anybody else in it.
 *
 * A request waits until no other snapshot is due, and makes way for one that is, after which it is
 * its turn again; so it does not wait for ever, but half a minute at most. The worker writes
 * into memory, from where it goes to the client as fast as that reads, but not for long.
 */
#ifndef FREC_USER_H
#define FREC_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker.h"

struct app_envelope;
struct client;
struct daemon;

#define USERS_MAX 16
#define USER_QUOTAS 64

struct users {
	struct user *list[USERS_MAX]; /* in no order; NULL: free */
	struct user *writing;	      /* the worker is at it */
	bool worker; /* the worker is at one of theirs, even if that has gone */
	uint64_t asked, written, refused;
	uint64_t total; /* when what all have asked for will have been earned … */
	struct {
		uid_t uid;
		uint64_t until; /* … and what each user has */
	} quotas[USER_QUOTAS];
};

/* A FREC_SNAPSHOT. Takes what was passed with it. */
void user_request(struct daemon *d, struct app_envelope *e);
/* Begins the one that has waited longest, as nothing else is to be written. */
void user_due(struct daemon *d, uint64_t now);
/* Is it still, of this very process, that the caller may look into? NULL or why not. */
const char *user_flaw(const struct client *client);
/* Whose snapshot is being taken; NULL: it has gone. */
const struct client *user_writing(const struct daemon *d);
/* The worker has ended, or there was none. */
void user_finish(struct daemon *d, int err, const struct worker_result *r);
/* Of list[i], the client's socket: it takes more, or has gone. */
void user_ready(struct daemon *d, unsigned int i);
/* Once a second: parts from who is too slow. */
void user_expire(struct daemon *d, uint64_t now);
void user_close_all(struct daemon *d);

#endif
