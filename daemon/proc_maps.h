/* SPDX-License-Identifier: GPL-2.0 */
/*
 * proc_maps.h - the text of /proc/PID/maps as a table.
 *
 * The kernel writes the lines, but what it names was chosen by the process,
 * and the text may be cut or made up: nothing in it is believed further than
 * it can be checked here.
 */
#ifndef FREC_PROC_MAPS_H
#define FREC_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

#define PROC_MAPS_MAX (1u << 17) /* twice the default of vm.max_map_count */

struct proc_mapping {
	uint64_t start, end; /* addresses; end is outside, start < end */
	uint64_t offset;     /* of start in the file, bytes */
	uint64_t inode;	     /* 0: no file */
	uint32_t dev_major, dev_minor;
	bool readable, writable, executable;
	bool shared;
	bool deleted;	  /* the path was marked " (deleted)", which it does not have here */
	const char *path; /* never NULL; "" for nameless memory; as the kernel shows it otherwise */
};

struct proc_maps {
	struct proc_mapping *list; /* by start; no two overlap */
	size_t n;
	size_t refused; /* lines that are none, overlap another, or were too many */
	struct arena strings;
};

/* 0 or -ENOMEM; lines that are none are counted, not an error. proc_maps_free() in the end. */
int proc_maps_parse(const char *text, size_t len, struct proc_maps *ret);
void proc_maps_free(struct proc_maps *maps);

/* The mapping that holds the address, or NULL. */
const struct proc_mapping *proc_maps_find(const struct proc_maps *maps, uint64_t address);

#endif
