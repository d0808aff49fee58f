/* SPDX-License-Identifier: GPL-2.0 */
#define _GNU_SOURCE
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPIES_MAX 1000u

/* 1 if the file is ours and still has its name, 0 to try another. */
static int lock_temp(int fd)
{
	struct stat st;

	/* another recorder that is just starting may have taken it for a stale one */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink > 0;
}

static int create_numbered(const struct spool *s, const struct spool_naming *n, unsigned int copy,
			   struct spool_file *f)
{
	char temp[TEMP_NAME_MAX];
	struct stat st;
	int err = spool_name(n, copy, f->name);

	if (err < 0)
		return err;
	f->copy = copy;
	if (!copy)
		f->stem = strlen(f->name) - strlen(SUFFIX);
	if (!fstatat(s->fd, f->name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	spool_temp_name(f->name, temp);
	f->fd = openat(s->fd, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return errno == EEXIST ? 0 : -errno;
	err = lock_temp(f->fd);
	/* group first: where that is not ours to give, only the owner may read */
	if (err > 0 && !fchown(f->fd, s->uid, s->gid) && fchmod(f->fd, 0640) < 0)
		err = -errno;
	if (err > 0)
		return 1;
	if (err < 0)
		unlinkat(s->fd, temp, 0);
	close(f->fd);
	return err;
}

int spool_create_temp(struct spool *s, const struct spool_naming *n, const struct spool_limits *l,
		      uint64_t expected, struct spool_file *ret, struct spool_removed *removed)
{
	struct spool_file f = SPOOL_FILE_NONE;
	int err = spool_refresh(s);

	if (!err)
		err = spool_make_room(s->fd, l, expected, removed);
	for (unsigned int copy = 0; !err && copy < COPIES_MAX; copy++)
		err = create_numbered(s, n, copy, &f);
	if (err <= 0)
		return err ? err : -EEXIST;
	f.dirfd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (f.dirfd < 0) {
		char temp[TEMP_NAME_MAX];

		err = -errno;
		spool_temp_name(f.name, temp);
		unlinkat(s->fd, temp, 0);
		close(f.fd);
		return err;
	}
	*ret = f;
	return 0;
}

static void file_close(struct spool_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->dirfd >= 0)
		close(f->dirfd);
	f->fd = f->dirfd = -1;
}

void spool_abort(struct spool_file *f)
{
	char temp[TEMP_NAME_MAX];

	if (f->dirfd >= 0) {
		spool_temp_name(f->name, temp);
		unlinkat(f->dirfd, temp, 0);
	}
	file_close(f);
}

/* Not every file system has RENAME_NOREPLACE; a link never replaces either. */
static int rename_noreplace(int dirfd, const char *from, const char *to)
{
	if (!renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dirfd, from, dirfd, to, 0) < 0)
		return -errno;
	/* the snapshot stands; a second, hidden name is removed at the next start */
	unlinkat(dirfd, from, 0);
	return 0;
}

/* NAME.pftrace, or NAME-2.pftrace and so on where that has appeared meanwhile. */
static int rename_final(struct spool_file *f)
{
	char temp[TEMP_NAME_MAX], name[SPOOL_NAME_MAX];
	int err;

	spool_temp_name(f->name, temp);
	memcpy(name, f->name, sizeof(name));
	err = rename_noreplace(f->dirfd, temp, name);
	while (err == -EEXIST && f->copy < COPIES_MAX) {
		f->copy++;
		snprintf(name + f->stem, sizeof(name) - f->stem, "-%u" SUFFIX, f->copy + 1);
		err = rename_noreplace(f->dirfd, temp, name);
	}
	if (!err)
		memcpy(f->name, name, sizeof(f->name));
	return err;
}

static int commit_room(struct spool_file *f, const struct spool_limits *l,
		       struct spool_removed *removed)
{
	struct spool_entry fresh = { .bytes = 0 };
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	fresh.bytes = (uint64_t)st.st_size;
	memcpy(fresh.name, f->name, sizeof(fresh.name));
	if (!spool_parse_name(f->name, fresh.trigger))
		return -EINVAL;
	return spool_make_room_once(f->dirfd, l, 0, &fresh, removed);
}

int spool_commit(struct spool_file *f, const struct spool_limits *l, char *ret_name,
		 struct spool_removed *removed)
{
	int err = fsync(f->fd) < 0 ? -errno : 0;

	if (!err)
		err = commit_room(f, l, removed);
	if (err >= 0)
		err = rename_final(f);
	if (err < 0) {
		spool_abort(f);
		return err;
	}
	/* it is complete and has its name: a directory that cannot be synced changes nothing */
	fsync(f->dirfd);
	if (ret_name)
		memcpy(ret_name, f->name, SPOOL_NAME_MAX);
	file_close(f);
	return 0;
}
