/* SPDX-License-Identifier: GPL-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "opener_server.h"

#define SEC 1000000000ull
#define DEADLINE_MS 10000

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

static uint64_t boot_offset(void)
{
	uint64_t mono = clock_ns(CLOCK_MONOTONIC), boot = clock_ns(CLOCK_BOOTTIME);

	return boot > mono ? boot - mono : 0;
}

/* ---- subjects ---- */

struct subject {
	pid_t pid;
	int hold; /* closing it ends the process */
	uint64_t start;
};

/* cmocka leaves a failed test by longjmp: a subject must not outlive us then */
static void subject_stay(int hold)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(hold, &c, 1) > 0)
		;
	_exit(0);
}

static void subject_end(struct subject *s)
{
	close(s->hold);
	waitpid(s->pid, NULL, 0);
}

/* The shell reads nothing and so waits; extra stands among its arguments. */
static void subject_exec(struct subject *s, const char *extra)
{
	int hold[2], ready[2];
	char c;

	assert_int_equal(pipe(hold), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	s->start = clock_ns(CLOCK_MONOTONIC);
	s->pid = fork();
	if (!s->pid) {
		dup2(hold[0], 0);
		close(hold[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", "sh", "-c", "read x; exit 0", extra, NULL);
		_exit(1);
	}
	close(ready[1]);
	close(hold[0]);
	s->hold = hold[1];
	assert_int_equal(read(ready[0], &c, 1), 0); /* closed by exec */
	close(ready[0]);
}

static int self_argc;
static char **self_argv;

/* A process that has overwritten its own arguments, their NULs included. */
static void subject_overwrite(struct subject *s)
{
	int hold[2], ready[2];
	char c = 0;

	assert_int_equal(pipe(hold), 0);
	assert_int_equal(pipe(ready), 0);
	s->start = clock_ns(CLOCK_MONOTONIC);
	s->pid = fork();
	if (!s->pid) {
		char *last = self_argv[self_argc - 1];

		memset(self_argv[0], 'A', (size_t)(last - self_argv[0]) + strlen(last) + 1);
		close(hold[1]);
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		subject_stay(hold[0]);
	}
	close(hold[0]);
	s->hold = hold[1];
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static int ask(const struct subject *s, char *buf, size_t size, size_t *ret_len)
{
	return opener_cmdline(&client, (uint32_t)s->pid, s->start, boot_offset(), buf, size,
			      ret_len);
}

/* ---- answers ---- */

static void test_cmdline(void **state)
{
	static const char want[] = "sh\0-c\0read x; exit 0\0extra";
	struct subject s;
	char buf[100];
	size_t len;

	(void)state;
	subject_exec(&s, "extra");
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(buf, want, sizeof(want));
	subject_end(&s);
	len = 77;
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), -ESRCH);
	assert_int_equal(len, 77);
}

static void test_another_process_by_now(void **state)
{
	uint64_t offset = boot_offset();
	struct subject s;
	char buf[100];
	size_t len;

	(void)state;
	subject_exec(&s, "extra");
	s.start += SEC; /* the record is of a later process */
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), -ESRCH);
	s.start -= 2 * SEC + offset; /* or of an earlier one */
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), -ESRCH);
	s.start = 0; /* not known */
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), 0);
	s.start = UINT64_MAX;
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), -EINVAL);
	subject_end(&s);
}

/* A process from before a suspend: the offset has grown since. */
static void test_start_before_suspend(void **state)
{
	struct subject s;
	char buf[100];
	size_t len;

	(void)state;
	subject_exec(&s, "extra");
	assert_int_equal(opener_cmdline(&client, (uint32_t)s.pid, s.start,
					boot_offset() + 3600 * SEC, buf, sizeof(buf), &len),
			 0);
	subject_end(&s);
}

static void test_exe(void **state)
{
	char buf[PATH_MAX + 1], want[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", want, sizeof(want) - 1);
	size_t len;

	(void)state;
	assert_true(n > 0);
	want[n] = '\0';
	assert_int_equal(opener_exe(&client, (uint32_t)getpid(), 0, 0, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, n);
	assert_string_equal(buf, want);
	assert_int_equal(opener_exe(&client, (uint32_t)getpid(), 0, 0, buf, len, &len), -ENOBUFS);
}

static void test_tracer(void **state)
{
	uint32_t tracer = 1;
	struct subject s;

	(void)state;
	subject_exec(&s, "extra");
	assert_int_equal(opener_tracer(&client, s.pid, s.start, boot_offset(), &tracer), 0);
	assert_int_equal(tracer, 0);
	if (ptrace(PTRACE_SEIZE, s.pid, NULL, NULL) == 0) { /* some hosts forbid even this */
		assert_int_equal(opener_tracer(&client, s.pid, s.start, boot_offset(), &tracer), 0);
		assert_int_equal(tracer, getpid());
	}
	assert_int_equal(opener_tracer(&client, s.pid, s.start + 60 * SEC, 0, &tracer), -ESRCH);
	subject_end(&s);
	assert_int_equal(opener_tracer(&client, s.pid, s.start, boot_offset(), &tracer), -ESRCH);
}

static void test_bad_pids(void **state)
{
	static const uint32_t bad[] = { 0, UINT32_MAX, 1u << 31 };
	char buf[10];
	size_t len;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(opener_cmdline(&client, bad[i], 0, 0, buf, 10, &len), -EINVAL);
	assert_int_equal(opener_cmdline(&client, INT_MAX, 0, 0, buf, 10, &len), -ESRCH);
	assert_int_equal(opener_cmdline(&client, 1, 0, 0, buf, 0, &len), -EINVAL);
}

static void test_hostile_arguments(void **state)
{
	static char huge[100000];
	struct subject s;
	char buf[64];
	size_t len;

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	subject_exec(&s, huge);
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(buf) - 1);
	assert_int_equal(buf[len], 0);
	assert_int_equal(buf[len - 1], 'x');
	assert_int_equal(ask(&s, buf, 1, &len), 0);
	assert_int_equal(len, 0);
	subject_end(&s);

	subject_overwrite(&s);
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), 0);
	assert_true(len > 0 && len < sizeof(buf) && buf[0] == 'A' && !buf[len]);
	subject_end(&s);
}

static void test_zombie(void **state)
{
	struct subject s = { .start = clock_ns(CLOCK_MONOTONIC) };
	siginfo_t info;
	char buf[64];
	size_t len = 1;

	(void)state;
	s.pid = fork();
	if (!s.pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)s.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(&s, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 0);
	waitpid(s.pid, NULL, 0);
}

static void test_thousands(void **state)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	char buf[256];
	size_t len;

	(void)state;
	for (int i = 0; i < 3000; i++)
		assert_int_equal(opener_cmdline(&client, (uint32_t)getpid(), 0, 0, buf, sizeof(buf),
						&len),
				 0);
	assert_true(clock_ns(CLOCK_MONOTONIC) - begin < 5 * SEC);
}

/* ---- a bad client, a bad opener ---- */

static void test_rubbish_requests(void **state)
{
	struct opener_request r = { .id = 1, .op = 99, .pid = (uint32_t)getpid() };
	char rubbish[5000], buf[64];
	size_t len;

	(void)state;
	memset(rubbish, 0xff, sizeof(rubbish));
	assert_int_equal(send(server_fd, rubbish, 3, 0), 3);
	assert_int_equal(send(server_fd, rubbish, sizeof(rubbish), 0), sizeof(rubbish));
	assert_int_equal(send(server_fd, rubbish, sizeof(r), 0), sizeof(r));
	assert_int_equal(send(server_fd, rubbish, 0, 0), 0);
	assert_int_equal(send(server_fd, &r, sizeof(r), 0), sizeof(r));
	/* what those were answered, nobody has read: skipped here */
	assert_int_equal(opener_cmdline(&client, (uint32_t)getpid(), 0, 0, buf, sizeof(buf), &len),
			 0);
}

static void test_no_answer(void **state)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	struct opener_client c;
	char buf[64];
	size_t len;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	opener_client_init(&c, sv[0]);
	assert_int_equal(opener_cmdline(&c, 1, 0, 0, buf, sizeof(buf), &len), -ETIMEDOUT);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(opener_exe(&c, 1, 0, 0, buf, sizeof(buf), &len), -ETIMEDOUT);
	assert_true(clock_ns(CLOCK_MONOTONIC) - begin < 5 * SEC);
	opener_client_init(&c, sv[0]);
	close(sv[1]);
	assert_int_equal(opener_cmdline(&c, 1, 0, 0, buf, sizeof(buf), &len), -EPIPE);
	assert_int_equal(opener_cmdline(&c, 1, 0, 0, buf, sizeof(buf), &len), -EPIPE);
	close(sv[0]);
}

/* Answers as an opener that has gone mad; then, at last, the right one. */
static void answer_badly(int sock)
{
	struct opener_reply reply = { .id = 0 };
	struct opener_request r;

	if (recv(sock, &r, sizeof(r), 0) != sizeof(r))
		_exit(1);
	reply.id = r.id;
	send(sock, &reply, 3, 0); /* no reply at all */
	reply.len = 100;
	send(sock, &reply, OPENER_REPLY_HEAD, 0); /* shorter than it says */
	reply.len = UINT32_MAX;
	send(sock, &reply, sizeof(reply), 0);
	reply.len = 0;
	reply.id = r.id + 1;
	send(sock, &reply, OPENER_REPLY_HEAD, 0); /* another's */
	reply.id = r.id;
	reply.len = 3;
	memcpy(reply.text, "/x\n", 3);
	send(sock, &reply, OPENER_REPLY_HEAD + 3, 0);
	_exit(0);
}

static void test_bad_replies(void **state)
{
	struct opener_client c;
	char buf[64];
	size_t len;
	int sv[2];
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	pid = fork();
	if (!pid)
		answer_badly(sv[1]);
	opener_client_init(&c, sv[0]);
	assert_int_equal(opener_exe(&c, 1, 0, 0, buf, sizeof(buf), &len), 0);
	assert_string_equal(buf, "/x\n");
	waitpid(pid, NULL, 0);
	close(sv[0]);
	close(sv[1]);
}

/* ---- confinement ---- */

static uint64_t status_value(pid_t pid, const char *key, int base)
{
	char path[64], line[200];
	uint64_t value = UINT64_MAX;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	fclose(f);
	return value;
}

static void test_confined(void **state)
{
	uint64_t allowed = 1ull << CAP_SYS_PTRACE | 1ull << CAP_DAC_READ_SEARCH;
	uint64_t mine = status_value(getpid(), "CapPrm:", 16);

	(void)state;
	assert_int_equal(status_value(server, "NoNewPrivs:", 10), 1);
	assert_int_equal(status_value(server, "CapEff:", 16), mine & allowed);
	assert_int_equal(status_value(server, "CapPrm:", 16), mine & allowed);
	assert_int_equal(status_value(server, "CapInh:", 16), 0);
	assert_int_equal(status_value(server, "CapAmb:", 16), 0);
	if (mine >> CAP_SETPCAP & 1)
		assert_int_equal(status_value(server, "CapBnd:", 16), 0);
}

static void test_closes_descriptors(void **state)
{
	char path[64];
	struct dirent *d;
	int n = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)server);
	dir = opendir(path);
	if (!dir)
		skip(); /* undumpable: only root may look */
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	assert_int_equal(n, 4);
}

static void test_other_user(void **state)
{
	struct opener_client c;
	char buf[PATH_MAX];
	struct stat st;
	size_t len;
	pid_t pid;
	int fd;

	(void)state;
	if (getuid())
		skip(); /* nobody else can change user */
	assert_int_equal(opener_start(65534, 65534, &fd, &pid), 0);
	assert_int_equal(status_value(pid, "Uid:", 10), 65534);
	assert_int_equal(status_value(pid, "Gid:", 10), 65534);
	assert_int_equal(status_value(pid, "CapEff:", 16),
			 1ull << CAP_SYS_PTRACE | 1ull << CAP_DAC_READ_SEARCH);
	snprintf(buf, sizeof(buf), "/proc/%d/fd", (int)pid);
	assert_int_equal(stat(buf, &st), 0);
	assert_int_equal(st.st_uid, 0); /* root's, not its user's: it is undumpable */
	opener_client_init(&c, fd);
	/* root's, which a plain user may not look at */
	assert_int_equal(opener_exe(&c, (uint32_t)getpid(), 0, 0, buf, sizeof(buf), &len), 0);
	close(fd);
	waitpid(pid, NULL, 0);
}

static void test_ignores_term(void **state)
{
	char buf[64];
	size_t len;

	(void)state;
	kill(server, SIGTERM);
	kill(server, SIGINT);
	assert_int_equal(opener_cmdline(&client, (uint32_t)getpid(), 0, 0, buf, sizeof(buf), &len),
			 0);
}

/* The daemon's end by kill -9, while somebody else still holds the socket. */
static void test_dies_with_parent(void **state)
{
	struct {
		pid_t opener, worker;
	} pids = { 0, 0 };
	int fds[2], sock, pidfd;
	struct pollfd p;
	pid_t daemon;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	daemon = fork();
	if (!daemon) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (opener_start((uid_t)-1, (gid_t)-1, &sock, &pids.opener) < 0)
			_exit(1);
		pids.worker = fork();
		if (pids.worker && write(fds[1], &pids, sizeof(pids)) < 0)
			_exit(1);
		alarm(2 * DEADLINE_MS / 1000);
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &pids, sizeof(pids)), sizeof(pids));
	pidfd = (int)syscall(SYS_pidfd_open, pids.opener, 0);
	assert_true(pidfd >= 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	kill(pids.worker, SIGKILL);
	close(pidfd);
	close(fds[0]);
	close(fds[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cmdline),
		TEST(test_another_process_by_now),
		TEST(test_start_before_suspend),
		TEST(test_exe),
		TEST(test_tracer),
		TEST(test_bad_pids),
		TEST(test_hostile_arguments),
		TEST(test_zombie),
		TEST(test_thousands),
		TEST(test_rubbish_requests),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_bad_replies),
		TEST(test_confined),
		TEST(test_closes_descriptors),
		cmocka_unit_test(test_other_user),
		TEST(test_ignores_term),
		cmocka_unit_test(test_dies_with_parent),
	};

	self_argc = argc;
	self_argv = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
