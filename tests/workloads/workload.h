/* SPDX-License-Identifier: GPL-2.0 */
/* What all workloads share: options, the end of the program, the clock, and the lines that they
 * print. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Functions that tests look for by name: no inlining, and no renamed clones such as name.isra.0. */
#ifdef __clang__
#define WORKLOAD_NAMED __attribute__((noinline))
#else
#define WORKLOAD_NAMED __attribute__((noipa))
#endif

#define WORKLOAD_NS_PER_MS 1000000ull
#define WORKLOAD_NS_PER_S 1000000000ull

enum option_kind {
	OPTION_FLAG,	/* bool */
	OPTION_TEXT,	/* const char * */
	OPTION_NUMBER,	/* long */
	OPTION_MS,	/* long, in ms: '150', '150ms', '3s' */
	OPTION_SECONDS, /* long, in ms: '3', '3s', '150ms' */
};

struct option_row {
	const char *name;
	enum option_kind kind;
	void *value;
	long min, max; /* of the stored number */
	const char *help;
};

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * WORKLOAD_NS_PER_S + ts.tv_nsec;
}

static inline long own_tid(void)
{
	return syscall(SYS_gettid);
}

/* How often the calling thread had to leave its CPU so far. */
static inline long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* One write for one line: lines of several threads and processes never mix. */
static inline void line_print(const char *format, va_list args)
{
	char line[2048];
	int used = vsnprintf(line, sizeof(line) - 1, format, args);

	if (used < 0)
		return;
	if ((size_t)used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	if (write(STDOUT_FILENO, line, used) < 0)
		_exit(1);
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line_print(format, args);
	va_end(args);
}

/* One JSON line; `format` and what follows are further members, "" for none. */
__attribute__((format(printf, 4, 5))) static inline void
event_print(const char *what, uint64_t begin, uint64_t end, const char *format, ...)
{
	char more[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(more, sizeof(more), format, args);
	va_end(args);
	say("{\"what\":\"%s\",\"pid\":%ld,\"tid\":%ld,\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
	    "%s%s}",
	    what, (long)getpid(), own_tid(), begin, end, *more ? "," : "", more);
}

__attribute__((format(printf, 2, 3), noreturn)) static inline void die(int status,
								       const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(status);
}

static inline void die_if(bool failed, const char *what)
{
	if (failed)
		die(1, "%s: %s", what, strerror(errno));
}

static inline void quit(int sig)
{
	(void)sig;
	_exit(0);
}

/* Ends the process on SIGTERM and SIGINT, and after `ms` (0: never). */
static inline void end_after(long ms)
{
	signal(SIGTERM, quit);
	signal(SIGINT, quit);
	signal(SIGALRM, quit);
	if (ms)
		alarm((ms + 999) / 1000);
}

/* A child that cannot outlive its parent. */
static inline pid_t fork_bound(void)
{
	pid_t parent = getpid(), pid = fork();

	die_if(pid < 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* 0: the parent is outside of the child's pid namespace */
		if (getppid() != parent && getppid() != 0)
			_exit(1);
	}
	return pid;
}

static inline long option_number(const struct option_row *row, const char *text)
{
	bool seconds = row->kind == OPTION_SECONDS;
	char *end;
	double n;

	errno = 0;
	n = strtod(text, &end);
	if (end != text && row->kind >= OPTION_MS && *end) {
		seconds = !strcmp(end, "s");
		if (seconds || !strcmp(end, "ms"))
			end = "";
	}
	if (seconds)
		n *= 1000;
	if (errno || end == text || *end || !(n >= row->min && n <= row->max))
		die(2, "--%s: got '%s', want %s from %ld to %ld%s", row->name, text,
		    row->kind == OPTION_NUMBER ? "a number" : "a duration", row->min, row->max,
		    row->kind == OPTION_NUMBER ? "" : " ms");
	return n;
}

static inline void options_help(const char *usage, const struct option_row *rows)
{
	printf("usage: %s %s\n", program_invocation_short_name, usage);
	for (; rows->name; rows++)
		printf("  --%-14s %s\n", rows->name, rows->help);
	exit(0);
}

/* Returns the one argument that is no option, or NULL. `rows` end with an empty one. */
static inline const char *options_parse(int argc, char **argv, const char *usage,
					const struct option_row *rows)
{
	const char *mode = NULL;

	for (int i = 1; i < argc; i++) {
		const struct option_row *row = rows;

		if (!strcmp(argv[i], "--help"))
			options_help(usage, rows);
		if (strncmp(argv[i], "--", 2) && !mode) {
			mode = argv[i];
			continue;
		}
		while (row->name && (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, row->name)))
			row++;
		if (!row->name)
			die(2, "got '%s', want an option (see --help)", argv[i]);
		if (row->kind == OPTION_FLAG) {
			*(bool *)row->value = true;
			continue;
		}
		if (++i == argc)
			die(2, "--%s: value missing", row->name);
		if (row->kind == OPTION_TEXT)
			*(const char **)row->value = argv[i];
		else
			*(long *)row->value = option_number(row, argv[i]);
	}
	return mode;
}

#endif
