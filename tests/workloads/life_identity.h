/* SPDX-License-Identifier: GPL-2.0 */
/* Part of life.c: who a thread is, as seen from the outside. */
#ifndef LIFE_IDENTITY_H
#define LIFE_IDENTITY_H

#include <fcntl.h>

#include "workload.h"

/* The calling thread's id where /proc was mounted: on the host, also when called in a pid namespace
 * below it. */
static long outer_tid(void)
{
	long tid = -1;
	char line[256];
	FILE *file = fopen("/proc/thread-self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "NSpid: %ld", &tid) == 1)
			break;
	if (file)
		fclose(file);
	return tid;
}

/* Field 22 of stat: clock ticks since boot. */
static unsigned long long start_ticks(void)
{
	unsigned long long ticks = 0;
	char text[1024] = "", *field;
	int fd = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);

	if (read(fd, text, sizeof(text) - 1) > 0 && (field = strrchr(text, ')'))) {
		for (int i = 0; i < 20 && field; i++)
			field = strchr(field + 1, ' ');
		ticks = field ? strtoull(field, NULL, 10) : 0;
	}
	close(fd);
	return ticks;
}

static void life_print(const char *what, uint64_t begin, uint64_t end, const char *more)
{
	char comm[16];

	prctl(PR_GET_NAME, comm);
	event_print(what, begin, end, "\"comm\":\"%s\",\"outer_tid\":%ld,\"start_ticks\":%llu%s",
		    comm, outer_tid(), start_ticks(), more);
}

#endif
