/* SPDX-License-Identifier: GPL-2.0 */
/*
 * snapshot.c - writes a snapshot: into the spool, to stdout, or to a file of
 * the caller's. The recorder opens no path of ours, we open it and pass it on.
 */
#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/protocol.h"
#include "../lib/units.h"

/* FILE in the making: complete under its name, or not there. */
struct output_file {
	char path[PATH_MAX];	  /* no symlink */
	char temporary[PATH_MAX]; /* beside it */
	int fd;
};

/* A file that is not regular (/dev/stdout, a pipe) must never be replaced by rename(). */
static int resolve_output(const char *name, char *path)
{
	struct stat st;

	if (!*name)
		return output_fail("-o: got '', want a file or -");
	if (stat(name, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return output_fail("%s is no regular file; with -o - the snapshot goes to "
					   "stdout",
					   name);
		if (!realpath(name, path))
			return output_fail("%s: %s", name, strerror(errno));
		return EXIT_DONE;
	}
	if (errno != ENOENT)
		return output_fail("%s: %s", name, strerror(errno));
	if (lstat(name, &st) == 0)
		return output_fail("%s is a symbolic link that leads nowhere", name);
	if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
		return output_fail("%s: %s", name, strerror(ENAMETOOLONG));
	return EXIT_DONE;
}

static int open_output(const char *name, struct output_file *out)
{
	mode_t mask = umask(0);
	int status;

	umask(mask);
	status = resolve_output(name, out->path);
	if (status != EXIT_DONE)
		return status;
	if (snprintf(out->temporary, PATH_MAX, "%s.XXXXXX", out->path) >= PATH_MAX)
		return output_fail("%s: %s", name, strerror(ENAMETOOLONG));
	out->fd = mkostemp(out->temporary, O_CLOEXEC);
	if (out->fd < 0)
		return output_fail("cannot create a file beside %s: %s", name, strerror(errno));
	/* command lines are in it: not for everybody, as in the spool */
	if (fchmod(out->fd, 0640 & ~mask) < 0)
		output_warn("%s: cannot set its mode: %s", name, strerror(errno));
	return EXIT_DONE;
}

/* A rename that is not on the disk may be undone by a crash. */
static int sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd, err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int commit_output(const struct output_file *out, uint64_t bytes)
{
	struct stat st;

	if (fstat(out->fd, &st) < 0 || fsync(out->fd) < 0)
		return output_fail("%s: %s", out->path, strerror(errno));
	if (st.st_size == 0 || (bytes && (uint64_t)st.st_size != bytes))
		return output_fail("%s: the recorder speaks of %llu bytes, %lld are there",
				   out->path, (unsigned long long)bytes, (long long)st.st_size);
	if (rename(out->temporary, out->path) < 0)
		return output_fail("cannot rename to %s: %s", out->path, strerror(errno));
	/* Where directories cannot be synced the file is there all the same. */
	sync_directory(out->path);
	return EXIT_DONE;
}

/* Facts for a person who watches; scripts read the path alone. */
static void print_facts(const json_t *reply)
{
	uint64_t bytes = 0, events = 0, duration = 0, lost = 0;
	char a[UNITS_TEXT_MAX], b[OUTPUT_COUNT_MAX], c[UNITS_TEXT_MAX];

	protocol_get_u64(reply, "bytes", &bytes);
	protocol_get_u64(reply, "events", &events);
	protocol_get_u64(reply, "duration_ns", &duration);
	protocol_get_u64(reply, "lost", &lost);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s, %s events, %s\n", units_format_size(bytes, a, sizeof(a)),
			output_count(events, b), units_format_duration(duration, c, sizeof(c)));
	if (lost)
		output_warn("%s events of this snapshot are lost", output_count(lost, b));
}

/* The window may not reach as far back as was asked; a moment's difference is nobody's business. */
static void warn_held(const struct arguments *args, const json_t *reply)
{
	char wanted[UNITS_TEXT_MAX], held[UNITS_TEXT_MAX];
	uint64_t ns = 0;

	if (protocol_get_u64(reply, "held_ns", &ns) || ns >= args->last_ns - args->last_ns / 20)
		return;
	output_warn("--last %s: no more than %s is held",
		    units_format_duration(args->last_ns, wanted, sizeof(wanted)),
		    units_format_duration(ns, held, sizeof(held)));
}

/* path NULL: the snapshot itself went to stdout. */
static int print_result(const struct arguments *args, json_t *reply, const char *path)
{
	print_facts(reply);
	warn_held(args, reply);
	if (!path)
		return EXIT_DONE;
	if (args->json) {
		json_object_del(reply, "ok");
		json_object_set_new(reply, "path", json_string(path));
		return output_json(reply);
	}
	puts(path);
	return EXIT_DONE;
}

/* not_kept: see struct request. */
static int call(const struct arguments *args, json_t *message, int pass, char *not_kept,
		json_t **ret)
{
	const struct request request = {
		.message = message,
		.pass = pass,
		.timeout_s = TIMEOUT_SNAPSHOT_S,
		.progress = "writing the snapshot",
		.not_kept = not_kept,
	};

	return client_call(args, &request, ret);
}

static json_t *make_message(const struct arguments *args)
{
	json_t *message = json_pack("{s:s}", "command", "snapshot");

	if (args->pid)
		json_object_set_new(message, "pid", json_integer(args->pid));
	if (args->only)
		json_object_set_new(message, "only", json_true());
	if (args->last_ns)
		json_object_set_new(message, "last_ns", json_integer(args->last_ns));
	return message;
}

static int to_spool(const struct arguments *args, json_t *message)
{
	const char *path = NULL;
	json_t *reply;
	int status;

	if (call(args, message, -1, NULL, &reply) != EXIT_DONE)
		return EXIT_FAILED;
	if (protocol_get_string(reply, "path", &path))
		status = output_fail("the recorder did not say where the snapshot is");
	else
		status = print_result(args, reply, path);
	json_decref(reply);
	return status;
}

/* All of fd to stdout; returns an exit status. */
static int copy_to_stdout(int fd)
{
	static char buf[64 << 10];
	ssize_t n, sent;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return output_fail("cannot read the snapshot again: %s", strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += sent) {
			sent = write(STDOUT_FILENO, buf + at, n - at);
			if (sent < 0 && errno == EINTR)
				sent = 0;
			else if (sent < 0)
				return output_fail("cannot write the snapshot to stdout: %s",
						   strerror(errno));
		}
	}
	return n < 0 ? output_fail("cannot read the snapshot again: %s", strerror(errno))
		     : EXIT_DONE;
}

/*
 * By way of a file of ours: whoever reads a pipe slowly must not hold up the
 * recorder, and nothing reaches stdout of a snapshot that failed.
 */
static int to_stdout(const struct arguments *args)
{
	json_t *reply;
	int fd, status;

	if (isatty(STDOUT_FILENO)) {
		output_fail(
			"a snapshot is binary: -o - writes to a pipe or file, not to a terminal");
		return EXIT_USAGE;
	}
	fd = memfd_create("frecctl-snapshot", MFD_CLOEXEC);
	if (fd < 0)
		return output_fail("cannot create a file in memory: %s", strerror(errno));
	status = call(args, make_message(args), fd, NULL, &reply);
	if (status == EXIT_DONE) {
		status = copy_to_stdout(fd);
		if (status == EXIT_DONE)
			status = print_result(args, reply, NULL);
		json_decref(reply);
	}
	close(fd);
	return status;
}

static int to_file(const struct arguments *args)
{
	struct output_file out = { .fd = -1 };
	json_t *reply = NULL;
	uint64_t bytes = 0;
	int status;

	client_catch_signals();
	status = open_output(args->output, &out);
	if (status != EXIT_DONE)
		return status;
	status = call(args, make_message(args), out.fd, NULL, &reply);
	if (status == EXIT_DONE) {
		protocol_get_u64(reply, "bytes", &bytes);
		status = commit_output(&out, bytes);
	}
	if (status == EXIT_DONE)
		status = print_result(args, reply, args->output);
	else
		unlink(out.temporary);
	close(out.fd);
	json_decref(reply);
	return status;
}

int verb_snapshot(const struct arguments *args)
{
	if (!args->output)
		return to_spool(args, make_message(args));
	if (strcmp(args->output, "-") == 0)
		return to_stdout(args);
	return to_file(args);
}

/* Where the spool cannot take it: of a snapshot in our own memory. */
static int why_from_memory(const struct arguments *args, const char *not_kept)
{
	struct snapshot_file file;
	json_t *reply = NULL;
	int fd = memfd_create("frecctl-snapshot", MFD_CLOEXEC), status;

	if (fd < 0)
		return output_fail("cannot create a file in memory: %s", strerror(errno));
	status = call(args, make_message(args), fd, NULL, &reply);
	if (status != EXIT_DONE) {
		close(fd);
		return status;
	}
	output_warn("no file is kept: %s", not_kept);
	warn_held(args, reply);
	json_decref(reply);
	status = snapshot_file_take(fd, "not kept", &file);
	return status == EXIT_DONE ? explain_file(args, &file) : status;
}

int verb_why(const struct arguments *args)
{
	struct arguments explain = *args;
	char not_kept[CLIENT_TEXT_MAX];
	json_t *reply;
	int status;

	if (call(args, make_message(args), -1, not_kept, &reply) != EXIT_DONE)
		return *not_kept ? why_from_memory(args, not_kept) : EXIT_FAILED;
	warn_held(args, reply);
	if (protocol_get_string(reply, "path", &explain.operand))
		status = output_fail("the recorder did not say where the snapshot is");
	else
		status = verb_explain(&explain);
	json_decref(reply);
	return status;
}

int verb_fire(const struct arguments *args)
{
	return to_spool(args, json_pack("{s:s,s:s,s:s?}", "command", "fire", "name", args->operand,
					"text", args->text));
}
