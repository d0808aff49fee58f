/* SPDX-License-Identifier: GPL-2.0 */
/* image_internal.h - shared by image*.c, symbols_elf.c and unwind.c alone. */
#ifndef FREC_IMAGE_INTERNAL_H
#define FREC_IMAGE_INTERNAL_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <time.h>

#include <sys/stat.h>

#include "image.h"
#include "names.h"

#define SEGMENTS_MAX 16

struct segment {
	uint64_t offset, vaddr, filesz;
	bool executable;
};

/* A file, whoever has it mapped. Addresses are those that it was linked for. */
struct file {
	struct file *next; /* used less lately */
	struct image_files *files;
	struct stat st; /* which file it is */
	uint32_t major, minor;
	uint64_t inode; /* the same, as a mapping has it */
	unsigned int users; /* modules */
	struct image *user; /* the latest: asked for debug files */
	Dwfl *dwfl;	    /* has this one alone */
	Dwfl_Module *dwfl_module;
	uint8_t build_id[IMAGE_BUILD_ID_MAX];
	size_t build_id_len;
	struct segment segments[SEGMENTS_MAX]; /* PT_LOAD */
	size_t n_segments;
	uint64_t end; /* of its segments */
	size_t bytes; /* of what follows */
	struct symbol_table *symbols; /* NULL until first needed */
	struct symbol_table *data;    /* likewise */
	bool debug_asked;	      /* open_debug had its one call */
	uint64_t inflated;	      /* image_inflated() of the debug file, and once measured of both */
	enum { DWARF_UNTRIED, DWARF_MEASURED, DWARF_USABLE, DWARF_NONE } dwarf;
	/* what the debug file shares with others (dwz); to be ended after dwfl */
	Dwarf *alt;
	Elf *alt_elf;
	int alt_fd; /* closed with alt_elf */
};

struct image_files {
	struct file *list;
	size_t n, bytes;
	uint64_t lines_until;
	bool unpack;
	struct name_set names; /* of all functions and sources that were asked for */
};

struct module {
	struct image_module pub;
	struct file *file;
	Dwfl_Module *dwfl; /* for unwinding: among the others of its process */
	struct image *image;
	const struct proc_mapping *mapping;    /* that it was opened for */
	struct segment segments[SEGMENTS_MAX]; /* PT_LOAD */
	size_t n_segments;
	bool debug_asked; /* for its .debug_frame, once */
};

/* What is known of the mapping with the same index. */
struct mapped {
	struct module *module; /* NULL: not tried, or refused */
	uint64_t load_bias;
	bool tried;
};

/* The frames of an address that was looked up before. */
struct cached {
	uint64_t pc;
	uint32_t first; /* index in image.frames */
	uint16_t n;	/* 0: free */
	uint16_t exact;
};

struct image {
	struct proc_maps maps;
	struct mapped *mapped; /* [maps.n] */
	struct image_callbacks callbacks;
	struct image_counters counters;
	struct symbol_table *perf_map;
	Dwfl *dwfl;
	Elf *machine; /* a header alone: tells libdw the machine */
	struct module *modules[IMAGE_MODULES_MAX];
	size_t n_modules;
	struct image_files *files;
	bool own_files;
	struct cached *cache; /* open addressing; cache_size is a power of two */
	size_t cache_size, cache_used;
	struct image_frame *frames;
	size_t n_frames, frames_size;
	struct unwind_job *job; /* the unwinding under way */
};

static inline bool deadline_passed(uint64_t deadline)
{
	struct timespec t;

	if (!deadline)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec >= deadline;
}

/* ---- image_elf.c: files ---- */

extern const Dwfl_Callbacks image_dwfl_callbacks; /* for unwinding */
extern const Dwfl_Callbacks image_file_callbacks; /* for names */

/* The module behind a mapping of the image, opened if it has to be; NULL: none. */
struct module *image_module_at(struct image *image, const struct proc_mapping *mapping);
/* p_vaddr - p_offset of the segment that was mapped there, 0 if there is none. */
uint64_t image_load_bias(const struct segment *segments, size_t n, const struct proc_mapping *m);
/* A separate debug file that has this build id; belongs to the caller. -ENOENT. */
int image_open_debug(struct image *image, const void *build_id, size_t len);
/* Bytes that the compressed sections of a file unpack to, at most 4 GiB. */
uint64_t image_inflated(Elf *elf);
/* An ELF header of this machine and no more; *ret_elf is to be ended. 0 or -ENOSYS. */
int image_machine(Elf **ret_elf);

/* ---- image_files.c ---- */

/* Of the file behind fd, which stays the caller's; m has segments and place. NULL without memory. */
struct file *image_file_get(struct image_files *files, int fd, const struct module *m);
void image_file_put(struct file *f);
void image_file_grew(struct file *f, size_t bytes);
/* The file that this mapping was seen to be of; NULL: none that is known. */
const struct file *image_file_known(const struct image_files *files, const struct proc_mapping *m);
/* Functions and variables, by addresses that the file was linked for; may be NULL. */
struct symbol_table *image_module_symbols(struct module *m, uint64_t deadline);
struct symbol_table *image_module_data(struct module *m, uint64_t deadline);

/* ---- symbols_elf.c ---- */

/* The functions of a module, or its variables; may be empty. NULL: no memory, or the deadline passed. */
struct symbol_table *symbols_elf(Dwfl_Module *module, bool data, uint64_t end, uint64_t deadline);

/* ---- image_lines.c: DWARF ---- */

struct line_scope {
	const char *function; /* mangled, or NULL */
	const char *file;
	uint32_t line;
};

/*
 * Functions around an address of the file, innermost first; the last one is the machine
 * function, which has the line of its innermost call, or of the address. 0 if
 * there is no debug information. The strings are those of libdw.
 */
size_t image_lines(struct file *f, uint64_t address, uint64_t deadline,
		   struct line_scope scopes[IMAGE_INLINES_MAX]);
void image_lines_close(struct file *f);

#endif
