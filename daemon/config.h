/* SPDX-License-Identifier: GPL-2.0 */
/* config.h - the configuration of one recorder, from INI files (libinih). */
#ifndef FREC_CONFIG_H
#define FREC_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../bpf/record.h"

#define CONFIG_NAME_MAX 64
#define CONFIG_SYMBOL_MAX 256

enum config_pressure { PRESSURE_CPU, PRESSURE_MEMORY, PRESSURE_IO };

struct config_trigger {
	char name[CONFIG_NAME_MAX]; /* [A-Za-z0-9._-]+, unique */
	struct trigger_filter filter; /* what the kernel evaluates; globs already normalised */
	uint64_t cooldown; /* ns */
	uint64_t hold;	   /* ns */
	uint64_t post;	   /* ns */
	uint32_t max_per_hour; /* 0: no limit */
	/* kind pressure; what may be stalled of the window is filter.threshold */
	enum config_pressure pressure;
	bool pressure_full;
	uint64_t pressure_window; /* ns */
	/* kind percentile; what it may be is filter.threshold, of what is filter.of */
	uint32_t percentile;	      /* of a million: p99.9 is 999000 */
	uint64_t percentile_interval; /* ns */
	bool signals_said;     /* kind exit: else those that are meant by default */
	uint64_t ends[SYSCALL_WORDS]; /* likewise: bit set: signal or END_* */
	/* kind span, in the file filter.exe: a glob over names of frec.h, or else symbols … */
	char span[SPAN_NAME_MAX];
	char begin[CONFIG_SYMBOL_MAX], end[CONFIG_SYMBOL_MAX]; /* … no end: where begin returns */
};

struct config {
	char run_directory[PATH_MAX];
	char pin_directory[PATH_MAX];

	uint64_t window;	 /* ns */
	uint64_t memory;	 /* bytes of all hot windows together; 0: auto */
	uint64_t evidence;	 /* bytes of the ring; 0: auto */
	enum syscall_mode syscalls;
	uint64_t slow_syscall;	 /* ns */
	uint64_t stacks;	 /* ns */
	uint64_t stack_dump;	 /* bytes */
	struct trigger_filter exclude[EXCLUDES_MAX]; /* globs, comm or unit of each */
	unsigned int n_exclude;
	double overhead_budget;	 /* share of all CPUs: 0.01 is 1 % */
	uint64_t crash_dump;	 /* bytes; governor.h alone: stack_dump as it was asked for */
	bool no_wakeups;	 /* governor.h alone: they are not recorded */

	char directory[PATH_MAX];
	uint32_t max_files;	 /* 0: no limit */
	uint64_t max_bytes;	 /* 0: no limit */
	uint32_t max_total;	 /* 0: no limit */
	double min_free;	 /* share of the file system */
	bool user_snapshots;
	bool redact;		 /* no command lines and paths in snapshots */
	char on_snapshot[PATH_MAX]; /* empty: none */

	struct config_trigger triggers[TRIGGERS_MAX];
	unsigned int n_triggers;
};

/* Fills *ret with the built-in defaults, the default triggers included. */
void config_defaults(struct config *ret);

/*
 * Reads FILE alone, or, where file is NULL, /etc/frec/frec.conf (may be
 * missing) and then /etc/frec/conf.d/[*].conf in the order of their names.
 * *ret is written only on success. Every mistake is one line
 * "file:line: key: got 'x', want …" to `errors`; warnings go there too,
 * beginning with "warning: ". Returns 0, -EINVAL for mistakes in the text, or
 * the -errno of a file that cannot be read (also said on `errors`).
 */
int config_load(const char *file, FILE *errors, struct config *ret);

/*
 * As config_load(), of these places: file may be missing, and then the *.conf
 * of directory; where directory is NULL, file alone, which must be there.
 */
int config_load_from(const char *file, const char *directory, FILE *errors, struct config *ret);

/* As config_load(), of one open text; name is what errors call it. */
int config_parse(FILE *in, const char *name, FILE *errors, struct config *ret);

/* The word of a trigger kind ("lock"), or NULL. */
const char *config_kind_name(enum trigger_kind kind);

/* "cpu", "memory", "io". */
const char *config_pressure_name(enum config_pressure p);

#endif
