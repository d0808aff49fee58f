/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sendfile.c - a server that answers by sendfile(2) alone, 600 ms after it was asked, once; it asks
 * itself.
 *
 *	sendfile PORT|PATH	on 127.0.0.1, or on a UNIX socket
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/un.h>

#include "loopback.h"

static int unix_socket(const char *path, bool listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	die_if(fd < 0, "socket");
	if (!listening)
		die_if(connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	else
		die_if(bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1),
		       "listen");
	return fd;
}

static void ask(const char *where)
{
	int fd = *where == '/' ? unix_socket(where, false) : loopback_connect(atol(where));
	char text[8];

	die_if(fd < 0 || write(fd, "ask", 3) != 3, "ask");
	die_if(read(fd, text, sizeof(text)) != 6, "answer");
	sleep_ms(600); /* that it closes is no answer */
}

int main(int argc, char **argv)
{
	int listener, fd, file = memfd_create("answer", MFD_CLOEXEC);
	char text[8];
	off_t at = 0;

	if (argc != 2)
		die(2, "usage: sendfile PORT|PATH");
	die_if(file < 0 || write(file, "answer", 6) != 6, "memfd_create");
	listener = *argv[1] == '/' ? unix_socket(argv[1], true) : loopback_listen(atol(argv[1]));
	if (!fork_bound()) {
		ask(argv[1]);
		_exit(0);
	}
	fd = accept(listener, NULL, NULL);
	die_if(fd < 0 || read(fd, text, sizeof(text)) != 3, "accept");
	sleep_ms(600);
	die_if(sendfile(fd, file, &at, 6) != 6, "sendfile");
	return read(fd, text, sizeof(text)) != 0;
}
