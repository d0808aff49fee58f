/* SPDX-License-Identifier: GPL-2.0 */
/* A program of frec.h: sleeps and fires a trigger for it, or asks for a snapshot of itself. */
#include "../../include/frec/frec.h"

#include <fcntl.h>

static int usage(FILE *out)
{
	fprintf(out,
		"usage: app NAME MS [UID] | app --snapshot FILE [UID]\n"
		"  fires the trigger NAME after so long, or writes a snapshot of itself; as user UID\n");
	return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	uint64_t begin = frec_now();
	char why[256];
	int fd, error;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (argc != 3 && argc != 4)
		return usage(stderr);
	if (argc == 4 && setreuid((uid_t)atoi(argv[3]), (uid_t)atoi(argv[3])))
		return 1;
	if (strcmp(argv[1], "--snapshot")) {
		usleep(1000u * (unsigned int)atoi(argv[2]));
		frec_trigger_since(argv[1], begin, "after %s ms", argv[2]);
		return !frec_enabled();
	}
	fd = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY, 0600);
	error = frec_snapshot(0, fd, why, sizeof(why));
	if (error)
		printf("%s: %s\n", strerror(-error), why);
	return error != 0;
}
