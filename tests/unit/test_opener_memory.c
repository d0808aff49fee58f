/* SPDX-License-Identifier: GPL-2.0 */
/* test_opener_memory.c - what the opener tells of processes that have gone. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "opener_server.h"

/* As the kernel counts it: a clock that we read is another tick on a busy machine. */
static uint64_t start_of(pid_t pid)
{
	unsigned long long ticks;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file,
				"%*d (%*[^)]) %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
				"%*s %*s %*s %*s %*s %*s %llu",
				&ticks),
			 1);
	fclose(file);
	return ticks * (1000000000ull / sysconf(_SC_CLK_TCK));
}

/* A shell that waits for the end of its input, as a process of now. */
static struct opener_life subject_start(int *ret_hold)
{
	int hold[2], ready[2];
	struct opener_life life = {0};
	char c;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	life.pid = fork();
	if (!life.pid) {
		dup2(hold[0], 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", "sh", "-c", "read x; exit 0", NULL);
		_exit(1);
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &c, 1), 0); /* closed by exec */
	close(ready[0]);
	life.start = start_of(life.pid);
	*ret_hold = hold[1];
	return life;
}

static void subject_end(const struct opener_life *life, int hold)
{
	close(hold);
	waitpid(life->pid, NULL, 0);
}

/* Remembered, and gone. */
static struct opener_life past(void)
{
	struct opener_life life;
	char buf[64];
	size_t len;
	int hold;

	life = subject_start(&hold);
	assert_int_equal(opener_remember(server_fd, life.pid, life.start, 0), 0);
	/* requests are answered in their order */
	assert_int_equal(opener_cmdline(&client, life.pid, life.start, 0, buf, sizeof(buf), &len),
			 0);
	subject_end(&life, hold);
	return life;
}

static size_t read_maps(const struct opener_life *life, char *text, size_t size)
{
	ssize_t n;
	int fd;

	assert_int_equal(opener_maps(&client, life, &fd), 0);
	n = read(fd, text, size - 1);
	assert_true(n > 0);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	text[n] = '\0';
	return n;
}

struct line {
	uint64_t start, end, inode;
	char path[256];
};

/* The program's code. */
static void find_code(char *text, struct line *ret)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " r-xp %*x %*s %" SCNu64 " %255s",
			   &ret->start, &ret->end, &ret->inode, ret->path) == 4 &&
		    strstr(ret->path, "sh"))
			return;
	fail_msg("no code in its maps");
}

static int mapped(const struct opener_life *life, const struct line *l, uint64_t inode,
		  const char *path, int *ret_fd)
{
	return opener_mapped(&client, life, l->start, l->end, inode, path, ret_fd);
}

static void test_gone(void **state)
{
	struct opener_life life = past();
	char text[65536];
	struct line code;
	struct stat st;
	int fd = -1;

	(void)state;
	read_maps(&life, text, sizeof(text));
	find_code(text, &code);
	if (mapped(&life, &code, code.inode, code.path, &fd) == -ESRCH)
		skip(); /* a test in a mount namespace of its own */
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 0);
	close(fd);
}

/* Nothing but what it had mapped is handed out for it. */
static void test_other_files(void **state)
{
	struct opener_life life = past();
	char text[65536];
	struct line code;
	struct stat st;
	int fd;

	(void)state;
	read_maps(&life, text, sizeof(text));
	find_code(text, &code);
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_true(mapped(&life, &code, st.st_ino, "/etc/passwd", &fd) < 0);
	assert_true(mapped(&life, &code, code.inode + 1, code.path, &fd) < 0);
	assert_true(mapped(&life, &code, code.inode, "", &fd) < 0);
	code.end += 4096;
	assert_true(mapped(&life, &code, code.inode, code.path, &fd) < 0);
}

static void test_between_execs(void **state)
{
	struct opener_life life = past();
	char text[65536];
	int fd;

	(void)state;
	life.until = clock_monotonic();
	read_maps(&life, text, sizeof(text));
	life.until = 1; /* it was first seen after that exec */
	assert_int_equal(opener_maps(&client, &life, &fd), -ESRCH);
	life.until = 0;
	life.since = clock_monotonic(); /* it was last seen before that one */
	assert_int_equal(opener_maps(&client, &life, &fd), -ESRCH);
}

static void test_unknown(void **state)
{
	struct opener_life life = past(), other = life;
	int fd;

	(void)state;
	other.start += 10000000000ull; /* the pid was used again */
	assert_int_equal(opener_maps(&client, &other, &fd), -ESRCH);
	other = life;
	other.pid = 0;
	assert_true(opener_maps(&client, &other, &fd) < 0);
}

/* The same again and again is kept once, and many others do not make it grow for ever. */
static void test_many(void **state)
{
	struct opener_life life, first = past();
	int hold, fd;
	char buf[64];
	size_t len;

	(void)state;
	life = subject_start(&hold);
	for (uint64_t i = 0; i < 3000; i++) {
		/* starts that differ by less than it can tell: to it, as many processes */
		while (opener_remember(server_fd, life.pid, life.start + i % 1500, 0) == -EAGAIN)
			usleep(1000);
	}
	assert_int_equal(opener_cmdline(&client, life.pid, life.start, 0, buf, sizeof(buf), &len),
			 0);
	subject_end(&life, hold);
	life.start += 1499;
	assert_int_equal(opener_maps(&client, &life, &fd), 0);
	close(fd);
	assert_int_equal(opener_maps(&client, &first, &fd), -ESRCH);
}

/* This program's own code, as a line of its maps; returns its length. */
static size_t find_own(char ret_found[512], struct line *ret)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	while (!found && fgets(ret_found, 512, maps))
		found = sscanf(ret_found, "%" SCNx64 "-%" SCNx64 " r-xp %*x %*s %" SCNu64 " %255s",
			       &ret->start, &ret->end, &ret->inode, ret->path) == 4 &&
			strstr(ret->path, "test_opener");
	fclose(maps);
	assert_true(found);
	return strlen(ret_found);
}

/* As the kernel tells it of a process that dies. */
static size_t tell_own(const struct opener_life *life, uint32_t mnt_ns, struct line *ret)
{
	char found[512];
	size_t len = find_own(found, ret);

	assert_int_equal(opener_tell(server_fd, life->pid, life->start, mnt_ns, found, len), 0);
	return len;
}

static uint32_t own_mnt_ns(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/mnt", &st), 0);
	return st.st_ino;
}

static void test_told(void **state)
{
	struct opener_life life;
	char text[65536];
	struct line code;
	size_t len;
	int hold, fd = -1;

	(void)state;
	life = subject_start(&hold);
	subject_end(&life, hold);
	len = tell_own(&life, own_mnt_ns(), &code);
	assert_int_equal(read_maps(&life, text, sizeof(text)), len);
	assert_int_equal(mapped(&life, &code, code.inode, code.path, &fd), 0);
	close(fd);
	/* another file of that name, or another place */
	assert_true(mapped(&life, &code, code.inode + 1, code.path, &fd) < 0);
	code.start += 4096;
	assert_true(mapped(&life, &code, code.inode, code.path, &fd) < 0);
}

/* In another mount namespace that path is another file. */
static void test_told_elsewhere(void **state)
{
	struct opener_life life;
	struct line code;
	int hold, fd = -1;

	(void)state;
	life = subject_start(&hold);
	subject_end(&life, hold);
	tell_own(&life, 1, &code);
	assert_int_equal(mapped(&life, &code, code.inode, code.path, &fd), -ESRCH);
}

/* What was noted while it lived says more, as long as the code is the same. */
static void test_told_what_is_known(void **state)
{
	struct opener_life life = past();
	static const char more[] =
		"ffffffffff700000-ffffffffff701000 r-xp 00000000 00:01 5 /more\n";
	char before[65536], after[65536], told[4096], *line;
	struct line code;
	size_t len, n;

	(void)state;
	len = read_maps(&life, before, sizeof(before));
	line = strstr(before, " r-xp ");
	while (line > before && line[-1] != '\n')
		line--;
	n = strcspn(line, "\n") + 1;
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, 1, line, n), 0);
	assert_int_equal(read_maps(&life, after, sizeof(after)), len);
	assert_memory_equal(before, after, len);
	/* there is more code since: what was known beside it stays */
	n = snprintf(told, sizeof(told), "%.*s%s", (int)n, line, more);
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, own_mnt_ns(), told, n), 0);
	assert_int_equal(read_maps(&life, after, sizeof(after)), len + strlen(more));
	assert_memory_equal(after, before, len);
	assert_string_equal(after + len, more);
	/* it has another program's code */
	n = tell_own(&life, own_mnt_ns(), &code);
	assert_int_equal(read_maps(&life, after, sizeof(after)), n);
	/* rubbish: kept as text, and no line of it */
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, 1, "\n\0x", 3), 0);
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, 1, "", 0), 0);
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, 1, before,
				     OPENER_TOLD_MAX + 1),
			 -EMSGSIZE);
}

/* The same for one that has mapped very much, as lines; *ret_len: how long the text was. */
static struct opener_life past_of_much(char *text, size_t size, size_t *ret_len)
{
	struct opener_life life = {0};
	int ready[2], hold[2];
	char *at, c;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(hold, O_CLOEXEC), 0);
	life.pid = fork();
	if (!life.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(hold[1]);
		at = mmap(NULL, 8192 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; i < 8192; i += 2)
			mprotect(at + i * 4096, 4096, PROT_READ);
		close(ready[1]);
		_exit(read(hold[0], &c, 1));
	}
	close(ready[1]);
	close(hold[0]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	life.start = start_of(life.pid);
	assert_int_equal(opener_remember(server_fd, life.pid, life.start, 0), 0);
	assert_int_equal(opener_cmdline(&client, life.pid, life.start, 0, text, size, ret_len), 0);
	subject_end(&life, hold[1]);
	*ret_len = read_maps(&life, text, size);
	return life;
}

/* Nobody waits long for an opener that puts long texts together. */
static void test_told_of_much(void **state)
{
	static char before[1 << 20], after[1 << 20], told[OPENER_TOLD_MAX];
	struct opener_life life;
	size_t len, n, more;
	struct line code;
	char *at;

	(void)state;
	life = past_of_much(before, sizeof(before), &len);
	assert_true(len > 8192 * 40);
	more = n = find_own(told, &code);
	for (uint64_t i = 0; i < 1000; i++) /* where nothing is, not even ASan's heap */
		n += sprintf(told + n, "%" PRIx64 "-%" PRIx64 " r-xp 00000000 00:01 5 /more\n",
			     0x6a0000000000 + (i << 16), 0x6a0000001000 + (i << 16));
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, own_mnt_ns(), told, n), 0);
	assert_int_equal(read_maps(&life, after, sizeof(after)), len + n - more);
	/* all of it, each once, by addresses */
	at = strstr(after, told + more);
	assert_non_null(at);
	assert_memory_equal(before, after, at - after);
	assert_string_equal(before + (at - after), at + n - more);
	assert_int_equal(opener_tell(server_fd, life.pid, life.start, own_mnt_ns(), told, n), 0);
	assert_int_equal(read_maps(&life, after, sizeof(after)), len + n - more);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_gone),    TEST(test_other_files), TEST(test_between_execs),
		TEST(test_unknown), TEST(test_many),	    TEST(test_told),
		TEST(test_told_elsewhere), TEST(test_told_what_is_known), TEST(test_told_of_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
