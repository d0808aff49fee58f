/* SPDX-License-Identifier: GPL-2.0 */
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

#include "opener_internal.h"

#define SOCKET_FD 3 /* in the opener: behind /dev/null three times */
#define START_TIMEOUT_MS 5000
#define NSEC 1000000000ull

/* ---- replies: at most one descriptor with each ---- */

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

static int link_text(int proc, const char *link, struct opener_reply *reply)
{
	ssize_t n = readlinkat(proc, link, reply->text, sizeof(reply->text));

	if (n < 0)
		return -errno;
	if ((size_t)n >= sizeof(reply->text))
		return -ENAMETOOLONG;
	reply->len = (uint32_t)n;
	return 0;
}

static int open_in(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

/* Those of a zombie are empty. */
static int open_maps(int proc)
{
	int fd = open_in(proc, "maps");
	char first;

	if (fd < 0 || pread(fd, &first, 1, 0) == 1)
		return fd;
	close(fd);
	return -ESRCH;
}

/* A descriptor, 0 with a text in the reply, or -errno; *ret_fd says which. */
static int perform(int proc, const struct opener_request *r, const char *path,
		   struct opener_reply *reply, int *ret_fd)
{
	switch (r->op) {
	case OPENER_EXE:
		return link_text(proc, "exe", reply);
	case OPENER_CMDLINE:
		*ret_fd = open_in(proc, "cmdline");
		break;
	case OPENER_STATUS:
		*ret_fd = open_in(proc, "status");
		break;
	case OPENER_MAPS:
		*ret_fd = open_maps(proc);
		break;
	case OPENER_MAPPED:
		*ret_fd = opener_open_mapped(proc, r, path);
		break;
	case OPENER_PERF_MAP:
		*ret_fd = opener_open_perf_map(proc, r->number);
		break;
	default:
		return -EINVAL;
	}
	return *ret_fd < 0 ? *ret_fd : 0;
}

/* What may be known of a process that has gone, or is another program by now. */
static int perform_gone(const struct opener_request *r, const char *path)
{
	switch (r->op) {
	case OPENER_MAPS:
		return opener_recall_maps(r);
	case OPENER_MAPPED:
		return opener_recall_mapped(r, path);
	default:
		return -ESRCH;
	}
}

static void answer(int sock, const struct opener_request *r, const char *path)
{
	static struct opener_reply reply;
	int proc, fd = -1;

	reply.id = r->id;
	reply.len = 0;
	proc = r->until || r->op == OPENER_PROGRAM ? -ESRCH : open_process(r);
	reply.error = proc < 0 ? proc : perform(proc, r, path, &reply, &fd);
	if (r->op == OPENER_PROGRAM)
		reply.error = fd = opener_open_program(path);
	else if (reply.error < 0) /* it may have gone just now */
		fd = perform_gone(r, path);
	if (fd >= 0)
		reply.error = 0;
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

static void remember(const struct opener_request *r)
{
	int proc = open_process(r);

	if (proc < 0)
		return;
	opener_remember_maps(proc, r);
	close(proc);
}

/* Descriptors that a client attaches are dropped by recv() itself. */
static void serve(int sock)
{
	static struct {
		struct opener_request r;
		char path[OPENER_TOLD_MAX + 1]; /* or a text */
	} in;
	ssize_t n;

	for (;;) {
		n = recv(sock, &in, sizeof(in) - 1, MSG_TRUNC);
		if (n >= (ssize_t)sizeof(in.r) && n < (ssize_t)sizeof(in)) {
			((char *)&in)[n] = '\0';
			if (in.r.op == OPENER_REMEMBER)
				remember(&in.r);
			else if (in.r.op == OPENER_TOLD)
				opener_remember_told(&in.r, in.path, n - sizeof(in.r));
			else
				answer(sock, &in.r, in.path);
		}
		if (n < 0 && errno != EINTR)
			return;
		if (!n && hung_up(sock)) /* and not merely an empty packet */
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
	err = opener_receive(sock, &reply, &fd);
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
