/* SPDX-License-Identifier: GPL-2.0 */
/* app.h - the trigger socket: programs that say themselves that something took too long. */
#ifndef FREC_APP_H
#define FREC_APP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config.h"

struct daemon;

#define APP_PASSED_MAX 2
#define APP_UNTAKEN (-2)
#define APP_CHILDREN_MAX 8 /* of app_passed.c */

/* A message as it came, with who sent it. */
struct app_envelope {
	struct ucred who; /* as this process's namespaces have it */
	int pidfd;	  /* of who; -1: the kernel gives none */
	int passed[APP_PASSED_MAX]; /* -1: none; APP_UNTAKEN: one that we leave alone */
	size_t len;
	char bytes[512];
};

struct app {
	int fd; /* -1: cannot listen */
	uint64_t received;
	uint64_t malformed; /* no message, or from a later time */
	uint64_t unknown;   /* no trigger of kind app has this name */
	uint64_t filtered;  /* the trigger's filters are for others */
	uint64_t strangers; /* the thread is none of the sender's */
	uint64_t file[2]; /* inode and device of the socket */
	pid_t children[APP_CHILDREN_MAX]; /* 0: none */
};

/* After the recorder is loaded. -errno: there is no trigger socket. */
int app_open(struct daemon *d);
void app_readable(struct daemon *d);
/* Once a second: sees that the socket is there. */
void app_check(struct daemon *d);
void app_close(struct daemon *d);

/* ---- app_passed.c ---- */

/*
 * While on, nothing that frecd closes lingers: a signal ends such a wait. Returns at once; not to be
 * nested.
 */
void app_impatient(bool on);
/*
 * One message from the socket, with as many descriptors as there is room for control messages (NULL,
 * 0: none); flags as of recvmsg(2). Returns its length or -errno, -EAGAIN: there is none. A sender
 * without credentials is a process that we cannot see: pid 0.
 */
ssize_t app_receive(int fd, struct app_envelope *ret, void *room, size_t room_size, int flags);
/*
 * The next message with what harmless descriptors it has; the caller closes them. -EBUSY: it stays,
 * as there can be no child, or too many are there that do not end. -ETIMEDOUT: it is gone, mostly.
 */
int app_receive_passed(struct app *a, struct app_envelope *ret);
/* A child has ended: was it one of these? */
void app_reaped(struct app *a, pid_t pid);

/* ---- sender.c ---- */

/* pid, uid, comm and unit of the filter. */
bool sender_matches(const struct app_sender *s, uint32_t uid, const struct trigger_filter *f);

#endif
