/* SPDX-License-Identifier: GPL-2.0 */
/* A real-time hog: SCHED_FIFO busy loops that starve everything else on the given CPUs for a while.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>

#include "threads.h"

#define CPUS_MAX 1024

static long run_ms = 1000, priority = 50;
static const char *cpus = "0";
static uint64_t end_ns;
static pthread_t threads[CPUS_MAX];

static void *hog_main(void *argument)
{
	struct sched_param param = { .sched_priority = priority };
	uint64_t begin;
	cpu_set_t set;
	int cpu = (long)argument;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die(1, "cpu %d: %s", cpu, strerror(errno));
	die_if(sched_setscheduler(0, SCHED_FIFO, &param), "SCHED_FIFO");
	begin = clock_ns();
	while (clock_ns() < end_ns)
		;
	event_print("hog", begin, clock_ns(), "\"cpu\":%d", cpu);
	return NULL;
}

/* The kernel ends the hog if its own clock does not. */
static void safety_net(void)
{
	struct rlimit limit = { .rlim_cur = (run_ms + 2000) * 1000,
				.rlim_max = (run_ms + 3000) * 1000 };

	die_if(setrlimit(RLIMIT_RTTIME, &limit), "RLIMIT_RTTIME");
	end_after(run_ms + 2000);
}

static long cpus_start(void)
{
	char *end = NULL;
	long count = 0;

	for (const char *at = cpus; count < CPUS_MAX; at = end + 1) {
		long cpu = strtol(at, &end, 10);

		if (end == at || cpu < 0 || cpu >= CPUS_MAX || (*end && *end != ','))
			die(2, "--cpus: got '%s', want numbers with commas between", cpus);
		thread_start(&threads[count++], hog_main, (void *)cpu);
		if (!*end)
			break;
	}
	return count;
}

static const struct option_row options[] = {
	{ "cpus", OPTION_TEXT, &cpus, 0, 0, "list with commas (0)" },
	{ "priority", OPTION_NUMBER, &priority, 1, 98, "of SCHED_FIFO (50)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 60000, "end after so long (1)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	long count;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	safety_net();
	end_ns = clock_ns() + run_ms * WORKLOAD_NS_PER_MS;
	count = cpus_start();
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
