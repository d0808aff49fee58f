/* SPDX-License-Identifier: GPL-2.0 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

/* ---- in the child, between fork and exec ---- */

static void limit(int what, rlim_t value)
{
	struct rlimit l = {value, value};

	setrlimit(what, &l);
}

static int give_up_privileges(const struct snapshot_identity *who)
{
	/* a daemon that runs as this user already has no right to set it, and no need */
	if (who->uid != (uid_t)-1 && (getuid() != who->uid || getgid() != who->gid) &&
	    (setgroups(0, NULL) || setresgid(who->gid, who->gid, who->gid) ||
	     setresuid(who->uid, who->uid, who->uid)))
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	capng_apply(CAPNG_SELECT_CAPS); /* the bounding set needs CAP_SETPCAP; exec gains nothing: */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	capng_get_caps_process();
	return capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE ? -EPERM : 0;
}

static int place(int fd, int at)
{
	if (fd < 0)
		return 0;
	return dup2(fd, at) < 0 ? -errno : 0;
}

/* The descriptors come in any order: move them out of the way first. */
static int place_all(int fds[4])
{
	for (int i = 0; i < 4; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
		if (fds[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 4; i++)
		if (place(fds[i], WORKER_FD_CAPTURE + i))
			return -errno;
	return 0;
}

static void become_worker(const struct snapshot_identity *who, int fds[4], pid_t parent)
{
	char *argv[] = {WORKER_ARGV0, NULL};
	char *envp[] = {NULL};
	struct sched_param none = {0};
	sigset_t all;
	int program = fcntl(who->program, F_DUPFD_CLOEXEC, 10);

	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (place_all(fds))
		_exit(126);
	close_range(WORKER_FD_RESULT + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	if (fds[2] < 0)
		close(WORKER_FD_OPENER);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_CPU, 60);
	/* first as little as possible; snapshot_watch() may take that back */
	sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, 1, 0, 3 << 13); /* IOPRIO_CLASS_IDLE: linux/ioprio.h */
	if (give_up_privileges(who))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user forgets it */
	if (getppid() != parent)
		_exit(126);
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

/* ---- the daemon's side ---- */

int snapshot_start(struct snapshot *s, const struct snapshot_identity *who, int capture,
		   int opener, int output, uint64_t now)
{
	pid_t pid, parent = getpid();
	int pipes[2], fds[4];

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	s->own_file = output < 0;
	fds[0] = capture;
	fds[1] = s->own_file ? s->file.fd : output;
	fds[2] = opener;
	fds[3] = pipes[1];
	pid = fork();
	if (!pid)
		become_worker(who, fds, parent);
	close(pipes[1]);
	if (pid < 0) {
		int err = -errno;

		close(pipes[0]);
		return err;
	}
	s->pid = pid;
	s->result_fd = pipes[0];
	s->started = now;
	s->hurried = false;
	s->killed = 0;
	return 0;
}

void snapshot_watch(struct snapshot *s, uint64_t now)
{
	struct sched_param none = {0};

	if (!s->pid)
		return;
	if (!s->hurried && now - s->started > SNAPSHOT_IDLE_NS) {
		/* the host is busy, which may be why we were called: a late answer is none */
		sched_setscheduler(s->pid, SCHED_OTHER, &none);
		syscall(SYS_ioprio_set, 1, s->pid, 2 << 13 | 4);
		s->hurried = true;
	}
	if (now - s->started > SNAPSHOT_DEADLINE_NS)
		snapshot_kill(s, -ETIME);
}

void snapshot_kill(struct snapshot *s, int why)
{
	if (!s->pid || s->killed)
		return;
	s->killed = why;
	kill(s->pid, SIGKILL);
}

static int end_of_worker(struct snapshot *s, struct worker_result *ret, uint64_t magic)
{
	int status;

	/* it has said all that it has to say; waiting for one that stays would hold us up */
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	close(s->result_fd);
	s->result_fd = -1;
	if (s->killed)
		return s->killed;
	if (magic != WORKER_MAGIC)
		return -ECHILD;
	return ret->error > 0 ? -ECHILD : ret->error;
}

int snapshot_finish(struct snapshot *s, struct worker_result *ret, char *ret_name)
{
	struct worker_result r = {0};
	struct pollfd p = {.fd = s->result_fd, .events = POLLIN};
	int err;

	if (poll(&p, 1, 0) != 1)
		return -EAGAIN;
	/* below PIPE_BUF: all of it or, if the worker died, nothing */
	if (read(s->result_fd, &r, sizeof(r)) != sizeof(r))
		r.magic = 0;
	err = end_of_worker(s, &r, r.magic);
	ret_name[0] = 0;
	if (s->own_file && err)
		spool_abort(&s->file);
	else if (s->own_file)
		err = spool_commit(&s->file, &s->limits, ret_name);
	*ret = r;
	return err;
}

void snapshot_abort(struct snapshot *s)
{
	struct worker_result r;

	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	end_of_worker(s, &r, 0);
	if (s->own_file)
		spool_abort(&s->file);
}
