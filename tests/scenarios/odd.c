// SPDX-License-Identifier: GPL-2.0
/*
 * odd - the subject waits for another process in a way whose system call does not say so, or whose
 * other end nobody has: that one does a deed (deeds.h) first, or never does what it should.
 */
#include <mqueue.h>
#include <sys/stat.h>

#include "deeds.h"

static const char *way = "fifo";
static int own, other = -1; /* descriptors of the subject and of stage1 */
static mqd_t queue;
static pid_t *waiter;
static struct sockaddr_in server;
static char path[512];

/* ---- open(2) of a FIFO waits for the other end ---- */

static void fifo_make(void)
{
	snprintf(path, sizeof(path), "%s/fifo-%ld", directory, (long)getpid());
	die_if(mkfifo(path, 0600), path);
}

static void fifo_end(void)
{
	die_if(open(path, O_WRONLY | O_CLOEXEC) < 0, path);
}

WORKLOAD_NAMED static void fifo_wait(void)
{
	die_if(open(path, O_RDONLY | O_CLOEXEC) < 0, path);
	KEEP_FRAME();
}

/* ---- a message queue ---- */

static void queue_make(void)
{
	struct mq_attr size = { .mq_maxmsg = 1, .mq_msgsize = 16 };

	snprintf(path, sizeof(path), "/frec-odd-%ld", (long)getpid());
	queue = mq_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &size);
	die_if(queue < 0, path);
	mq_unlink(path);
}

static void queue_end(void)
{
	die_if(mq_send(queue, "x", 1, 0), "mq_send");
}

WORKLOAD_NAMED static void queue_wait(void)
{
	char bytes[16];

	die_if(mq_receive(queue, bytes, sizeof(bytes), NULL) != 1, "mq_receive");
	KEEP_FRAME();
}

/* ---- a signal ---- */

static void signal_make(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	waiter = map_shared(sizeof(*waiter));
}

static void signal_end(void)
{
	kill(*waiter, SIGUSR1);
}

WORKLOAD_NAMED static void signal_wait(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	*waiter = getpid();
	die_if(sigwait(&set, &got), "sigwait");
	KEEP_FRAME();
}

/* ---- a datagram to a socket that is not connected ---- */

static int bind_at(int type, struct sockaddr_in *a)
{
	socklen_t size = sizeof(*a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*a = loopback_address(0);
	die_if(fd < 0 || bind(fd, (struct sockaddr *)a, size) ||
		       getsockname(fd, (struct sockaddr *)a, &size),
	       "bind");
	return fd;
}

static void datagram_make(void)
{
	own = bind_at(SOCK_DGRAM, &server);
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void datagram_end(void)
{
	die_if(sendto(other, "x", 1, 0, (struct sockaddr *)&server, sizeof(server)) != 1, "sendto");
}

WORKLOAD_NAMED static void datagram_wait(void)
{
	char byte;

	die_if(recv(own, &byte, 1, 0) != 1, "recv");
	KEEP_FRAME();
}

/* ---- a connection that is never accepted ---- */

static void deaf_make(void)
{
	other = bind_at(SOCK_STREAM, &server);
	die_if(listen(other, 8), "listen");
}

WORKLOAD_NAMED static void deaf_end(void)
{
	role_stay();
}

WORKLOAD_NAMED static void deaf_wait(void)
{
	char byte;

	own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	die_if(connect(own, (struct sockaddr *)&server, sizeof(server)), "connect");
	die_if(read(own, &byte, 1) != 1, "read");
	KEEP_FRAME();
}

static const struct way_row {
	const char *name;
	void (*make)(void), (*end)(void), (*wait)(void);
	bool ends;
} ways[] = {
	{ "fifo", fifo_make, fifo_end, fifo_wait, true },
	{ "queue", queue_make, queue_end, queue_wait, true },
	{ "signal", signal_make, signal_end, signal_wait, true },
	{ "datagram", datagram_make, datagram_end, datagram_wait, true },
	{ "deaf", deaf_make, deaf_end, deaf_wait, false },
};

static const struct way_row *way_find(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, way))
			return &ways[i];
	die(2, "--way: got '%s', want fifo, queue, signal, datagram or deaf", way);
}

static void *stage_main(void *unused)
{
	role_begin("stage1");
	role_tell("stage1", "%s", "");
	role_wait();
	if (way_find()->ends)
		deed_find()->perform();
	scene->released = clock_ns();
	way_find()->end();
	return unused;
}

/* The subject inherits both ends, but nobody else does. */
static void *late_process(void *unused)
{
	close(other);
	return late_main(unused);
}

static void *subject_main(void *unused)
{
	uint64_t begin = subject_begin();

	way_find()->wait();
	subject_end(begin);
	return unused;
}

static const struct option_row options[] = {
	{ "way", OPTION_TEXT, &way, 0, 0, "fifo (default), queue, signal, datagram or deaf" },
	{ "deed", OPTION_TEXT, &deed, 0, 0, "of the other process: deeds.h (sleep)" },
	{ "ms", OPTION_MS, &deed_ms, 1, 5000, "how long the deed takes (200ms)" },
	{ "directory", OPTION_TEXT, &directory, 0, 0, "of the files (.)" },
	{ "names", OPTION_TEXT, &names, 0, 0, "role=name,role=name" },
	{ 0 },
};

int main(int argc, char **argv)
{
	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(30000);
	scene_make();
	way_find()->make();
	process_start(stage_main, NULL);
	process_start(late_process, NULL);
	scene_wait(1, 1);
	process_start(subject_main, NULL);
	close(other);
	scene_end();
}
