/* SPDX-License-Identifier: GPL-2.0 */
#define _GNU_SOURCE
#include "opener.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_FD 3 /* in the opener: behind /dev/null three times */
#define START_TIMEOUT_MS 5000
#define NSEC 1000000000ull

/* ---- the socket: one reply and at most one descriptor ---- */

union control_buffer {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int reply_send(int sock, const struct opener_reply *reply, int fd)
{
	struct iovec iov = { (void *)reply, OPENER_REPLY_HEAD + reply->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control_buffer control;
	struct cmsghdr *c;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

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

/* 1, 0 for a packet that is no reply, or -errno. *ret_fd is -1 without descriptor. */
static int reply_receive(int sock, struct opener_reply *reply, int *ret_fd)
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

/* ---- in the opener ---- */

/* Field 22; the name before it, in parentheses, may hold anything. */
static int parse_start(const char *stat, uint64_t *ret_ticks)
{
	const char *s = strrchr(stat, ')');
	unsigned long long ticks;
	char *end;

	if (!s)
		return -EBADMSG;
	for (int field = 2; field < 22; field++) {
		s = strchr(s + 1, ' ');
		if (!s)
			return -EBADMSG;
	}
	errno = 0;
	ticks = strtoull(s + 1, &end, 10);
	if (errno || end == s + 1 || *end != ' ')
		return -EBADMSG;
	*ret_ticks = ticks;
	return 0;
}

static int read_start(int proc, uint64_t *ret_ticks)
{
	char stat[1024];
	int fd = openat(proc, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	stat[n] = '\0';
	return parse_start(stat, ret_ticks);
}

static int verify_start(int proc, const struct opener_request *r)
{
	uint64_t tick = NSEC / (uint64_t)sysconf(_SC_CLK_TCK), ticks = 0;
	uint64_t from, to;
	int err;

	if (!r->start)
		return 0;
	if (r->start > INT64_MAX || r->boot_offset > INT64_MAX)
		return -EINVAL;
	err = read_start(proc, &ticks);
	if (err < 0)
		return err;
	from = r->start / tick;
	to = (r->start + r->boot_offset) / tick;
	return ticks + 2 < from || ticks > to + 2 ? -ESRCH : 0;
}

/* A descriptor of /proc/PID: it stays with this process, whoever gets the pid next. */
static int open_process(const struct opener_request *r)
{
	char path[32];
	int proc, err;

	if (!r->pid || r->pid > INT_MAX)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%u", r->pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = verify_start(proc, r);
	if (err < 0) {
		close(proc);
		return err;
	}
	return proc;
}

static int link_text(int proc, struct opener_reply *reply)
{
	ssize_t n = readlinkat(proc, "exe", reply->text, sizeof(reply->text));

	if (n < 0)
		return -errno;
	if ((size_t)n >= sizeof(reply->text))
		return -ENAMETOOLONG;
	reply->len = (uint32_t)n;
	return 0;
}

static void answer(int sock, const struct opener_request *r)
{
	static struct opener_reply reply;
	int proc, fd = -1, err = 0;

	reply.id = r->id;
	reply.len = 0;
	proc = open_process(r);
	if (proc < 0)
		err = proc;
	else if (r->op == OPENER_EXE)
		err = link_text(proc, &reply);
	else if (r->op != OPENER_CMDLINE)
		err = -EINVAL;
	else if ((fd = openat(proc, "cmdline", O_RDONLY | O_CLOEXEC)) < 0)
		err = errno == ENOENT ? -ESRCH : -errno;
	reply.error = err;
	reply_send(sock, &reply, fd);
	if (fd >= 0)
		close(fd);
	if (proc >= 0)
		close(proc);
}

static bool hung_up(int sock)
{
	struct pollfd p = { .fd = sock };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Descriptors that a client attaches are dropped by recv() itself. */
static void serve(int sock)
{
	struct opener_request r;
	ssize_t n;

	for (;;) {
		n = recv(sock, &r, sizeof(r), MSG_TRUNC);
		if (n == (ssize_t)sizeof(r))
			answer(sock, &r);
		else if (n < 0 && errno != EINTR)
			return;
		else if (!n && hung_up(sock)) /* and not merely an empty packet */
			return;
	}
}

/* ---- its confinement ---- */

static int isolate_fds(int sock)
{
	int null;

	/* out of the way of the low numbers */
	sock = fcntl(sock, F_DUPFD, SOCKET_FD + 1);
	if (sock < 0 || dup2(sock, SOCKET_FD) < 0 || close_range(SOCKET_FD + 1, ~0u, 0) < 0)
		return -errno;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < SOCKET_FD; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	if (null > SOCKET_FD)
		close(null);
	return 0;
}

/* Ctrl-C and a stop of the whole service reach it, too: it ends when the daemon has. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1 };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static int change_user(uid_t uid, gid_t gid)
{
	if (gid != (gid_t)-1 && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) &&
	    (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0))
		return -errno;
	if (uid == (uid_t)-1 || !capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID))
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(uid_t uid, gid_t gid)
{
	static const unsigned int wanted[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };
	bool have[2], bounds;
	int err;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (int i = 0; i < 2; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, wanted[i]);
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* the bounding set first: it takes a capability that is dropped next */
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	err = change_user(uid, gid);
	if (err < 0)
		return err;
	capng_clear(CAPNG_SELECT_CAPS);
	for (int i = 0; i < 2; i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, wanted[i]);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static int confine(uid_t uid, gid_t gid, pid_t parent)
{
	struct rlimit none = { 0, 0 };
	int err;

	ignore_signals();
	prctl(PR_SET_NAME, "frecd-opener", 0, 0, 0);
	/* not permitted everywhere, and without socket() calls in it only a second fence */
	(void)!unshare(CLONE_NEWNET);
	err = drop_capabilities(uid, gid);
	if (err < 0)
		return err;
	/* after the change of user, which resets the last two */
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static void __attribute__((noreturn)) opener_main(int sock, uid_t uid, gid_t gid, pid_t parent)
{
	struct opener_reply ready = { .id = 0 };

	if (isolate_fds(sock) < 0)
		_exit(1);
	ready.error = confine(uid, gid, parent);
	reply_send(SOCKET_FD, &ready, -1);
	if (!ready.error)
		serve(SOCKET_FD);
	_exit(ready.error ? 1 : 0);
}

/* ---- in the daemon ---- */

static int await_ready(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct opener_reply reply;
	int fd = -1, err;

	do
		err = poll(&p, 1, START_TIMEOUT_MS);
	while (err < 0 && errno == EINTR);
	if (err <= 0)
		return err ? -errno : -ETIMEDOUT;
	err = reply_receive(sock, &reply, &fd);
	if (err > 0)
		return reply.error;
	return err ? err : -EPROTO;
}

int opener_start(uid_t uid, gid_t gid, int *ret_fd, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;
	int sv[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	pid = fork();
	err = -errno;
	if (!pid)
		opener_main(sv[1], uid, gid, parent);
	close(sv[1]);
	if (pid > 0)
		err = await_ready(sv[0]);
	if (err < 0) {
		close(sv[0]);
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		return err;
	}
	*ret_fd = sv[0];
	*ret_pid = pid;
	return 0;
}

/* ---- in the worker ---- */

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

static int request_send(const struct opener_client *c, const struct opener_request *r,
			uint64_t deadline)
{
	int err;

	while (send(c->fd, r, sizeof(*r), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
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
		err = reply_receive(c->fd, reply, &fd);
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
static int client_ask(struct opener_client *c, struct opener_request *r, struct opener_reply *reply,
		      int *ret_fd)
{
	uint64_t deadline = now_ms() + OPENER_TIMEOUT_MS;
	int err, fd = -1;

	if (c->error)
		return c->error;
	if (!++c->id)
		c->id++;
	r->id = c->id;
	err = request_send(c, r, deadline);
	if (!err)
		err = reply_await(c, deadline, reply, &fd);
	if (err < 0) {
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

int opener_cmdline(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		   char *buf, size_t size, size_t *ret_len)
{
	struct opener_request r = {
		.op = OPENER_CMDLINE, .pid = pid, .start = start, .boot_offset = boot_offset
	};
	struct opener_reply reply;
	size_t len = 0;
	int fd = -1, err;

	if (!size)
		return -EINVAL;
	err = client_ask(c, &r, &reply, &fd);
	if (err < 0)
		return err;
	if (fd < 0)
		return -EPROTO;
	err = read_bounded(fd, buf, size - 1, &len);
	close(fd);
	if (err < 0)
		return err;
	/* the last one's NUL, and the padding of programs that set their title */
	while (len && !buf[len - 1])
		len--;
	buf[len] = '\0';
	*ret_len = len;
	return 0;
}

int opener_exe(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
	       char *buf, size_t size, size_t *ret_len)
{
	struct opener_request r = {
		.op = OPENER_EXE, .pid = pid, .start = start, .boot_offset = boot_offset
	};
	struct opener_reply reply;
	int fd = -1, err = client_ask(c, &r, &reply, &fd);

	if (fd >= 0)
		close(fd);
	if (err < 0)
		return err;
	if (reply.len >= size)
		return -ENOBUFS;
	memcpy(buf, reply.text, reply.len);
	buf[reply.len] = '\0';
	*ret_len = reply.len;
	return 0;
}
