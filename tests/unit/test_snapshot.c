/* SPDX-License-Identifier: GPL-2.0 */
/* The worker's life, with other programs in its place and the time passed in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../daemon/snapshot.h"
#include "../../daemon/span_child.h"

static void start(struct snapshot *s, const char *program)
{
	static struct snapshot_identity who = {(uid_t)-1, (gid_t)-1, -1, -1};
	int capture = memfd_create("capture", MFD_CLOEXEC);
	int output = memfd_create("output", MFD_CLOEXEC);

	who.program = open(program, O_RDONLY | O_CLOEXEC);
	*s = (struct snapshot){.result_fd = -1};
	assert_true(who.program >= 0 && capture >= 0 && output >= 0);
	assert_int_equal(snapshot_start(s, &who, capture, -1, -1, output, 1000), 0);
	close(output);
	close(capture); /* who.program stays: a second attempt needs it */
}

static int finish(struct snapshot *s)
{
	struct worker_result r;
	int err;

	do {
		struct pollfd p = {.fd = s->result_fd, .events = POLLIN};

		assert_int_equal(poll(&p, 1, 10000), 1);
		err = snapshot_finish(s, &r);
	} while (err == -EAGAIN);
	assert_int_equal(s->pid, 0);
	assert_int_equal(s->result_fd, -1);
	return err;
}

/* The first worker's end, after which the second one runs. */
static void expect_second(struct snapshot *s)
{
	struct pollfd p = {.fd = s->result_fd, .events = POLLIN};
	struct worker_result r;

	assert_int_equal(s->attempts, 1);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(snapshot_finish(s, &r), -EAGAIN);
	assert_int_equal(s->attempts, 2);
	assert_int_equal(kill(s->pid, 0), 0);
}

static void test_deadline(void **state)
{
	struct worker_result r;
	struct snapshot s;

	(void)state;
	start(&s, "/usr/bin/yes"); /* runs for ever */
	snapshot_watch(&s, 1000 + SNAPSHOT_NAMING_NS);
	assert_int_equal(snapshot_finish(&s, &r), -EAGAIN);
	assert_true(s.hurried);
	snapshot_watch(&s, 1001 + SNAPSHOT_NAMING_NS);
	expect_second(&s);
	snapshot_watch(&s, 1000 + SNAPSHOT_DEADLINE_NS);
	assert_int_equal(snapshot_finish(&s, &r), -EAGAIN);
	assert_int_equal(kill(s.pid, 0), 0);
	kill(s.pid, SIGSTOP);
	snapshot_watch(&s, 1001 + SNAPSHOT_DEADLINE_NS);
	assert_int_equal(finish(&s), -ETIME);
}

static void test_dies(void **state)
{
	struct snapshot s;

	(void)state;
	start(&s, "/usr/bin/yes");
	kill(s.pid, SIGKILL);
	expect_second(&s);
	kill(s.pid, SIGKILL);
	assert_int_equal(finish(&s), -ECHILD);
	/* says done, but has not said so to us */
	start(&s, "/usr/bin/true");
	assert_int_equal(finish(&s), -ECHILD);
	start(&s, "/etc/passwd");
	assert_int_equal(finish(&s), -ECHILD);
}

static void test_killed(void **state)
{
	struct snapshot s;

	(void)state;
	start(&s, "/usr/bin/yes");
	snapshot_kill(&s, -ECANCELED);
	snapshot_watch(&s, 1001 + SNAPSHOT_DEADLINE_NS); /* the first reason stands */
	assert_int_equal(finish(&s), -ECANCELED);
	snapshot_kill(&s, -ETIME);
	assert_int_equal(s.killed, -ECANCELED);
}

static void test_abort(void **state)
{
	struct snapshot s;
	pid_t pid;

	(void)state;
	start(&s, "/usr/bin/yes");
	pid = s.pid;
	snapshot_abort(&s);
	assert_int_equal(s.pid, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid); /* it is we who reap */
	assert_int_equal(kill(pid, 0), -1);
	snapshot_abort(&s);
}

/* Once this child has ended and is reaped, another process has its pid. */
static void replace(pid_t pid)
{
	struct clone_args args = {
		.set_tid = (uintptr_t)&pid, .set_tid_size = 1, .exit_signal = SIGCHLD
	};

	assert_int_equal(waitpid(pid, NULL, 0), pid);
	switch (syscall(SYS_clone3, &args, sizeof(args))) {
	case 0:
		for (;;)
			pause();
	case -1:
		print_message("no right to choose a pid\n");
		skip();
	}
}

/* That other process lives, as it was. */
static void expect_unharmed(pid_t pid)
{
	siginfo_t end = {0};

	/* what was sent before this comes first */
	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	assert_int_equal(waitid(P_PID, pid, &end, WEXITED), 0);
	assert_int_equal(end.si_status, SIGUSR1);
}

static void test_pid_of_another(void **state)
{
	struct snapshot_identity who = {(uid_t)-1, (gid_t)-1, -1, -1};
	struct sched_param none = {0};
	struct span_child finder;
	struct snapshot s;
	pid_t pid;

	(void)state;
	start(&s, "/usr/bin/true");
	pid = s.pid;
	replace(pid);
	assert_int_equal(sched_setscheduler(pid, SCHED_IDLE, &none), 0);
	snapshot_watch(&s, 1001 + SNAPSHOT_IDLE_NS);
	snapshot_watch(&s, 1001 + SNAPSHOT_DEADLINE_NS);
	snapshot_kill(&s, -ECANCELED);
	snapshot_abort(&s);
	expect_unharmed(pid);

	who.program = open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
	assert_int_equal(span_child_start(&finder, &who, who.program, "", "", "", 1000), 0);
	pid = finder.pid;
	replace(pid);
	assert_int_equal(sched_setscheduler(pid, SCHED_IDLE, &none), 0);
	span_child_abort(&finder);
	expect_unharmed(pid);
	close(who.program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_pid_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
