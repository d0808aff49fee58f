// SPDX-License-Identifier: GPL-2.0
/*
 * flow - processes in a row, each of which waits for a byte of the next one; the last does a deed
 * (deeds.h) first. Over pipes, UNIX sockets or TCP; with --netns the last one lives in another
 * network namespace. Or a parent that waits for its child. Decoy: a pipe that has nothing to do
 * with it, waited for longer.
 */
#include "deeds.h"

#define DEPTH_MAX 3

static const char *link_kind = "pipe", *netns, *address = "127.0.0.1";
static long depth = 1;
static int reads[DEPTH_MAX], writes[DEPTH_MAX]; /* of stage i, of the stage behind it */
static int listener = -1, decoy_pipe[2];

static bool is_kind(const char *name)
{
	return !strcmp(link_kind, name);
}

static struct sockaddr_in last_address(int port)
{
	struct sockaddr_in a = loopback_address(port);

	die_if(inet_pton(AF_INET, address, &a.sin_addr) != 1, address);
	return a;
}

static int listen_at(int *ret_port)
{
	struct sockaddr_in a = last_address(0);
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	die_if(fd < 0 || bind(fd, (struct sockaddr *)&a, size) || listen(fd, 8) ||
		       getsockname(fd, (struct sockaddr *)&a, &size),
	       address);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static int connect_to(int port)
{
	struct sockaddr_in a = last_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	die_if(fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)), address);
	return fd;
}

/* Both ends of stage i's input. */
static void input_make(int i)
{
	int fds[2], port;

	if (is_kind("pipe")) {
		die_if(pipe(fds), "pipe");
	} else if (is_kind("unix")) {
		die_if(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	} else if (is_kind("tcp")) {
		listener = listen_at(&port);
		fds[0] = connect_to(port);
		fds[1] = accept(listener, NULL, NULL);
		close(listener);
	} else {
		die(2, "--link: got '%s', want pipe, unix, tcp or child", link_kind);
	}
	reads[i] = fds[0];
	writes[i] = fds[1];
}

/* No stage keeps the ends of others open, and who is none (-2) keeps none. */
static void inputs_close(int stage)
{
	for (int i = 0; i < depth; i++) {
		if (i != stage)
			close(reads[i]);
		if (i != stage - 1)
			close(writes[i]);
	}
}

WORKLOAD_NAMED static void read_input(int fd)
{
	char byte;

	die_if(read(fd, &byte, 1) != 1, "read");
	KEEP_FRAME();
}

WORKLOAD_NAMED static void write_output(int fd)
{
	die_if(write(fd, "x", 1) != 1, "write");
}

static void *stage_main(void *argument)
{
	long i = (long)argument;
	char role[] = "stage1";

	role[sizeof(role) - 2] += i - 1;
	role_begin(role);
	inputs_close(i);
	if (i == depth)
		deed_prepare(0);
	role_tell(role, "%s", "");
	role_wait();
	if (i < depth) {
		read_input(reads[i]);
	} else {
		deed_find()->perform();
		scene->released = clock_ns();
	}
	write_output(writes[i - 1]);
	return NULL;
}

/* The last stage, over there: listens in its namespace, with the port in shared memory. */
static void *remote_main(void *port)
{
	int ns = open(netns, O_RDONLY | O_CLOEXEC);

	die_if(ns < 0 || setns(ns, CLONE_NEWNET), netns);
	listener = listen_at(port);
	sem_post(&scene->ready);
	writes[0] = accept(listener, NULL, NULL);
	return stage_main((void *)1);
}

static void remote_make(void)
{
	int *port = map_shared(sizeof(*port));

	depth = 1;
	reads[0] = writes[0] = -1;
	process_start(remote_main, port);
	wait_sem(&scene->ready);
	reads[0] = connect_to(*port);
}

static void *late_process(void *unused)
{
	inputs_close(-2);
	return late_main(unused);
}

static void *decoy_main(void *unused)
{
	inputs_close(-2);
	role_begin("decoy1");
	role_tell("decoy1", "%s", "");
	role_wait();
	sleep_ms(deed_ms * 2);
	write_output(decoy_pipe[1]);
	return unused;
}

static void *decoy_reader_main(void *unused)
{
	inputs_close(-2);
	role_begin("decoy2");
	role_tell("decoy2", "%s", "");
	role_wait();
	read_input(decoy_pipe[0]);
	return unused;
}

static void *subject_main(void *unused)
{
	uint64_t begin;

	inputs_close(0);
	begin = subject_begin();
	read_input(reads[0]);
	subject_end(begin);
	return unused;
}

WORKLOAD_NAMED static void wait_for_child(pid_t child)
{
	die_if(waitpid(child, NULL, 0) != child, "waitpid");
	KEEP_FRAME();
}

/* One child that it waits for, and one that lives longer. */
static void *parent_main(void *unused)
{
	pid_t child;
	uint64_t begin;

	child = fork_bound();
	if (!child) {
		role_begin("stage1");
		deed_prepare(0);
		role_tell("stage1", "%s", "");
		role_wait();
		deed_find()->perform();
		scene->released = clock_ns();
		_exit(0);
	}
	process_start(decoy_main, NULL);
	wait_sem(&scene->ready);
	wait_sem(&scene->ready);
	scene->waiting += 2;
	begin = subject_begin();
	wait_for_child(child);
	subject_end(begin);
	return unused;
}

static const struct option_row options[] = {
	{ "link", OPTION_TEXT, &link_kind, 0, 0, "pipe (default), unix, tcp or child" },
	{ "depth", OPTION_NUMBER, &depth, 1, DEPTH_MAX, "processes behind the subject (1)" },
	{ "deed", OPTION_TEXT, &deed, 0, 0, "of the last process: deeds.h (sleep)" },
	{ "ms", OPTION_MS, &deed_ms, 1, 5000, "how long the deed takes (200ms)" },
	{ "netns", OPTION_TEXT, &netns, 0, 0, "tcp: file of the last process's namespace" },
	{ "address", OPTION_TEXT, &address, 0, 0, "tcp: that the last process listens on" },
	{ "names", OPTION_TEXT, &names, 0, 0, "role=name,role=name" },
	{ 0 },
};

int main(int argc, char **argv)
{
	bool child;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	child = is_kind("child");
	end_after(30000);
	scene_make();
	if (child)
		depth = 0;
	else if (netns)
		remote_make();
	for (int i = 0; !netns && i < depth; i++)
		input_make(i);
	for (long i = 1; !netns && i <= depth; i++)
		process_start(stage_main, (void *)i);
	die_if(pipe(decoy_pipe), "pipe");
	process_start(decoy_main, NULL);
	process_start(decoy_reader_main, NULL);
	process_start(late_process, NULL);
	scene_wait(depth + 2, 1);
	process_start(child ? parent_main : subject_main, NULL);
	inputs_close(-2);
	scene_end();
}
