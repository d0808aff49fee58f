// SPDX-License-Identifier: GPL-2.0
/*
 * queue - the subject computes on one CPU, and so do others of another process: many equal threads
 * (crowd), one that has real-time priority for a while (hog), or one that weighs more (busy). The
 * first time longer than --gap in which the subject did not run is the slow one.
 */
#include "deeds.h"

#define CROWD_MAX 256

static const char *kind = "hog";
static long cpu = 1, crowd = 60, gap_ms = 80;

WORKLOAD_NAMED static void spin_on(void)
{
	for (;;)
		KEEP_FRAME();
}

static void *spinner_main(void *unused)
{
	role_begin("others");
	role_wait();
	spin_on();
	return unused;
}

/* All in one process, which is to blame as a whole. */
static void *crowd_main(void *unused)
{
	pin_to(cpu);
	role_begin("others");
	role_tell("others", "%s", "");
	for (long i = 1; i < crowd; i++)
		role_start(spinner_main, NULL);
	return spinner_main(unused);
}

/* Until the first gap in what it does. */
WORKLOAD_NAMED static void compute_on(uint64_t *ret_begin, uint64_t *ret_end)
{
	uint64_t last = clock_ns(), now = last;

	do {
		last = now;
		now = clock_ns();
	} while (now - last <= gap_ms * WORKLOAD_NS_PER_MS);
	*ret_begin = last;
	*ret_end = now;
}

static void *subject_main(void *unused)
{
	uint64_t begin, end;

	pin_to(cpu);
	if (!strcmp(kind, "busy"))
		die_if(nice(19) == -1, "nice");
	subject_begin();
	compute_on(&begin, &end);
	event_print("slow", begin, end, "\"released_ns\":%" PRIu64, end);
	return unused;
}

static const struct option_row options[] = {
	{ "others", OPTION_TEXT, &kind, 0, 0, "hog (default), crowd or busy" },
	{ "cpu", OPTION_NUMBER, &cpu, 0, 1023, "of all of them (1)" },
	{ "crowd", OPTION_NUMBER, &crowd, 2, CROWD_MAX, "threads (60)" },
	{ "gap", OPTION_MS, &gap_ms, 1, 5000, "that is slow (80ms)" },
	{ "ms", OPTION_MS, &deed_ms, 1, 5000, "of the hog (200ms)" },
	{ "names", OPTION_TEXT, &names, 0, 0, "role=name,role=name" },
	{ 0 },
};

int main(int argc, char **argv)
{
	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(30000);
	scene_make();
	if (strcmp(kind, "crowd"))
		crowd = 1;
	deed_cpu = cpu;
	process_start(strcmp(kind, "hog") ? crowd_main : hog_main, NULL);
	scene_wait(crowd, 0);
	process_start(subject_main, NULL);
	scene_end();
}
