/* SPDX-License-Identifier: GPL-2.0 */
/* test_spool.c - snapshots on disk: whole or not there, and never more than the limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/spool.h"

#define SEC 1000000000ull
#define WHEN (1795328223ull * SEC) /* 2026-11-22T06:17:03Z */
#define STAMP "2026-11-22T06-17-03Z-"
#define NOBODY ((uid_t)-1), ((gid_t)-1)

static char dir[] = "/tmp/test_spool.XXXXXX";
static char path[64]; /* of the spool, below dir */
static const struct spool_limits unlimited;

static int setup(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/spool", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *inside(const char *name)
{
	static char full[512];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return full;
}

static void put(const char *name, size_t bytes)
{
	int fd = open(inside(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

static bool there(const char *name)
{
	struct stat st;

	return !lstat(inside(name), &st);
}

static struct spool_removed removed; /* by the last one written */

static int write_snapshot(struct spool *s, const char *trigger, uint64_t when, size_t bytes,
			  const struct spool_limits *l, char *ret_name)
{
	struct spool_naming n = { when, trigger, trigger ? "nginx" : NULL, 12 };
	struct spool_file f = SPOOL_FILE_NONE;
	int err;

	memset(&removed, 0, sizeof(removed));
	err = spool_create_temp(s, &n, l, bytes, &f, &removed);
	if (err < 0)
		return err;
	assert_int_equal(ftruncate(f.fd, (off_t)bytes), 0);
	return spool_commit(&f, l, ret_name, &removed);
}

static size_t count(struct spool *s)
{
	struct spool_entry *list;
	size_t n;

	assert_int_equal(spool_list(s, &list, &n), 0);
	free(list);
	return n;
}

static void test_open(void **state)
{
	struct spool *s = NULL;
	struct stat st;
	mode_t mask = umask(077);

	(void)state;
	assert_int_equal(spool_open("/nonexistent/a/b", NOBODY, &s), -ENOENT);
	assert_int_equal(spool_open("/dev/null", NOBODY, &s), -ENOTDIR);
	assert_null(s);
	spool_free(s);
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	umask(mask);
	assert_int_equal(count(s), 0);
	spool_free(s);
}

static void test_write(void **state)
{
	struct spool_naming naming = { WHEN, "t", "nginx", 12 };
	struct spool_file f;
	char name[SPOOL_NAME_MAX];
	struct stat st;
	struct spool *s;
	gid_t gid = getuid() ? (gid_t)-1 : 65534;
	int fd;

	(void)state;
	assert_int_equal(spool_open(path, (uid_t)-1, gid, &s), 0);
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &f, NULL), 0);
	assert_true(there("." STAMP "t-nginx-12.pftrace.tmp"));
	assert_false(there(STAMP "t-nginx-12.pftrace"));
	assert_int_equal(count(s), 0);
	assert_int_equal(write(f.fd, "hello", 5), 5);
	assert_int_equal(spool_commit(&f, &unlimited, name, NULL), 0);
	assert_string_equal(name, STAMP "t-nginx-12.pftrace");
	assert_int_equal(f.fd, -1);
	spool_abort(&f);
	assert_int_equal(stat(inside(name), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 5);
	if (gid != (gid_t)-1)
		assert_int_equal(st.st_gid, gid);
	assert_false(there("." STAMP "t-nginx-12.pftrace.tmp"));
	assert_int_equal(spool_open_entry(s, name, &fd), 0);
	close(fd);
	assert_int_equal(spool_open_entry(s, "../x", &fd), -EINVAL);
	assert_int_equal(spool_open_entry(s, STAMP "a-b-1.pftrace", &fd), -ENOENT);
	spool_free(s);
}

static void test_abort(void **state)
{
	struct spool_naming naming = { WHEN, NULL, NULL, 0 };
	struct spool_file f = SPOOL_FILE_NONE;
	struct spool *s;

	(void)state;
	spool_abort(&f);
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &f, NULL), 0);
	spool_abort(&f);
	assert_false(there("." STAMP "manual.pftrace.tmp"));
	assert_int_equal(count(s), 0);
	spool_free(s);
}

static void test_same_name(void **state)
{
	struct spool_naming naming = { WHEN, NULL, NULL, 0 };
	char name[SPOOL_NAME_MAX];
	struct spool_file f, g;
	struct spool *s;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(write_snapshot(s, NULL, WHEN, 1, &unlimited, name), 0);
	assert_string_equal(name, STAMP "manual.pftrace");
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &f, NULL), 0);
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &g, NULL), 0);
	/* somebody else took both names while we wrote */
	put(STAMP "manual-2.pftrace", 3);
	put(STAMP "manual-3.pftrace", 3);
	assert_int_equal(spool_commit(&f, &unlimited, name, NULL), 0);
	assert_string_equal(name, STAMP "manual-4.pftrace");
	assert_int_equal(spool_commit(&g, &unlimited, name, NULL), 0);
	assert_string_equal(name, STAMP "manual-5.pftrace");
	assert_int_equal(count(s), 5);
	spool_free(s);
}

static void test_list_is_sorted(void **state)
{
	struct spool_entry *list;
	struct spool *s;
	size_t n;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	put("2026-11-22T06-17-05Z-a-b-1.pftrace", 7);
	put("2026-11-22T06-17-04Z-z-b-1.pftrace", 5);
	put("2025-11-22T06-17-04Z-z-b-1.pftrace", 6);
	put("notes.txt", 1);
	assert_int_equal(symlink("notes.txt", inside(STAMP "a-b-1.pftrace")), 0);
	assert_int_equal(mkdir(inside(STAMP "a-b-2.pftrace"), 0700), 0);
	assert_int_equal(spool_list(s, &list, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].bytes, 6);
	assert_int_equal(list[1].bytes, 5);
	assert_int_equal(list[2].bytes, 7);
	assert_string_equal(list[2].trigger, "a");
	assert_true(list[0].mtime > 0);
	free(list);
	spool_free(s);
}

static void test_limits(void **state)
{
	struct spool_limits l = { .max_files = 3 };
	struct spool *s;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	put("mine.txt", 100000);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(write_snapshot(s, "t", WHEN + i * SEC, 10, &l, NULL), 0);
	assert_int_equal(count(s), 3);
	assert_true(there(STAMP "t-nginx-12.pftrace")); /* the first stays */
	assert_true(there("2026-11-22T06-17-06Z-t-nginx-12.pftrace"));
	assert_true(there("2026-11-22T06-17-07Z-t-nginx-12.pftrace"));
	assert_true(removed.files == 1 && removed.bytes == 10 && removed.why == SPOOL_FILES);
	assert_string_equal(removed.oldest, "2026-11-22T06-17-05Z-t-nginx-12.pftrace");
	l.max_files = 0;
	l.max_bytes = 25;
	assert_int_equal(write_snapshot(s, "u", WHEN + 9 * SEC, 15, &l, NULL), 0);
	assert_int_equal(count(s), 2);
	assert_true(there(STAMP "t-nginx-12.pftrace"));
	assert_true(removed.files == 2 && removed.bytes == 20 && removed.why == SPOOL_BYTES);
	/* one that alone is too big costs no other its place */
	assert_int_equal(write_snapshot(s, "v", WHEN + 10 * SEC, 26, &l, NULL), -EFBIG);
	assert_int_equal(count(s), 2);
	assert_int_equal(removed.files, 0);
	assert_false(there(".2026-11-22T06-17-13Z-v-nginx-12.pftrace.tmp"));
	assert_true(there("mine.txt"));
	spool_free(s);
}

static void test_min_free(void **state)
{
	struct spool_limits l = { .min_free = 1.0 };
	struct spool *s;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	put(STAMP "a-b-1.pftrace", 10);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &l, NULL), -ENOSPC);
	assert_true(there(STAMP "a-b-1.pftrace"));
	spool_free(s);
}

static void test_state(void **state)
{
	struct spool_limits l = { .min_free = 0 };
	struct spool_state st;
	struct spool *s;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	put(STAMP "a-b-1.pftrace", 10);
	spool_state(s, &l, 0, &st);
	assert_true(st.files == 1 && st.bytes == 10 && st.error == 0);
	put(STAMP "a-b-2.pftrace", 5);
	spool_state(s, &l, 0, &st);
	assert_true(st.files == 2 && st.bytes == 15 && st.error == 0);
	l.min_free = 1.0;
	spool_state(s, &l, 0, &st);
	assert_true(st.files == 2 && st.error == -ENOSPC);
	spool_free(s);
}

/* A sparse file promises what it does not bring: it goes, and still there is no room. */
static void test_min_free_sparse(void **state)
{
	struct spool_limits l = { .min_free = 1.0 };
	struct statvfs v;
	struct spool *s;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(statvfs(path, &v), 0);
	if (v.f_blocks * v.f_frsize > (uint64_t)1 << 42) {
		spool_free(s);
		skip(); /* no file can be as large as this file system */
	}
	put(STAMP "a-b-2.pftrace", v.f_blocks * v.f_frsize);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &l, NULL), -ENOSPC);
	assert_false(there(STAMP "a-b-2.pftrace"));
	spool_free(s);
}

static void test_stale(void **state)
{
	struct spool_naming naming = { WHEN, "live", "x", 1 };
	struct spool *s, *other;
	struct spool_file f;

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &f, NULL), 0);
	put("." STAMP "dead-x-1.pftrace.tmp", 1);
	put(".notes.tmp", 1);
	put("." STAMP "dead-x-1.pftrace", 1);
	assert_int_equal(symlink("notes", inside("." STAMP "link-x-1.pftrace.tmp")), 0);
	assert_int_equal(spool_open(path, NOBODY, &other), 0);
	assert_false(there("." STAMP "dead-x-1.pftrace.tmp"));
	assert_true(there("." STAMP "live-x-1.pftrace.tmp"));
	assert_true(there(".notes.tmp"));
	assert_true(there("." STAMP "dead-x-1.pftrace"));
	assert_true(there("." STAMP "link-x-1.pftrace.tmp"));
	assert_int_equal(spool_commit(&f, &unlimited, NULL, NULL), 0);
	spool_free(other);
	spool_free(s);
}

static void test_directory_vanishes(void **state)
{
	struct spool_naming naming = { WHEN, "t", "x", 1 };
	struct spool_file f;
	struct spool *s;
	char command[160];

	(void)state;
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(spool_create_temp(s, &naming, &unlimited, 0, &f, NULL), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
	assert_int_equal(spool_commit(&f, &unlimited, NULL, NULL), -ENOENT);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &unlimited, NULL), 0);
	assert_int_equal(count(s), 1);
	/* its parent gone too, and then back */
	snprintf(command, sizeof(command), "mv '%s' '%s.away'", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &unlimited, NULL), -ENOENT);
	snprintf(command, sizeof(command), "mv '%s.away' '%s'", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &unlimited, NULL), 0);
	assert_int_equal(count(s), 2);
	spool_free(s);
}

static void test_read_only(void **state)
{
	struct spool *s;

	(void)state;
	if (getuid())
		skip(); /* the directory has to be somebody else's */
	assert_int_equal(spool_open(path, NOBODY, &s), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	put(STAMP "t-nginx-1.pftrace", 1);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &unlimited, NULL), -EACCES);
	assert_int_equal(count(s), 1);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(write_snapshot(s, "t", WHEN, 1, &unlimited, NULL), 0);
	spool_free(s);
}

/* From here on renameat2() answers ENOSYS, as on an old file system it does EINVAL. */
static int forbid_renameat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

static int without_renameat2(void)
{
	char name[SPOOL_NAME_MAX];
	struct spool *s;

	if (forbid_renameat2() < 0)
		return 77;
	if (!renameat2(-1, "a", -1, "b", RENAME_NOREPLACE) || (errno != ENOSYS && errno != EINVAL))
		return 1;
	if (spool_open(path, NOBODY, &s) < 0)
		return 2;
	if (write_snapshot(s, "t", WHEN, 1, &unlimited, name) < 0)
		return 3;
	if (there("." STAMP "t-nginx-12.pftrace.tmp") || !there(STAMP "t-nginx-12.pftrace"))
		return 4;
	if (write_snapshot(s, "t", WHEN, 1, &unlimited, name) < 0 ||
	    strcmp(name, STAMP "t-nginx-12-2.pftrace"))
		return 5;
	spool_free(s);
	return 0;
}

static void test_without_renameat2(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(without_renameat2());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* no seccomp here */
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_write),
		TEST(test_abort),
		TEST(test_same_name),
		TEST(test_list_is_sorted),
		TEST(test_state),
		TEST(test_limits),
		TEST(test_min_free),
		TEST(test_min_free_sparse),
		TEST(test_stale),
		TEST(test_directory_vanishes),
		TEST(test_read_only),
		TEST(test_without_renameat2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
