/* SPDX-License-Identifier: GPL-2.0 */
/* The files of a configuration. */
#include "test_config.h"

static char root[64];

static const char *in_root(const char *name)
{
	static char path[2][256];
	static unsigned int turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", root, name);
	return p;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_root(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int root_make(void **state)
{
	(void)state;
	strcpy(root, "/tmp/frec-test-config-XXXXXX");
	return mkdtemp(root) ? mkdir(in_root("conf.d"), 0700) : -1;
}

static int root_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static int load_root(void)
{
	return load(in_root("frec.conf"), in_root("conf.d"));
}

#define TRIGGER(name) "[trigger " name "]\nkind=lock\nthreshold=1s\n"

static void test_dropins(void **state)
{
	(void)state;
	assert_int_equal(load_root(), 0);
	assert_int_equal(config.n_triggers, 4);

	put("frec.conf", "[recorder]\nwindow=5s\nstacks=1s\n" TRIGGER("main"));
	put("conf.d/20.conf", "[recorder]\nwindow=20s\n" TRIGGER("twenty"));
	put("conf.d/10.conf", "[recorder]\nwindow=10s\nmemory=1M\n" TRIGGER("ten"));
	put("conf.d/30.conf~", "rubbish");
	put("conf.d/.40.conf", "rubbish");
	put("conf.d/.conf", "rubbish");
	assert_int_equal(mkdir(in_root("conf.d/50.conf"), 0700), 0);
	assert_int_equal(mkfifo(in_root("conf.d/60.conf"), 0600), 0);
	assert_int_equal(symlink("/dev/null", in_root("conf.d/70.conf")), 0);
	assert_int_equal(load_root(), 0);
	assert_string_equal(said, "");
	assert_true(config.window == 20 * NSEC_PER_SEC && config.stacks == NSEC_PER_SEC);
	assert_true(config.memory == 1 << 20);
	assert_int_equal(config.n_triggers, 3);
	assert_string_equal(config.triggers[1].name, "ten");

	/* That file alone. */
	assert_int_equal(load(in_root("conf.d/10.conf"), NULL), 0);
	assert_int_equal(config.n_triggers, 1);
	assert_true(config.window == 10 * NSEC_PER_SEC && config.stacks == 10 * NSEC_PER_MSEC);
}

static void test_dropin_mistakes(void **state)
{
	char want[1024];

	(void)state;
	put("frec.conf", "[recorder]\nwindow=5\n" TRIGGER("a"));
	put("conf.d/1.conf", TRIGGER("b"));
	put("conf.d/2.conf", TRIGGER("c") TRIGGER("a"));
	snprintf(want, sizeof(want),
		 "%s/frec.conf:2: window: got '5', want a time from 100ms to 1h, with a unit, such as 200ms\n"
		 "%s/conf.d/2.conf:4: [trigger]: got 'a', want another name: "
		 "%s/frec.conf:3 has this one already\n",
		 root, root, root);
	assert_int_equal(load_root(), -EINVAL);
	assert_string_equal(said, want);
	assert_untouched();
}

static void test_unreadable(void **state)
{
	(void)state;
	assert_int_equal(load(in_root("missing.conf"), NULL), -ENOENT);
	assert_non_null(strstr(said, "missing.conf: cannot be read: No such file or directory\n"));
	assert_int_equal(load(root, NULL), -EISDIR);
	assert_int_equal(load(root, in_root("conf.d")), -EISDIR);
	assert_untouched();
	assert_int_equal(load("/dev/zero", NULL), -ENOTSUP);
	assert_non_null(strstr(said, "/dev/zero: cannot be read: not a regular file\n"));
	assert_int_equal(load("/dev/null", NULL), 0);
	assert_int_equal(mkfifo(in_root("fifo"), 0600), 0);
	assert_int_equal(load(in_root("fifo"), NULL), -ENOTSUP);
	assert_int_equal(load(in_root("fifo/frec.conf"), in_root("conf.d")), -ENOTDIR);

	assert_int_equal(symlink("loop.conf", in_root("conf.d/loop.conf")), 0);
	assert_int_equal(load_root(), -ELOOP);
	assert_untouched();
	assert_int_equal(unlink(in_root("conf.d/loop.conf")), 0);
	assert_int_equal(symlink("nowhere", in_root("conf.d/dangling.conf")), 0);
	assert_int_equal(load_root(), -ENOENT);
	assert_int_equal(load(in_root("no"), "/dev/null"), -ENOTDIR);
	assert_int_equal(load(in_root("no"), in_root("no.d")), 0);
}

static void test_no_permission(void **state)
{
	uid_t uid = geteuid();
	int r;

	(void)state;
	put("frec.conf", "[recorder]\n");
	assert_int_equal(chmod(in_root("frec.conf"), 0), 0);
	assert_int_equal(chmod(root, 0755), 0);
	/* Root may read every file. */
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	r = load_root();
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(r, -EACCES);
	assert_non_null(strstr(said, "frec.conf: cannot be read: Permission denied\n"));
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, root_make, root_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_dropins),
		FILE_TEST(test_dropin_mistakes),
		FILE_TEST(test_unreadable),
		FILE_TEST(test_no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, forget_said);
}
