/* SPDX-License-Identifier: GPL-2.0 */
/* What a process that parses hostile files can still do, and what it cannot. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/sandbox.h"

#define STEP(expression)                  \
	do {                              \
		if (!(expression))        \
			return __LINE__;  \
	} while (0)
#define REFUSED(call) STEP((call) == -1 && errno == EPERM)

static int forbidden(void)
{
	char *argv[] = { "/bin/true", NULL };
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	STEP(page != MAP_FAILED);
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(connect(3, NULL, 0));
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(syscall(SYS_open, "/etc/passwd", O_RDONLY));
	REFUSED(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0));
	REFUSED(access("/", F_OK));
	REFUSED(fstatat(AT_FDCWD, "/", page, 0));
	REFUSED(unlink("/nonexistent"));
	REFUSED(execve(argv[0], argv, NULL));
	REFUSED(syscall(SYS_execveat, 0, "", argv, NULL, AT_EMPTY_PATH));
	REFUSED(fork());
	REFUSED(kill(getppid(), 0));
	REFUSED(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	REFUSED(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	REFUSED(syscall(SYS_perf_event_open, page, 0, -1, -1, 0));
	REFUSED(syscall(SYS_io_uring_setup, 1, page));
	REFUSED(prctl(PR_SET_DUMPABLE, 1));
	REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	STEP(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	return 0;
}

static int permitted(int pipes[2], int file)
{
	struct timespec t;
	struct stat st;
	char byte = 'x', *room;
	void *map;

	STEP(write(pipes[1], &byte, 1) == 1 && read(pipes[0], &byte, 1) == 1);
	STEP(!fstat(file, &st) && S_ISREG(st.st_mode));
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	STEP(map != MAP_FAILED && !munmap(map, 4096));
	STEP(pread(file, &byte, 1, 0) == 1 && lseek(file, 0, SEEK_SET) == 0);
	STEP(!clock_gettime(CLOCK_MONOTONIC, &t));
	room = malloc(1 << 20);
	STEP(room && (room = realloc(room, 64 << 20)));
	memset(room, 1, 64 << 20);
	free(room);
	return 0;
}

static int in_sandbox(int pipes[2], int file)
{
	int line;

	STEP(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !sandbox_enter());
	line = permitted(pipes, file);
	return line ? line : forbidden();
}

static void test_sandbox(void **state)
{
	int pipes[2], file = open("/proc/self/exe", O_RDONLY), status, line = -1;
	pid_t pid;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	assert_true(file >= 0);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		line = in_sandbox(pipes, file);
		_exit(write(pipes[1], &line, sizeof(line)) != sizeof(line));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	assert_int_equal(read(pipes[0], &line, sizeof(line)), sizeof(line));
	assert_int_equal(line, 0); /* else the line of what went wrong */
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sandbox) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
