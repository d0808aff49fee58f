/* SPDX-License-Identifier: GPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../lib/protocol.h"

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int receive_text(const char *text, json_t **ret)
{
	assert_int_equal(send(pair[0], text, strlen(text), 0), strlen(text));
	return protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, ret, NULL);
}

static void send_fds(const char *text, int n)
{
	char room[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room };
	struct cmsghdr *c;

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[0], sizeof(int));
	assert_int_equal(sendmsg(pair[0], &msg, 0), strlen(text));
}

static void test_round_trip(void **state)
{
	json_t *sent = json_pack("{s:s,s:i,s:b}", "command", "snapshot", "pid", 7, "only", 1);
	json_t *got = NULL;
	const char *text = NULL;
	uint64_t pid = 0;
	bool only = false;
	int fd = 99;

	(void)state;
	assert_int_equal(protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, &got, &fd), -EAGAIN);
	assert_null(got);
	assert_int_equal(protocol_send(pair[0], sent, -1), 0);
	assert_int_equal(protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, &got, &fd), 0);
	assert_int_equal(fd, -1);
	assert_true(json_equal(sent, got));
	assert_int_equal(protocol_get_string(got, "command", &text), 0);
	assert_string_equal(text, "snapshot");
	assert_int_equal(protocol_get_u64(got, "pid", &pid), 0);
	assert_int_equal(pid, 7);
	assert_int_equal(protocol_get_bool(got, "only", &only), 0);
	assert_true(only);
	assert_int_equal(protocol_get_u64(got, "command", &pid), -EINVAL);
	assert_int_equal(protocol_get_u64(got, "last_ns", &pid), -ENOENT);
	json_decref(sent);
	json_decref(got);
}

static void test_members(void **state)
{
	json_t *m = json_pack("{s:I,s:f,s:n}", "a", (json_int_t)-1, "b", 1.5, "c");
	uint64_t n = 5;
	bool b;

	(void)state;
	assert_int_equal(protocol_get_u64(m, "a", &n), -EINVAL);
	assert_int_equal(protocol_get_u64(m, "b", &n), -EINVAL);
	assert_int_equal(protocol_get_u64(m, "c", &n), -ENOENT);
	assert_int_equal(protocol_get_bool(m, "a", &b), -EINVAL);
	assert_int_equal(n, 5);
	json_decref(m);
}

static void test_rubbish(void **state)
{
	static const char *const bad[] = {
		"x",
		"[]",
		"1",
		"\"a\"",
		"{",
		"{}{}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":1e999}",
		"{\"a\":99999999999999999999}",
	};
	json_t *got = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(receive_text(bad[i], &got), -EBADMSG);
		assert_null(got);
	}
	assert_int_equal(send(pair[0], "", 0, 0), 0);
	assert_int_equal(protocol_receive(pair[1], 100, &got, NULL), -ECONNRESET);
}

static void test_nesting(void **state)
{
	char text[4096] = "{\"a\":";
	json_t *got = NULL;
	size_t n;

	(void)state;
	for (n = strlen(text); n < 2000; n++)
		text[n] = '[';
	assert_int_equal(protocol_parse(text, n, &got), -EBADMSG);
	snprintf(text, sizeof(text), "{\"a\":%.*s%.*s}", PROTOCOL_DEPTH_MAX - 1,
		 "[[[[[[[[[[[[[[[[[[", PROTOCOL_DEPTH_MAX - 1, "]]]]]]]]]]]]]]]]]]");
	assert_int_equal(protocol_parse(text, strlen(text), &got), 0);
	json_decref(got);
	snprintf(text, sizeof(text), "{\"a\":%.*s%.*s}", PROTOCOL_DEPTH_MAX, "[[[[[[[[[[[[[[[[[[",
		 PROTOCOL_DEPTH_MAX, "]]]]]]]]]]]]]]]]]]");
	assert_int_equal(protocol_parse(text, strlen(text), &got), -EBADMSG);
	/* brackets inside of strings are text, also behind an escaped quote */
	snprintf(text, sizeof(text), "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\"}");
	assert_int_equal(protocol_parse(text, strlen(text), &got), 0);
	json_decref(got);
}

static void test_size(void **state)
{
	char *text = malloc(PROTOCOL_REPLY_MAX + 1);
	json_t *message = json_object(), *got = NULL;

	(void)state;
	memset(text, 'x', PROTOCOL_REPLY_MAX);
	text[PROTOCOL_REPLY_MAX - 20] = '\0';
	json_object_set_new(message, "text", json_string(text));
	assert_int_equal(protocol_send(pair[0], message, -1), 0);
	assert_int_equal(protocol_receive(pair[1], PROTOCOL_REPLY_MAX, &got, NULL), 0);
	assert_true(json_equal(message, got));
	json_decref(got);
	got = NULL;
	assert_int_equal(protocol_send(pair[0], message, -1), 0);
	assert_int_equal(protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, &got, NULL), -EMSGSIZE);
	assert_null(got);
	text[PROTOCOL_REPLY_MAX - 20] = 'x';
	text[PROTOCOL_REPLY_MAX] = '\0';
	json_object_set_new(message, "text", json_string(text));
	assert_int_equal(protocol_send(pair[0], message, -1), -EMSGSIZE);
	json_decref(message);
	free(text);
}

static void test_descriptor(void **state)
{
	json_t *message = json_pack("{s:s}", "command", "snapshot"), *got = NULL;
	int file = memfd_create("out", MFD_CLOEXEC), fd = -1;
	struct stat a, b;

	(void)state;
	assert_int_equal(protocol_send(pair[0], message, file), 0);
	assert_int_equal(protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, &got, &fd), 0);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fstat(file, &a);
	fstat(fd, &b);
	assert_int_equal(a.st_ino, b.st_ino);
	close(fd);
	close(file);
	json_decref(message);
	json_decref(got);
}

static void test_unwanted_descriptors(void **state)
{
	int before = count_fds(), fd = 77;
	json_t *got = NULL;

	(void)state;
	send_fds("{}", 1);
	assert_int_equal(protocol_receive(pair[1], 1024, &got, NULL), -EBADMSG);
	send_fds("{}", 2);
	assert_int_equal(protocol_receive(pair[1], 1024, &got, &fd), -EBADMSG);
	send_fds("{}", 64);
	assert_int_equal(protocol_receive(pair[1], 1024, &got, &fd), -EBADMSG);
	send_fds("rubbish", 1);
	assert_int_equal(protocol_receive(pair[1], 1024, &got, &fd), -EBADMSG);
	send_fds("{\"too\":\"long\"}", 1);
	assert_int_equal(protocol_receive(pair[1], 4, &got, &fd), -EMSGSIZE);
	assert_null(got);
	assert_int_equal(fd, 77);
	assert_int_equal(count_fds(), before);
}

static void test_no_descriptor_left(void **state)
{
	int lowest = dup(pair[0]), before, fd = 77;
	struct rlimit l, few;
	json_t *got = NULL;

	(void)state;
	close(lowest);
	before = count_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	few = (struct rlimit){ lowest, l.rlim_max };
	for (int n = 1; n <= 2; n++) {
		send_fds("{}", n);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		assert_int_equal(protocol_receive(pair[1], 1024, &got, &fd), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
		few.rlim_cur++; /* the first of two finds a place, and is closed again */
	}
	assert_null(got);
	assert_int_equal(fd, 77);
	assert_int_equal(count_fds(), before);
}

static void test_peer_gone(void **state)
{
	json_t *message = json_object(), *got = NULL;

	(void)state;
	close(pair[0]);
	assert_int_equal(protocol_receive(pair[1], 1024, &got, NULL), -ECONNRESET);
	assert_int_equal(protocol_send(pair[1], message, -1), -EPIPE);
	json_decref(message);
	pair[0] = dup(pair[1]);
}

static void test_error(void **state)
{
	json_t *e = protocol_error("no trigger '%s'", "a\nb\xff");
	const char *text = NULL;
	char *longer = malloc(4000);
	bool ok = true;

	(void)state;
	assert_int_equal(protocol_get_bool(e, "ok", &ok), 0);
	assert_false(ok);
	assert_int_equal(protocol_get_string(e, "error", &text), 0);
	assert_string_equal(text, "no trigger 'a b?'");
	json_decref(e);
	memset(longer, 'y', 3999);
	longer[3999] = '\0';
	memcpy(longer + 1022, "\xc3\xa4", 2); /* a character that the limit cuts in two */
	e = protocol_error("%s", longer);
	assert_non_null(e);
	assert_int_equal(protocol_get_string(e, "error", &text), 0);
	json_decref(e);
	free(longer);
}

static void test_listen(void **state)
{
	char dir[300] = "/tmp/frec-test-XXXXXX", path[400];
	int listener = -1, again = -1, client = -1, server = -1;
	struct ucred peer = { 0 };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	assert_int_equal(protocol_connect(dir, &client), -ENOENT);
	assert_int_equal(protocol_listen(dir, 0660, getgid(), &listener), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(protocol_accept(listener, &server), -EAGAIN);
	assert_int_equal(protocol_connect(dir, &client), 0);
	assert_int_equal(protocol_accept(listener, &server), 0);
	assert_int_equal(protocol_peer(server, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(protocol_listen(dir, 0660, -1, &again), -EADDRINUSE);
	close(client);
	close(server);
	close(listener);
	assert_int_equal(protocol_connect(dir, &client), -ECONNREFUSED);
	assert_int_equal(protocol_listen(dir, 0600, -1, &listener), 0);
	close(listener);
	unlink(path);
	close(creat(path, 0600));
	assert_int_equal(protocol_listen(dir, 0600, -1, &listener), -EEXIST);
	unlink(path);
	rmdir(dir);
}

static void test_long_directory(void **state)
{
	char dir[300] = "/tmp/frec-test-XXXXXX", deep[300], path[400];
	int listener = -1, client = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(deep, sizeof(deep), "%s/%0150d", dir, 1);
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(protocol_listen(deep, 0600, -1, &listener), 0);
	assert_int_equal(protocol_connect(deep, &client), 0);
	close(client);
	close(listener);
	snprintf(path, sizeof(path), "%s/control.sock", deep);
	assert_int_equal(unlink(path), 0);
	rmdir(deep);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test(test_members),
		cmocka_unit_test_setup_teardown(test_rubbish, setup, teardown),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwanted_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_gone, setup, teardown),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_long_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
