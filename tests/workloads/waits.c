/* SPDX-License-Identifier: GPL-2.0 */
/* Ground truth for waits: does one kind of wait on purpose and prints when it really began and
 * ended. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/mman.h>

#include "waits_alone.h"
#include "waits_pipe.h"

/* What the two sides of a wait share; in shared memory, as the other side may be a process. */
struct shared {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	sem_t sem, ready;
	uint32_t word;
	bool done;
	long waker_pid, waker_tid;
	uint64_t wake_begin, wake_end; /* around the call that ends the wait */
};

/* A wait that somebody else ends, or any other: then only `run` is set. */
struct kind {
	const char *name;
	void (*run)(void);
	void (*prepare)(void);
	void (*hold)(void); /* by the waker, before the wait begins */
	void (*wait)(void);
	void (*wake)(void);
	size_t addr; /* of what is waited for, inside struct shared; 0 and no lock: a descriptor */
	bool child;  /* the waker is a process, else a thread */
	bool lock;
};

static struct shared *shared;
static const struct kind *kind;

static void lock_prepare(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	if (!strcmp(kind->name, "lock-pi"))
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (!strcmp(kind->name, "lock-recursive"))
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	if (!strcmp(kind->name, "lock-errorcheck"))
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	if (!strcmp(kind->name, "lock-robust"))
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (kind->child)
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	errno = pthread_mutex_init(&shared->lock, &attr);
	die_if(errno, "pthread_mutex_init");
	pthread_cond_init(&shared->cond, NULL);
	shared->done = false;
}

static void lock_take(void)
{
	pthread_mutex_lock(&shared->lock);
}

static void lock_release(void)
{
	pthread_mutex_unlock(&shared->lock);
}

static void futex_prepare(void)
{
	shared->word = 7;
}

static void futex_wait(void)
{
	while (__atomic_load_n(&shared->word, __ATOMIC_ACQUIRE) == 7)
		syscall(SYS_futex, &shared->word, FUTEX_WAIT_PRIVATE, 7, NULL, NULL, 0);
}

static void futex_wake(void)
{
	__atomic_store_n(&shared->word, 0, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the calls of Linux 5.16 and 6.7 ---- */

#define NR_FUTEX_WAITV 449
#define NR_FUTEX_WAIT 455
#define FUTEX2_U32 2

struct futex_waiter {
	uint64_t val, address;
	uint32_t flags, reserved;
};

static void futex2_check(long result)
{
	if (result < 0 && errno == ENOSYS)
		die(77, "this kernel has no such call");
}

static void futex2_wait(void)
{
	while (__atomic_load_n(&shared->word, __ATOMIC_ACQUIRE) == 7)
		futex2_check(syscall(NR_FUTEX_WAIT, &shared->word, 7ul, 0xfffffffful,
				     FUTEX2_U32 | FUTEX_PRIVATE_FLAG, NULL, 0));
}

static void waitv_wait(void)
{
	static uint32_t other;
	struct futex_waiter list[2] = {
		{ 7, (uintptr_t)&shared->word, FUTEX2_U32 | FUTEX_PRIVATE_FLAG, 0 },
		{ 0, (uintptr_t)&other, FUTEX2_U32 | FUTEX_PRIVATE_FLAG, 0 },
	};

	while (__atomic_load_n(&shared->word, __ATOMIC_ACQUIRE) == 7)
		futex2_check(syscall(NR_FUTEX_WAITV, list, 2, 0, NULL, 0));
}

/* As glibc takes a mutex, but through the newer call. */
static void lock2_take(void)
{
	uint32_t *word = (uint32_t *)&shared->lock;

	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE))
		futex2_check(syscall(NR_FUTEX_WAIT, word, 2ul, 0xfffffffful,
				     FUTEX2_U32 | FUTEX_PRIVATE_FLAG, NULL, 0));
}

static void condvar_wait(void)
{
	lock_take();
	while (!shared->done)
		pthread_cond_wait(&shared->cond, &shared->lock);
	lock_release();
}

static void condvar_wake(void)
{
	lock_take();
	shared->done = true;
	lock_release();
	pthread_cond_signal(&shared->cond);
}

static void semaphore_wait(void)
{
	while (sem_wait(&shared->sem))
		;
}

static void semaphore_wake(void)
{
	sem_post(&shared->sem);
}

static void *waker_main(void *unused)
{
	if (kind->hold)
		kind->hold();
	sem_post(&shared->ready);
	sleep_ms(ms);
	shared->waker_pid = getpid();
	shared->waker_tid = own_tid();
	shared->wake_begin = clock_ns();
	kind->wake();
	shared->wake_end = clock_ns();
	return unused;
}

static void woken_print(uint64_t begin, uint64_t end, long preempted)
{
	char what[128];

	if (kind->addr || kind->lock)
		snprintf(what, sizeof(what), "\"addr\":\"0x%lx\"",
			 (unsigned long)shared + kind->addr);
	else
		snprintf(what, sizeof(what), "\"fd\":%d",
			 kind->wait == pipe_epoll ? poller : reader);
	if (kind->lock)
		snprintf(what + strlen(what), sizeof(what) - strlen(what), ",\"owner_tid\":%ld",
			 shared->waker_tid);
	snprintf(what + strlen(what), sizeof(what) - strlen(what), ",\"preempted\":%ld", preempted);
	event_print(kind->name, begin, end,
		    "%s,\"waker_pid\":%ld,\"waker_tid\":%ld,\"wake_begin_ns\":%" PRIu64
		    ",\"wake_end_ns\":%" PRIu64,
		    what, shared->waker_pid, shared->waker_tid, shared->wake_begin,
		    shared->wake_end);
}

static void woken_run(void)
{
	uint64_t begin, end;
	pthread_t thread;
	pid_t child = 0;
	long preempted;

	kind->prepare();
	if (!kind->child) {
		thread_start(&thread, waker_main, NULL);
	} else if ((child = fork_bound()) == 0) {
		waker_main(NULL);
		_exit(0);
	}
	while (sem_wait(&shared->ready))
		;
	preempted = preemptions();
	begin = clock_ns();
	kind->wait();
	end = clock_ns();
	preempted = preemptions() - preempted;
	if (kind->lock)
		lock_release();
	if (kind->child)
		waitpid(child, NULL, 0);
	else
		pthread_join(thread, NULL);
	woken_print(begin, end, preempted);
	if (kind->wake == pipe_write)
		pipe_close();
}

#define LOCK_KIND(NAME, ...)                                                                 \
	{                                                                                    \
		.name = NAME, .prepare = lock_prepare, .hold = lock_take, .wait = lock_take, \
		.wake = lock_release, .addr = offsetof(struct shared, lock), .lock = true,   \
		__VA_ARGS__                                                                  \
	}
#define PIPE_KIND(NAME, WAIT)                                                            \
	{                                                                                \
		.name = NAME, .prepare = pipe_prepare, .wait = WAIT, .wake = pipe_write, \
		.child = true                                                            \
	}

static const struct kind kinds[] = {
	{ .name = "futex",
	  .prepare = futex_prepare,
	  .wait = futex_wait,
	  .wake = futex_wake,
	  .addr = offsetof(struct shared, word) },
	{ .name = "futex2",
	  .prepare = futex_prepare,
	  .wait = futex2_wait,
	  .wake = futex_wake,
	  .addr = offsetof(struct shared, word) },
	{ .name = "waitv",
	  .prepare = futex_prepare,
	  .wait = waitv_wait,
	  .wake = futex_wake,
	  .addr = offsetof(struct shared, word) },
	{ .name = "lock2",
	  .prepare = lock_prepare,
	  .hold = lock_take,
	  .wait = lock2_take,
	  .wake = lock_release,
	  .addr = offsetof(struct shared, lock),
	  .lock = true },
	LOCK_KIND("lock"),
	LOCK_KIND("lock-recursive"),
	LOCK_KIND("lock-errorcheck"),
	LOCK_KIND("lock-pi"),
	LOCK_KIND("lock-robust"),
	LOCK_KIND("lock-shared", .child = true),
	{ .name = "condvar",
	  .prepare = lock_prepare,
	  .wait = condvar_wait,
	  .wake = condvar_wake,
	  .addr = offsetof(struct shared, cond) },
	{ .name = "sem",
	  .prepare = lock_prepare,
	  .wait = semaphore_wait,
	  .wake = semaphore_wake,
	  .addr = offsetof(struct shared, sem) },
	PIPE_KIND("pipe", pipe_read),
	PIPE_KIND("poll", pipe_poll),
	PIPE_KIND("epoll", pipe_epoll),
	{ .name = "sleep", .run = sleep_run },
	{ .name = "fsync", .run = fsync_run },
	{ .name = "vfork", .run = vfork_run },
	{ .name = "cpuhog", .run = cpuhog_run },
	{ .name = "stop", .run = stop_run },
	{ 0 },
};

static const char usage[] =
	"MODE [options]\n"
	"modes: futex futex2 waitv lock lock2 lock-recursive lock-errorcheck lock-pi lock-robust lock-shared condvar sem pipe poll epoll "
	"sleep fsync vfork cpuhog stop";

static const struct option_row options[] = {
	{ "count", OPTION_NUMBER, &count, 1, 1000000, "how often (1)" },
	{ "ms", OPTION_MS, &ms, 0, 60000, "length of each wait (100ms)" },
	{ "dir", OPTION_TEXT, &directory, 0, 0, "where fsync writes (.)" },
	{ "cpu", OPTION_NUMBER, &cpu, 0, 1023, "of cpuhog (the one it starts on)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long at the latest (60; 0: no limit)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *mode = options_parse(argc, argv, usage, options);

	for (kind = kinds; kind->name && (!mode || strcmp(kind->name, mode)); kind++)
		;
	if (!kind->name)
		die(2, "got mode '%s' (see --help)", mode ? mode : "");
	end_after(run_ms);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	die_if(shared == MAP_FAILED, "mmap");
	sem_init(&shared->ready, 1, 0);
	sem_init(&shared->sem, 0, 0);
	for (long i = 0; i < count; i++)
		kind->run ? kind->run() : woken_run();
	return 0;
}
