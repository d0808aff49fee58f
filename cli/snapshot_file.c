/* SPDX-License-Identifier: GPL-2.0 */
/* snapshot_file.c - opens the snapshot that a command line means. */
#include "snapshot_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int say_why(const char *path, const char *text, int err)
{
	if (text && *text)
		return output_fail("%s: %s", path, text);
	if (err == -EINVAL)
		return output_fail("%s: this is no Perfetto trace", path);
	return output_fail("%s: %s", path, strerror(-err));
}

int snapshot_file_open(const struct arguments *args, struct snapshot_file *ret)
{
	struct trace_reader *reader;
	char *path = NULL;
	int err, status;

	if (args->operand) {
		path = strdup(args->operand);
	} else {
		status = client_newest(args, &path);
		if (status != EXIT_DONE)
			return status;
	}
	if (!path)
		return output_fail("out of memory");
	err = trace_reader_open(path, &reader);
	if (err) {
		status = say_why(path, NULL, err);
		free(path);
		return status;
	}
	*ret = (struct snapshot_file){ .path = path, .reader = reader };
	return EXIT_DONE;
}

int snapshot_file_fail(const struct snapshot_file *file, int err)
{
	return say_why(file->path, trace_reader_error(file->reader), err);
}

void snapshot_file_close(struct snapshot_file *file)
{
	trace_reader_close(file->reader);
	free(file->path);
}
