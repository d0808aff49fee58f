/* SPDX-License-Identifier: GPL-2.0 */
#include "worker_images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 4096
#define IMAGES_OPEN 8 /* at once: what they share, such as libraries, is kept for longer */
#define OPEN_TRIES 4
#define PARENTS_MAX 3
#define TEXT_MAX (32u << 20) /* of maps, and of perf maps */

/* Code at these addresses; of all processes that have just that, as forks do. */
struct shared {
	struct shared *next;
	struct images *owner;
	struct opener_life life; /* who had it first */
	uint64_t code;		 /* says what is where */
	bool failed;		 /* a file of it could not be had: others shall try for themselves */
	struct image *image;
	struct symbol_table *perf_map;
};

/* A process between two of its execs. */
struct entry {
	struct entry *next;
	struct opener_life life;
	struct image *image; /* NULL: its maps cannot be had any more */
};

struct images {
	struct worker *w;
	struct image_files *files;
	struct shared *shared; /* used latest first */
	struct entry *list;
	unsigned int n, n_shared;
};

int images_open(struct worker *w, struct images **ret)
{
	struct images *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->w = w;
	s->files = image_files_new();
	if (!s->files) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

/* Also the entries of processes that have it: they can be made again. */
static void drop(struct images *s, struct shared **at)
{
	struct shared *i = *at;

	for (struct entry **link = &s->list, *e; (e = *link);) {
		if (e->image != i->image) {
			link = &e->next;
			continue;
		}
		*link = e->next;
		s->n--;
		free(e);
	}
	*at = i->next;
	s->n_shared--;
	image_close(i->image);
	symbols_free(i->perf_map);
	free(i);
}

static void drop_last(struct images *s)
{
	struct shared **at = &s->shared;

	while (*at && (*at)->next)
		at = &(*at)->next;
	if (*at)
		drop(s, at);
}

void images_forget(struct images *s)
{
	while (s->shared)
		drop(s, &s->shared);
	image_files_forget(s->files);
}

void images_lines(struct images *s, uint64_t until, bool unpack)
{
	image_files_lines(s->files, until, unpack);
}

void images_close(struct images *s)
{
	struct entry *e, *next;

	if (!s)
		return;
	images_forget(s);
	for (e = s->list; e; e = next) {
		next = e->next;
		free(e);
	}
	image_files_free(s->files);
	free(s);
}

/* ---- files ---- */

static uint64_t boot_offset(const struct worker *w)
{
	return w->h->clocks.boottime - w->h->clocks.monotonic;
}

char *images_text(int fd, size_t *ret_len)
{
	size_t len = 0, size = 64 << 10;
	char *buf = malloc(size), *more;
	ssize_t n = -1;

	while (buf && len < TEXT_MAX && (n = read(fd, buf + len, size - len)) > 0) {
		len += n;
		if (len < size)
			continue;
		more = realloc(buf, size * 2);
		if (!more)
			break;
		buf = more;
		size *= 2;
	}
	close(fd);
	*ret_len = len;
	return buf;
}

/* From any of the processes that share it: some may have gone. The latest is the one that asks. */
static int open_file(void *arg, const struct proc_mapping *m)
{
	struct shared *s = arg;
	int fd, err = -ESRCH, tries = 0;

	for (const struct entry *e = s->owner->list; e && tries < OPEN_TRIES; e = e->next) {
		if (e->image != s->image)
			continue;
		err = opener_mapped(&s->owner->w->opener, &e->life, m->start, m->end, m->inode,
				    m->path, &fd);
		if (!err)
			return fd;
		tries++;
	}
	s->failed = true;
	return err;
}

static int open_debug(void *arg, const uint8_t *id, size_t len)
{
	struct shared *s = arg;
	char path[256] = "/usr/lib/debug/.build-id/";
	size_t used = strlen(path);
	int fd, err;

	if (len < 2 || len > 64)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		used += snprintf(path + used, sizeof(path) - used, "%02x%s", id[i], i ? "" : "/");
	snprintf(path + used, sizeof(path) - used, ".debug");
	err = opener_file(&s->owner->w->opener, path, &fd);
	return err ? err : fd;
}

static void load_perf_map(struct shared *s, uint32_t ns_pid)
{
	size_t len;
	char *text;
	int fd;

	if (s->life.until || opener_perf_map(&s->owner->w->opener, s->life.pid, s->life.start,
					     s->life.boot_offset, ns_pid, &fd))
		return;
	text = images_text(fd, &len);
	if (text && !symbols_perf_map(text, len, &s->perf_map))
		image_set_perf_map(s->image, s->perf_map);
	free(text);
}

/* ---- images ---- */

static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
	return h;
}

/*
 * Of the lines of executable memory: "START-END r-xp …". Where some of it belongs
 * to no file, it was generated, and is the process's own.
 */
static uint64_t code_of(const char *text, size_t len, const struct opener_life *life)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const char *line = text, *end = text + len, *stop; line < end; line = stop + 1) {
		const char *rights = memchr(line, ' ', end - line);

		stop = memchr(line, '\n', end - line);
		if (!stop)
			stop = end;
		if (!rights || stop - rights < 5 || rights[3] != 'x')
			continue;
		h = hash(h, line, stop - line);
		if (!memchr(line, '/', stop - line) && stop[-1] != ']')
			h = hash(hash(h, &life->pid, sizeof(life->pid)), &life->start,
				 sizeof(life->start));
	}
	return h;
}

static struct image *share(struct images *s, const struct opener_life *life, const char *text,
			   size_t len, uint32_t ns_pid)
{
	struct image_callbacks callbacks = {
		.files = s->files, .open_file = open_file, .open_debug = open_debug};
	uint64_t code = code_of(text, len, life);
	struct shared *i;

	for (struct shared **at = &s->shared; (i = *at); at = &i->next) {
		if (i->code != code || i->failed)
			continue;
		*at = i->next;
		i->next = s->shared;
		s->shared = i;
		return i->image;
	}
	if (s->n_shared == IMAGES_OPEN)
		drop_last(s);
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->owner = s;
	i->life = *life;
	i->code = code;
	callbacks.arg = i;
	if (image_open(text, len, &callbacks, &i->image)) {
		free(i);
		return NULL;
	}
	i->next = s->shared;
	s->shared = i;
	s->n_shared++;
	load_perf_map(i, ns_pid);
	return i->image;
}

/* The process of leader at that time: between which execs. */
static struct opener_life life_of(struct worker *w, const struct task *leader, uint64_t when)
{
	struct opener_life life = {
		.pid = leader->tgid, .start = leader->start, .boot_offset = boot_offset(w)};

	for (size_t i = 0; leader->exec && i < w->n_lives; i++) {
		const struct ev_task *e = w->lives[i];

		if (e->event != TASK_EXEC || e->tgid != leader->tgid || e->start != leader->start)
			continue;
		if (e->h.ts <= when && e->h.ts > life.since)
			life.since = e->h.ts;
		if (e->h.ts > when && (!life.until || e->h.ts < life.until))
			life.until = e->h.ts;
	}
	return life;
}

/* NULL: they cannot be had any more. */
static char *maps_text(struct worker *w, const struct opener_life *life, size_t *ret_len)
{
	int fd;

	return opener_maps(&w->opener, life, &fd) ? NULL : images_text(fd, ret_len);
}

void images_maps(struct worker *w, const struct task *leader, uint64_t when, struct proc_maps *ret)
{
	struct opener_life life = life_of(w, leader, when);
	size_t len;
	char *text = maps_text(w, &life, &len);

	if (text)
		proc_maps_parse(text, len, ret);
	free(text);
}

static struct image *load(struct images *s, const struct opener_life *life, uint32_t ns_pid)
{
	struct image *ret = NULL;
	size_t len;
	char *text = maps_text(s->w, life, &len);

	if (text)
		ret = share(s, life, text, len, ns_pid);
	free(text);
	return ret;
}

static struct image *find(struct images *s, uint32_t tgid, uint64_t when, int depth);

/* What a fork that has gone too soon had mapped is what its parent had when it was born. */
static struct image *inherit(struct images *s, const struct task *leader, int depth)
{
	if (!leader->born || leader->exec || leader->born->ppid == leader->tgid)
		return NULL;
	return find(s, leader->born->ppid, leader->born->h.ts, depth + 1);
}

static struct image *find(struct images *s, uint32_t tgid, uint64_t when, int depth)
{
	struct task *leader = worker_task(s->w, tgid, when);
	struct opener_life life;
	struct entry *e;

	if (!leader || depth > PARENTS_MAX)
		return NULL;
	life = life_of(s->w, leader, when);
	for (e = s->list; e; e = e->next)
		if (e->life.pid == tgid && e->life.start == life.start &&
		    e->life.until == life.until)
			return e->image;
	e = s->n < PROCESSES_MAX ? calloc(1, sizeof(*e)) : NULL;
	if (!e)
		return NULL;
	e->life = life;
	e->image = load(s, &life, leader->last->ns_tid);
	if (!e->image)
		e->image = inherit(s, leader, depth);
	e->next = s->list;
	s->list = e;
	s->n++;
	return e->image;
}

struct image *images_find(struct images *s, uint32_t tgid, uint64_t when)
{
	return find(s, tgid, when, 0);
}
