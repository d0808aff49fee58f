/* SPDX-License-Identifier: GPL-2.0 */
/* rescue.c - has frecd write what a recorder that died has left: only it understands that. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frecctl.h"

/* Beside us, as it is built, or where it is installed. */
static const char *const places[] = { "frecd", "../sbin/frecd" };

static void try_place(const char *place, char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = 0;
	snprintf(path, sizeof(path), "%s/%s", self, place);
	execv(path, argv);
}

int verb_rescue(const struct arguments *args)
{
	char config[PATH_MAX + 16];
	char *argv[] = { "frecd", "--rescue", NULL, NULL };

	if (args->config) {
		snprintf(config, sizeof(config), "--config=%s", args->config);
		argv[2] = config;
	} else if (strcmp(args->run_directory, RUN_DIRECTORY)) {
		output_fail("rescue of a recorder in another run directory needs --config, which "
			    "names that");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		try_place(places[i], argv);
	execvp(argv[0], argv);
	return output_fail("cannot start frecd: %s", strerror(errno));
}
