/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of the scenarios share: roles that are threads or processes with names of
 * their own, the moment at which all begin, and a waker that comes too late to be to blame.
 *
 * A program prints a line for each role, then "ready"; on a line of stdin it begins, prints what
 * was slow, and lives until the end of stdin, so that it can be looked at.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../workloads/threads.h"

/* Memory of all roles, also of those that are processes. */
struct scene {
	sem_t ready, gate, late_ask, late;
	pid_t culprit;
	volatile bool go_on;
	int waiting; /* at the gate */
	uint64_t released;
};

static struct scene *scene;
static bool processes;
static const char *names = "";

/* Of a role's stack, behind what it waits in: without it the last call would be a jump. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static inline void *map_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	die_if(memory == MAP_FAILED, "mmap");
	return memory;
}

static inline void scene_make(void)
{
	scene = map_shared(sizeof(*scene));
	sem_init(&scene->ready, 1, 0);
	sem_init(&scene->gate, 1, 0);
	sem_init(&scene->late_ask, 1, 0);
	sem_init(&scene->late, 1, 0);
}

static inline void wait_sem(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

static inline void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	die_if(sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

/* `names` is role=name,role=name; a role without one keeps the program's. */
static inline void role_begin(const char *role)
{
	size_t size = strlen(role);
	char name[16] = "";

	for (const char *p = names; *p && !*name; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, role, size) && p[size] == '=')
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + size + 1, ","),
				 p + size + 1);
	if (*name)
		prctl(PR_SET_NAME, name);
}

/* Tells who has this role; `more` are further members. */
__attribute__((format(printf, 2, 3))) static inline void role_tell(const char *role,
								   const char *more, ...)
{
	char text[256];
	va_list args;

	va_start(args, more);
	vsnprintf(text, sizeof(text), more, args);
	va_end(args);
	event_print("role", 0, 0, "\"role\":\"%s\"%s%s", role, *text ? "," : "", text);
}

/* From here on all begin together. */
static inline void role_wait(void)
{
	sem_post(&scene->ready);
	wait_sem(&scene->gate);
}

static inline void role_stay(void)
{
	for (;;)
		pause();
}

static inline void process_start(void *(*role)(void *), void *argument)
{
	if (fork_bound() == 0) {
		role(argument);
		role_stay();
	}
}

static inline void role_start(void *(*role)(void *), void *argument)
{
	pthread_t thread;

	if (processes)
		process_start(role, argument);
	else
		thread_start(&thread, role, argument);
}

static inline void *late_main(void *unused)
{
	role_begin("late");
	role_tell("late", "%s", "");
	sem_post(&scene->ready);
	wait_sem(&scene->late_ask);
	sleep_ms(5);
	sem_post(&scene->late);
	role_stay();
	return unused;
}

/* The subject lets all others go right before it waits. */
static inline uint64_t subject_begin(void)
{
	role_begin("subject");
	role_tell("subject", "%s", "");
	for (int i = 0; i < scene->waiting; i++)
		sem_post(&scene->gate);
	return clock_ns();
}

/* The subject, when its slow wait is over: one more, short one, that somebody else ends. */
static inline void subject_end(uint64_t begin)
{
	uint64_t end = clock_ns();

	sem_post(&scene->late_ask);
	wait_sem(&scene->late);
	event_print("slow", begin, end, "\"released_ns\":%" PRIu64, scene->released);
}

/* When `waiting` roles are at the gate, `others` have begun, and there is a line on stdin. */
static inline void scene_wait(int waiting, int others)
{
	char line;

	for (int i = 0; i < waiting + others; i++)
		wait_sem(&scene->ready);
	scene->waiting = waiting;
	say("{\"what\":\"ready\"}");
	die_if(read(STDIN_FILENO, &line, 1) != 1, "stdin");
}

static inline void scene_end(void)
{
	char line;

	while (read(STDIN_FILENO, &line, 1) == 1)
		;
	exit(0);
}

#endif
