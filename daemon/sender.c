/* SPDX-License-Identifier: GPL-2.0 */
/* sender.c - is a trigger of kind app for who sent the message? What is read here the kernel wrote. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/text.h"
#include "app.h"

static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -ESRCH;
}

/* Over the path of its cgroup v2, with a '/' at its end. */
static bool unit_matches(uint32_t pid, const char *glob)
{
	char path[32], text[8192], *line;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (read_file(path, text, sizeof(text) - 1))
		return false;
	/* with cgroup v1 beside it, it is the last line */
	line = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
	if (!line)
		return false;
	line += line == text ? 3 : 4;
	line[strcspn(line, "\n")] = '\0';
	if (!*line || line[strlen(line) - 1] != '/')
		strcat(line, "/");
	return text_glob(glob, line);
}

bool sender_matches(const struct app_sender *s, uint32_t uid, const struct trigger_filter *f)
{
	char comm[COMM_LEN + 1] = "";

	memcpy(comm, s->comm, COMM_LEN);
	if ((f->filters & FILTER_PID) && f->pid != s->tgid)
		return false;
	if ((f->filters & FILTER_UID) && f->uid != uid)
		return false;
	if ((f->filters & FILTER_COMM) && !text_glob(f->comm, comm))
		return false;
	return !(f->filters & FILTER_UNIT) || unit_matches(s->tgid, f->unit);
}
