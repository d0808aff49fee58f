/* SPDX-License-Identifier: GPL-2.0 */
/*
 * app_passed.c - descriptors that come with a message to the trigger socket. Anybody may pass
 * anything, and closing it may take for ever: a file on a file system that a user serves, a socket
 * that lingers. So a child receives them, hands on those that are what they should be, and ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"

#define PASSED_MAX 253 /* SCM_MAX_FD: more than there is room for would be closed at once */
#define ANSWER_MS 1000

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

/* ---- not waiting for what lingers ---- */

static void on_alarm(int signo)
{
	(void)signo;
}

void app_impatient(bool on)
{
	const struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	struct sigaction a = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, on ? &each_ms : &never, NULL);
}

/* ---- messages ---- */

ssize_t app_receive(int fd, struct app_envelope *ret, void *room, size_t room_size, int flags)
{
	struct iovec iov = { ret->bytes, sizeof(ret->bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = room_size };
	ssize_t n = recvmsg(fd, &msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t kept = 0;

	if (n < 0)
		return -errno;
	memset(&ret->who, 0, sizeof(ret->who));
	ret->pidfd = ret->passed[0] = ret->passed[1] = -1;
	ret->len = msg.msg_flags & MSG_TRUNC ? sizeof(ret->bytes) : (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && len >= sizeof(ret->who))
			memcpy(&ret->who, CMSG_DATA(c), sizeof(ret->who));
		else if (c->cmsg_type == SCM_PIDFD && ret->pidfd < 0)
			memcpy(&ret->pidfd, CMSG_DATA(c), sizeof(ret->pidfd));
		else if (c->cmsg_type == SCM_RIGHTS)
			for (size_t i = 0; i < len / sizeof(int) && kept < APP_PASSED_MAX; i++)
				memcpy(&ret->passed[kept++], CMSG_DATA(c) + i * sizeof(int),
				       sizeof(int));
	}
	return n;
}

/* ---- the child ---- */

/* A socket of this host, or what has no file system (a process, a pipe): closing asks nobody. */
static bool is_harmless(int fd)
{
	char path[64], link[64];
	socklen_t size = sizeof(int);
	int domain = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size))
		return domain == AF_UNIX;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	return n > 0 && link[0] != '/';
}

struct answer {
	struct app_envelope envelope;
	int n; /* descriptors, in the order pidfd, passed */
};

union rights {
	char room[CMSG_SPACE((1 + APP_PASSED_MAX) * sizeof(int))];
	struct cmsghdr align;
};

static void hand_on(int to, struct app_envelope *e)
{
	int *all[1 + APP_PASSED_MAX] = { &e->pidfd, &e->passed[0], &e->passed[1] };
	struct answer a = { .envelope = *e };
	union rights rights = { 0 };
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[1 + APP_PASSED_MAX], *marks[1 + APP_PASSED_MAX] = {
		&a.envelope.pidfd, &a.envelope.passed[0], &a.envelope.passed[1]
	};

	for (int i = 0; i < 1 + APP_PASSED_MAX; i++) {
		*marks[i] = *all[i] < 0 ? -1 : APP_UNTAKEN;
		if (!is_harmless(*all[i]))
			continue;
		*marks[i] = a.n;
		fds[a.n++] = *all[i];
	}
	if (a.n) {
		struct cmsghdr *c = (struct cmsghdr *)rights.room;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(a.n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, a.n * sizeof(int));
		msg.msg_control = rights.room;
		msg.msg_controllen = CMSG_SPACE(a.n * sizeof(int));
	}
	sendmsg(to, &msg, MSG_NOSIGNAL);
}

/* Holds nothing of the recorder's, however long it takes to end. */
static void child(int fd, int to)
{
	static union {
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int)) +
			  CMSG_SPACE(PASSED_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	unsigned int low = fd < to ? fd : to, high = fd < to ? to : fd;
	struct app_envelope e;

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
	if (app_receive(fd, &e, control.room, sizeof(control.room), 0) >= 0)
		hand_on(to, &e);
	_exit(0); /* what lingers does not, for who exits */
}

/* ---- frecd ---- */

static int take_answer(int from, struct app_envelope *ret)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	union rights rights;
	struct answer a;
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.room,
			      .msg_controllen = sizeof(rights.room) };
	int fds[1 + APP_PASSED_MAX] = { -1, -1, -1 };
	struct cmsghdr *c;

	if (poll(&p, 1, ANSWER_MS) != 1 || recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != sizeof(a))
		return -ETIMEDOUT;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	*ret = a.envelope;
	ret->pidfd = ret->pidfd < 0 ? -1 : fds[ret->pidfd];
	for (int i = 0; i < APP_PASSED_MAX; i++)
		if (ret->passed[i] >= 0)
			ret->passed[i] = fds[ret->passed[i]];
	return 0;
}

static pid_t *free_place(struct app *a)
{
	for (int i = 0; i < APP_CHILDREN_MAX; i++) {
		if (a->children[i] && waitpid(a->children[i], NULL, WNOHANG) > 0)
			a->children[i] = 0;
		if (!a->children[i])
			return &a->children[i];
	}
	return NULL;
}

int app_receive_passed(struct app *a, struct app_envelope *ret)
{
	pid_t *place = free_place(a);
	int pair[2], err = -EBUSY;
	pid_t pid;

	if (!place || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -EBUSY;
	pid = fork();
	if (!pid)
		child(a->fd, pair[1]);
	close(pair[1]);
	if (pid > 0) {
		*place = pid;
		err = take_answer(pair[0], ret);
		if (err)
			kill(pid, SIGKILL);
	}
	close(pair[0]);
	return err;
}

void app_reaped(struct app *a, pid_t pid)
{
	for (int i = 0; i < APP_CHILDREN_MAX; i++)
		if (a->children[i] == pid)
			a->children[i] = 0;
}
