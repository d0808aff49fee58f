/* SPDX-License-Identifier: GPL-2.0 */
/* protocol.c - messages between frecctl and the recorder. */
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

#define BACKLOG 16
#define CONNECT_TIMEOUT_S 5
#define FDS_MAX 253 /* the kernel's SCM_MAX_FD: so none is cut off for want of room */

/* jansson itself allows 2048 levels, each a recursion in every walk over the tree. */
static bool nesting_ok(const char *p, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = false;
		} else if (p[i] == '"') {
			in_string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > PROTOCOL_DEPTH_MAX)
				return false;
		} else if (p[i] == '}' || p[i] == ']') {
			depth--;
		}
	}
	return true;
}

int protocol_parse(const void *bytes, size_t len, json_t **ret)
{
	json_error_t error;
	json_t *message;
	void *volatile room; /* or gcc leaves the try out */

	if (len == 0 || !nesting_ok(bytes, len))
		return -EBADMSG;
	/* jansson (2.14) writes beyond a string that it had not the memory to read to its end */
	room = malloc(8 * len + (64 << 10));
	if (!room)
		return -ENOMEM;
	free(room);
	message = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (!message)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret = message;
	return 0;
}

/*
 * sun_path is short. Where the path does not fit, *ret_dir_fd becomes a
 * descriptor of the directory and the address goes through /proc; else -1.
 */
static int make_address(const char *dir, struct sockaddr_un *addr, int *ret_dir_fd)
{
	int n, fd = -1;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/" PROTOCOL_SOCKET, dir);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n >= sizeof(addr->sun_path)) {
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		snprintf(addr->sun_path, sizeof(addr->sun_path),
			 "/proc/self/fd/%d/" PROTOCOL_SOCKET, fd);
	}
	*ret_dir_fd = fd;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Makes room for messages of PROTOCOL_REPLY_MAX even where the default is small. */
static void widen(int fd)
{
	int size = 2 * PROTOCOL_REPLY_MAX;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int connect_address(const struct sockaddr_un *addr, int flags, int *ret_fd)
{
	struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	int fd, err;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	widen(fd);
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int protocol_connect(const char *run_directory, int *ret_fd)
{
	struct sockaddr_un addr;
	int dir_fd, err;

	err = make_address(run_directory, &addr, &dir_fd);
	if (err)
		return err;
	err = connect_address(&addr, 0, ret_fd);
	close_fd(dir_fd);
	return err;
}

/* Removes a socket that nobody listens on; leaves alone all that is something else. */
static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, err;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	err = connect_address(addr, SOCK_NONBLOCK, &fd);
	if (!err)
		close(fd);
	if (!err || err == -EAGAIN)
		return -EADDRINUSE;
	if (err != -ECONNREFUSED)
		return err;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_and_listen(int fd, const struct sockaddr_un *addr, mode_t mode, gid_t gid)
{
	mode_t old = umask(0777);
	int bound = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int err = bound < 0 ? -errno : 0;

	umask(old);
	if (err)
		return err;
	if ((gid != (gid_t)-1 && chown(addr->sun_path, -1, gid) < 0) ||
	    chmod(addr->sun_path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		err = -errno;
		unlink(addr->sun_path);
	}
	return err;
}

int protocol_listen(const char *run_directory, mode_t mode, gid_t gid, int *ret_fd)
{
	struct sockaddr_un addr;
	int dir_fd, fd = -1, err;

	err = make_address(run_directory, &addr, &dir_fd);
	if (err)
		return err;
	err = remove_stale(&addr);
	if (err)
		goto cleanup;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err = -errno;
		goto cleanup;
	}
	err = bind_and_listen(fd, &addr, mode, gid);
	if (err)
		goto cleanup;
	*ret_fd = fd;
	fd = -1;
cleanup:
	close_fd(fd);
	close_fd(dir_fd);
	return err;
}

int protocol_accept(int listen_fd, int *ret_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	widen(fd);
	*ret_fd = fd;
	return 0;
}

static int send_bytes(int fd, const void *bytes, size_t len, int pass)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (pass >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int protocol_send(int fd, const json_t *message, int pass)
{
	const size_t flags = JSON_COMPACT;
	size_t len;
	char *text;
	int err;

	len = json_dumpb(message, NULL, 0, flags);
	if (len == 0)
		return -EINVAL;
	if (len > PROTOCOL_REPLY_MAX)
		return -EMSGSIZE;
	text = malloc(len);
	if (!text)
		return -ENOMEM;
	err = json_dumpb(message, text, len, flags) == len ? 0 : -EINVAL;
	if (!err)
		err = send_bytes(fd, text, len, pass);
	free(text);
	return err;
}

/* Keeps the first descriptor of a message in *fd, closes all others, returns how many came. */
static int take_fds(struct msghdr *msg, int *fd)
{
	struct cmsghdr *c;
	int count = 0;

	*fd = -1;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (count++ == 0)
				*fd = got;
			else
				close(got);
		}
	}
	return count;
}

static int receive_bytes(int fd, void *bytes, size_t max, size_t *len, int *passed)
{
	union {
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = bytes, .iov_len = max };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int count;
	ssize_t n;

	msg.msg_control = control.room;
	msg.msg_controllen = sizeof(control.room);
	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	count = take_fds(&msg, passed);
	*len = n;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (count > 1)
		return -EBADMSG;
	/* there was room for all that can come: so we had no number left to give to one */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return n == 0 ? -ECONNRESET : 0;
}

int protocol_receive(int fd, size_t max, json_t **ret, int *ret_fd)
{
	json_t *message = NULL;
	int passed = -1, err;
	size_t len;
	char *bytes;

	bytes = malloc(max);
	if (!bytes)
		return -ENOMEM;
	err = receive_bytes(fd, bytes, max, &len, &passed);
	if (!err && passed >= 0 && !ret_fd)
		err = -EBADMSG;
	if (!err)
		err = protocol_parse(bytes, len, &message);
	free(bytes);
	if (err) {
		close_fd(passed);
		return err;
	}
	*ret = message;
	if (ret_fd)
		*ret_fd = passed;
	return 0;
}

json_t *protocol_error(const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	text_clean(text); /* only UTF-8 can be sent, and the limit may cut a character in two */
	return json_pack("{s:b,s:s}", "ok", 0, "error", text);
}

int protocol_peer(int fd, struct ucred *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (len != sizeof(cred))
		return -EINVAL;
	*ret = cred;
	return 0;
}

static int get_member(const json_t *message, const char *key, const json_t **ret)
{
	const json_t *value = json_object_get(message, key);

	if (!value || json_is_null(value))
		return -ENOENT;
	*ret = value;
	return 0;
}

int protocol_get_string(const json_t *message, const char *key, const char **ret)
{
	const json_t *value;
	int err = get_member(message, key, &value);

	if (err)
		return err;
	if (!json_is_string(value))
		return -EINVAL;
	*ret = json_string_value(value);
	return 0;
}

int protocol_get_u64(const json_t *message, const char *key, uint64_t *ret)
{
	const json_t *value;
	int err = get_member(message, key, &value);

	if (err)
		return err;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EINVAL;
	*ret = json_integer_value(value);
	return 0;
}

int protocol_get_bool(const json_t *message, const char *key, bool *ret)
{
	const json_t *value;
	int err = get_member(message, key, &value);

	if (err)
		return err;
	if (!json_is_boolean(value))
		return -EINVAL;
	*ret = json_is_true(value);
	return 0;
}
