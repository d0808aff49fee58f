/* SPDX-License-Identifier: GPL-2.0 */
/* worker_files.c - what a wait was about, in words: "recvfrom fd 7 127.0.0.1:8091". */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "worker_internal.h"

static int by_wait(const void *a, const void *b)
{
	const struct ev_file *x = *(const struct ev_file *const *)a;
	const struct ev_file *y = *(const struct ev_file *const *)b;

	if (x->wait_tid != y->wait_tid)
		return x->wait_tid < y->wait_tid ? -1 : 1;
	return x->wait_at < y->wait_at ? -1 : x->wait_at > y->wait_at;
}

void worker_sort_files(struct worker *w)
{
	if (w->n_files)
		qsort(w->files, w->n_files, sizeof(*w->files), by_wait);
}

const struct ev_file *worker_file(const struct worker *w, const struct wait_facts *f)
{
	const struct ev_file key = {.wait_tid = f->tid, .wait_at = f->start}, *k = &key;
	const struct ev_file **found;

	if (!w->n_files)
		return NULL;
	found = bsearch(&k, w->files, w->n_files, sizeof(*w->files), by_wait);
	return found ? *found : NULL;
}

const char *worker_address(uint16_t family, const uint8_t bytes[16], uint16_t port,
			   char buf[WORKER_ADDRESS])
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family == AF_INET ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	snprintf(buf, WORKER_ADDRESS, family == AF_INET ? "%s:%u" : "[%s]:%u", text, port);
	return buf;
}

static const char *socket_text(const struct ev_file *e, char *buf, size_t size)
{
	const char *path = (const char *)(e + 1);
	char a[WORKER_ADDRESS];

	if (e->family == AF_UNIX) {
		int n = snprintf(buf, size, "unix socket %s",
				 e->path_len ? path : "without a name");

		if (e->peer_pid && n > 0 && (size_t)n < size)
			snprintf(buf + n, size - n, " of process %u", e->peer_pid);
		return buf;
	}
	if (e->family != AF_INET && e->family != AF_INET6) {
		snprintf(buf, size, "socket of family %u", e->family);
		return buf;
	}
	if (e->remote_port)
		snprintf(buf, size, "%s", worker_address(e->family, e->remote, e->remote_port, a));
	else
		snprintf(buf, size, "listening at %s",
			 worker_address(e->family, e->local, e->local_port, a));
	return buf;
}

const char *worker_file_text(const struct ev_file *e, char *buf, size_t size)
{
	const char *path = (const char *)(e + 1);

	if (S_ISSOCK(e->mode))
		return socket_text(e, buf, size);
	if (S_ISFIFO(e->mode))
		snprintf(buf, size, "pipe %llu", (unsigned long long)e->inode);
	else if (e->path_len > 1)
		snprintf(buf, size, "%s", path);
	else
		snprintf(buf, size, "inode %llu", (unsigned long long)e->inode);
	return buf;
}

const char *worker_file_type(const struct ev_file *e)
{
	switch (e->mode & S_IFMT) {
	case S_IFSOCK:
		if (e->family == AF_UNIX)
			return "unix";
		return e->family == AF_INET || e->family == AF_INET6 ? "inet" : "socket";
	case S_IFIFO:
		return "pipe";
	case S_IFREG:
		return "regular";
	case S_IFDIR:
		return "directory";
	case S_IFBLK:
		return "block";
	case S_IFCHR:
		return "character";
	default:
		return "anonymous"; /* eventfd, epoll, timerfd, … */
	}
}
