/* SPDX-License-Identifier: GPL-2.0 */
/* snapshot_file.h - the snapshot that a command line means. */
#ifndef FRECCTL_SNAPSHOT_FILE_H
#define FRECCTL_SNAPSHOT_FILE_H

#include "frecctl.h"
#include "../lib/trace_read.h"

struct snapshot_file {
	char *path;
	struct trace_reader *reader;
};

/* The operand, or the recorder's newest snapshot. EXIT_DONE, or it has said why not. */
int snapshot_file_open(const struct arguments *args, struct snapshot_file *ret);

/* Says that reading failed with err; returns EXIT_FAILED. */
int snapshot_file_fail(const struct snapshot_file *file, int err);

void snapshot_file_close(struct snapshot_file *file);

#endif
