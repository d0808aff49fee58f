/* SPDX-License-Identifier: GPL-2.0 */
/*
 * opener_memory.c - what processes had mapped that may have gone since. The
 * text is kept as the kernel wrote it; of it only single lines are looked for.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "opener_internal.h"

#define PROCESS_MAX 4	     /* texts of one process: it may have exec'ed, or loaded libraries */
#define TEXT_MAX (1u << 20)  /* longer ones are not kept */
#define TOTAL_MAX (8u << 20)

/* One text, which was the same from first to last. */
struct memory {
	struct memory *next; /* that was seen earlier */
	uint64_t start;
	uint64_t first, last; /* MONOTONIC ns */
	uint64_t first_real;  /* REALTIME ns, as the times of files */
	uint32_t pid;
	bool host; /* its paths mean what they mean to us */
	uint64_t mnt_ns; /* what they are paths in; 0: not known */
	size_t len;
	char text[];
};

static struct memory *memories; /* latest first */

static bool is_of(const struct memory *m, const struct opener_request *r)
{
	return m->pid == r->pid && m->start == r->start;
}

/* ---- remembering ---- */

static bool same_link(const char *a, int proc, const char *b)
{
	char x[64], y[64];
	ssize_t n = readlink(a, x, sizeof(x)), k = readlinkat(proc, b, y, sizeof(y));

	return n > 0 && n == k && n < (ssize_t)sizeof(x) && !memcmp(x, y, n);
}

bool opener_is_host(int proc)
{
	return same_link("/proc/1/ns/mnt", proc, "ns/mnt") ||
	       same_link("/proc/self/ns/mnt", proc, "ns/mnt");
}

static ssize_t read_maps(int proc, char *buf, size_t size)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += n;
	close(fd);
	return n ? -EFBIG : (ssize_t)len; /* an exit empties it: what was cut off then is no line */
}

static bool has_memory(int proc)
{
	char some[64];

	return read_maps(proc, some, sizeof(some)) == -EFBIG;
}

static struct memory *latest_of(const struct opener_request *r)
{
	struct memory *m = memories;

	while (m && !is_of(m, r))
		m = m->next;
	return m;
}

static void drop(struct memory **at)
{
	struct memory *m = *at;

	*at = m->next;
	free(m);
}

/* Room for len more bytes, and for one more text of this process. */
static void make_room(const struct opener_request *r, size_t len)
{
	struct memory **at = &memories;
	size_t kept = 0, mine = 0, n = 0;

	while (*at) {
		kept += (*at)->len;
		mine += is_of(*at, r);
		if (++n >= OPENER_MEMORIES || kept + len > TOTAL_MAX ||
		    (is_of(*at, r) && mine >= PROCESS_MAX)) {
			kept -= (*at)->len;
			n--;
			drop(at);
		} else {
			at = &(*at)->next;
		}
	}
}

/* Takes out the latest one of the process if it has this text. */
static struct memory *take_same(const struct opener_request *r, const char *text, size_t len)
{
	for (struct memory **at = &memories, *m; (m = *at); at = &m->next) {
		if (!is_of(m, r))
			continue;
		if (m->len != len || memcmp(m->text, text, len))
			return NULL;
		*at = m->next;
		return m;
	}
	return NULL;
}

static struct memory *memory_new(const struct opener_request *r, const char *text, size_t len,
				 bool host, uint64_t mnt_ns)
{
	struct memory *m;

	make_room(r, len);
	m = malloc(sizeof(*m) + len + 1);
	if (!m)
		return NULL;
	*m = (struct memory){ .pid = r->pid,
			      .start = r->start,
			      .host = host,
			      .mnt_ns = mnt_ns,
			      .first = clock_monotonic(),
			      .first_real = clock_read(CLOCK_REALTIME),
			      .len = len };
	memcpy(m->text, text, len);
	m->text[len] = '\0';
	return m;
}

static uint64_t mnt_ns_of(int proc)
{
	struct stat st;

	return fstatat(proc, "ns/mnt", &st, 0) ? 0 : st.st_ino;
}

void opener_remember_maps(int proc, const struct opener_request *r)
{
	static char text[TEXT_MAX];
	/* first: a process that ends lets go of its memory before it does of these */
	uint64_t mnt_ns = mnt_ns_of(proc);
	bool host = opener_is_host(proc);
	ssize_t len = read_maps(proc, text, sizeof(text));
	struct memory *m;

	if (len <= 0)
		return;
	m = take_same(r, text, len);
	/* it ended while this was read: what was told then is all, this may be a part */
	if (!m && latest_of(r) && !has_memory(proc))
		return;
	if (!m) {
		m = memory_new(r, text, len, host, mnt_ns);
		if (!m)
			return;
	}
	m->last = clock_monotonic();
	m->next = memories;
	memories = m;
}

/* Is all the code that the text tells of in m, which tells of data as well? */
static bool has_code(const struct memory *m, const char *text, size_t len)
{
	const char *at = m->text; /* behind what was found: both go by addresses */

	for (const char *line = text, *range, *end; line < text + len; line = end + 1) {
		end = memchr(line, '\n', text + len - line);
		range = end ? memchr(line, ' ', end - line) : NULL;
		at = range ? memmem(at, m->text + m->len - at, line, range - line) : NULL;
		if (!at)
			return false;
	}
	return true;
}

/* In m, is the same of the same file at the first of these addresses? Then it is the same program. */
static bool has_first(const struct memory *m, const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len), *path = end ? memchr(text, '/', end - text) : NULL;
	const char *range = path ? memchr(text, ' ', path - text) : NULL;

	for (const char *line = m->text, *stop; range && *line; line = stop + (*stop == '\n')) {
		stop = strchrnul(line, '\n');
		if (!strncmp(line, text, range - text + 1) && stop - line > end - path &&
		    !memcmp(stop - (end - path), path, end - path))
			return true;
	}
	return false;
}

/* "START-END …". Not by sscanf(), which looks for the end of all the text at every line. */
static bool read_range(const char *line, uint64_t *ret_start, uint64_t *ret_end)
{
	char *dash;

	if (!isxdigit((unsigned char)*line))
		return false;
	*ret_start = strtoull(line, &dash, 16);
	if (*dash != '-' || !isxdigit((unsigned char)dash[1]))
		return false;
	*ret_end = strtoull(dash + 1, NULL, 16);
	return true;
}

static const char *line_end(const char *line, const char *text_end)
{
	const char *stop = memchr(line, '\n', text_end - line);

	return stop ? stop + 1 : text_end;
}

/*
 * What was told, which may lack code, and lacks data, with what m has beside it. Both go by
 * addresses, and so does what becomes of them. *len becomes longer.
 */
static char *add_known(const struct memory *m, const char *text, size_t *len)
{
	char *all = malloc(*len + m->len), *out = all;
	const char *at = text, *text_end = text + *len, *known_end = m->text + m->len;
	uint64_t start, end, from, to, told = 0; /* up to this address */

	if (!all)
		return NULL;
	for (const char *line = m->text, *next; line < known_end; line = next) {
		next = line_end(line, known_end);
		if (!read_range(line, &start, &end))
			continue;
		for (; at < text_end && read_range(at, &from, &to) && from < end; told = to) {
			const char *stop = line_end(at, text_end);

			out = mempcpy(out, at, stop - at);
			at = stop;
		}
		if (told <= start)
			out = mempcpy(out, line, next - line);
	}
	out = mempcpy(out, at, text_end - at);
	*len = out - all;
	return all;
}

/* The paths are those of mount namespace mnt_ns, seen from its root. */
static bool is_our_mnt(uint64_t mnt_ns)
{
	struct stat st;

	return (!stat("/proc/1/ns/mnt", &st) && st.st_ino == mnt_ns) ||
	       (!stat("/proc/self/ns/mnt", &st) && st.st_ino == mnt_ns);
}

void opener_remember_told(const struct opener_request *r, const char *text, size_t len)
{
	struct memory *m = latest_of(r);
	char *all = NULL;

	if (!len)
		return;
	if (m && has_code(m, text, len)) {
		m->last = clock_monotonic();
		return;
	}
	if (m && has_first(m, text, len))
		all = add_known(m, text, &len);
	m = memory_new(r, all ? all : text, len, is_our_mnt(r->inode), r->inode);
	free(all);
	if (!m)
		return;
	m->last = m->first;
	m->next = memories;
	memories = m;
}

/* ---- what is asked for later ---- */

/* The latest one that was so between since and until (0: now). */
static const struct memory *recall(const struct opener_request *r)
{
	for (const struct memory *m = memories; m; m = m->next)
		if (is_of(m, r) && m->last >= r->since && (!r->until || m->first < r->until))
			return m;
	return NULL;
}

int opener_recall_maps(const struct opener_request *r)
{
	const struct memory *m = recall(r);
	int fd;

	if (!m)
		return -ESRCH;
	fd = memfd_create("maps", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (write(fd, m->text, m->len) == (ssize_t)m->len && !lseek(fd, 0, SEEK_SET) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -EIO;
}

struct mapped_file {
	unsigned int major, minor;
	uint64_t inode;
};

/* Is there such a line, "START-END rights offset major:minor inode   path"? */
static bool find_line(const struct memory *m, const struct opener_request *r, const char *path,
		      struct mapped_file *ret)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "%08" PRIx64 "-%08" PRIx64 " ", r->map_start,
			 r->map_end);

	for (const char *line = m->text, *end; line < m->text + m->len; line = end + 1) {
		int at = 0;

		end = strchrnul(line, '\n');
		if (strncmp(line, head, n))
			continue;
		return sscanf(line + n, "%*4s %*x %x:%x %" SCNu64 " %n", &ret->major, &ret->minor,
			      &ret->inode, &at) == 3 &&
		       line + n + at + strlen(path) == end &&
		       !strncmp(line + n + at, path, strlen(path)) && ret->inode == r->inode;
	}
	return false;
}

/*
 * Device and inode agree. Some file systems (btrfs) show the device of a
 * mapping differently, and overlays the inode, too: then the file must have been
 * there, unchanged and not renamed, when it was seen mapped.
 */
static bool is_same_file(int fd, const struct stat *st, const struct mapped_file *f,
			 const struct memory *m)
{
	uint64_t changed =
		(uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec;

	if (st->st_ino == f->inode && st->st_dev == makedev(f->major, f->minor))
		return true;
	return (st->st_ino == f->inode || opener_is_overlay(fd)) && changed < m->first_real;
}

int opener_recall_mapped(const struct opener_request *r, const char *path)
{
	const struct memory *m = recall(r);
	struct mapped_file f;
	struct stat st;
	int fd;

	if (!m || (!m->host && !m->mnt_ns) || path[0] != '/')
		return -ESRCH;
	if (!find_line(m, r, path, &f))
		return -ENOENT;
	fd = m->host ? opener_open_host(path, &st) : opener_open_elsewhere(m->mnt_ns, path, &st);
	if (fd < 0 || is_same_file(fd, &st, &f, m))
		return fd;
	close(fd);
	return -ESTALE;
}
