/* SPDX-License-Identifier: GPL-2.0 */
/* Reads the clock over and over on each CPU: when it stands still, something else ran there. */
#define _GNU_SOURCE
#include <sched.h>

#include "threads.h"

#define GAP_NS 10000 /* what a short interrupt takes does not count */
#define CPUS_MAX 1024

static struct reader {
	pthread_t thread;
	int cpu;
	uint64_t longest, lost; /* ns: of the longest gap, of all from GAP_NS on */
} readers[CPUS_MAX];

static long run_ms = 1000;
static uint64_t end_ns;

static void *reader_main(void *argument)
{
	struct reader *r = argument;
	uint64_t before, now = clock_ns();

	while (now < end_ns) {
		before = now;
		now = clock_ns();
		if (now - before < GAP_NS)
			continue;
		r->lost += now - before;
		if (now - before > r->longest)
			r->longest = now - before;
	}
	return NULL;
}

static void reader_start(struct reader *r)
{
	cpu_set_t one;

	thread_start(&r->thread, reader_main, r);
	CPU_ZERO(&one);
	CPU_SET(r->cpu, &one);
	pthread_setaffinity_np(r->thread, sizeof(one), &one);
}

static const struct option_row options[] = {
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (1)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	uint64_t begin = clock_ns(), longest = 0, lost = 0;
	cpu_set_t allowed;
	int n = 0;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options (see --help)");
	end_after(0);
	end_ns = begin + run_ms * WORKLOAD_NS_PER_MS;
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		if (CPU_ISSET(cpu, &allowed)) {
			readers[n].cpu = cpu;
			reader_start(&readers[n++]);
		}
	for (int i = 0; i < n; i++) {
		pthread_join(readers[i].thread, NULL);
		lost += readers[i].lost;
		if (readers[i].longest > longest)
			longest = readers[i].longest;
	}
	event_print("gaps", begin, clock_ns(),
		    "\"longest_ns\":%" PRIu64 ",\"lost_ns\":%" PRIu64 ",\"cpus\":%d", longest, lost, n);
	return 0;
}
