/* SPDX-License-Identifier: GPL-2.0 */
/* Part of waits.c: the waits for a byte in a pipe. */
#ifndef WAITS_PIPE_H
#define WAITS_PIPE_H

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "workload.h"

static int reader, writer, poller;

static void pipe_prepare(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fds[2];

	die_if(pipe2(fds, O_CLOEXEC), "pipe2");
	reader = fds[0];
	writer = fds[1];
	poller = epoll_create1(EPOLL_CLOEXEC);
	die_if(epoll_ctl(poller, EPOLL_CTL_ADD, reader, &event), "epoll_ctl");
}

static void pipe_read(void)
{
	char byte;

	die_if(read(reader, &byte, 1) != 1, "read");
}

static void pipe_poll(void)
{
	struct pollfd fd = { .fd = reader, .events = POLLIN };

	die_if(poll(&fd, 1, -1) != 1, "poll");
}

static void pipe_epoll(void)
{
	struct epoll_event event;

	die_if(epoll_wait(poller, &event, 1, -1) != 1, "epoll_wait");
}

static void pipe_write(void)
{
	die_if(write(writer, "x", 1) != 1, "write");
}

static void pipe_close(void)
{
	close(reader);
	close(writer);
	close(poller);
}

#endif
