/* SPDX-License-Identifier: GPL-2.0 */
/*
 * image_files.c - the files behind all images, each once: what the C library calls its functions
 * is the same in every process. Which file it is the kernel says of the descriptor: a build id
 * could be another's.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_internal.h"

#define FILES_KEPT 96 /* each holds a descriptor or two */

struct image_files *image_files_new(void)
{
	struct image_files *files = calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	files->names.arena.max = IMAGE_STRINGS_MAX;
	files->unpack = true;
	return files;
}

static void drop(struct file *f)
{
	f->files->bytes -= f->bytes;
	f->files->n--;
	dwfl_end(f->dwfl);
	symbols_free(f->symbols);
	symbols_free(f->data);
	image_lines_close(f);
	free(f);
}

void image_files_free(struct image_files *files)
{
	if (!files)
		return;
	while (files->list) {
		struct file *f = files->list;

		files->list = f->next;
		drop(f);
	}
	names_free(&files->names);
	free(files);
}

void image_files_lines(struct image_files *files, uint64_t until, bool unpack)
{
	files->lines_until = until;
	files->unpack = unpack;
}

/* The one that has been out of use for longest. */
static struct file **idle_longest(struct image_files *files)
{
	struct file **ret = NULL;

	for (struct file **at = &files->list; *at; at = &(*at)->next)
		if (!(*at)->users)
			ret = at;
	return ret;
}

static void keep_at_most(struct image_files *files, size_t n, size_t bytes)
{
	struct file **at;

	while ((files->n > n || files->bytes > bytes) && (at = idle_longest(files))) {
		struct file *idle = *at;

		*at = idle->next;
		drop(idle);
	}
}

void image_files_forget(struct image_files *files)
{
	keep_at_most(files, 0, 0);
}

void image_file_put(struct file *f)
{
	if (!f)
		return;
	f->users--;
	keep_at_most(f->files, FILES_KEPT, IMAGE_FILES_BYTES_MAX);
}

void image_file_grew(struct file *f, size_t bytes)
{
	f->bytes += bytes;
	f->files->bytes += bytes;
}

static bool is_file(const struct file *f, const struct stat *st)
{
	return f->st.st_dev == st->st_dev && f->st.st_ino == st->st_ino &&
	       f->st.st_size == st->st_size && f->st.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       f->st.st_mtim.tv_nsec == st->st_mtim.tv_nsec &&
	       f->st.st_ctim.tv_sec == st->st_ctim.tv_sec &&
	       f->st.st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

/* It becomes the first. */
static struct file *find(struct image_files *files, const struct stat *st)
{
	for (struct file **at = &files->list, *f; (f = *at); at = &f->next) {
		if (!is_file(f, st))
			continue;
		*at = f->next;
		f->next = files->list;
		files->list = f;
		return f;
	}
	return NULL;
}

/* Alone, at the addresses that it was linked for. */
static struct file *load(struct image_files *files, int fd, const struct module *m)
{
	struct file *f = calloc(1, sizeof(*f));
	void **userdata;

	fd = f ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd < 0) {
		free(f);
		return NULL;
	}
	f->files = files;
	f->dwfl = dwfl_begin(&image_file_callbacks);
	if (f->dwfl) {
		dwfl_report_begin(f->dwfl);
		f->dwfl_module = dwfl_report_elf(f->dwfl, "file", m->mapping->path, fd, 0, true);
		dwfl_report_end(f->dwfl, NULL, NULL);
	}
	if (!f->dwfl_module) {
		close(fd);
		dwfl_end(f->dwfl);
		free(f);
		return NULL;
	}
	dwfl_module_info(f->dwfl_module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = f;
	return f;
}

struct file *image_file_get(struct image_files *files, int fd, const struct module *m)
{
	struct stat st;
	struct file *f;

	if (fstat(fd, &st))
		return NULL;
	f = find(files, &st);
	if (!f) {
		f = load(files, fd, m);
		if (!f)
			return NULL;
		f->st = st;
		f->end = m->pub.end - m->pub.bias;
		f->n_segments = m->n_segments;
		memcpy(f->segments, m->segments, sizeof(f->segments));
		f->next = files->list;
		files->list = f;
		files->n++;
	}
	f->major = m->mapping->dev_major;
	f->minor = m->mapping->dev_minor;
	f->inode = m->mapping->inode;
	f->users++;
	return f;
}

const struct file *image_file_known(const struct image_files *files, const struct proc_mapping *m)
{
	for (const struct file *f = files->list; f && m->inode; f = f->next)
		if (f->inode == m->inode && f->major == m->dev_major && f->minor == m->dev_minor)
			return f;
	return NULL;
}

/* ---- what is in it ---- */

static struct symbol_table *table(struct module *m, bool data, uint64_t deadline)
{
	struct file *f = m->file;
	struct symbol_table *t;

	f->user = m->image;
	t = symbols_elf(f->dwfl_module, data, f->end, deadline);
	if (t)
		image_file_grew(f, t->size * sizeof(*t->list) + t->strings.bytes);
	return t;
}

struct symbol_table *image_module_symbols(struct module *m, uint64_t deadline)
{
	if (!m->file->symbols)
		m->file->symbols = table(m, false, deadline);
	return m->file->symbols;
}

struct symbol_table *image_module_data(struct module *m, uint64_t deadline)
{
	if (!m->file->data)
		m->file->data = table(m, true, deadline);
	return m->file->data;
}
