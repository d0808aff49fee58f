/* SPDX-License-Identifier: GPL-2.0 */
/* Part of waits.c: the waits that no call of another thread ends. */
#ifndef WAITS_ALONE_H
#define WAITS_ALONE_H

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "threads.h"

static long count = 1, ms = 100, cpu = -1, run_ms = 60000;
static const char *directory = ".";

static void sleep_run(void)
{
	uint64_t begin = clock_ns();

	sleep_ms(ms);
	event_print("sleep", begin, clock_ns(), "\"asked_ms\":%ld", ms);
}

static void fsync_run(void)
{
	static char block[1 << 20];
	uint64_t write_begin, begin, end;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/waits-fsync.%ld", directory, (long)getpid());
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		die(1, "%s: %s", path, strerror(errno));
	unlink(path);
	write_begin = clock_ns();
	die_if(write(fd, block, sizeof(block)) != sizeof(block), "write");
	begin = clock_ns();
	die_if(fsync(fd), "fsync");
	end = clock_ns();
	event_print("fsync", begin, end, "\"fd\":%d,\"write_begin_ns\":%" PRIu64, fd, write_begin);
	close(fd);
}

/* The state letter that /proc shows for the thread group's leader, looked at in the middle of the
 * wait. */
static void *state_look(void *ret_state)
{
	char text[512] = "", *name_end;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	sleep_ms(ms / 2);
	if (read(fd, text, sizeof(text) - 1) > 0 && (name_end = strrchr(text, ')')))
		*(char *)ret_state = name_end[2];
	close(fd);
	return NULL;
}

/* The child only sleeps and leaves: it runs on the parent's stack. */
static void vfork_run(void)
{
	struct timespec pause_time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	volatile uint64_t begin;
	uint64_t end;
	pthread_t thread;
	char state = '?';
	pid_t child;

	thread_start(&thread, state_look, &state);
	begin = clock_ns();
	child = vfork();
	if (child == 0) {
		nanosleep(&pause_time, NULL);
		_exit(0);
	}
	end = clock_ns();
	die_if(child < 0, "vfork");
	waitpid(child, NULL, 0);
	pthread_join(thread, NULL);
	event_print("vfork", begin, end, "\"child_pid\":%ld,\"state\":\"%c\"", (long)child, state);
}

static void stop_run(void)
{
	pid_t child = fork_bound();
	int status;

	if (child == 0) {
		uint64_t begin = clock_ns();

		raise(SIGSTOP);
		event_print("stop", begin, clock_ns(), "\"asked_ms\":%ld", ms);
		_exit(0);
	}
	die_if(waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status), "waitpid");
	sleep_ms(ms);
	kill(child, SIGCONT);
	waitpid(child, NULL, 0);
}

/* Time that the calling thread has waited for a CPU so far. */
static uint64_t runqueue_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "re");

	die_if(!file, "/proc/thread-self/schedstat");
	if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(file);
	return waited;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * WORKLOAD_NS_PER_S + ts.tv_nsec;
}

static void *hog_main(void *barrier)
{
	uint64_t waited, ran, begin, end;
	long switches;

	pthread_barrier_wait(barrier);
	waited = runqueue_ns();
	switches = preemptions();
	ran = cpu_ns();
	begin = clock_ns();
	while (clock_ns() - begin < ms * WORKLOAD_NS_PER_MS)
		;
	end = clock_ns();
	ran = cpu_ns() - ran;
	switches = preemptions() - switches;
	waited = runqueue_ns() - waited;
	event_print("cpuhog", begin, end,
		    "\"cpu\":%d,\"ran_ns\":%" PRIu64 ",\"waited_ns\":%" PRIu64 ",\"preempted\":%ld",
		    sched_getcpu(), ran, waited, switches);
	return NULL;
}

/* Two threads on one CPU, both busy: each waits while the other runs. */
static void cpuhog_run(void)
{
	pthread_barrier_t barrier;
	pthread_t threads[2];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? sched_getcpu() : cpu, &set);
	die_if(sched_setaffinity(0, sizeof(set), &set), "--cpu");
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++)
		thread_start(&threads[i], hog_main, &barrier);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

#endif
