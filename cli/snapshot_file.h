/* SPDX-License-Identifier: GPL-2.0 */
/* snapshot_file.h - the snapshot that a command line means. */
#ifndef FRECCTL_SNAPSHOT_FILE_H
#define FRECCTL_SNAPSHOT_FILE_H

#include "frecctl.h"
#include "../lib/trace_read.h"

struct snapshot_file {
	char *name; /* for people: its path, mostly */
	int fd;
	struct trace_reader *reader;
};

/* The operand, or the recorder's newest snapshot. EXIT_DONE, or it has said why not. */
int snapshot_file_open(const struct arguments *args, struct snapshot_file *ret);

/* The same of a descriptor, which becomes the file's, also on failure. */
int snapshot_file_take(int fd, const char *name, struct snapshot_file *ret);

/* Another reader, which begins anew; the one before must not go on. 0 or -errno. */
int snapshot_file_again(const struct snapshot_file *file, struct trace_reader **ret);

/* Says that reading failed with err; returns EXIT_FAILED. */
int snapshot_file_fail(const struct snapshot_file *file, int err);

void snapshot_file_close(struct snapshot_file *file);

#endif
