/* SPDX-License-Identifier: GPL-2.0 */
#define _GNU_SOURCE
#include "spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".pftrace"
#define TMP_SUFFIX ".tmp"
#define STAMP_PATTERN "dddd-dd-ddTdd-dd-ddZ-" /* d: a digit */
#define STAMP_LEN (sizeof(STAMP_PATTERN) - 1)
#define STAMP_TIME_LEN (STAMP_LEN - 2) /* without "Z-" */
#define COPIES_MAX 1000u
#define COMM_MAX 31
#define TEMP_NAME_MAX (SPOOL_NAME_MAX + 6)

struct spool {
	char *path;
	int fd;
	uid_t uid;
	gid_t gid;
};

/* ---- names ---- */

static bool plain_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool only_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

static void sanitise(const char *from, size_t size, char *ret)
{
	size_t i;

	for (i = 0; from[i] && i < size - 1; i++)
		ret[i] = plain_char(from[i]) ? from[i] : '_';
	if (!i)
		ret[i++] = '_';
	ret[i] = '\0';
}

/* Neither '-' nor digits only: the name's last parts must be told apart. */
static void sanitise_comm(const char *comm, char ret[COMM_MAX + 1])
{
	sanitise(comm, COMM_MAX + 1, ret);
	for (char *c = ret; *c; c++)
		if (*c == '-')
			*c = '_';
	if (only_digits(ret, strlen(ret)))
		ret[0] = '_';
}

int spool_name(const struct spool_naming *n, unsigned int copy, char ret[SPOOL_NAME_MAX])
{
	char trigger[SPOOL_TRIGGER_MAX], comm[COMM_MAX + 1], stamp[40];
	char who[COMM_MAX + 16] = "", number[16] = "";
	time_t seconds = (time_t)(n->realtime / 1000000000ull);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900 ||
	    !strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H-%M-%SZ", &tm))
		return -EINVAL;
	sanitise(n->trigger ? n->trigger : "manual", sizeof(trigger), trigger);
	if (n->comm || strcmp(trigger, "manual")) {
		sanitise_comm(n->comm ? n->comm : "none", comm);
		snprintf(who, sizeof(who), "-%s-%u", comm, n->pid);
	}
	if (copy)
		snprintf(number, sizeof(number), "-%u", copy + 1);
	snprintf(ret, SPOOL_NAME_MAX, "%s-%s%s%s" SUFFIX, stamp, trigger, who, number);
	return 0;
}

static bool stamp_matches(const char *name)
{
	for (size_t i = 0; i < STAMP_LEN; i++) {
		char want = STAMP_PATTERN[i];

		if (want == 'd' ? !isdigit((unsigned char)name[i]) : name[i] != want)
			return false;
	}
	return true;
}

/* Where the last part of s[0..len) begins: behind its last '-', 0 without one. */
static size_t last_part(const char *s, size_t len)
{
	while (len && s[len - 1] != '-')
		len--;
	return len;
}

/* Length of TRIGGER in "TRIGGER-COMM-PID[-N]" or "manual[-N]", 0 if it is neither. */
static size_t trigger_length(const char *s, size_t len)
{
	size_t at = last_part(s, len), before;

	if (len == 6 && !memcmp(s, "manual", 6))
		return len;
	if (!at || !only_digits(s + at, len - at))
		return 0;
	len = at - 1; /* without "-PID" or "-N" */
	if (len == 6 && !memcmp(s, "manual", 6))
		return len;
	before = last_part(s, len);
	if (before && only_digits(s + before, len - before)) {
		len = before - 1;
		before = last_part(s, len);
	}
	if (before < 2 || before == len || only_digits(s + before, len - before))
		return 0;
	return before - 1;
}

bool spool_parse_name(const char *name, char ret_trigger[SPOOL_TRIGGER_MAX])
{
	size_t len = strnlen(name, SPOOL_NAME_MAX), trigger;

	if (len >= SPOOL_NAME_MAX || len <= STAMP_LEN + strlen(SUFFIX) ||
	    strcmp(name + len - strlen(SUFFIX), SUFFIX) || !stamp_matches(name))
		return false;
	name += STAMP_LEN;
	len -= STAMP_LEN + strlen(SUFFIX);
	for (size_t i = 0; i < len; i++)
		if (!plain_char(name[i]))
			return false;
	trigger = trigger_length(name, len);
	if (!trigger || trigger >= SPOOL_TRIGGER_MAX)
		return false;
	if (ret_trigger) {
		memcpy(ret_trigger, name, trigger);
		ret_trigger[trigger] = '\0';
	}
	return true;
}

static void temp_name(const char *name, char ret[TEMP_NAME_MAX])
{
	snprintf(ret, TEMP_NAME_MAX, ".%s" TMP_SUFFIX, name);
}

static bool is_temp_name(const char *name)
{
	char inner[SPOOL_NAME_MAX];
	size_t len = strlen(name), cut = 1 + strlen(TMP_SUFFIX);

	if (name[0] != '.' || len <= cut || len - cut >= sizeof(inner) ||
	    strcmp(name + len - strlen(TMP_SUFFIX), TMP_SUFFIX))
		return false;
	memcpy(inner, name + 1, len - cut);
	inner[len - cut] = '\0';
	return spool_parse_name(inner, NULL);
}

/* ---- which ones go ---- */

struct excess {
	size_t files;
	uint64_t bytes; /* of all that stay */
	uint64_t freed;
};

static bool is_first(const struct spool_entry *entries, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(entries[j].trigger, entries[i].trigger))
			return false;
	return true;
}

int spool_choose_victims(const struct spool_entry *entries, size_t n, size_t keep,
			 uint32_t max_files, uint64_t max_bytes, uint64_t free_up,
			 bool *ret_victims)
{
	struct excess now = { .files = n };
	uint64_t all = 0;
	int victims = 0;

	for (size_t i = 0; i < n; i++) {
		now.bytes += entries[i].bytes;
		all += i == keep ? 0 : entries[i].bytes;
	}
	if (free_up > all)
		return -ENOSPC;
	memset(ret_victims, 0, n * sizeof(*ret_victims));
	if (keep < n && max_bytes && entries[keep].bytes > max_bytes) {
		ret_victims[keep] = true;
		return 1;
	}
	for (int firsts = 0; firsts < 2; firsts++) {
		for (size_t i = 0; i < n; i++) {
			if ((!max_files || now.files <= max_files) &&
			    (!max_bytes || now.bytes <= max_bytes) && now.freed >= free_up)
				return victims;
			if (i == keep || is_first(entries, i) != firsts)
				continue;
			ret_victims[i] = true;
			victims++;
			now.files--;
			now.bytes -= entries[i].bytes;
			now.freed += entries[i].bytes;
		}
	}
	return victims;
}

/* ---- the directory ---- */

static uint64_t timespec_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000ull + (uint64_t)t->tv_nsec;
}

/* By the time in the name; within that second, by when it was written. */
static int entry_compare(const void *x, const void *y)
{
	const struct spool_entry *a = x, *b = y;
	int order = memcmp(a->name, b->name, STAMP_TIME_LEN);

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

/* Leaves place for one more entry behind the last. */
static int list_at(int dirfd, struct spool_entry **ret, size_t *ret_n)
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
		if (is_temp_name(d->d_name))
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

/* The directory may have been removed, replaced or mounted over meanwhile. */
static int refresh(struct spool *s)
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
	return 0;
}

int spool_list(struct spool *s, struct spool_entry **ret, size_t *ret_n)
{
	int err = refresh(s);

	return err < 0 ? err : list_at(s->fd, ret, ret_n);
}

int spool_open_entry(struct spool *s, const char *name, int *ret_fd)
{
	struct stat st;
	int fd, err;

	if (!spool_parse_name(name, NULL))
		return -EINVAL;
	err = refresh(s);
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

/* Deletes what the limits demand; `fresh`, if any, counts as being there already. */
static int make_room_once(int dirfd, const struct spool_limits *l, uint64_t free_up,
			  const struct spool_entry *fresh)
{
	struct spool_entry *list = NULL;
	bool *victims = NULL;
	size_t n = 0, keep = SIZE_MAX;
	int err = list_at(dirfd, &list, &n);

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
	err = spool_choose_victims(list, n, keep, l->max_files, l->max_bytes, free_up, victims);
	for (size_t i = 0; err > 0 && i < n; i++) {
		if (!victims[i])
			continue;
		if (i == keep)
			err = -EFBIG;
		else if (unlinkat(dirfd, list[i].name, 0) < 0 && errno != ENOENT)
			err = -errno;
	}
cleanup:
	free(victims);
	free(list);
	return err;
}

static int make_room(int dirfd, const struct spool_limits *l, uint64_t expected)
{
	uint64_t missing = 0;
	int err;

	/* a deleted file may free less than its size: see what it brought, go on while it helps */
	do {
		err = missing_bytes(dirfd, l->min_free, expected, &missing);
		if (!err)
			err = make_room_once(dirfd, l, missing, NULL);
	} while (err > 0 && missing);
	return err < 0 ? err : 0;
}

/* ---- one file ---- */

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
	temp_name(f->name, temp);
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
		      uint64_t expected, struct spool_file *ret)
{
	struct spool_file f = SPOOL_FILE_NONE;
	int err = refresh(s);

	if (!err)
		err = make_room(s->fd, l, expected);
	for (unsigned int copy = 0; !err && copy < COPIES_MAX; copy++)
		err = create_numbered(s, n, copy, &f);
	if (err <= 0)
		return err ? err : -EEXIST;
	f.dirfd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (f.dirfd < 0) {
		char temp[TEMP_NAME_MAX];

		err = -errno;
		temp_name(f.name, temp);
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
		temp_name(f->name, temp);
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

	temp_name(f->name, temp);
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

static int commit_room(struct spool_file *f, const struct spool_limits *l)
{
	struct spool_entry fresh = { .bytes = 0 };
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	fresh.bytes = (uint64_t)st.st_size;
	memcpy(fresh.name, f->name, sizeof(fresh.name));
	if (!spool_parse_name(f->name, fresh.trigger))
		return -EINVAL;
	return make_room_once(f->dirfd, l, 0, &fresh);
}

int spool_commit(struct spool_file *f, const struct spool_limits *l, char *ret_name)
{
	int err = fsync(f->fd) < 0 ? -errno : 0;

	if (!err)
		err = commit_room(f, l);
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
