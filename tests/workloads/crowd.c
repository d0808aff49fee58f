/* SPDX-License-Identifier: GPL-2.0 */
/* Many threads, all of which sleep until the end. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>

#include "threads.h"

static long count = 100, run_ms = 60000;
static uint32_t word;

static void *sleeper_main(void *unused)
{
	(void)unused;
	for (;;)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

static const struct option_row options[] = {
	{ "threads", OPTION_NUMBER, &count, 1, 1000000, "so many (100)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (60)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	uint64_t begin = clock_ns();
	pthread_attr_t attributes;
	pthread_t thread;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options (see --help)");
	end_after(run_ms);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
	for (long i = 0; i < count; i++) {
		errno = pthread_create(&thread, &attributes, sleeper_main, NULL);
		die_if(errno, "pthread_create");
	}
	event_print("crowd", begin, clock_ns(), "\"threads\":%ld", count);
	sleeper_main(NULL);
	return 0;
}
