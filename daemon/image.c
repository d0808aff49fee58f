/* SPDX-License-Identifier: GPL-2.0 */
#include "image.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "demangle.h"
#include "image_internal.h"

int image_open(const char *maps, size_t len, const struct image_callbacks *callbacks,
	       struct image **ret)
{
	struct image *image = calloc(1, sizeof(*image));
	int err = -ENOMEM;

	if (!image)
		return err;
	image->callbacks = *callbacks;
	image->files = callbacks->files ? callbacks->files : image_files_new();
	image->own_files = !callbacks->files;
	if (!image->files)
		goto fail;
	err = proc_maps_parse(maps, len, &image->maps);
	if (err)
		goto fail;
	err = -ENOMEM;
	image->mapped = calloc(image->maps.n + 1, sizeof(*image->mapped));
	image->dwfl = dwfl_begin(&image_dwfl_callbacks);
	if (!image->mapped || !image->dwfl)
		goto fail;
	err = image_machine(&image->machine);
	if (err)
		goto fail;
	*ret = image;
	return 0;
fail:
	image_close(image);
	return err;
}

void image_close(struct image *image)
{
	if (!image)
		return;
	dwfl_end(image->dwfl);
	for (size_t i = 0; i < image->n_modules; i++) {
		image_file_put(image->modules[i]->file);
		free(image->modules[i]);
	}
	elf_end(image->machine);
	proc_maps_free(&image->maps);
	if (image->own_files)
		image_files_free(image->files);
	free(image->mapped);
	free(image->cache);
	free(image->frames);
	free(image);
}

void image_set_perf_map(struct image *image, struct symbol_table *perf_map)
{
	image->perf_map = perf_map;
}

const struct proc_maps *image_maps(const struct image *image)
{
	return &image->maps;
}

const struct image_counters *image_counters(const struct image *image)
{
	return &image->counters;
}

/* ---- frames of an address ---- */

static const char *pretty(struct image *image, const char *name)
{
	struct arena scratch = {0};
	const char *ret = NULL;

	if (name) {
		name = demangle(&scratch, name);
		ret = names_keep(&image->files->names, name, strnlen(name, SYMBOL_NAME_MAX));
	}
	arena_free(&scratch);
	return ret;
}

/* Tables come and go, names stay. */
static const char *symbol_name(struct image *image, struct symbol *s)
{
	if (!s->pretty)
		s->name = pretty(image, s->name);
	s->pretty = true;
	return s->name;
}

/* bias: what is to be added to the symbol's address. */
static void name_from(struct image *image, struct image_frame *f, struct symbol *s, uint64_t bias)
{
	if (!s)
		return;
	f->function = symbol_name(image, s);
	f->function_offset = f->pc - s->start - bias;
}

static const char *keep(struct image *image, const char *s)
{
	return s ? names_keep(&image->files->names, s, strnlen(s, SYMBOL_NAME_MAX)) : NULL;
}

/* Inlined functions before the machine function, whose frame is f. Returns how many frames. */
static size_t expand(struct image *image, struct module *m, uint64_t address, uint64_t deadline,
		     const struct image_frame *f, struct image_frame *frames)
{
	struct line_scope scopes[IMAGE_INLINES_MAX];
	size_t n;

	m->file->user = image;
	n = image_lines(m->file, address - m->pub.bias, deadline, scopes);

	for (size_t i = 0; i < n; i++) {
		frames[i] = *f;
		frames[i].file = i && scopes[i].file == scopes[i - 1].file
					 ? frames[i - 1].file
					 : keep(image, scopes[i].file);
		frames[i].line = scopes[i].line;
		if (i + 1 < n) {
			frames[i].inlined = true;
			frames[i].function_offset = 0;
			frames[i].function = pretty(image, scopes[i].function);
		} else if (!f->function) {
			frames[i].function = pretty(image, scopes[i].function);
		}
	}
	if (!n)
		frames[n++] = *f;
	return n;
}

/* Without a look into the file, where another image has had one. */
static void recognise(const struct image *image, struct image_frame *f)
{
	const struct file *file = image_file_known(image->files, f->mapping);

	if (!file)
		return;
	f->load_bias = image_load_bias(file->segments, file->n_segments, f->mapping);
	f->build_id = file->build_id;
	f->build_id_len = file->build_id_len;
}

/* *ret_late: names are missing for want of time. */
static size_t look_up(struct image *image, uint64_t pc, bool exact, uint64_t deadline,
		      struct image_frame *frames, bool *ret_late)
{
	uint64_t address = exact || !pc ? pc : pc - 1;
	struct image_frame f = { .pc = pc };
	struct module *m = NULL;

	f.mapping = proc_maps_find(&image->maps, address);
	*ret_late = deadline_passed(deadline);
	if (f.mapping) {
		if (!*ret_late)
			m = image_module_at(image, f.mapping);
		f.load_bias = image->mapped[f.mapping - image->maps.list].load_bias;
		if (*ret_late)
			recognise(image, &f);
		f.rel_pc = address - f.mapping->start + f.mapping->offset + f.load_bias;
	}
	if (m) {
		f.module = &m->pub;
		f.build_id = m->pub.build_id;
		f.build_id_len = m->pub.build_id_len;
		name_from(image, &f,
			  symbols_find(image_module_symbols(m, deadline), address - m->pub.bias),
			  m->pub.bias);
		*ret_late = deadline_passed(deadline);
		if (!*ret_late && !deadline_passed(image->files->lines_until))
			return expand(image, m, address, deadline, &f, frames);
	} else if (image->perf_map) {
		name_from(image, &f, symbols_find(image->perf_map, address), 0);
		f.jit = f.function;
	}
	frames[0] = f;
	return 1;
}

/* ---- variables ---- */

/* The mapping of a file that holds the address, or that ends where nameless memory around it begins. */
static const struct proc_mapping *file_below(const struct image *image, uint64_t address)
{
	const struct proc_mapping *m = proc_maps_find(&image->maps, address);

	while (m && m > image->maps.list && !m->inode && !m->path[0] && m[-1].end == m->start)
		m--;
	return m && m->inode ? m : NULL;
}

/* The module whose data lies there: modules are found by their code. */
static struct module *data_module(struct image *image, uint64_t address)
{
	const struct proc_mapping *file;

	for (size_t i = 0; i < image->n_modules; i++)
		if (address - image->modules[i]->pub.start <
		    image->modules[i]->pub.end - image->modules[i]->pub.start)
			return image->modules[i];
	file = file_below(image, address);
	for (size_t i = 0; file && i < image->maps.n; i++) {
		const struct proc_mapping *m = &image->maps.list[i];
		struct module *found;

		if (!m->executable || m->inode != file->inode || strcmp(m->path, file->path))
			continue;
		found = image_module_at(image, m);
		if (found && address - found->pub.start < found->pub.end - found->pub.start)
			return found;
	}
	return NULL;
}

const char *image_variable(struct image *image, uint64_t address, uint64_t deadline,
			   uint64_t *ret_offset)
{
	struct module *m = deadline_passed(deadline) ? NULL : data_module(image, address);
	struct symbol *s;

	address -= m ? m->pub.bias : 0;
	s = m ? symbols_find(image_module_data(m, deadline), address) : NULL;
	if (!s || !symbol_name(image, s))
		return NULL;
	*ret_offset = address - s->start;
	return s->name;
}

/* ---- the cache ---- */

static struct cached *cache_slot(struct image *image, uint64_t pc, bool exact)
{
	size_t mask = image->cache_size - 1;
	size_t i = (pc * 0x9e3779b97f4a7c15ull >> 32) & mask;

	while (image->cache[i].n && (image->cache[i].pc != pc || image->cache[i].exact != exact))
		i = (i + 1) & mask;
	return &image->cache[i];
}

/* Room for one more entry; false without memory. */
static bool cache_grow(struct image *image)
{
	struct cached *old = image->cache;
	size_t old_size = image->cache_size;

	if (old && image->cache_used < old_size / 2)
		return true;
	image->cache_size = old_size ? old_size * 2 : 1024;
	image->cache = calloc(image->cache_size, sizeof(*image->cache));
	if (!image->cache) {
		image->cache = old;
		image->cache_size = old_size;
		return false;
	}
	for (size_t i = 0; old && i < old_size; i++) {
		if (old[i].n)
			*cache_slot(image, old[i].pc, old[i].exact) = old[i];
	}
	free(old);
	return true;
}

static void remember(struct image *image, uint64_t pc, bool exact, const struct image_frame *frames,
		     size_t n)
{
	if (image->n_frames + n > IMAGE_CACHE_MAX || !cache_grow(image))
		return;
	if (image->n_frames + n > image->frames_size) {
		size_t more = image->frames_size ? image->frames_size * 2 : 1024;
		struct image_frame *list = realloc(image->frames, more * sizeof(*list));

		if (!list)
			return;
		image->frames = list;
		image->frames_size = more;
	}
	*cache_slot(image, pc, exact) =
		(struct cached){ .pc = pc, .exact = exact, .first = image->n_frames, .n = n };
	image->cache_used++;
	memcpy(image->frames + image->n_frames, frames, n * sizeof(*frames));
	image->n_frames += n;
}

size_t image_frames(struct image *image, uint64_t pc, bool exact, uint64_t deadline,
		    struct image_frame frames[IMAGE_INLINES_MAX])
{
	struct cached *hit = image->cache ? cache_slot(image, pc, exact) : NULL;
	bool late;
	size_t n;

	if (hit && hit->n) {
		memcpy(frames, image->frames + hit->first, hit->n * sizeof(*frames));
		return hit->n;
	}
	n = look_up(image, pc, exact, deadline, frames, &late);
	if (late)
		image->counters.late++;
	else
		remember(image, pc, exact, frames, n);
	return n;
}

/* ---- files that shrink ---- */

static size_t page_size;

/* mmap(2) is a bare system call. A fault on a page that does exist is not ours to mend. */
static void on_bus_error(int signal, siginfo_t *info, void *context)
{
	void *page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));
	int saved = errno;

	(void)context;
	if (info->si_code != BUS_ADRERR ||
	    mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED) {
		struct sigaction fatal = { .sa_handler = SIG_DFL };

		sigaction(signal, &fatal, NULL);
	}
	errno = saved;
}

int image_survive_truncation(void)
{
	struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	page_size = sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}
