/* SPDX-License-Identifier: GPL-2.0 */
/* export.c - the events of a snapshot for other programs. */
#include "frecctl.h"

#include <errno.h>
#include <string.h>

#include "events.h"
#include "folded.h"
#include "snapshot_file.h"

static int export_json(struct snapshot_file *file)
{
	struct trace_event event;
	int more;

	while ((more = trace_reader_event(file->reader, &event)) > 0 && !ferror(stdout))
		event_print(stdout, &event);
	return more < 0 ? snapshot_file_fail(file, more) : EXIT_DONE;
}

/* Of a damaged file, what could be read is printed. */
static int export_folded(struct snapshot_file *file)
{
	struct folded *folded = folded_new();
	int more = 0, err = folded ? 0 : -ENOMEM;
	struct trace_event event;

	while (!err && (more = trace_reader_event(file->reader, &event)) > 0)
		err = folded_add(folded, &event, stdout);
	if (!err)
		folded_print(folded, stdout);
	folded_free(folded);
	if (err)
		return output_fail("out of memory");
	return more < 0 ? snapshot_file_fail(file, more) : EXIT_DONE;
}

static const struct {
	const char *name;
	int (*run)(struct snapshot_file *file);
} formats[] = {
	{ "json", export_json },
	{ "folded", export_folded },
};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

int verb_export(const struct arguments *args)
{
	struct snapshot_file file;
	size_t i = 0;
	int status;

	if (!args->format) {
		output_fail("export needs --format json or --format folded");
		return EXIT_USAGE;
	}
	while (i < N_FORMATS && strcmp(args->format, formats[i].name) != 0)
		i++;
	if (i == N_FORMATS) {
		output_fail("--format: got '%s', want json or folded", args->format);
		return EXIT_USAGE;
	}
	status = snapshot_file_open(args, &file);
	if (status != EXIT_DONE)
		return status;
	status = formats[i].run(&file);
	snapshot_file_close(&file);
	return status;
}
