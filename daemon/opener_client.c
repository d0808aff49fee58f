/* SPDX-License-Identifier: GPL-2.0 */
/* opener_client.c - the worker's side, and the daemon's: requests, replies, time limits. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "opener_internal.h"

/* Every received descriptor but the first is closed. */
static int take_fds(struct msghdr *msg)
{
	int ret = -1, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (ret < 0)
				ret = fd;
			else
				close(fd);
		}
	}
	return ret;
}

int opener_receive(int sock, struct opener_reply *reply, int *ret_fd)
{
	struct iovec iov = { reply, sizeof(*reply) };
	union control_buffer control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*ret_fd = take_fds(&msg);
	if (!n)
		return -EPIPE;
	if ((size_t)n >= OPENER_REPLY_HEAD && reply->len == (size_t)n - OPENER_REPLY_HEAD &&
	    reply->error <= 0 && !(msg.msg_flags & MSG_TRUNC))
		return 1;
	if (*ret_fd >= 0)
		close(*ret_fd);
	return 0;
}

int opener_ask_program(int fd, uint32_t id, const char *path)
{
	struct opener_request r = {.id = id, .op = OPENER_PROGRAM};
	struct iovec parts[2] = {{&r, sizeof(r)}, {(void *)(uintptr_t)path, strlen(path)}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int opener_program(int fd, uint32_t id, int *ret_fd)
{
	struct opener_reply reply;
	int found, err;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 0) != 1)
			return -EAGAIN;
		found = -1;
		err = opener_receive(fd, &reply, &found);
		if (err < 0)
			return err;
		if (err && reply.id == id)
			break;
		if (err && found >= 0) /* of a worker that did not wait for it */
			close(found);
	}
	if (found < 0)
		return reply.error < 0 ? reply.error : -EPROTO;
	*ret_fd = found;
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void opener_client_init(struct opener_client *c, int fd)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	c->fd = fd;
	c->error = 0;
	/* far from the ids of a client before this one, whose replies may still come */
	c->id = (uint32_t)t.tv_nsec * 2654435761u ^ (uint32_t)t.tv_sec << 20 ^ (uint32_t)getpid();
}

/* 0 when ready; what is returned else ends the client. */
static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = now_ms();
		n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int request_send(const struct opener_client *c, struct opener_request *r, const char *path,
			uint64_t deadline)
{
	struct iovec parts[2] = { { r, sizeof(*r) },
				  { (void *)(uintptr_t)path, path ? strlen(path) : 0 } };
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
	int err;

	if (parts[1].iov_len >= PATH_MAX)
		return -ENAMETOOLONG;
	while (sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == ECONNRESET ? -EPIPE : -errno;
		err = wait_for(c->fd, POLLOUT, deadline);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Replies with another id are those that somebody before us did not wait for. */
static int reply_await(const struct opener_client *c, uint64_t deadline, struct opener_reply *reply,
		       int *ret_fd)
{
	int err, fd;

	for (;;) {
		err = wait_for(c->fd, POLLIN, deadline);
		if (err < 0)
			return err;
		fd = -1;
		err = opener_receive(c->fd, reply, &fd);
		if (err < 0)
			return err == -ECONNRESET ? -EPIPE : err;
		if (err && reply->id == c->id) {
			*ret_fd = fd;
			return 0;
		}
		if (err && fd >= 0)
			close(fd);
	}
}

/* -errno of the process asked for, or of the connection, which is then given up. */
static int client_ask(struct opener_client *c, struct opener_request *r, const char *path,
		      struct opener_reply *reply, int *ret_fd)
{
	uint64_t deadline = now_ms() + OPENER_TIMEOUT_MS;
	int err, fd = -1;

	if (c->error)
		return c->error;
	if (!++c->id)
		c->id++;
	r->id = c->id;
	err = request_send(c, r, path, deadline);
	if (!err)
		err = reply_await(c, deadline, reply, &fd);
	if (err) {
		c->error = err;
		return err;
	}
	if (reply->error < 0 && fd >= 0) {
		close(fd);
		fd = -1;
	}
	*ret_fd = fd;
	return reply->error;
}

static int read_bounded(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* At most size - 1 bytes of what the descriptor that is asked for gives. */
static int ask_bytes(struct opener_client *c, struct opener_request *r, char *buf, size_t size,
		     size_t *ret_len)
{
	struct opener_reply reply;
	int fd = -1, err;

	if (!size)
		return -EINVAL;
	err = client_ask(c, r, NULL, &reply, &fd);
	if (err < 0)
		return err;
	if (fd < 0)
		return -EPROTO;
	err = read_bounded(fd, buf, size - 1, ret_len);
	close(fd);
	return err;
}

int opener_tracer(struct opener_client *c, uint32_t tid, uint64_t start, uint64_t boot_offset,
		  uint32_t *ret_tid)
{
	static const char key[] = "\nTracerPid:";
	struct opener_request r = {
		.op = OPENER_STATUS, .pid = tid, .start = start, .boot_offset = boot_offset
	};
	char buf[4096], *line;
	size_t len = 0;
	int err = ask_bytes(c, &r, buf, sizeof(buf), &len);

	if (err)
		return err;
	buf[len] = '\0';
	line = strstr(buf, key);
	if (!line)
		return -EBADMSG;
	*ret_tid = strtoul(line + strlen(key), NULL, 10);
	return 0;
}

int opener_cmdline(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		   char *buf, size_t size, size_t *ret_len)
{
	struct opener_request r = {
		.op = OPENER_CMDLINE, .pid = pid, .start = start, .boot_offset = boot_offset
	};
	size_t len = 0;
	int err = ask_bytes(c, &r, buf, size, &len);

	if (err)
		return err;
	/* the last one's NUL, and the padding of programs that set their title */
	while (len && !buf[len - 1])
		len--;
	buf[len] = '\0';
	*ret_len = len;
	return 0;
}

static int ask_text(struct opener_client *c, struct opener_request *r, char *buf, size_t size,
		    size_t *ret_len)
{
	struct opener_reply reply;
	int fd = -1, err = client_ask(c, r, NULL, &reply, &fd);

	if (fd >= 0)
		close(fd);
	if (err)
		return err;
	if (reply.len >= size)
		return -ENOBUFS;
	memcpy(buf, reply.text, reply.len);
	buf[reply.len] = '\0';
	*ret_len = reply.len;
	return 0;
}

int opener_exe(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
	       char *buf, size_t size, size_t *ret_len)
{
	struct opener_request r = {
		.op = OPENER_EXE, .pid = pid, .start = start, .boot_offset = boot_offset
	};

	return ask_text(c, &r, buf, size, ret_len);
}

static int ask_fd(struct opener_client *c, struct opener_request *r, const char *path, int *ret_fd)
{
	struct opener_reply reply;
	int fd = -1, err = client_ask(c, r, path, &reply, &fd);

	if (err < 0)
		return err;
	if (fd < 0)
		return -EPROTO;
	*ret_fd = fd;
	return 0;
}

static struct opener_request request_of(enum opener_op op, const struct opener_life *life)
{
	return (struct opener_request){.op = op,
				       .pid = life->pid,
				       .start = life->start,
				       .boot_offset = life->boot_offset,
				       .since = life->since,
				       .until = life->until};
}

int opener_maps(struct opener_client *c, const struct opener_life *life, int *ret_fd)
{
	struct opener_request r = request_of(OPENER_MAPS, life);

	return ask_fd(c, &r, NULL, ret_fd);
}

int opener_mapped(struct opener_client *c, const struct opener_life *life, uint64_t map_start,
		  uint64_t map_end, uint64_t inode, const char *path, int *ret_fd)
{
	struct opener_request r = request_of(OPENER_MAPPED, life);

	r.map_start = map_start;
	r.map_end = map_end;
	r.inode = inode;
	return ask_fd(c, &r, path, ret_fd);
}

int opener_file(struct opener_client *c, const char *path, int *ret_fd)
{
	struct opener_request r = {.op = OPENER_PROGRAM};

	return ask_fd(c, &r, path, ret_fd);
}

int opener_remember(int fd, uint32_t pid, uint64_t start, uint64_t boot_offset)
{
	struct opener_request r = {
		.op = OPENER_REMEMBER, .pid = pid, .start = start, .boot_offset = boot_offset
	};

	return send(fd, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int opener_tell(int fd, uint32_t pid, uint64_t start, uint32_t mnt_ns, const char *text, size_t len)
{
	struct opener_request r = {
		.op = OPENER_TOLD, .pid = pid, .start = start, .inode = mnt_ns
	};
	struct iovec parts[2] = {{&r, sizeof(r)}, {(void *)(uintptr_t)text, len}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	if (len > OPENER_TOLD_MAX)
		return -EMSGSIZE;
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int opener_perf_map(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		    uint32_t ns_pid, int *ret_fd)
{
	struct opener_request r = {.op = OPENER_PERF_MAP,
				   .pid = pid,
				   .number = ns_pid,
				   .start = start,
				   .boot_offset = boot_offset};

	return ask_fd(c, &r, NULL, ret_fd);
}
