/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_walk.c - BPF iterators: over all threads, some that sleep, and connections. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder_internal.h"

static int program_fd(const struct recorder *r, const char *name)
{
	if (!r->object)
		return r->walker && !strcmp(name, "iter_tasks") ? r->walker : -ENOENT;
	return bpf_program__fd(bpf_object__find_program_by_name(r->object, name));
}

/* A descriptor that gives what the iterator writes, or -errno; info: of what, NULL: of all. */
static int open_iterator(struct recorder *r, const char *name, union bpf_iter_link_info *info)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = info,
		    .iter_info_len = info ? sizeof(*info) : 0);
	int link = bpf_link_create(program_fd(r, name), 0, BPF_TRACE_ITER, &opts), fd, err;

	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	err = -errno;
	close(link);
	return fd < 0 ? err : fd;
}

int recorder_ends(struct recorder *r)
{
	return open_iterator(r, "iter_ends", NULL);
}

/* Runs an iterator to its end; what it writes goes to *ret, where that is wanted. */
static int iterate(struct recorder *r, const char *name, union bpf_iter_link_info *info,
		   uint8_t **ret, size_t *ret_len)
{
	int fd = open_iterator(r, name, info), err;
	size_t len = 0, size = 64 << 10;
	uint8_t *buf = NULL, *more;
	ssize_t n = -1;

	if (fd < 0)
		return fd;
	do {
		if (!buf || size - len < 16 << 10) {
			size *= 2;
			more = realloc(buf, size);
			if (!more) {
				errno = ENOMEM;
				n = -1;
				break;
			}
			buf = more;
		}
		n = read(fd, buf + len, size - len);
		if (n > 0)
			len += n;
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err || !ret) {
		free(buf);
		return err;
	}
	*ret = buf;
	*ret_len = len;
	return 0;
}

int recorder_iterate(struct recorder *r, const char *name, uint32_t tid, uint8_t **ret,
		     size_t *ret_len)
{
	union bpf_iter_link_info info = {.task.tid = tid};

	return iterate(r, name, tid ? &info : NULL, ret, ret_len);
}

int recorder_walk_tasks(struct recorder *r, uint8_t **ret, size_t *ret_len)
{
	return recorder_iterate(r, "iter_tasks", 0, ret, ret_len);
}

int recorder_judge(struct recorder *r, uint32_t tid)
{
	int err = recorder_iterate(r, "iter_overdue", tid, NULL, NULL);

	return err == -ESRCH ? 0 : err; /* it has ended meanwhile */
}

/* ---- requests that nobody has answered ---- */

static int iterate_requests(struct recorder *r, const char *name, uint8_t **ret, size_t *ret_len)
{
	union bpf_iter_link_info info = {
		.map.map_fd = bpf_object__find_map_fd_by_name(r->object, "requests")};

	return iterate(r, name, &info, ret, ret_len);
}

static int judge_requests(struct recorder *r, uint8_t **ret, size_t *ret_len)
{
	r->requests->scan++;
	return iterate_requests(r, "iter_requests_due", ret, ret_len);
}

int recorder_judge_requests(struct recorder *r)
{
	uint8_t *bytes;
	size_t len;
	int err;

	if (r->control->hung_request_ns == UINT64_MAX)
		return 0;
	err = judge_requests(r, &bytes, &len);
	if (err)
		return err;
	free(bytes);
	if (!len)
		return 0;
	err = iterate(r, "iter_request_owners", NULL, NULL, NULL);
	return err ? err : judge_requests(r, NULL, NULL);
}

void recorder_forget_requests(struct recorder *r)
{
	iterate_requests(r, "iter_requests_unwatched", NULL, NULL);
}

int recorder_walk_requests(struct recorder *r, uint8_t **ret, size_t *ret_len)
{
	if (!(r->kinds >> TRIGGER_REQUEST & 1))
		return -ENOENT;
	return iterate_requests(r, "iter_requests", ret, ret_len);
}

/* ---- stacks of threads that sleep ---- */

#define SLEEPERS_MS 100

/*
 * In a process of its own: a page of a hostile stack (a file on a dead file
 * system, userfaultfd) may never come.
 */
static void __attribute__((noreturn))
take_sleepers(struct recorder *r, const uint32_t *tids, size_t n, int out)
{
	size_t len;
	uint8_t *bytes;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < n; i++) {
		if (recorder_iterate(r, "iter_sleeper", tids[i], &bytes, &len))
			continue;
		if (write(out, bytes, len) != (ssize_t)len)
			_exit(1);
		free(bytes);
	}
	_exit(0);
}

/* Waits for the child, but not for ever: one that hangs is killed, and reaped the next time. */
static pid_t await(pid_t pid, int done)
{
	struct pollfd p = {.fd = done};

	if (poll(&p, 1, SLEEPERS_MS) > 0) {
		waitpid(pid, NULL, 0);
		return 0;
	}
	kill(pid, SIGKILL);
	return pid;
}

bool recorder_takes_sleepers(const struct recorder *r)
{
	return program_fd(r, "iter_sleeper") >= 0;
}

int recorder_sleepers(struct recorder *r, const uint32_t *tids, size_t n, uint8_t **ret,
		      size_t *ret_len)
{
	int out, done[2], err = 0;
	uint8_t *bytes = NULL;
	struct stat st;
	pid_t pid;

	if (!recorder_takes_sleepers(r))
		return -ENOTSUP;
	if (r->hung && !waitpid(r->hung, NULL, WNOHANG))
		return -EBUSY; /* -1: somebody else has reaped it */
	r->hung = 0;
	out = memfd_create("frec-sleepers", MFD_CLOEXEC);
	if (out < 0)
		return -errno;
	if (pipe2(done, O_CLOEXEC)) {
		err = -errno;
		close(out);
		return err;
	}
	pid = fork();
	if (!pid)
		take_sleepers(r, tids, n, out);
	close(done[1]); /* its end hangs up when the child ends */
	if (pid > 0)
		r->hung = await(pid, done[0]);
	else
		err = -errno;
	close(done[0]);
	if (!err && fstat(out, &st))
		err = -errno;
	bytes = err ? NULL : malloc(st.st_size + 1);
	if (!err && (!bytes || pread(out, bytes, st.st_size, 0) != st.st_size))
		err = bytes ? -EIO : -ENOMEM;
	close(out);
	if (err) {
		free(bytes);
		return err;
	}
	*ret = bytes;
	*ret_len = st.st_size & ~7ull;
	return 0;
}
