// SPDX-License-Identifier: GPL-2.0
/* Two threads, each of which holds what the other wants. Prints its pid and stays so. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void __attribute__((noipa)) take_other(pthread_mutex_t *other)
{
	pthread_mutex_lock(other);
	puts("never");
	pthread_mutex_unlock(other);
}

static void *one(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&first);
	pthread_barrier_wait(&both);
	take_other(&second);
	return NULL;
}

static void *two(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&second);
	pthread_barrier_wait(&both);
	take_other(&first);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];

	pthread_barrier_init(&both, NULL, 2);
	if (pthread_create(&threads[0], NULL, one, NULL) ||
	    pthread_create(&threads[1], NULL, two, NULL))
		return 1;
	printf("%d\n", getpid());
	fflush(stdout);
	sleep(argc > 1 ? atoi(argv[1]) : 30);
	return 0;
}
