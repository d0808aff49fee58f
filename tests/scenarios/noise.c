// SPDX-License-Identifier: GPL-2.0
/* noise - what else goes on on a host: some computing, some writing, in processes of its own. */
#include <fcntl.h>

#include "../workloads/workload.h"

static const char *directory;

/* A third of a CPU, at the lowest priority. */
static void compute(void)
{
	uint64_t until;

	nice(19);
	for (;;) {
		until = clock_ns() + 2 * WORKLOAD_NS_PER_MS;
		while (clock_ns() < until)
			;
		sleep_ms(4);
	}
}

static void write_on(void)
{
	static char block[256 << 10];
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/noise", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	die_if(fd < 0, path);
	for (;;) {
		die_if(pwrite(fd, block, sizeof(block), 0) < 0 || fdatasync(fd), "write");
		sleep_ms(30);
	}
}

static const struct option_row options[] = {
	{ "directory", OPTION_TEXT, &directory, 0, 0, "to write to; without it: compute" },
	{ 0 },
};

int main(int argc, char **argv)
{
	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(0);
	if (directory)
		write_on();
	compute();
}
