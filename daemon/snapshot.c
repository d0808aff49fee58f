/* SPDX-License-Identifier: GPL-2.0 */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cap-ng.h>

/* ---- in the child, between fork and exec ---- */

void snapshot_limit(int what, rlim_t value)
{
	struct rlimit l = {value, value};

	setrlimit(what, &l);
}

int snapshot_drop_privileges(const struct snapshot_identity *who)
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

void snapshot_execute(const struct snapshot_identity *who, int program, char *const argv[],
		      pid_t parent)
{
	char *envp[] = {NULL};

	if (snapshot_drop_privileges(who))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user forgets it */
	if (getppid() != parent)
		_exit(126);
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

#define N_FDS (WORKER_FD_LOCKS - WORKER_FD_CAPTURE + 1)

static int place(int fd, int at)
{
	if (fd < 0)
		return 0;
	return dup2(fd, at) < 0 ? -errno : 0;
}

/* The descriptors come in any order: move them out of the way first. */
static int place_all(int fds[N_FDS])
{
	for (int i = 0; i < N_FDS; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
		if (fds[i] < 0)
			return -errno;
	}
	for (int i = 0; i < N_FDS; i++)
		if (place(fds[i], WORKER_FD_CAPTURE + i))
			return -errno;
	return 0;
}

static void become_worker(const struct snapshot_identity *who, int fds[N_FDS], bool plain,
			  bool crowded, pid_t parent)
{
	char *argv[] = {WORKER_ARGV0, plain ? WORKER_PLAIN : NULL, NULL};
	struct sched_param none = {0};
	sigset_t all;
	int program = fcntl(who->program, F_DUPFD_CLOEXEC, 10);

	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (place_all(fds))
		_exit(126);
	/* of the first attempt; here, as the output may be a file on any disk */
	if (plain && (ftruncate(WORKER_FD_OUTPUT, 0) || lseek(WORKER_FD_OUTPUT, 0, SEEK_SET) < 0))
		_exit(126);
	close_range(WORKER_FD_CAPTURE + N_FDS, ~0u, CLOSE_RANGE_CLOEXEC);
	for (int i = 0; i < N_FDS; i++)
		if (fds[i] < 0)
			close(WORKER_FD_CAPTURE + i);
	snapshot_limit(RLIMIT_CORE, 0);
	snapshot_limit(RLIMIT_NOFILE, 1024);
	snapshot_limit(RLIMIT_CPU, 60);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow takes terabytes of addresses */
	snapshot_limit(RLIMIT_AS, WORKER_ADDRESSES);
#endif
	setpriority(PRIO_PROCESS, 0, crowded ? SNAPSHOT_NICE : 0);
	if (!crowded) { /* first as little as possible; snapshot_watch() may take that back */
		sched_setscheduler(0, SCHED_IDLE, &none);
		syscall(SYS_ioprio_set, 1, 0, 3 << 13); /* IOPRIO_CLASS_IDLE: linux/ioprio.h */
	}
	snapshot_execute(who, program, argv, parent);
}

/* ---- the daemon's side ---- */

int snapshot_pidfd(pid_t child)
{
	int fd = pidfd_open(child, 0), err = -errno;

	if (fd >= 0)
		return fd;
	kill(child, SIGKILL); /* nobody has reaped it yet */
	return err;
}

bool snapshot_signal(int pidfd, int signal)
{
	return !pidfd_send_signal(pidfd, signal, NULL, 0) || errno != ESRCH;
}

bool snapshot_is_crowded(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	unsigned int ready = 0;

	if (!file)
		return false;
	if (fscanf(file, "%*s %*s %*s %u/", &ready) != 1)
		ready = 0;
	fclose(file);
	return ready > 3 * (unsigned int)get_nprocs();
}

static int launch(struct snapshot *s, uint64_t now)
{
	bool crowded = snapshot_is_crowded();
	pid_t pid, parent = getpid();
	int pipes[2], fds[N_FDS], pidfd;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	fds[0] = s->capture;
	fds[1] = s->output;
	fds[2] = s->opener;
	fds[3] = pipes[1];
	fds[4] = s->who->kallsyms;
	fds[5] = s->attempts ? -1 : s->ends; /* can be read but once, and half of them accuse wrongly */
	fds[6] = open("/proc/locks", O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (!pid)
		become_worker(s->who, fds, s->attempts > 0, crowded, parent);
	pidfd = pid < 0 ? -errno : snapshot_pidfd(pid);
	close(pipes[1]);
	if (fds[6] >= 0)
		close(fds[6]);
	if (pidfd < 0) {
		close(pipes[0]);
		return pidfd;
	}
	s->pid = pid;
	s->pidfd = pidfd;
	s->result_fd = pipes[0];
	s->started = now;
	s->hurried = s->pressed = crowded;
	s->killed = 0;
	s->attempts++;
	return 0;
}

static void forget(struct snapshot *s)
{
	if (s->capture >= 0)
		close(s->capture);
	if (s->output >= 0)
		close(s->output);
	if (s->ends >= 0)
		close(s->ends);
	s->capture = s->output = s->ends = -1;
}

int snapshot_start(struct snapshot *s, const struct snapshot_identity *who, int capture,
		   int opener, int ends, int output, uint64_t now)
{
	int err = 0;

	s->who = who;
	s->opener = opener;
	s->ends = ends;
	s->attempts = 0;
	s->capture = fcntl(capture, F_DUPFD_CLOEXEC, 0);
	s->output = fcntl(output, F_DUPFD_CLOEXEC, 0);
	if (s->capture < 0 || s->output < 0)
		err = -errno;
	if (!err)
		err = launch(s, now);
	if (err)
		forget(s);
	return err;
}

/*
 * The worker that parses files of recorded processes has died of it, or did not
 * come to an end: another one writes the file without looking at them.
 */
static int try_again(struct snapshot *s, int err)
{
	if (s->attempts > 1 || (err != -ECHILD && err != -ENOTRECOVERABLE))
		return err == -ENOTRECOVERABLE ? -ETIME : err;
	err = launch(s, s->started);
	return err ? err : -EAGAIN;
}

void snapshot_watch(struct snapshot *s, uint64_t now)
{
	struct sched_param none = {0};

	if (!s->pid || !snapshot_signal(s->pidfd, 0))
		return;
	if (!s->hurried && now - s->started > SNAPSHOT_IDLE_NS) {
		/* the host is busy, which may be why we were called: a late answer is none */
		sched_setscheduler(s->pid, SCHED_OTHER, &none);
		syscall(SYS_ioprio_set, 1, s->pid, 2 << 13 | 4);
		s->hurried = true;
	}
	if (!s->pressed && now - s->started > SNAPSHOT_PRESS_NS) {
		setpriority(PRIO_PROCESS, s->pid, SNAPSHOT_NICE); /* among hundreds that are ready to run */
		s->pressed = true;
	}
	if (now - s->started > SNAPSHOT_DEADLINE_NS)
		snapshot_kill(s, -ETIME);
	else if (s->attempts == 1 && now - s->started > SNAPSHOT_NAMING_NS)
		snapshot_kill(s, -ENOTRECOVERABLE); /* try_again() */
}

void snapshot_kill(struct snapshot *s, int why)
{
	if (!s->pid || s->killed)
		return;
	s->killed = why;
	snapshot_signal(s->pidfd, SIGKILL);
}

static int end_of_worker(struct snapshot *s, struct worker_result *ret, uint64_t magic)
{
	/* it has said all that it has to say; it may still wait for a disk, but not we for it */
	snapshot_signal(s->pidfd, SIGKILL);
	s->pid = 0;
	close(s->pidfd);
	close(s->result_fd);
	s->result_fd = -1;
	if (s->killed)
		return s->killed;
	if (magic != WORKER_MAGIC)
		return -ECHILD;
	return ret->error > 0 ? -ECHILD : ret->error;
}

int snapshot_finish(struct snapshot *s, struct worker_result *ret)
{
	struct worker_result r = {0};
	struct pollfd p = {.fd = s->result_fd, .events = POLLIN};
	int err;

	if (poll(&p, 1, 0) != 1)
		return -EAGAIN;
	/* below PIPE_BUF: all of it or, if the worker died, nothing */
	if (read(s->result_fd, &r, sizeof(r)) != sizeof(r))
		r.magic = 0;
	err = try_again(s, end_of_worker(s, &r, r.magic));
	if (err == -EAGAIN)
		return err;
	forget(s);
	*ret = r;
	return err;
}

void snapshot_abort(struct snapshot *s)
{
	struct worker_result r;

	if (!s->pid)
		return;
	end_of_worker(s, &r, 0);
	forget(s);
}
