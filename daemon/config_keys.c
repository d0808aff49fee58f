/* SPDX-License-Identifier: GPL-2.0 */
/* config_keys.c - the table of all keys, and the parsers of its simple values. */
#include "config_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "../lib/units.h"

#define MSEC NSEC_PER_MSEC
#define HOUR (3600 * NSEC_PER_SEC)
#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* Names of files, sockets and pins are put behind a configured directory. */
#define NAME_ROOM 256
#define SOCKET_ROOM sizeof("/control.sock")
#define RUN_DIRECTORY_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - SOCKET_ROOM)
_Static_assert(RUN_DIRECTORY_MAX == 94, "the text of the key run_directory says 94");
_Static_assert(PATH_MAX - NAME_ROOM - 1 == 3839, "the texts of the directories say 3839");

static uint64_t *field_u64(const struct config_key *key, void *base)
{
	return (uint64_t *)((char *)base + key->offset);
}

/* Common end of all numbers. */
static int accept_number(const struct config_key *key, int r, uint64_t value, uint64_t *ret)
{
	if (r < 0)
		return r;
	if (value < key->min || value > key->max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* -EINVAL, -ERANGE where it is but the unit: says so, with an example, and returns 1. */
static int explain_unit(struct config_load *l, const struct config_key *key, const char *value,
			const char *such_as, int r)
{
	int digits = (int)strspn(value, "0123456789.");
	const char *unit = value + digits + strspn(value + digits, " \t");

	if (r >= 0 || !digits)
		return r;
	if (!*unit)
		config_mistake(l, &l->here, key->name, value, "%s, with a unit, such as %s",
			       key->want, such_as);
	else if (unit > value + digits)
		config_mistake(l, &l->here, key->name, value,
			       "%s, without a space before the unit: %.*s%s", key->want, digits,
			       value, unit);
	else
		return r;
	return 1;
}

static bool is_zero_word(const struct config_key *key, const char *value)
{
	return key->zero && strcmp(value, key->zero) == 0;
}

static int parse_duration(struct config_load *l, const struct config_key *key, const char *value,
			  void *base)
{
	uint64_t ns = 0;
	int r = units_parse_duration(value, &ns);

	r = accept_number(key, r, ns, field_u64(key, base));
	return strcmp(value, "0") ? explain_unit(l, key, value, "200ms", r) : r;
}

static int parse_size(struct config_load *l, const struct config_key *key, const char *value,
		      void *base)
{
	uint64_t bytes = 0;
	int r;

	if (is_zero_word(key, value)) {
		*field_u64(key, base) = 0;
		return 0;
	}
	r = units_parse_size(value, &bytes);
	r = accept_number(key, r, bytes, field_u64(key, base));
	/* bytes need none: they are but too few */
	return bytes <= key->max ? explain_unit(l, key, value, "64M", r) : r;
}

static int parse_count(struct config_load *l, const struct config_key *key, const char *value,
		       void *base)
{
	uint64_t count = 0, accepted;
	int r = units_parse_count(value, &count);

	(void)l;
	r = accept_number(key, r, count, &accepted);
	if (r == 0)
		*(uint32_t *)((char *)base + key->offset) = (uint32_t)accepted;
	return r;
}

/* min and max are in thousandths of a percent. */
static int parse_percent(struct config_load *l, const struct config_key *key, const char *value,
			 void *base)
{
	double share;
	int r = units_parse_percent(value, &share);

	(void)l;
	if (r < 0)
		return r;
	if (share < (double)key->min / 1e5 || share > (double)key->max / 1e5)
		return -ERANGE;
	*(double *)((char *)base + key->offset) = share;
	return 0;
}

static int parse_bool(struct config_load *l, const struct config_key *key, const char *value,
		      void *base)
{
	bool yes = strcmp(value, "yes") == 0;

	(void)l;
	if (!yes && strcmp(value, "no") != 0)
		return -EINVAL;
	*(bool *)((char *)base + key->offset) = yes;
	return 0;
}

static int parse_syscall_mode(struct config_load *l, const struct config_key *key,
			      const char *value, void *base)
{
	static const char *const words[] = {
		[SYSCALLS_OFF] = "off",
		[SYSCALLS_SLOW] = "slow",
		[SYSCALLS_ALL] = "all",
	};

	(void)l;
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			*(enum syscall_mode *)((char *)base + key->offset) = (enum syscall_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* max is the longest length allowed, without NUL. */
static int parse_path(struct config_load *l, const struct config_key *key, const char *value,
		      void *base)
{
	size_t len = strlen(value);
	char *field = (char *)base + key->offset;

	(void)l;
	if (value[0] != '/')
		return -EINVAL;
	while (len > 1 && value[len - 1] == '/')
		len--;
	if (len > key->max)
		return -ENAMETOOLONG;
	memcpy(field, value, len);
	field[len] = '\0';
	return 0;
}

static int parse_command(struct config_load *l, const struct config_key *key, const char *value,
			 void *base)
{
	(void)l;
	if (strlen(value) > key->max)
		return -ENAMETOOLONG;
	strcpy((char *)base + key->offset, value);
	return 0;
}

#define DAEMON(field, parser, text, ...)                                                    \
	{                                                                                   \
		"daemon", #field, parser, offsetof(struct config, field), text, __VA_ARGS__ \
	}
#define RECORDER(field, parser, text, ...)                                                    \
	{                                                                                     \
		"recorder", #field, parser, offsetof(struct config, field), text, __VA_ARGS__ \
	}
#define SNAPSHOTS(field, parser, text, ...)                                                    \
	{                                                                                      \
		"snapshots", #field, parser, offsetof(struct config, field), text, __VA_ARGS__ \
	}
#define TRIGGER(name, field, parser, text, ...)                                                    \
	{                                                                                          \
		"trigger", name, parser, offsetof(struct config_trigger, field), text, __VA_ARGS__ \
	}

#define WANT_DIRECTORY "an absolute path of at most 3839 bytes"

const struct config_key config_keys[] = {
	DAEMON(run_directory, parse_path,
	       "an absolute path of at most 94 bytes (a socket's name must fit behind it)", 0,
	       RUN_DIRECTORY_MAX, NULL),
	DAEMON(pin_directory, parse_path, WANT_DIRECTORY, 0, PATH_MAX - NAME_ROOM - 1, NULL),

	RECORDER(window, parse_duration, "a time from 100ms to 1h", 100 * MSEC, HOUR, NULL),
	RECORDER(memory, parse_size, "auto or a size from 1M to 64G", MIB, 64 * GIB, "auto"),
	RECORDER(evidence, parse_size, "auto or a size from 1M to 1G", MIB, GIB, "auto"),
	RECORDER(syscalls, parse_syscall_mode, "off, slow or all", 0, 0, NULL),
	RECORDER(slow_syscall, parse_duration, "a time from 1us to 1h", NSEC_PER_USEC, HOUR, NULL),
	RECORDER(stacks, parse_duration, "a time from 1us to 1h", NSEC_PER_USEC, HOUR, NULL),
	RECORDER(stack_dump, parse_size, "a size from 0 to 64K", 0, 64 * KIB, NULL),
	RECORDER(exclude, config_exclude,
		 "at most 16 units, or globs over the cgroup's path, or comm:NAME, with commas between",
		 0, 0, NULL),
	RECORDER(overhead_budget, parse_percent, "a share from 0.1% to 100%", 100, 100000, NULL),

	SNAPSHOTS(directory, parse_path, WANT_DIRECTORY, 0, PATH_MAX - NAME_ROOM - 1, NULL),
	SNAPSHOTS(max_files, parse_count, "a number from 0 (no limit) to 1000000", 0, 1000000,
		  NULL),
	SNAPSHOTS(max_bytes, parse_size, "0 (no limit) or a size from 1M to 1024T", MIB, 1024 * TIB,
		  "0"),
	SNAPSHOTS(max_total, parse_count, "a number from 0 (no limit) to 1000000000", 0, 1000000000,
		  NULL),
	SNAPSHOTS(min_free, parse_percent, "a share from 0% to 99%", 0, 99000, NULL),
	SNAPSHOTS(user_snapshots, parse_bool, "yes or no", 0, 0, NULL),
	SNAPSHOTS(redact, parse_bool, "yes or no", 0, 0, NULL),
	SNAPSHOTS(on_snapshot, parse_command, "a command of at most 4095 bytes", 0, PATH_MAX - 1,
		  NULL),

	TRIGGER("kind", filter.kind, config_trigger_kind,
		"lock, futex, syscall, offcpu, runqueue, iowait, request, span, app, exit, pressure, percentile or manual",
		0, 0, NULL),
	TRIGGER("threshold", filter.threshold, parse_duration, "a time from 1us to 24h",
		NSEC_PER_USEC, 24 * HOUR, NULL),
	TRIGGER("comm", filter.comm, config_trigger_comm,
		"a glob of at most 31 bytes, at most 15 of them other than '*', as names have no more",
		0, GLOB_COMM_MAX - 1, NULL),
	TRIGGER("exe", filter.exe, config_trigger_exe,
		"a glob over the program's path, of at most 127 bytes (a name alone: 125)", 0,
		GLOB_PATH_MAX - 1, NULL),
	TRIGGER("pid", filter.pid, config_trigger_pid, "a process id from 1 to 4194304", 1, 4194304,
		NULL),
	TRIGGER("unit", filter.unit, config_trigger_unit,
		"a unit, or a glob over the cgroup's path, of at most 123 bytes", 0,
		GLOB_PATH_MAX - 1, NULL),
	TRIGGER("uid", filter.uid, config_trigger_uid, "a user's name or number", 0, UINT32_MAX - 1,
		NULL),
	TRIGGER("syscalls", filter.syscalls, config_trigger_syscalls,
		"names or numbers (0 to 511) of system calls, with commas between", 0,
		SYSCALL_WORDS * 64 - 1, NULL),
	TRIGGER("port", filter.port, config_trigger_port,
		"a TCP port from 1 to 65535, or the whole path of a UNIX socket (@NAME: an abstract one)",
		1, 65535, NULL),
	TRIGGER("signals", ends, config_trigger_signals,
		"names or numbers of signals that end a process, core, oom, with commas between, or none",
		0, 0, NULL),
	TRIGGER("exit_codes", ends, config_trigger_exit_codes,
		"any, or numbers from 1 to 255, with commas between", 1, 255, NULL),
	TRIGGER("pressure", pressure, config_trigger_pressure,
		"cpu, memory or io, then some or full, then a time and its window from 500ms to 10s",
		500 * MSEC, 10 * NSEC_PER_SEC, NULL),
	TRIGGER("span", span, config_trigger_span,
		"the name of a span, or a glob over them, of at most 63 letters, digits and _.:-*?",
		0, SPAN_NAME_MAX - 1, NULL),
	TRIGGER("begin", begin, config_trigger_symbol, "a function's symbol of at most 255 bytes",
		0, CONFIG_SYMBOL_MAX - 1, NULL),
	TRIGGER("end", end, config_trigger_symbol, "a function's symbol of at most 255 bytes", 0,
		CONFIG_SYMBOL_MAX - 1, NULL),
	TRIGGER("percentile", percentile, config_trigger_percentile,
		"request or runqueue, then one such as p99, then a time from 1us to 10m and its interval from 1s to 1h",
		NSEC_PER_SEC, HOUR, NULL),
	TRIGGER("cooldown", cooldown, parse_duration, "a time from 0 to 168h", 0, 168 * HOUR, NULL),
	TRIGGER("hold", hold, parse_duration, "a time from 0 to half the window", 0, HOUR, NULL),
	TRIGGER("max_per_hour", max_per_hour, parse_count, "a number from 0 (no limit) to 3600", 0,
		3600, NULL),
	TRIGGER("post", post, parse_duration, "a time from 0 to the window", 0, HOUR, NULL),
};

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "places[]");

unsigned int config_keys_count(void)
{
	return sizeof(config_keys) / sizeof(config_keys[0]);
}

int config_keys_find(const char *section, const char *name)
{
	for (unsigned int i = 0; i < config_keys_count(); i++) {
		if (strcmp(config_keys[i].section, section) == 0 &&
		    strcmp(config_keys[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}
