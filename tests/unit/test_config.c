/* SPDX-License-Identifier: GPL-2.0 */
/* What is configured: values, and what they mean. */
#include "test_config.h"

static void test_defaults(void **state)
{
	static struct config defaults;
	const struct config_trigger *t = defaults.triggers;

	(void)state;
	config_defaults(&defaults);
	assert_string_equal(defaults.run_directory, "/run/frec");
	assert_true(defaults.window == 10 * NSEC_PER_SEC && defaults.memory == 0);
	assert_int_equal(defaults.n_triggers, 4);
	assert_string_equal(t[0].name, "default-lock");
	assert_string_equal(t[1].name, "default-iowait");
	assert_string_equal(t[2].name, "default-runqueue");
	assert_string_equal(t[3].name, "default-exit");
	/* SIGSEGV but not SIGKILL; the OOM killer */
	assert_int_equal(t[3].filter.syscalls[0] & (1 << 9 | 1 << 11), 1 << 11);
	assert_int_equal(t[3].filter.syscalls[1], 1 << (END_OOM - 64));
	assert_int_equal(t[1].filter.kind, TRIGGER_IOWAIT);
	assert_true(t[1].filter.threshold == 2 * NSEC_PER_SEC);
	assert_true(t[1].cooldown == 600 * NSEC_PER_SEC && t[1].post == 200 * NSEC_PER_MSEC);
	assert_true(t[0].max_per_hour == 3 && t[1].max_per_hour == 1);

	assert_int_equal(parse("\n"), 0);
	assert_memory_equal(&config, &defaults, sizeof(config));
	assert_string_equal(said, "");
}

/* A line whose # is taken away says the default. */
static void test_shipped_file(void **state)
{
	static struct config defaults;
	char *text = slurp("systemd/frec.conf"), *line, *rest = text, *plain;
	size_t n = 0;

	(void)state;
	config_defaults(&defaults);
	assert_int_equal(load("systemd/frec.conf", NULL), 0);
	assert_string_equal(said, "");
	assert_memory_equal(&config, &defaults, sizeof(config));

	plain = calloc(1, strlen(text) + 2);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '#' && line[1] != ' ')
			line++;
		n += (size_t)sprintf(plain + n, "%s\n", line);
	}
	assert_int_equal(parse(plain), 0);
	assert_string_equal(said, "");
	assert_memory_equal(&config, &defaults, sizeof(config));
	assert_non_null(strstr(plain, "\non_snapshot ="));
	free(plain);
	free(text);
}

static void test_every_key(void **state)
{
	const struct config_trigger *t = config.triggers;

	(void)state;
	check_golden("full", 0);
	assert_string_equal(config.run_directory, "/run/frec2");
	assert_string_equal(config.pin_directory, "/run/frec2/bpf");
	assert_true(config.window == 30 * NSEC_PER_SEC);
	assert_true(config.memory == 64 << 20 && config.evidence == 32 << 20);
	assert_int_equal(config.syscalls, SYSCALLS_ALL);
	assert_true(config.slow_syscall == 500000 && config.stacks == 5000000);
	assert_true(config.stack_dump == 0 && config.overhead_budget == 0.005);
	assert_int_equal(config.n_exclude, 3);
	assert_int_equal(config.exclude[0].filters, FILTER_UNIT);
	assert_string_equal(config.exclude[0].unit, "*/vault.service/*");
	assert_int_equal(config.exclude[1].filters, FILTER_COMM);
	assert_string_equal(config.exclude[1].comm, "gpg-*");
	assert_string_equal(config.exclude[2].unit, "/a.slice/*");
	assert_string_equal(config.directory, "/tmp/spool");
	assert_true(config.max_files == 7 && config.max_bytes == 0 && config.max_total == 1);
	assert_true(config.min_free == 0 && config.user_snapshots && config.redact);
	assert_string_equal(config.on_snapshot, "/usr/bin/upload --now");

	assert_int_equal(config.n_triggers, 5);
	assert_string_equal(t->name, "slow-lock");
	assert_int_equal(t->filter.kind, TRIGGER_LOCK);
	assert_true(t->filter.threshold == 100 * NSEC_PER_MSEC);
	assert_int_equal(t->filter.filters,
			 FILTER_COMM | FILTER_EXE | FILTER_PID | FILTER_UNIT | FILTER_UID);
	assert_string_equal(t->filter.comm, "nginx*");
	assert_string_equal(t->filter.exe, "*/nginx");
	assert_string_equal(t->filter.unit, "*/nginx.service/*");
	assert_true(t->filter.pid == 42 && t->filter.uid == 0);
	assert_true(t->cooldown == 60 * NSEC_PER_SEC && t->hold == NSEC_PER_SEC);
	assert_true(t->post == 0 && t->max_per_hour == 0);

	t++;
	assert_string_equal(t->name, "Slow.sys_1");
	assert_int_equal(t->filter.filters, FILTER_SYSCALLS);
#ifdef __x86_64__
	assert_true(t->filter.syscalls[0] == 1 && t->filter.syscalls[1] == 1ull << (74 - 64));
#endif
	assert_true(t->filter.syscalls[7] == 1ull << 63);
	assert_true(t->cooldown == 30 * NSEC_PER_SEC && t->hold == 2 * NSEC_PER_SEC);
	assert_true(t->post == 200 * NSEC_PER_MSEC && t->max_per_hour == 20);
	t++;
	assert_true(t->filter.kind == TRIGGER_MANUAL && t->filter.threshold == 0);
	t++;
	/* which spans is not known yet: none; and exe is no filter */
	assert_true(t->filter.kind == TRIGGER_SPAN && t->filter.filters == FILTER_SYSCALLS);
	assert_string_equal(t->filter.exe, "/usr/sbin/shop");
	assert_string_equal(t->span, "order.*");
	t++;
	assert_true(!*t->span && t->filter.filters == FILTER_SYSCALLS && !t->filter.syscalls[0]);
	assert_string_equal(t->begin, "f");
	assert_string_equal(t->end, "g@x");
}

static void check_glob(const char *key, const char *value, const char *want)
{
	const struct trigger_filter *f = &config.triggers[0].filter;
	char text[1024];

	snprintf(text, sizeof(text), "[trigger t]\nkind=lock\nthreshold=1s\n%s=%s\n", key, value);
	if (!want) {
		assert_int_equal(parse(text), -EINVAL);
		return;
	}
	assert_int_equal(parse(text), 0);
	assert_string_equal(*key == 'c' ? f->comm : *key == 'e' ? f->exe : f->unit, want);
}

static void test_globs(void **state)
{
	char name[200], want[256];

	(void)state;
	check_glob("exe", "/usr/bin/x", "/usr/bin/x");
	check_glob("exe", "*/x", "*/x");
	check_glob("exe", "x*", "*/x*");
	check_glob("exe", "*x", "*/*x");
	check_glob("exe", "bin/x", "*/bin/x");
	check_glob("unit", "a.service", "*/a.service/*");
	check_glob("unit", "*.service", "*/*.service/*");
	check_glob("unit", "/a.slice/b.service", "/a.slice/b.service/*");
	check_glob("unit", "/a.slice/", "/a.slice/*");
	check_glob("unit", "/", "/*");
	check_glob("unit", "a.slice/b", "*/a.slice/b/*");
	check_glob("comm", "fifteen-bytes-x", "fifteen-bytes-x");
	check_glob("comm", "*fifteen-bytes-x*", "*fifteen-bytes-x*");

	memset(name, 'n', sizeof(name));
	name[125] = '\0';
	snprintf(want, sizeof(want), "*/%s", name);
	check_glob("exe", name, want);
	check_glob("unit", name, NULL);
	name[123] = '\0';
	snprintf(want, sizeof(want), "*/%s/*", name);
	check_glob("unit", name, want);
	name[123] = 'n';
	name[125] = 'n';
	name[126] = '\0';
	check_glob("exe", name, NULL);
}

static void test_window_fits(void **state)
{
	(void)state;
	/* What was not said gives way to the window … */
	assert_int_equal(parse("[trigger t]\nkind=lock\nthreshold=1ms\n[recorder]\nwindow=150ms\n"),
			 0);
	assert_true(config.triggers[0].hold == 75 * NSEC_PER_MSEC);
	assert_true(config.triggers[0].post == 150 * NSEC_PER_MSEC);
	assert_string_equal(said, "");

	/* … of the defaults too. */
	assert_int_equal(parse("[recorder]\nwindow = 3s\n"), 0);
	assert_true(config.triggers[2].hold == 1500 * NSEC_PER_MSEC);
	assert_string_equal(said, "warning: [trigger default-iowait]: the window of 3 s is under "
				  "twice the threshold of 2 s\n");
}

#define NO_COMMENT                                                                                 \
	"';' where the comment begins; where '#' is part of a name: '?' in a glob, or a link "     \
	"without it for a path\n"

/* Lists are for other keys, and what begins a comment would be part of the name. */
static void test_globs_are_no_lists(void **state)
{
	static const char *const lists[][2] = {
		{ "comm", "a, b" },
		{ "comm", "a,b" },
		{ "comm", "a-long-name,another-one" },
		{ "exe", "a,b" },
		{ "exe", "/usr/bin/a, /usr/bin/b" },
		{ "exe", "/usr/bin/a,/usr/bin/b" },
		{ "unit", "a.service,b.service" },
	};
	char text[256], want[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(text, sizeof(text), "[trigger t]\nkind=lock\nthreshold=1s\n%s=%s\n",
			 lists[i][0], lists[i][1]);
		snprintf(want, sizeof(want),
			 "f:4: %s: got '%s', want one glob; others want a [trigger] of their own "
			 "('?' stands for a comma)\n",
			 lists[i][0], lists[i][1]);
		assert_mistakes(text, want);
	}
	check_glob("comm", "a?b", "a?b");
	check_glob("exe", "/opt/a,b/c", "/opt/a,b/c");
	assert_mistakes("[trigger t]\nkind=lock\nthreshold=1s\ncomm=a # b\n",
			"f:4: comm: got 'a # b', want " NO_COMMENT);
	assert_mistakes("[snapshots]\ndirectory = /a #1 ; mine\n",
			"f:2: directory: got '/a #1', want " NO_COMMENT);
	check_glob("comm", "#1", "#1");
}

static void test_short_hold(void **state)
{
	(void)state;
	assert_int_equal(parse("[trigger t]\nkind=lock\nthreshold=1s\nhold=400ms\n"), 0);
	assert_string_equal(
		said, "warning: f:1: [trigger t]: what lasts is found 250 to 500 ms after the "
		      "threshold: a hold of 400 ms brings no snapshot earlier\n");
	assert_int_equal(parse("[trigger t]\nkind=lock\nthreshold=1s\nhold=500ms\n"), 0);
	assert_string_equal(said, "");
	assert_int_equal(parse("[trigger t]\nkind=app\nhold=0\n"), 0);
	assert_string_equal(said, "");
}

static void test_syscalls_off(void **state)
{
	(void)state;
	assert_int_equal(parse("[trigger t]\nkind=syscall\nthreshold=1s\n"
			       "[recorder]\nsyscalls=off\n"),
			 0);
	assert_string_equal(said, "warning: f:1: [trigger t]: cannot fire while syscalls = off\n");
}

static void test_run_directory_room(void **state)
{
	char text[256] = "[daemon]\nrun_directory = /";
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 'd', 93);
	assert_int_equal(parse(text), 0);
	assert_int_equal(strlen(config.run_directory) + strlen("/control.sock") + 1, 108);
	text[n + 93] = 'd';
	assert_int_equal(parse(text), -EINVAL);
}

static void test_long_values(void **state)
{
	static char text[5000];
	size_t n;

	(void)state;
	/* Longer than libinih's own 200 bytes. */
	n = (size_t)sprintf(text, "[snapshots]\ndirectory = /");
	memset(text + n, 'd', 3838);
	assert_int_equal(parse(text), 0);
	assert_int_equal(strlen(config.directory), 3839);
	text[n + 3838] = 'd';
	assert_int_equal(parse(text), -EINVAL);
}

static void test_many_triggers(void **state)
{
	static char text[8192];
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < TRIGGERS_MAX; i++)
		n += (size_t)sprintf(text + n, "[trigger t%u]\nkind=lock\nthreshold=1s\n", i);
	assert_int_equal(parse(text), 0);
	assert_int_equal(config.n_triggers, TRIGGERS_MAX);
	sprintf(text + n, "[trigger more]\nkind=lock\nthreshold=x\n");
	assert_mistakes(text, "f:193: [trigger]: got 'more', want at most 64 triggers\n"
			      "f:195: threshold: got 'x', want a time from 1us to 24h\n");
}

static void test_percentiles(void **state)
{
	static const struct {
		const char *text;
		uint32_t of, percentile;
		uint64_t threshold, interval;
	} good[] = {
		{ "request p99 20ms/10s", TRIGGER_REQUEST, 990000, 20 * NSEC_PER_MSEC,
		  10 * NSEC_PER_SEC },
		{ "runqueue  p99.9 1us / 1s", TRIGGER_RUNQUEUE, 999000, NSEC_PER_USEC,
		  NSEC_PER_SEC },
		{ "runqueue p0.0001 10m/1h", TRIGGER_RUNQUEUE, 1, 600 * NSEC_PER_SEC,
		  3600 * NSEC_PER_SEC },
		{ "request p99.9999 1s/1m", TRIGGER_REQUEST, 999999, NSEC_PER_SEC,
		  60 * NSEC_PER_SEC },
	};
	static const char *const bad[] = {"request p0 1s/1s", "request p99.99999 1s/1s",
					  "request p. 1s/1s", "request p1. 1s/1s",
					  "request p99 1s", "request p99 999ns/1s",
					  "request p99 1s/61m", "request p99 1s/1s/1s"};
	const struct config_trigger *t = config.triggers;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[trigger t]\nkind=percentile\npid=1\npercentile=%s\n",
			 good[i].text);
		assert_int_equal(parse(text), 0);
		assert_int_equal(t->filter.of, good[i].of);
		assert_int_equal(t->percentile, good[i].percentile);
		assert_true(t->filter.threshold == good[i].threshold &&
			    t->percentile_interval == good[i].interval);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[trigger t]\nkind=percentile\npid=1\npercentile=%s\n",
			 bad[i]);
		assert_int_equal(parse(text), -EINVAL);
		assert_non_null(strstr(said, "f:4: percentile: got 'request p"));
	}
}

static void test_many_percentiles(void **state)
{
	static char text[8192];
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i <= HISTOGRAMS_MAX - HISTOGRAM_OWN; i++)
		n += (size_t)sprintf(
			text + n,
			"[trigger t%u]\nkind=percentile\n%spercentile=runqueue p99 1s/1s\n", i,
			i ? "pid=1\n" : "");
	assert_int_equal(parse(text), 0);
	sprintf(text + n,
		"[trigger more]\nkind=percentile\nuid=1\npercentile=runqueue p99 1s/1s\n");
	assert_mistakes(
		text, "f:61: kind: got 'percentile', want another one, or no filters, in [trigger "
		      "more]: at most 14 triggers of kind percentile have filters\n");
}

static void test_kind_names(void **state)
{
	(void)state;
	assert_string_equal(config_kind_name(TRIGGER_LOCK), "lock");
	assert_string_equal(config_kind_name(TRIGGER_MANUAL), "manual");
	assert_null(config_kind_name((enum trigger_kind)0));
	assert_null(config_kind_name((enum trigger_kind)TRIGGER_KINDS));
	assert_null(config_kind_name((enum trigger_kind) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_shipped_file),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_window_fits),
		cmocka_unit_test(test_syscalls_off),
		cmocka_unit_test(test_globs_are_no_lists),
		cmocka_unit_test(test_short_hold),
		cmocka_unit_test(test_run_directory_room),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_many_triggers),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_many_percentiles),
		cmocka_unit_test(test_kind_names),
	};

	return cmocka_run_group_tests(tests, NULL, forget_said);
}
