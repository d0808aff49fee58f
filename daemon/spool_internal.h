/* SPDX-License-Identifier: GPL-2.0 */
/* spool_internal.h - shared by the spool*.c files alone. */
#ifndef FREC_SPOOL_INTERNAL_H
#define FREC_SPOOL_INTERNAL_H

#include <time.h>

#include "spool.h"

#define SUFFIX ".pftrace"
#define TMP_SUFFIX ".tmp"
#define TEMP_NAME_MAX (SPOOL_NAME_MAX + 6)
#define SPOOL_STAMP_TIME_LEN 19 /* of a name: what tells its time */

struct spool {
	char *path;
	int fd;
	uid_t uid;
	gid_t gid;
	/* of spool_state(): what it has counted, and how the directory was then */
	struct timespec changed;
	uint64_t files, bytes;
};

void spool_temp_name(const char *name, char ret[TEMP_NAME_MAX]);
bool spool_is_temp_name(const char *name);

/* Opens the directory anew where it was removed, replaced or mounted over meanwhile. */
int spool_refresh(struct spool *s);

/* As spool_list(); leaves place for one more entry behind the last. */
int spool_list_at(int dirfd, struct spool_entry **ret, size_t *ret_n);

/*
 * Deletes what the limits demand; `fresh`, if any, counts as being there already. Adds to *removed
 * (may be NULL) what it has deleted.
 */
int spool_make_room_once(int dirfd, const struct spool_limits *l, uint64_t free_up,
			 const struct spool_entry *fresh, struct spool_removed *removed);
int spool_make_room(int dirfd, const struct spool_limits *l, uint64_t expected,
		    struct spool_removed *removed);

#endif
