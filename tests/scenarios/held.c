// SPDX-License-Identifier: GPL-2.0
/*
 * held - the subject waits for a lock that somebody holds, who may wait for another lock, and so
 * on, up to the culprit, who does a deed (deeds.h) or closes the circle. Decoys: a lock that has
 * nothing to do with it, held longer, and a waker that comes later.
 */
#include <sys/file.h>

#include "deeds.h"

#define DEPTH_MAX 3

union lock {
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	sem_t sem;
};

static const char *kind = "mutex";
static long depth = 1, port;
static bool deadlock;
static union lock own_locks[DEPTH_MAX + 1], *locks = own_locks;

#define DECOY_LOCK DEPTH_MAX

static bool is_kind(const char *name)
{
	return !strcmp(kind, name);
}

static void locks_make(void)
{
	int shared = processes ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
	pthread_mutexattr_t attributes;

	if (processes)
		locks = map_shared(sizeof(own_locks));
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, shared);
	for (int i = 0; i <= DEPTH_MAX; i++) {
		if (is_kind("mutex"))
			pthread_mutex_init(&locks[i].mutex, &attributes);
		else if (is_kind("rwlock"))
			pthread_rwlock_init(&locks[i].rwlock, NULL);
		else if (is_kind("sem"))
			sem_init(&locks[i].sem, processes, 1);
		else if (!is_kind("flock") && !is_kind("fcntl"))
			die(2, "--lock: got '%s', want mutex, rwlock, sem, flock or fcntl", kind);
	}
}

/* A descriptor of this process's own: those of a parent share its locks. */
static int lock_file(long i)
{
	static int files[DEPTH_MAX + 1];
	char path[512];

	snprintf(path, sizeof(path), "%s/lock-%ld", directory, i);
	if (!files[i])
		files[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	die_if(files[i] < 0, path);
	return files[i];
}

static int lock_record(long i, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

	return fcntl(lock_file(i), F_SETLKW, &range);
}

WORKLOAD_NAMED static void take_lock(long i, bool to_read)
{
	if (is_kind("mutex"))
		pthread_mutex_lock(&locks[i].mutex);
	else if (is_kind("rwlock") && to_read)
		pthread_rwlock_rdlock(&locks[i].rwlock);
	else if (is_kind("rwlock"))
		pthread_rwlock_wrlock(&locks[i].rwlock);
	else if (is_kind("sem"))
		wait_sem(&locks[i].sem);
	else if (is_kind("flock"))
		die_if(flock(lock_file(i), LOCK_EX), "flock");
	else
		die_if(lock_record(i, F_WRLCK), "fcntl");
	KEEP_FRAME();
}

WORKLOAD_NAMED static void give_lock(long i)
{
	if (is_kind("mutex"))
		pthread_mutex_unlock(&locks[i].mutex);
	else if (is_kind("rwlock"))
		pthread_rwlock_unlock(&locks[i].rwlock);
	else if (is_kind("sem"))
		sem_post(&locks[i].sem);
	else if (is_kind("flock"))
		flock(lock_file(i), LOCK_UN);
	else
		lock_record(i, F_UNLCK);
	KEEP_FRAME();
}

static void *holder_main(void *argument)
{
	long i = (long)argument;
	char role[] = "holder1";

	role[sizeof(role) - 2] += i;
	role_begin(role);
	take_lock(i, false);
	if (i == depth - 1)
		deed_prepare(port);
	role_tell(role, "\"addr\":%" PRIuPTR, (uintptr_t)&locks[i]);
	role_wait();
	if (i < depth - 1 || deadlock) {
		take_lock((i + 1) % depth, false);
		give_lock((i + 1) % depth);
	} else {
		deed_find()->perform();
		scene->released = clock_ns();
	}
	give_lock(i);
	role_stay();
	return NULL;
}

static void *decoy_holder_main(void *unused)
{
	role_begin("decoy1");
	take_lock(DECOY_LOCK, false);
	role_tell("decoy1", "%s", "");
	role_wait();
	sleep_ms(deed_ms * 2);
	give_lock(DECOY_LOCK);
	role_stay();
	return unused;
}

static void *decoy_waiter_main(void *unused)
{
	role_begin("decoy2");
	role_tell("decoy2", "%s", "");
	role_wait();
	take_lock(DECOY_LOCK, false);
	role_stay();
	return unused;
}

static void *subject_main(void *unused)
{
	uint64_t begin = subject_begin();

	take_lock(0, true);
	give_lock(0);
	subject_end(begin);
	role_stay();
	return unused;
}

static const struct option_row options[] = {
	{ "lock", OPTION_TEXT, &kind, 0, 0, "mutex (default), rwlock, sem, flock or fcntl" },
	{ "depth", OPTION_NUMBER, &depth, 1, DEPTH_MAX, "locks in a row (1)" },
	{ "deadlock", OPTION_FLAG, &deadlock, 0, 0, "the last holder wants the first lock" },
	{ "deed", OPTION_TEXT, &deed, 0, 0, "of the last holder: deeds.h (sleep)" },
	{ "processes", OPTION_FLAG, &processes, 0, 0, "every role is a process" },
	{ "ms", OPTION_MS, &deed_ms, 1, 5000, "how long the deed takes (200ms)" },
	{ "bytes", OPTION_NUMBER, &deed_bytes, 1, 100000000, "that fsync writes (100000)" },
	{ "cpu", OPTION_NUMBER, &deed_cpu, 0, 1023, "of the culprit and the hog" },
	{ "directory", OPTION_TEXT, &directory, 0, 0, "of the files (.)" },
	{ "names", OPTION_TEXT, &names, 0, 0, "role=name,role=name" },
	{ 0 },
};

int main(int argc, char **argv)
{
	int gated;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(30000);
	scene_make();
	locks_make();
	gated = deed_start_other(&port);
	for (long i = 0; i < depth; i++)
		role_start(holder_main, (void *)i);
	role_start(decoy_holder_main, NULL);
	role_start(decoy_waiter_main, NULL);
	role_start(late_main, NULL);
	scene_wait(depth + gated + 2, 1 + (deed_find()->other && !gated));
	role_start(subject_main, NULL);
	scene_end();
}
