// SPDX-License-Identifier: GPL-2.0
/*
 * dies.c - ends as it is told to, after some milliseconds in which it sleeps and runs.
 *
 *	dies segv|wild|abort|fpe|jump [MS]	by a signal of its own doing
 *	dies exit CODE [MS]		with an exit code
 *	dies memory [MS]		takes memory until somebody ends it
 *	dies wait			waits to be killed
 *	dies thread [MS]		segv in a thread called "reporter"
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int *volatile nowhere = (int *)0x1234;
static volatile int zero;

static void __attribute__((noipa)) touch_it(int *p)
{
	*p = 1;
	__asm__("");
}

static void __attribute__((noipa)) handle_report(void)
{
	touch_it(nowhere);
	__asm__("");
}

static void __attribute__((noipa)) check_it(void)
{
	abort();
	__asm__("");
}

static void __attribute__((noipa)) take_memory(void)
{
	const size_t step = 1 << 20;

	for (;;) {
		char *p = malloc(step);

		if (p)
			memset(p, 1, step);
	}
}

static void *report(void *arg)
{
	prctl(PR_SET_NAME, "reporter");
	handle_report();
	return arg;
}

/* A millisecond each of sleeping and running, so that there is something to see. */
static void be_busy(long ms)
{
	struct timespec t, now;

	for (; ms > 0; ms -= 2) {
		usleep(1000);
		clock_gettime(CLOCK_MONOTONIC, &t);
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while ((now.tv_sec - t.tv_sec) * 1000000000 + now.tv_nsec - t.tv_nsec < 1000000);
	}
}

static int die(const char *how, int code)
{
	pthread_t thread;

	if (!strcmp(how, "segv"))
		handle_report();
	if (!strcmp(how, "wild"))
		touch_it((int *)0x6b6b6b6b6b6b6b6b);
	if (!strcmp(how, "abort"))
		check_it();
	if (!strcmp(how, "fpe"))
		return 4711 / zero;
	if (!strcmp(how, "jump"))
		((void (*)(void))nowhere)();
	if (!strcmp(how, "memory"))
		take_memory();
	if (!strcmp(how, "thread") && !pthread_create(&thread, NULL, report, NULL))
		pthread_join(thread, NULL);
	if (!strcmp(how, "wait"))
		pause();
	return code;
}

int main(int argc, char **argv)
{
	int at = 2, code = 0;

	if (argc < 2) {
		fprintf(stderr,
			"usage: dies segv|wild|abort|fpe|jump|memory|wait|thread|exit CODE [MS]\n");
		return 2;
	}
	if (!strcmp(argv[1], "exit"))
		code = argc > at ? atoi(argv[at++]) : 1;
	be_busy(argc > at ? atol(argv[at]) : 0);
	return die(argv[1], code);
}
