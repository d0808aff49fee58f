/* SPDX-License-Identifier: GPL-2.0 */
/* spool_directory.c - the directory: what is in it, and making room there. */
#define _GNU_SOURCE
#include "spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- what is in it ---- */

static uint64_t timespec_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000ull + (uint64_t)t->tv_nsec;
}

/* By the time in the name; within that second, by when it was written. */
static int entry_compare(const void *x, const void *y)
{
	const struct spool_entry *a = x, *b = y;
	int order = memcmp(a->name, b->name, SPOOL_STAMP_TIME_LEN);

	if (order)
		return order;
	if (a->mtime != b->mtime)
		return a->mtime < b->mtime ? -1 : 1;
	return strcmp(a->name, b->name);
}

static DIR *open_listing(int dirfd)
{
	/* a description of its own: its position must not be shared */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* 1: *ret is a snapshot; 0: something else, or gone meanwhile; or -errno. */
static int entry_read(int dirfd, const char *name, struct spool_entry *ret)
{
	struct stat st;

	if (!spool_parse_name(name, ret->trigger))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	strcpy(ret->name, name); /* fits: spool_parse_name() has measured it */
	ret->bytes = (uint64_t)st.st_size;
	ret->mtime = timespec_ns(&st.st_mtim);
	return 1;
}

int spool_list_at(int dirfd, struct spool_entry **ret, size_t *ret_n)
{
	struct spool_entry *list = NULL, *grown;
	size_t n = 0, room = 0;
	struct dirent *d;
	DIR *dir = open_listing(dirfd);
	int err;

	if (!dir)
		return -errno;
	for (;;) {
		if (n + 1 >= room) {
			room = room ? room * 2 : 64;
			grown = realloc(list, room * sizeof(*list));
			err = -ENOMEM;
			if (!grown)
				goto cleanup;
			list = grown;
		}
		errno = 0;
		d = readdir(dir);
		err = -errno;
		if (!d)
			break;
		err = entry_read(dirfd, d->d_name, &list[n]);
		if (err < 0)
			goto cleanup;
		n += (size_t)err;
	}
	if (err)
		goto cleanup;
	qsort(list, n, sizeof(*list), entry_compare);
	*ret = list;
	*ret_n = n;
	list = NULL;
cleanup:
	free(list);
	closedir(dir);
	return err;
}

/* A temporary file that nobody holds is left from a recorder that died. */
static void remove_if_stale(int dirfd, const char *name)
{
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	/* link count after the lock: the name may be that of a newer file by now */
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    st.st_nlink > 0)
		unlinkat(dirfd, name, 0);
	close(fd);
}

static void remove_stale(int dirfd)
{
	DIR *dir = open_listing(dirfd);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (spool_is_temp_name(d->d_name))
			remove_if_stale(dirfd, d->d_name);
	closedir(dir);
}

static int open_directory(const struct spool *s, int *ret)
{
	int made = mkdir(s->path, 0750) < 0 ? -errno : 0, err = 0;
	int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* why it could not be created says more than that it is not there */
	if (fd < 0)
		return errno == ENOENT && made && made != -EEXIST ? made : -errno;
	if (!made && fchown(fd, s->uid, s->gid) < 0 && errno != EPERM)
		err = -errno;
	if (!made && !err && fchmod(fd, 0750) < 0)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	remove_stale(fd);
	*ret = fd;
	return 0;
}

int spool_open(const char *path, uid_t uid, gid_t gid, struct spool **ret)
{
	struct spool *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->uid = uid;
	s->gid = gid;
	s->path = strdup(path);
	err = s->path ? open_directory(s, &s->fd) : -ENOMEM;
	if (err < 0) {
		spool_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s);
}

int spool_refresh(struct spool *s)
{
	struct stat here, there;
	int fd, err;

	if (s->fd >= 0 && !fstat(s->fd, &here) && !stat(s->path, &there) &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return 0;
	err = open_directory(s, &fd);
	if (err < 0)
		return err;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->changed = (struct timespec){0};
	s->files = s->bytes = 0;
	return 0;
}

int spool_list(struct spool *s, struct spool_entry **ret, size_t *ret_n)
{
	int err = spool_refresh(s);

	return err < 0 ? err : spool_list_at(s->fd, ret, ret_n);
}

int spool_open_entry(struct spool *s, const char *name, int *ret_fd)
{
	struct stat st;
	int fd, err;

	if (!spool_parse_name(name, NULL))
		return -EINVAL;
	err = spool_refresh(s);
	if (err < 0)
		return err;
	fd = openat(s->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- making room ---- */

/* Bytes missing to min_free once `expected` more are written. */
static int missing_bytes(int dirfd, double min_free, uint64_t expected, uint64_t *ret)
{
	struct statvfs v;
	double want, have;

	if (fstatvfs(dirfd, &v) < 0)
		return -errno;
	want = (double)v.f_blocks * (double)v.f_frsize * min_free + (double)expected;
	have = (double)v.f_bavail * (double)v.f_frsize;
	*ret = !v.f_blocks || have >= want ? 0 : (uint64_t)(want - have) + 1;
	return 0;
}

static uint32_t why_any(const struct spool_entry *list, size_t n, const struct spool_limits *l,
			uint64_t free_up)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += list[i].bytes;
	return (l->max_files && n > l->max_files ? SPOOL_FILES : 0) |
	       (l->max_bytes && bytes > l->max_bytes ? SPOOL_BYTES : 0) |
	       (free_up ? SPOOL_FREE : 0);
}

static void note_removed(struct spool_removed *r, const struct spool_entry *e, uint32_t why)
{
	if (!r)
		return;
	if (!r->files++)
		memcpy(r->oldest, e->name, sizeof(r->oldest));
	r->bytes += e->bytes;
	r->why |= why;
}

int spool_make_room_once(int dirfd, const struct spool_limits *l, uint64_t free_up,
			 const struct spool_entry *fresh, struct spool_removed *removed)
{
	struct spool_entry *list = NULL;
	bool *victims = NULL;
	size_t n = 0, keep = SIZE_MAX;
	int err = spool_list_at(dirfd, &list, &n);
	uint32_t why;

	if (err < 0)
		return err;
	if (fresh) {
		keep = n++;
		list[keep] = *fresh;
	}
	victims = calloc(n + 1, sizeof(*victims));
	err = -ENOMEM;
	if (!victims)
		goto cleanup;
	why = why_any(list, n, l, free_up);
	err = spool_choose_victims(list, n, keep, l->max_files, l->max_bytes, free_up, victims);
	for (size_t i = 0; err > 0 && i < n; i++) {
		if (!victims[i])
			continue;
		if (i == keep)
			err = -EFBIG;
		else if (!unlinkat(dirfd, list[i].name, 0))
			note_removed(removed, &list[i], why);
		else if (errno != ENOENT)
			err = -errno;
	}
cleanup:
	free(victims);
	free(list);
	return err;
}

int spool_make_room(int dirfd, const struct spool_limits *l, uint64_t expected,
		    struct spool_removed *removed)
{
	uint64_t missing = 0;
	int err;

	/* a deleted file may free less than its size: see what it brought, go on while it helps */
	do {
		err = missing_bytes(dirfd, l->min_free, expected, &missing);
		if (!err)
			err = spool_make_room_once(dirfd, l, missing, NULL, removed);
	} while (err > 0 && missing);
	return err < 0 ? err : 0;
}

/* ---- how it is ---- */

/* A change in the same tick of the clock as the last one does not show: not settled before then. */
#define SETTLED_NS 1000000000ull

static int count_files(struct spool *s)
{
	struct spool_entry *list;
	struct timespec now;
	struct stat st;
	size_t n;
	int err;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (!memcmp(&st.st_mtim, &s->changed, sizeof(s->changed)))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	err = spool_list_at(s->fd, &list, &n);
	if (err < 0)
		return err;
	s->files = n;
	s->bytes = 0;
	for (size_t i = 0; i < n; i++)
		s->bytes += list[i].bytes;
	free(list);
	s->changed = timespec_ns(&now) - timespec_ns(&st.st_mtim) > SETTLED_NS
			     ? st.st_mtim
			     : (struct timespec){0};
	return 0;
}

static int find_flaw(struct spool *s, const struct spool_limits *l, uint64_t expected)
{
	uint64_t missing;
	int err = spool_refresh(s);

	if (!err)
		err = count_files(s);
	if (!err && faccessat(s->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		err = -errno;
	if (!err)
		err = missing_bytes(s->fd, l->min_free, expected, &missing);
	/* as spool_choose_victims() will see it: all of them may go */
	return err ? err : missing > s->bytes ? -ENOSPC : 0;
}

void spool_state(struct spool *s, const struct spool_limits *l, uint64_t expected,
		 struct spool_state *ret)
{
	ret->error = find_flaw(s, l, expected);
	/* who was first has it locked, for as long as it has it open */
	ret->shared = s->fd >= 0 && flock(s->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	ret->files = s->files;
	ret->bytes = s->bytes;
}
