/* SPDX-License-Identifier: GPL-2.0 */
/* export.c - the events of a snapshot for other programs. */
#include "frecctl.h"

#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "snapshot_file.h"

static int fail_format(const char *format)
{
	if (!format)
		output_fail("export needs --format json");
	else if (strcmp(format, "folded") == 0)
		output_fail("--format folded is not there yet; this version has json");
	else
		output_fail("--format: got '%s', want json", format);
	return EXIT_USAGE;
}

int verb_export(const struct arguments *args)
{
	struct snapshot_file file;
	struct trace_event event;
	int more, status;

	if (!args->format || strcmp(args->format, "json") != 0)
		return fail_format(args->format);
	status = snapshot_file_open(args, &file);
	if (status != EXIT_DONE)
		return status;
	while ((more = trace_reader_event(file.reader, &event)) > 0 && !ferror(stdout))
		event_print(stdout, &event);
	if (more < 0)
		status = snapshot_file_fail(&file, more);
	snapshot_file_close(&file);
	return status;
}
