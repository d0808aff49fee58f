/* SPDX-License-Identifier: GPL-2.0 */
/* worker_naming.h - what is unwound and named, in which order: there may be no time for all. */
#ifndef FREC_WORKER_NAMING_H
#define FREC_WORKER_NAMING_H

#include "worker_internal.h"

#define NAMING_FAR 4u

/* Of one wait that will be told. */
struct naming {
	enum { NAMING_SLEEPER, NAMING_WAKER, NAMING_VARIABLE, NAMING_EXIT } what;
	uint32_t tgid; /* whose memory it is about */
	uint32_t hops; /* from what the snapshot is about; NAMING_FAR: further, or not connected */
	uint64_t process_ns; /* its longest wait */
	uint64_t ns;
	const struct wait_facts *f;
};

/*
 * The process of the triggers, those that its threads waited for, then those with the longest
 * waits; one process after the other. worker_plan() has been before. -ENOMEM.
 */
int naming_order(struct worker *w, struct naming **ret, size_t *ret_n);

#endif
