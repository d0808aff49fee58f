/* SPDX-License-Identifier: GPL-2.0 */
/* Makes switches and wake-ups: pairs of threads pass a byte, or the turn at a futex, as fast as
 * they can, or at a rate. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>

#include "threads.h"

#define PAIRS_MAX 256

struct pair {
	pthread_t threads[2];
	int fds[2][2]; /* [n]: the pipe that side n reads */
	uint32_t turn; /* whose turn it is; TURN_END: nobody's any more */
	unsigned long trips;
	char padding[64]; /* pairs do not share a cache line */
};

#define TURN_END 2

static struct pair pairs[PAIRS_MAX];
static long pair_count = 1, run_ms = 5000, rate;
static const char *via = "pipe";
static bool pin, stopped;
static uint64_t begin_ns, end_ns;

static void stop(int sig)
{
	(void)sig;
	stopped = true;
}

/* The clock is read once in 64 trips: it must not be the load. */
static bool time_over(unsigned long trips)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED) ||
	       (trips % 64 == 0 && clock_ns() >= end_ns);
}

/* Sleeps until so many trips are due, a thousand times a second at most. */
static void trip_pace(unsigned long trips)
{
	uint64_t due = begin_ns + trips * (WORKLOAD_NS_PER_S / rate);
	struct timespec ts = { .tv_sec = due / WORKLOAD_NS_PER_S,
			       .tv_nsec = due % WORKLOAD_NS_PER_S };

	if (trips % (rate / 1000 + 1) == 0)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void turn_give(struct pair *pair, uint32_t turn)
{
	__atomic_store_n(&pair->turn, turn, __ATOMIC_RELEASE);
	syscall(SYS_futex, &pair->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* False: the game is over. */
static bool turn_wait(struct pair *pair, uint32_t mine)
{
	uint32_t turn;

	while ((turn = __atomic_load_n(&pair->turn, __ATOMIC_ACQUIRE)) != mine && turn != TURN_END)
		syscall(SYS_futex, &pair->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
	return turn == mine;
}

static bool byte_give(struct pair *pair, int to)
{
	return write(pair->fds[to][1], "x", 1) == 1;
}

static bool byte_wait(struct pair *pair, int mine)
{
	char byte;

	return read(pair->fds[mine][0], &byte, 1) == 1;
}

static void *first_main(void *argument)
{
	struct pair *pair = argument;
	bool futex = !strcmp(via, "futex");

	while (!time_over(pair->trips)) {
		if (futex)
			turn_give(pair, 1);
		if (futex ? !turn_wait(pair, 0) : !byte_give(pair, 1) || !byte_wait(pair, 0))
			break;
		pair->trips++;
		if (rate)
			trip_pace(pair->trips);
	}
	turn_give(pair, TURN_END);
	close(pair->fds[1][1]);
	return NULL;
}

static void *second_main(void *argument)
{
	struct pair *pair = argument;

	if (!strcmp(via, "futex"))
		while (turn_wait(pair, 1))
			turn_give(pair, 0);
	else
		while (byte_wait(pair, 1) && byte_give(pair, 0))
			;
	return NULL;
}

/* Both threads of a pair on one CPU: then every pass is a switch. */
static void pair_pin(struct pair *pair, long number)
{
	cpu_set_t allowed, one;
	int cpu = -1;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (long skip = number % CPU_COUNT(&allowed); skip >= 0; skip--)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &allowed));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	for (int i = 0; i < 2; i++)
		pthread_setaffinity_np(pair->threads[i], sizeof(one), &one);
}

static void pair_start(long number)
{
	struct pair *pair = &pairs[number];

	die_if(pipe2(pair->fds[0], O_CLOEXEC) || pipe2(pair->fds[1], O_CLOEXEC), "pipe2");
	thread_start(&pair->threads[1], second_main, pair);
	thread_start(&pair->threads[0], first_main, pair);
	if (pin)
		pair_pin(pair, number);
}

static const struct option_row options[] = {
	{ "pairs", OPTION_NUMBER, &pair_count, 1, PAIRS_MAX, "of threads (1)" },
	{ "via", OPTION_TEXT, &via, 0, 0, "pipe or futex (pipe)" },
	{ "pin", OPTION_FLAG, &pin, 0, 0,
	  "both threads of a pair on one CPU, pairs spread over the CPUs" },
	{ "rate", OPTION_NUMBER, &rate, 0, 1000000,
	  "round trips of a pair a second (0: as many as it can)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (5)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct rusage usage;
	unsigned long trips = 0;

	if (options_parse(argc, argv, "[options]", options) ||
	    (strcmp(via, "pipe") && strcmp(via, "futex")))
		die(2, "want options, and --via pipe or futex (see --help)");
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	begin_ns = clock_ns();
	end_ns = begin_ns + run_ms * WORKLOAD_NS_PER_MS;
	for (long i = 0; i < pair_count; i++)
		pair_start(i);
	for (long i = 0; i < pair_count; i++) {
		pthread_join(pairs[i].threads[0], NULL);
		pthread_join(pairs[i].threads[1], NULL);
		trips += pairs[i].trips;
	}
	getrusage(RUSAGE_SELF, &usage);
	event_print("switches", begin_ns, clock_ns(),
		    "\"round_trips\":%lu,\"voluntary\":%ld,\"involuntary\":%ld,\"switches\":%ld",
		    trips, usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_nvcsw + usage.ru_nivcsw);
	return 0;
}
