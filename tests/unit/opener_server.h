/* SPDX-License-Identifier: GPL-2.0 */
/* opener_server.h - an opener for the tests that ask one. */
#ifndef OPENER_SERVER_H
#define OPENER_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/opener.h"

static int server_fd = -1;
static pid_t server;
static struct opener_client client;

static int setup(void **state)
{
	(void)state;
	if (opener_start((uid_t)-1, (gid_t)-1, &server_fd, &server) < 0)
		return -1;
	opener_client_init(&client, server_fd);
	return 0;
}

/* Closing the socket is enough to end it. */
static int teardown(void **state)
{
	int status;

	(void)state;
	close(server_fd);
	if (waitpid(server, &status, 0) != server)
		return -1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}

#endif
