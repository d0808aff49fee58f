/* SPDX-License-Identifier: GPL-2.0 */
#include "span_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEADLINE_NS 10000000000ull
#define ADDRESSES (2ull << 30) /* a hostile file may claim any size */

static void __attribute__((noreturn)) become_finder(const struct snapshot_identity *who, int file,
						     int result, char *const argv[], pid_t parent)
{
	sigset_t none;
	int program = fcntl(who->program, F_DUPFD_CLOEXEC, 10);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	file = fcntl(file, F_DUPFD_CLOEXEC, 10);
	result = fcntl(result, F_DUPFD_CLOEXEC, 10);
	if (program < 0 || dup2(file, SPAN_FIND_FILE) < 0 || dup2(result, SPAN_FIND_RESULT) < 0)
		_exit(126);
	close_range(SPAN_FIND_RESULT + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	snapshot_limit(RLIMIT_CORE, 0);
	snapshot_limit(RLIMIT_CPU, DEADLINE_NS / 1000000000);
	snapshot_limit(RLIMIT_NOFILE, 16);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow takes terabytes of addresses */
	snapshot_limit(RLIMIT_AS, ADDRESSES);
#endif
	setpriority(PRIO_PROCESS, 0, 10);
	snapshot_execute(who, program, argv, parent);
}

int span_child_start(struct span_child *c, const struct snapshot_identity *who, int fd,
		     const char *span, const char *begin, const char *end, uint64_t now)
{
	char *argv[] = { SPAN_FIND_ARGV0, (char *)(uintptr_t)span, (char *)(uintptr_t)begin,
			 (char *)(uintptr_t)end, NULL };
	pid_t pid, parent = getpid();
	int pipes[2], pidfd;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	fcntl(pipes[1], F_SETFL, 0); /* the finder's end may wait for us */
	pid = fork();
	if (!pid)
		become_finder(who, fd, pipes[1], argv, parent);
	pidfd = pid < 0 ? -errno : snapshot_pidfd(pid);
	close(pipes[1]);
	if (pidfd < 0) {
		close(pipes[0]);
		return pidfd;
	}
	*c = (struct span_child){
		.pid = pid, .pidfd = pidfd, .result_fd = pipes[0], .until = now + DEADLINE_NS
	};
	return 0;
}

/* What it says is what a hostile file may have made it say. */
static bool found_ok(struct span_found *f)
{
	bool ok = f->flaw < SPAN_FLAWS && f->n <= SPAN_SITES_MAX;

	for (uint32_t i = 0; ok && i < f->n; i++) {
		f->sites[i].name[SPAN_NAME_MAX - 1] = '\0';
		ok = f->sites[i].what <= SPAN_RETURNS;
	}
	return ok;
}

int span_child_finish(struct span_child *c, uint64_t now)
{
	ssize_t n;

	while (c->got < sizeof(c->found)) {
		n = read(c->result_fd, (char *)&c->found + c->got, sizeof(c->found) - c->got);
		if (n < 0 && errno == EAGAIN && now < c->until)
			return -EAGAIN;
		if (n <= 0)
			break;
		c->got += n;
	}
	n = c->got == sizeof(c->found) && found_ok(&c->found) ? 0
	    : now < c->until				      ? -ECHILD
							      : -ETIME;
	span_child_abort(c);
	return n;
}

void span_child_abort(struct span_child *c)
{
	if (!c->pid)
		return;
	snapshot_signal(c->pidfd, SIGKILL);
	close(c->pidfd);
	close(c->result_fd);
	c->pid = 0;
	c->result_fd = -1;
}
