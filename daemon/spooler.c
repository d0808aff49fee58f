/* SPDX-License-Identifier: GPL-2.0 */
/* spooler.c - the daemon's side of the spooler: start, requests, replies. */
#define _GNU_SOURCE
#include "spooler.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spooler_internal.h"

/* So long any disk may take. */
#define STALLED_NS 2000000000ull

int spooler_start(struct spooler *s, uid_t uid, gid_t gid)
{
	int pair[2], err = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid)
		spooler_main(pair[1], uid, gid);
	if (pid < 0)
		err = -errno;
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	*s = (struct spooler){.fd = pair[0], .pid = pid};
	return 0;
}

void spooler_stop(struct spooler *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->pending = 0;
	s->since = 0;
}

int spooler_ask(struct spooler *s, const struct spooler_request *q, int fd, uint64_t now)
{
	struct iovec iov = {(void *)(uintptr_t)q, sizeof(*q)};
	union spooler_control control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (s->fd < 0)
		return -ECHILD;
	/* questions leave a place: a snapshot is not lost for them */
	if (s->pending >= SPOOLER_PENDING_MAX - (q->op != SPOOLER_STORE))
		return -EAGAIN;
	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	if (!s->pending++)
		s->since = now;
	return 0;
}

int spooler_receive(struct spooler *s, struct spooler_reply *ret, uint64_t now)
{
	ssize_t n = recv(s->fd, ret, sizeof(*ret), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n != sizeof(*ret)) {
		spooler_stop(s);
		return -ECHILD;
	}
	ret->name[SPOOL_NAME_MAX - 1] = ret->removed.oldest[SPOOL_NAME_MAX - 1] = 0;
	s->pending -= s->pending > 0;
	s->since = s->pending ? now : 0;
	return 0;
}

uint64_t spooler_stalled(const struct spooler *s, uint64_t now)
{
	uint64_t waits = s->since && now > s->since ? now - s->since : 0;

	return waits > STALLED_NS ? waits : 0;
}
