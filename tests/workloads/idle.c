/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waits that are no lock waits: a `lock` trigger must never fire on this program. Every wait ends
 * and begins anew every --every ms, so that neither waits that end nor waits that last are
 * mistaken. (The threads that share a mutex hold it for microseconds only.)
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <malloc.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "threads.h"

#define POOL 4

/* A futex word with expected value 2 and what a mutex would have behind it: owner at +8, kind at
 * +16. */
struct fake {
	const char *comm;
	int32_t word, count, owner;
	uint32_t users;
	int32_t kind;
	int32_t rest[11];
};

static long every = 500, run_ms = 10000, waits;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_work = PTHREAD_COND_INITIALIZER;
static long pool_round;
static pthread_barrier_t barrier;
static sem_t sem;
static int event_read, event_polled, poller;

static struct fake fakes[] = {
	{ .comm = "idle-zeroes" },
	{ .comm = "idle-garbage",
	  .count = -559038737,
	  .owner = -1412567144,
	  .users = 0xfeedface,
	  .kind = 0x5a5a5a5a,
	  .rest = { -1, 0x41414141, -1 } },
	{ .comm = "idle-alive", .kind = 0x77777777 }, /* owner: a thread of this process; no kind */
	{ .comm = "idle-nobody", .owner = 0x3ffffff0 }, /* a kind, but no such thread */
	/* like malloc's arenas: a flag where the owner is */
	{ .comm = "idle-flag", .owner = 1, .kind = 0x10 },
};

static void pool_wait(void)
{
	static __thread long seen;

	pthread_mutex_lock(&pool_lock);
	while (pool_round == seen)
		pthread_cond_wait(&pool_work, &pool_lock);
	seen = pool_round;
	pthread_mutex_unlock(&pool_lock);
}

/* Then a burst in all threads of the pool at once: they meet at the arena's lock, briefly. */
static void malloc_wait(void)
{
	void *blocks[256];

	pool_wait();
	for (int turn = 0; turn < 20; turn++) {
		for (int i = 0; i < 256; i++)
			blocks[i] = malloc(2048 + i * 16);
		for (int i = 0; i < 256; i++)
			free(blocks[i]);
	}
}

static void semaphore_wait(void)
{
	while (sem_wait(&sem))
		;
}

static void barrier_wait(void)
{
	pthread_barrier_wait(&barrier);
}

static void epoll_wait_read(void)
{
	struct epoll_event event;
	uint64_t value;

	die_if(epoll_wait(poller, &event, 1, -1) != 1, "epoll_wait");
	die_if(read(event_polled, &value, sizeof(value)) < 0, "eventfd");
}

static void eventfd_wait(void)
{
	uint64_t value;

	die_if(read(event_read, &value, sizeof(value)) < 0, "eventfd");
}

static void sleep_wait(void)
{
	sleep_ms(every);
}

static void *joined_main(void *unused)
{
	pthread_setname_np(pthread_self(), "idle-joined");
	sleep_ms(every);
	return unused;
}

static void join_wait(void)
{
	pthread_t thread;

	thread_start(&thread, joined_main, NULL);
	pthread_join(thread, NULL);
}

static void fake_wait(struct fake *fake)
{
	__atomic_store_n(&fake->word, 2, __ATOMIC_RELEASE);
	while (__atomic_load_n(&fake->word, __ATOMIC_ACQUIRE) == 2)
		syscall(SYS_futex, &fake->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static const struct group {
	const char *comm;
	void (*wait)(void);
	int threads;
} groups[] = {
	{ "idle-pool", pool_wait, POOL },     { "idle-malloc", malloc_wait, POOL },
	{ "idle-sem", semaphore_wait, POOL }, { "idle-barrier", barrier_wait, POOL },
	{ "idle-epoll", epoll_wait_read, 1 }, { "idle-eventfd", eventfd_wait, 1 },
	{ "idle-sleep", sleep_wait, 1 },      { "idle-join", join_wait, 1 },
};

static void *group_main(void *argument)
{
	const struct group *group = argument;

	pthread_setname_np(pthread_self(), group->comm);
	for (;;) {
		group->wait();
		__atomic_add_fetch(&waits, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *fake_main(void *argument)
{
	struct fake *fake = argument;

	pthread_setname_np(pthread_self(), fake->comm);
	for (;;) {
		fake_wait(fake);
		__atomic_add_fetch(&waits, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void groups_start(void)
{
	pthread_t thread;

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (int n = 0; n < groups[i].threads; n++)
			thread_start(&thread, group_main, (void *)&groups[i]);
	for (size_t i = 0; i < sizeof(fakes) / sizeof(*fakes); i++) {
		if (!strcmp(fakes[i].comm, "idle-alive"))
			fakes[i].owner = own_tid();
		thread_start(&thread, fake_main, &fakes[i]);
	}
}

/* Ends every wait. */
static void round_run(void)
{
	uint64_t one = 1;

	pthread_mutex_lock(&pool_lock);
	pool_round++;
	pthread_mutex_unlock(&pool_lock);
	pthread_cond_broadcast(&pool_work);
	for (int i = 0; i < POOL; i++)
		sem_post(&sem);
	pthread_barrier_wait(&barrier);
	die_if(write(event_read, &one, sizeof(one)) < 0, "eventfd");
	die_if(write(event_polled, &one, sizeof(one)) < 0, "eventfd");
	for (size_t i = 0; i < sizeof(fakes) / sizeof(*fakes); i++) {
		__atomic_store_n(&fakes[i].word, 0, __ATOMIC_RELEASE);
		syscall(SYS_futex, &fakes[i].word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

static const struct option_row options[] = {
	{ "every", OPTION_MS, &every, 10, 60000, "length of each wait (500ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (10)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t end;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(0);
	end = clock_ns() + run_ms * WORKLOAD_NS_PER_MS;
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, POOL + 1);
	event_read = eventfd(0, EFD_CLOEXEC);
	event_polled = eventfd(0, EFD_CLOEXEC);
	poller = epoll_create1(EPOLL_CLOEXEC);
	die_if(epoll_ctl(poller, EPOLL_CTL_ADD, event_polled, &event), "epoll_ctl");
	/* one arena for all: its lock is fought for, a wait with value 2 and no owner */
	mallopt(M_ARENA_MAX, 1);
	groups_start();
	say("ready pid=%ld", (long)getpid());
	while (clock_ns() + every * WORKLOAD_NS_PER_MS <= end) {
		sleep_ms(every);
		round_run();
	}
	sleep_ms(end > clock_ns() ? (end - clock_ns()) / WORKLOAD_NS_PER_MS : 0);
	say("{\"what\":\"idle\",\"pid\":%ld,\"waits\":%ld}", (long)getpid(),
	    __atomic_load_n(&waits, __ATOMIC_RELAXED));
	_exit(0);
}
