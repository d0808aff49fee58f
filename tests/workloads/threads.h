/* SPDX-License-Identifier: GPL-2.0 */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>

#include "workload.h"

static inline void thread_start(pthread_t *ret_thread, void *(*function)(void *), void *argument)
{
	errno = pthread_create(ret_thread, NULL, function, argument);
	die_if(errno, "pthread_create");
}

#endif
