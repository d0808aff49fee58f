/* SPDX-License-Identifier: GPL-2.0 */
/* loop.h - what the main loop waits for. */
#ifndef FREC_LOOP_H
#define FREC_LOOP_H

#include <signal.h>

#include "daemon.h"

enum loop_source {
	LOOP_SIGNAL,
	LOOP_TIMER,
	LOOP_TRIGGERS,
	LOOP_LISTEN,
	LOOP_CAPTURE,
	LOOP_WORKER,
	LOOP_SPOOLER,
	LOOP_APP,
	LOOP_USER, /* + index */
	LOOP_CLIENT = LOOP_USER + USERS_MAX, /* + index */
};

/* Those that the loop takes, so that none ends us half-way through the start. */
void loop_block_signals(sigset_t *ret);
int loop_add(struct daemon *d, int fd, unsigned int source);

#endif
