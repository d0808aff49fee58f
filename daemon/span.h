/* SPDX-License-Identifier: GPL-2.0 */
/* span.h - triggers of kind span: their files, the probes in them, the spans under way. */
#ifndef FREC_SPAN_H
#define FREC_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "span_child.h"

struct config_trigger;

#define SPAN_NAMES_MAX 64u /* that one glob may mean */
#define SPAN_PROBLEM_MAX 256

/* inode 0: none */
struct span_file {
	uint64_t device, inode, size, changed;
};

/* Probes of one file. */
struct span_probes {
	struct span_file file;
	int links[SPAN_SITES_MAX]; /* descriptors */
	unsigned int n;
	unsigned int places;
};

/* What several triggers may have in common: a file, and what is looked for in it. */
struct span_watch {
	char path[GLOB_PATH_MAX];
	char span[SPAN_NAME_MAX];
	char begin[256], end[256]; /* CONFIG_SYMBOL_MAX */
	uint64_t next; /* when the file is looked at again */
	char problem[SPAN_PROBLEM_MAX]; /* empty: it is attached */
	/* before: of the file that stood there until it was replaced, as programs may still run it */
	struct span_probes now, before;
	uint16_t defs[SPAN_NAMES_MAX]; /* numbers of its spans */
	unsigned int n_defs;
	struct span_file useless; /* was looked into in vain: nothing to do until it changes … */
	uint64_t again; /* … or, as it could not be attached to, until then; ~0: until it changes */
	uint64_t pause; /* before that; twice as long each time */
};

struct spans {
	struct span_watch *list;
	unsigned int n;
	uint8_t of[TRIGGERS_MAX]; /* trigger -> index + 1 in list; 0: it is of another kind */
	char *names; /* SPAN_DEFS_MAX of SPAN_NAME_MAX; empty: free */
	uint32_t next_def;
	/* one file at a time */
	unsigned int at; /* index + 1 of the watch whose file was asked for, or is looked into; 0: none */
	uint32_t ask;	 /* id of the question */
	uint64_t until;	 /* when no answer will come */
	struct span_file file; /* that the child looks into … */
	int fd;		 /* … and its descriptor, meaningful while child.pid */
	struct span_child child;
	uint64_t scanned; /* when the spans under way were looked at */
	uint64_t next_sweep;
	uint64_t forgotten; /* under way, to make room for others … */
	uint64_t forgotten_said; /* … and when to say so again */
};

#endif
