/* SPDX-License-Identifier: GPL-2.0 */
/* TCP on 127.0.0.1 only, and the little HTTP that the services need. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "workload.h"

static inline struct sockaddr_in loopback_address(long port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* Nobody on the other side may hold a thread for ever. */
static inline void loopback_tune(int fd)
{
	struct timeval limit = { .tv_sec = 5 };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Listens, says so on stdout, returns the socket. */
static inline int loopback_listen(long port)
{
	struct sockaddr_in address = loopback_address(port);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	die_if(fd < 0, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 128))
		die(1, "127.0.0.1:%ld: %s", port, strerror(errno));
	die_if(getsockname(fd, (struct sockaddr *)&address, &size), "getsockname");
	say("ready port=%d pid=%ld", ntohs(address.sin_port), (long)getpid());
	return fd;
}

/* Returns a socket or -errno. */
static inline int loopback_connect(long port)
{
	struct sockaddr_in address = loopback_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	loopback_tune(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Returns the size of the first message in `text` (head and body), 0 if it is not complete yet,
 * -EBADMSG. */
static inline long http_size(const char *text, size_t used)
{
	const char *end = memmem(text, used, "\r\n\r\n", 4), *length;
	long body = 0;

	if (!end)
		return 0;
	length = strcasestr(text, "\r\nContent-Length:");
	if (length && length < end) {
		char *stop;

		body = strtol(length + strlen("\r\nContent-Length:"), &stop, 10);
		if (body < 0 || body > 1 << 20 || *stop != '\r')
			return -EBADMSG;
	}
	body += end + 4 - text;
	return (size_t)body <= used ? body : 0;
}

#endif
