/* SPDX-License-Identifier: GPL-2.0 */
/*
 * image.h - the memory of one process, as far as names of code need it: its
 * mappings, and the ELF files behind those that an address fell into.
 *
 * Knows nothing of how files are found: callbacks hand in descriptors, and no
 * path is ever opened here. Not safe for threads.
 *
 * The files are hostile. What bounds the work on them:
 * - here: the sizes and counts below, program headers checked before libdw
 *   sees them, DWARF trees walked with a budget, deadlines between frames,
 *   modules, and every few thousand symbols or DIEs;
 * - libdw (0.188): at most 4096 steps a DWARF expression, 256 on its stack;
 *   CFI programs, line programs, tables and compressed sections are read in one
 *   go, linear in their (unpacked) size, and a few asserts of it may abort();
 * - so the process must set RLIMIT_AS (unpacked sections may claim any size)
 *   and be killed some time after the deadline, and whoever started it must be
 *   ready to do without names when it died. It should also be unable to open
 *   paths: libdw could be led to (split DWARF), though no call made here is
 *   known to.
 */
#ifndef FREC_IMAGE_H
#define FREC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc_maps.h"
#include "symbols.h"

#define IMAGE_MODULES_MAX 1024
#define IMAGE_FILE_MAX (2ull << 30) /* bytes; larger files count as missing */
#define IMAGE_BUILD_ID_MAX 64
#define IMAGE_SPAN_MAX (4ull << 30)   /* bytes of addresses that one module may claim */
#define IMAGE_STRINGS_MAX (16u << 20) /* bytes of names and paths of sources */
#define IMAGE_FILES_BYTES_MAX (16u << 20) /* of tables of files that no image uses now */
#define IMAGE_INFLATED_MAX (24u << 20)	  /* of debug sections of a file; larger ones give no lines */
#define IMAGE_CACHE_MAX (256u << 10)  /* frames remembered */
#define IMAGE_INLINES_MAX 32	      /* frames for one address */

struct image;
struct image_files;

struct image_callbacks {
	/* Shared by images, and outlives them; NULL: the image has its own. */
	struct image_files *files;
	/*
	 * A descriptor of the file behind an executable mapping, which the image
	 * closes, or -errno. Asked when the first address falls into it: at most
	 * once for each mapping. path may be "/memfd:…" or deleted.
	 */
	int (*open_file)(void *arg, const struct proc_mapping *mapping);
	/* The same for a separate debug file; may be NULL. The build id is checked again here. */
	int (*open_debug)(void *arg, const uint8_t *build_id, size_t len);
	void *arg;
};

/* An ELF file at one place. Lives as long as the image. */
struct image_module {
	const char *path; /* of the mapping that it was first needed for */
	uint8_t build_id[IMAGE_BUILD_ID_MAX];
	size_t build_id_len; /* 0: has none */
	uint64_t bias;	     /* address in memory - ELF virtual address */
	uint64_t start, end; /* addresses of all its segments */
	bool foreign;	     /* of another machine (32 bit): names, but no unwinding */
};

/* function and file live as long as the image's files, the other pointers as long as the image. */
struct image_frame {
	uint64_t pc;		  /* as it stood in the register or on the stack */
	uint64_t function_offset; /* pc - start of the function; 0 without function */
	/*
	 * For Perfetto's Frame and Mapping: the ELF virtual address of the
	 * instruction, which for a return address is the call's last byte (pc - 1),
	 * and p_vaddr - p_offset of the segment. Without a module load_bias is 0 and
	 * rel_pc a file offset; without a mapping rel_pc is 0.
	 */
	uint64_t rel_pc, load_bias;
	const struct proc_mapping *mapping; /* NULL: in none */
	const struct image_module *module;  /* NULL: no file, or it could not be used */
	const uint8_t *build_id; /* of the file; may be known without module */
	size_t build_id_len;
	const char *function;		    /* demangled; NULL: unknown */
	const char *file;		    /* source; NULL: unknown */
	uint32_t line;			    /* 0: unknown */
	bool inlined; /* part of the machine function of the next frame that is not */
	bool jit;     /* the name is from the perf map */
};

struct image_counters {
	uint32_t modules; /* opened */
	uint32_t refused; /* files that could not be opened, or are no ELF that fits the mapping */
	uint32_t debug_files; /* separate ones, used */
	uint32_t late;	      /* frames that stayed nameless because of the deadline */
};

/* What files say, for images that may come and go: each file is read once. NULL without memory. */
struct image_files *image_files_new(void);
void image_files_free(struct image_files *files);
/* Gives back what no open image needs; names stay. */
void image_files_forget(struct image_files *files);
/*
 * Source lines and inlined functions are looked up until then (MONOTONIC ns; 0: always); unpack: also
 * where debug information has to be unpacked for that, which takes a tenth of a second for libc.
 */
void image_files_lines(struct image_files *files, uint64_t until, bool unpack);

/*
 * maps: text of /proc/PID/maps, not kept. callbacks are copied. 0 or -ENOMEM,
 * -ENOSYS if libdw does not know this machine. Bad lines are no error.
 */
int image_open(const char *maps, size_t len, const struct image_callbacks *callbacks,
	       struct image **ret);
void image_close(struct image *image);

/* Names for code in no file; belongs to the caller, outlives the image. Before the first frame. */
void image_set_perf_map(struct image *image, struct symbol_table *perf_map);

const struct proc_maps *image_maps(const struct image *image);
const struct image_counters *image_counters(const struct image *image);

/*
 * The frames of one address, innermost first: inlined functions, then the
 * machine function. exact: the address is that of the next instruction (top of
 * a stack, or interrupted by a signal), not a return address. deadline: see
 * unwind.h. At least 1, at most IMAGE_INLINES_MAX frames, their number returned.
 */
size_t image_frames(struct image *image, uint64_t pc, bool exact, uint64_t deadline,
		    struct image_frame frames[IMAGE_INLINES_MAX]);

/*
 * The variable of the program or of a library that holds the address, and how far
 * inside it that is; NULL: none, or not known by name. Lives as long as the image's files.
 */
const char *image_variable(struct image *image, uint64_t address, uint64_t deadline,
			   uint64_t *ret_offset);

/*
 * A file that shrinks while it is mapped raises SIGBUS in its reader. From
 * here on this process reads zeros then. Takes the signal of the whole
 * process: for the worker's main, once. 0 or -errno.
 */
int image_survive_truncation(void);

#endif
