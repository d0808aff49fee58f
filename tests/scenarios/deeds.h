/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the culprit of a scenario does for --ms while others wait for it. How long the disk, the
 * quota and the hog take is up to who sets them: run.py.
 */
#ifndef DEEDS_H
#define DEEDS_H

#include "../workloads/loopback.h"
#include "scenario.h"

#define DEED_PAGE 4096
#define DEED_ANONYMOUS (24 << 20) /* more than the memory cgroup allows */

static const char *deed = "sleep", *directory = ".";
static long deed_ms = 200, deed_bytes = 100000, deed_cpu = -1;
static int deed_fd = -1;
static volatile char *deed_memory;

WORKLOAD_NAMED static void deed_sleep(void)
{
	sleep_ms(deed_ms);
	KEEP_FRAME();
}

static inline uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * WORKLOAD_NS_PER_S + ts.tv_nsec;
}

WORKLOAD_NAMED static void deed_compute(void)
{
	uint64_t until = cpu_ns() + deed_ms * WORKLOAD_NS_PER_MS;

	while (cpu_ns() < until)
		;
	KEEP_FRAME();
}

/* Little, but for the hog (hog_main) that takes the CPU meanwhile. */
WORKLOAD_NAMED static void deed_compute_briefly(void)
{
	uint64_t until = cpu_ns() + 20 * WORKLOAD_NS_PER_MS;

	while (cpu_ns() < until)
		;
	KEEP_FRAME();
}

/* Computes until told to stop, by who stops the process meanwhile. */
WORKLOAD_NAMED static void deed_stopped(void)
{
	while (!scene->go_on)
		;
	KEEP_FRAME();
}

WORKLOAD_NAMED static void deed_ask(void)
{
	char byte = 'q';

	die_if(send(deed_fd, &byte, 1, MSG_NOSIGNAL) != 1, "send");
	die_if(recv(deed_fd, &byte, 1, 0) != 1, "recv");
	KEEP_FRAME();
}

WORKLOAD_NAMED static void deed_fsync(void)
{
	char *block = calloc(1, deed_bytes);

	die_if(!block || write(deed_fd, block, deed_bytes) != deed_bytes, "write");
	die_if(fsync(deed_fd), "fsync");
	free(block);
	KEEP_FRAME();
}

/* The thread ends with all that it holds; when others wait for that, for then it is known who it was. */
WORKLOAD_NAMED static void deed_end(void)
{
	sleep_ms(50);
	pthread_exit(NULL);
}

/* One page that is not in memory. */
WORKLOAD_NAMED static void deed_fault(void)
{
	deed_memory[0]++;
	KEEP_FRAME();
}

/* The other side of deed_ask: another process, whose sleep is the cause. */
WORKLOAD_NAMED static void answer_late(int fd)
{
	char byte;

	die_if(recv(fd, &byte, 1, 0) != 1, "recv");
	sleep_ms(deed_ms);
	die_if(send(fd, &byte, 1, MSG_NOSIGNAL) != 1, "send");
}

static inline void *peer_main(void *listener)
{
	int fd = accept((int)(long)listener, NULL, NULL);

	role_begin("peer");
	role_tell("peer", "%s", "");
	sem_post(&scene->ready);
	answer_late(fd);
	return NULL;
}

static inline void *stopper_main(void *unused)
{
	role_begin("peer");
	role_tell("peer", "%s", "");
	role_wait();
	sleep_ms(10);
	kill(scene->culprit, SIGSTOP);
	sleep_ms(deed_ms);
	scene->go_on = true;
	kill(scene->culprit, SIGCONT);
	return unused;
}

WORKLOAD_NAMED static void hog_cpu(void)
{
	uint64_t until = clock_ns() + deed_ms * WORKLOAD_NS_PER_MS;

	while (clock_ns() < until)
		;
}

static inline void *hog_main(void *unused)
{
	struct sched_param priority = { .sched_priority = 10 };

	role_begin("peer");
	role_tell("peer", "%s", "");
	pin_to(deed_cpu);
	die_if(sched_setscheduler(0, SCHED_FIFO, &priority), "sched_setscheduler");
	role_wait();
	sleep_ms(5);
	hog_cpu();
	return unused;
}

static const struct deed_row {
	const char *name;
	void (*perform)(void);
	void *(*other)(void *); /* a process that has a part in it */
	bool gated;		/* that one waits at the gate */
} deeds[] = {
	{ "sleep", deed_sleep, NULL, false },	{ "compute", deed_compute, NULL, false },
	{ "ask", deed_ask, peer_main, false },	{ "fsync", deed_fsync, NULL, false },
	{ "fault", deed_fault, NULL, false },	{ "swap", deed_fault, NULL, false },
	{ "end", deed_end, NULL, false },
	{ "stopped", deed_stopped, stopper_main, true },
	{ "preempted", deed_compute_briefly, hog_main, true },
};

static inline const struct deed_row *deed_find(void)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (!strcmp(deeds[i].name, deed))
			return &deeds[i];
	die(2, "--deed: got '%s', want one of deeds.h", deed);
}

static inline int deed_open(void)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s-%ld", directory, deed, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	die_if(fd < 0, path);
	return fd;
}

static inline void deed_map_file(void)
{
	char page[DEED_PAGE] = "";

	deed_fd = deed_open();
	for (int i = 0; i < 16; i++)
		die_if(write(deed_fd, page, sizeof(page)) != sizeof(page), "write");
	die_if(fsync(deed_fd), "fsync");
	deed_memory = mmap(NULL, DEED_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, deed_fd, 0);
	die_if(deed_memory == MAP_FAILED, "mmap");
	madvise((void *)deed_memory, DEED_PAGE, MADV_RANDOM);
	die_if(posix_fadvise(deed_fd, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
}

/* Is the page that deed_fault() wants? */
static inline bool deed_in_memory(void)
{
	unsigned char in = 0;

	die_if(mincore((void *)deed_memory, DEED_PAGE, &in), "mincore");
	return in & 1;
}

/* The first quarter goes to swap while the rest is written: run.py has limited the memory. */
static inline void deed_swap_out(void)
{
	deed_memory = mmap(NULL, DEED_ANONYMOUS, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	die_if(deed_memory == MAP_FAILED, "mmap");
	madvise((void *)deed_memory, DEED_ANONYMOUS, MADV_NOHUGEPAGE);
	for (long at = 0; at < DEED_ANONYMOUS; at += DEED_PAGE)
		deed_memory[at] = 1;
	/* no neighbour in swap of a page of anything else: that would bring it with it */
	deed_memory += DEED_ANONYMOUS / 4;
	/* what has been written to swap may still be in memory, too */
	for (int tries = 0; tries < 500 && deed_in_memory(); tries++) {
		sleep_ms(10);
		for (long at = DEED_ANONYMOUS / 4; at < DEED_ANONYMOUS / 4 * 3; at += DEED_PAGE)
			deed_memory[at] = 1;
	}
}

/* Before there are threads: the other process. Returns how many wait at the gate. */
static inline int deed_start_other(long *ret_port)
{
	const struct deed_row *row = deed_find();
	struct sockaddr_in address = loopback_address(0);
	socklen_t size = sizeof(address);
	int fd;

	if (!row->other)
		return 0;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	die_if(fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 8) ||
		       getsockname(fd, (struct sockaddr *)&address, &size),
	       "listen");
	*ret_port = ntohs(address.sin_port);
	process_start(row->other, (void *)(long)fd);
	close(fd);
	return row->gated;
}

/* In the culprit, before the scene begins. */
static inline void deed_prepare(long port)
{
	scene->culprit = getpid();
	if (!strcmp(deed, "ask"))
		deed_fd = loopback_connect(port);
	else if (!strcmp(deed, "fsync"))
		deed_fd = deed_open();
	else if (!strcmp(deed, "fault"))
		deed_map_file();
	else if (!strcmp(deed, "swap"))
		deed_swap_out();
	else if (!strcmp(deed, "preempted"))
		pin_to(deed_cpu);
}

#endif
