/* SPDX-License-Identifier: GPL-2.0 */
/* snapshot_file.c - opens the snapshot that a command line means. */
#include "snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int say_why(const char *name, const char *text, int err)
{
	if (text && *text)
		return output_fail("%s: %s", name, text);
	if (err == -EINVAL)
		return output_fail("%s: this is no Perfetto trace", name);
	return output_fail("%s: %s", name, strerror(-err));
}

static int copy_all(int from, int to)
{
	static char buf[64 << 10];
	ssize_t n, sent;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += sent) {
			sent = write(to, buf + at, n - at);
			if (sent < 0)
				return -errno;
		}
	}
	return n < 0 ? -errno : 0;
}

/* What cannot be read twice is copied into memory. */
static int make_seekable(int fd, int *ret)
{
	struct stat st;
	int copy, err;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*ret = fd;
		return 0;
	}
	copy = memfd_create("frecctl-input", MFD_CLOEXEC);
	err = copy < 0 ? -errno : copy_all(fd, copy);
	close(fd);
	if (err && copy >= 0)
		close(copy);
	else
		*ret = copy;
	return err;
}

int snapshot_file_again(const struct snapshot_file *file, struct trace_reader **ret)
{
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -errno;
	}
	return trace_reader_open_fd(fd, ret);
}

int snapshot_file_take(int fd, const char *name, struct snapshot_file *ret)
{
	struct snapshot_file file = { .fd = -1, .name = strdup(name) };
	int err = make_seekable(fd, &file.fd);

	if (!err)
		err = file.name ? snapshot_file_again(&file, &file.reader) : -ENOMEM;
	if (err) {
		snapshot_file_close(&file);
		return say_why(name, NULL, err);
	}
	*ret = file;
	return EXIT_DONE;
}

/* A name without a directory that is not here may be one of the recorder's. */
static int open_operand(const struct arguments *args, char **ret_path, int *ret_fd)
{
	const char *name = args->operand;
	int fd = open(name, O_RDONLY | O_CLOEXEC), status;
	size_t len = strlen(name);

	if (fd < 0 && errno == ENOENT && !strchr(name, '/') && len > strlen(".pftrace") &&
	    strcmp(name + len - strlen(".pftrace"), ".pftrace") == 0) {
		status = client_spooled(args, name, ret_path);
		if (status != EXIT_DONE)
			return status;
		fd = open(*ret_path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return output_fail("%s: no such file, neither here nor as %s", name,
					   *ret_path);
		name = *ret_path;
	} else if (!(*ret_path = strdup(name))) {
		return output_fail("out of memory");
	}
	*ret_fd = fd;
	return fd < 0 ? say_why(name, NULL, -errno) : EXIT_DONE;
}

static int open_newest(const struct arguments *args, char **ret_path, int *ret_fd)
{
	int status = client_newest(args, ret_path);

	if (status != EXIT_DONE)
		return status;
	*ret_fd = open(*ret_path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? say_why(*ret_path, NULL, -errno) : EXIT_DONE;
}

int snapshot_file_open(const struct arguments *args, struct snapshot_file *ret)
{
	char *path = NULL;
	int fd = -1, status;

	if (args->operand && strcmp(args->operand, "-") == 0)
		return snapshot_file_take(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "standard input",
					  ret);
	status = args->operand ? open_operand(args, &path, &fd) : open_newest(args, &path, &fd);
	if (status == EXIT_DONE)
		status = snapshot_file_take(fd, path, ret);
	free(path);
	return status;
}

int snapshot_file_fail(const struct snapshot_file *file, int err)
{
	return say_why(file->name, trace_reader_error(file->reader), err);
}

void snapshot_file_close(struct snapshot_file *file)
{
	trace_reader_close(file->reader);
	if (file->fd >= 0)
		close(file->fd);
	free(file->name);
}
