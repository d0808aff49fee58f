/* SPDX-License-Identifier: GPL-2.0 */
/* Ground truth for the lives of tasks: names, exits, exec from a thread, reused ids, other pid
 * namespaces. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "life_identity.h"
#include "threads.h"

static long count = 3, ms = 20, run_ms = 60000;

static void nap_run(const char *what)
{
	uint64_t begin = clock_ns();

	sleep_ms(ms);
	life_print(what, begin, clock_ns(), "");
}

static void *exec_main(void *what)
{
	char duration[32], path[4096] = "";
	uint64_t now;

	pthread_setname_np(pthread_self(), "exec-thread");
	sleep_ms(ms);
	snprintf(duration, sizeof(duration), "%ldms", ms);
	/* not the link itself: the name after exec would be "exe" */
	die_if(readlink("/proc/self/exe", path, sizeof(path) - 1) < 0, "/proc/self/exe");
	now = clock_ns();
	life_print(what, now, now, "");
	execl(path, path, "nap", "--ms", duration, NULL);
	die_if(true, "execl");
	return NULL;
}

/* The other threads die, and the thread that called exec goes on as the leader: its tid becomes the
 * pid. */
static void exec_run(const char *what)
{
	pthread_t thread;

	thread_start(&thread, exec_main, (void *)what);
	for (;;)
		pause();
}

static void *brief_main(void *number)
{
	uint64_t begin = clock_ns();
	char comm[32];

	snprintf(comm, sizeof(comm), "brief-%ld", (long)number);
	pthread_setname_np(pthread_self(), comm);
	sleep_ms(ms);
	life_print("threads-exit", begin, clock_ns(), "");
	return NULL;
}

static void exits_run(const char *what)
{
	pthread_t threads[1000];

	(void)what;
	for (long i = 0; i < count; i++)
		thread_start(&threads[i], brief_main, (void *)i);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void rename_run(const char *what)
{
	char old_comm[16], comm[32], more[64];

	for (long i = 0; i < count; i++) {
		uint64_t begin;

		prctl(PR_GET_NAME, old_comm);
		snprintf(comm, sizeof(comm), "name-%ld", i);
		begin = clock_ns();
		prctl(PR_SET_NAME, comm);
		snprintf(more, sizeof(more), ",\"old_comm\":\"%s\"", old_comm);
		life_print(what, begin, clock_ns(), more);
		sleep_ms(ms);
	}
}

struct incarnation {
	const char *what, *comm;
	long wanted; /* the tid to have, 0: any */
	long tid;    /* 0: was another one, and left at once */
};

static void *incarnation_main(void *argument)
{
	struct incarnation *self = argument;
	uint64_t begin = clock_ns();

	if (self->wanted && own_tid() != self->wanted)
		return NULL;
	prctl(PR_SET_NAME, self->comm);
	sleep_ms(ms);
	life_print(self->what, begin, clock_ns(), "");
	self->tid = own_tid();
	return NULL;
}

static void incarnation_run(struct incarnation *self, bool process)
{
	pthread_t thread;
	pid_t child;

	if (!process) {
		thread_start(&thread, incarnation_main, self);
		pthread_join(thread, NULL);
		return;
	}
	child = fork_bound();
	if (child == 0) {
		incarnation_main(self);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* Makes the kernel hand out `tid` next in this pid namespace, unless somebody else is quicker. */
static void tid_request(long tid)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	char text[32];
	int size = snprintf(text, sizeof(text), "%ld", tid - 1);

	die_if(fd < 0 || write(fd, text, size) != size, "/proc/sys/kernel/ns_last_pid");
	close(fd);
}

static void reuse_run(const char *what)
{
	struct incarnation *both = mmap(NULL, 2 * sizeof(*both), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool process = !strncmp(what, "pid-reuse", 9);

	die_if(both == MAP_FAILED, "mmap");
	both[0] = (struct incarnation){ .what = what, .comm = "first-life" };
	incarnation_run(&both[0], process);
	both[1] =
		(struct incarnation){ .what = what, .comm = "second-life", .wanted = both[0].tid };
	/* joined does not mean reaped yet, and others take ids too: try again */
	for (int i = 0; i < 1000 && !both[1].tid; i++) {
		tid_request(both[0].tid);
		incarnation_run(&both[1], process);
	}
	if (!both[1].tid)
		die(1, "%s: tid %ld did not come back in 1000 tries", what, both[0].tid);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t locked;
static long owner_tid, owner_outer_tid;

static void *owner_main(void *unused)
{
	pthread_setname_np(pthread_self(), "ns-owner");
	owner_tid = own_tid();
	owner_outer_tid = outer_tid();
	pthread_mutex_lock(&lock);
	pthread_barrier_wait(&locked);
	sleep_ms(ms);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void contend_run(const char *what)
{
	uint64_t begin, end;
	pthread_t owner;
	char more[128];

	pthread_setname_np(pthread_self(), "ns-waiter");
	pthread_barrier_init(&locked, NULL, 2);
	thread_start(&owner, owner_main, NULL);
	pthread_barrier_wait(&locked);
	begin = clock_ns();
	pthread_mutex_lock(&lock);
	end = clock_ns();
	pthread_join(owner, NULL);
	snprintf(more, sizeof(more),
		 ",\"addr\":\"0x%lx\",\"owner_tid\":%ld,\"owner_outer_tid\":%ld",
		 (unsigned long)&lock, owner_tid, owner_outer_tid);
	life_print(what, begin, end, more);
}

/* Runs the rest as process 1 of a new pid namespace. */
static void namespace_run(const char *what)
{
	int status = 1;
	pid_t child;

	die_if(unshare(CLONE_NEWPID), "unshare(CLONE_NEWPID)");
	child = fork_bound();
	if (child == 0) {
		strcmp(what, "pidns") ? reuse_run(what) : contend_run(what);
		_exit(0);
	}
	waitpid(child, &status, 0);
	_exit(status != 0);
}

static const struct {
	const char *name;
	void (*run)(const char *what);
} modes[] = {
	{ "nap", nap_run },
	{ "exec-from-thread", exec_run },
	{ "threads-exit", exits_run },
	{ "rename", rename_run },
	{ "tid-reuse", reuse_run },
	{ "pid-reuse", reuse_run },
	{ "tid-reuse-pidns", namespace_run },
	{ "pid-reuse-pidns", namespace_run },
	{ "pidns", namespace_run },
};

static const char usage[] =
	"MODE [options]\nmodes: nap exec-from-thread threads-exit rename tid-reuse pid-reuse "
	"tid-reuse-pidns pid-reuse-pidns pidns";

static const struct option_row options[] = {
	{ "count", OPTION_NUMBER, &count, 1, 1000, "of threads-exit and rename (3)" },
	{ "ms", OPTION_MS, &ms, 0, 60000, "length of each life or wait (20ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long at the latest (60; 0: no limit)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *mode = options_parse(argc, argv, usage, options);

	for (size_t i = 0; mode && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(modes[i].name, mode))
			continue;
		end_after(run_ms);
		modes[i].run(mode);
		return 0;
	}
	die(2, "got mode '%s' (see --help)", mode ? mode : "");
}
