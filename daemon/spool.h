/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spool.h - the directory of finished snapshots: names, limits, atomic writing.
 *
 * A snapshot is YYYY-MM-DDTHH-MM-SSZ-TRIGGER-COMM-PID[-N].pftrace, or with
 * "manual" or "manual-COMM-PID" behind the time. COMM has no '-' (it becomes
 * '_') and is never only digits, so a name can be taken apart again. Nothing
 * else in the directory is counted or touched; symbolic links are not followed.
 *
 * Until it is complete it is .NAME.tmp, under flock by whoever holds its
 * descriptor: of several recorders that share one directory, each leaves the
 * others' alone (not what they have finished: spool_state() tells of them), and
 * the next start removes what a dead one left.
 */
#ifndef FREC_SPOOL_H
#define FREC_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPOOL_NAME_MAX 192 /* with NUL; a temporary name is 5 bytes longer */
#define SPOOL_TRIGGER_MAX 64

struct spool_entry {
	char name[SPOOL_NAME_MAX];
	char trigger[SPOOL_TRIGGER_MAX];
	uint64_t bytes;
	uint64_t mtime; /* REALTIME ns */
};

struct spool_limits {
	uint32_t max_files; /* 0: no limit */
	uint64_t max_bytes; /* 0: no limit */
	double min_free;    /* share of the file system that stays free */
};

/* What the limits cost. */
enum spool_why { SPOOL_FILES = 1, SPOOL_BYTES = 2, SPOOL_FREE = 4 };
struct spool_removed {
	uint64_t files, bytes;
	uint32_t why; /* enum spool_why, or'ed */
	uint32_t pad;
	char oldest[SPOOL_NAME_MAX];
};

struct spool_state {
	uint64_t files, bytes;
	int32_t error; /* -errno: why no snapshot can be written now; 0 */
	uint32_t shared; /* another recorder has it, whose limits delete what is ours */
};

/* What a file will be called. */
struct spool_naming {
	uint64_t realtime;   /* ns */
	const char *trigger; /* NULL: manual */
	const char *comm;    /* NULL: of no single process; else any bytes */
	uint32_t pid;
};

struct spool;

/* A snapshot that is being written; give fd to the worker. */
struct spool_file {
	int fd;
	int dirfd; /* the directory it is in, even if the spool has moved on to another */
	char name[SPOOL_NAME_MAX]; /* spool_commit() may find it taken and count on */
	size_t stem;		   /* length of the name without [-N].pftrace */
	unsigned int copy;	   /* N - 1, 0 without a number */
};

#define SPOOL_FILE_NONE               \
	{                             \
		.fd = -1, .dirfd = -1 \
	}

/*
 * Creates the directory (0750) if its parent exists and gives it and the files
 * to uid and gid; (uid_t)-1 and (gid_t)-1 leave them. Removes stale temporary
 * files. On failure returns -errno and *ret is not written.
 */
int spool_open(const char *path, uid_t uid, gid_t gid, struct spool **ret);
void spool_free(struct spool *s);

/*
 * Makes room, then creates the hidden file, mode 0640. `expected` bytes will
 * be needed; where deleting all others would not make room for them nothing
 * is deleted and -ENOSPC returned. A directory that vanished or was replaced
 * is opened or created anew. What is removed is added to *removed (may be NULL), on failure, too.
 */
int spool_create_temp(struct spool *s, const struct spool_naming *n, const struct spool_limits *l,
		      uint64_t expected, struct spool_file *ret, struct spool_removed *removed);

/*
 * Syncs the file, deletes what the limits demand so that they hold with the
 * new one, gives it its final name (never replacing one) and syncs the
 * directory. -EFBIG: it alone exceeds max_bytes; it is gone and nothing else
 * is. Whatever is returned, f is closed, and on failure its temporary file
 * removed. ret_name (SPOOL_NAME_MAX bytes) may be NULL; removed is as above.
 */
int spool_commit(struct spool_file *f, const struct spool_limits *l, char *ret_name,
		 struct spool_removed *removed);

/* Removes the file. Harmless on SPOOL_FILE_NONE and after spool_commit(). */
void spool_abort(struct spool_file *f);

/* All snapshots, oldest first. Free *ret with free(). */
int spool_list(struct spool *s, struct spool_entry **ret, size_t *ret_n);

/*
 * What is in it, and whether `expected` more bytes could be written; cheap while
 * nobody changes it. A directory that is not there is created.
 */
void spool_state(struct spool *s, const struct spool_limits *l, uint64_t expected,
		 struct spool_state *ret);

/* A descriptor for reading one; anything but a snapshot's name: -EINVAL. */
int spool_open_entry(struct spool *s, const char *name, int *ret_fd);

/* ---- pure parts ---- */

/*
 * The final name. copy 0 has no -N, 1 has "-2", and so on. -EINVAL for a time
 * before 1970 or after 9999.
 */
int spool_name(const struct spool_naming *n, unsigned int copy, char ret[SPOOL_NAME_MAX]);

/* Whether this is a snapshot's name, and of which trigger (ret may be NULL). */
bool spool_parse_name(const char *name, char ret_trigger[SPOOL_TRIGGER_MAX]);

/*
 * Which of n entries (oldest first) go, so that the rest is within max_files
 * and max_bytes and at least free_up bytes are set free: the oldest first, but
 * the first one of each trigger last. `keep` is the index of the one just
 * written, which goes only if it alone exceeds max_bytes (and then alone); n
 * or more: none. Returns the number of victims, or -ENOSPC where all of them
 * would not set free_up bytes free.
 */
int spool_choose_victims(const struct spool_entry *entries, size_t n, size_t keep,
			 uint32_t max_files, uint64_t max_bytes, uint64_t free_up,
			 bool *ret_victims);

#endif
