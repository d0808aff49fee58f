/* SPDX-License-Identifier: GPL-2.0 */
/* What one operation of the kernel takes, by doing little else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/wait.h>

#include "workload.h"

static long run_ms = 500;
static int zero;

static void getppid_once(void)
{
	syscall(SYS_getppid);
}

/* An unlock that finds nobody who waits. */
static void futex_once(void)
{
	static uint32_t word;

	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void read_once(void)
{
	char byte;

	die_if(read(zero, &byte, 1) != 1, "read");
}

/* A process is created, exits, and is reaped. */
static void fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	die_if(pid < 0 || waitpid(pid, NULL, 0) != pid, "fork");
}

static const struct mode {
	const char *name;
	void (*once)(void);
	int batch; /* so often between two looks at the clock */
} modes[] = {
	{ "getppid", getppid_once, 1000 },
	{ "futex", futex_once, 1000 },
	{ "read", read_once, 1000 },
	{ "fork", fork_once, 1 },
	{ 0 },
};

static const struct option_row options[] = {
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (500ms)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *name = options_parse(argc, argv, "getppid|futex|read|fork [options]", options);
	const struct mode *mode;
	uint64_t begin, now, count = 0;

	for (mode = modes; mode->name && (!name || strcmp(mode->name, name)); mode++)
		;
	if (!mode->name)
		die(2, "got mode '%s' (see --help)", name ? name : "");
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	die_if(zero < 0, "/dev/zero");
	end_after(0);
	begin = clock_ns();
	do {
		for (int i = 0; i < mode->batch; i++)
			mode->once();
		count += mode->batch;
		now = clock_ns();
	} while (now - begin < run_ms * WORKLOAD_NS_PER_MS);
	event_print(mode->name, begin, now, "\"count\":%" PRIu64 ",\"ns\":%.2f", count,
		    (double)(now - begin) / count);
	return 0;
}
