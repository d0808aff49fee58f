/* SPDX-License-Identifier: GPL-2.0 */
/* The slow other side of guess_server: answers each POST after a delay, one at a time. */
#define _GNU_SOURCE
#include "loopback.h"

static long port, delay = 150, run_ms;

WORKLOAD_NAMED static void handle_report(int fd)
{
	static const char answers[2][96] = {
		"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n",
	};
	char text[8192];
	size_t used = 0;
	long size = 0;
	bool post;

	while (size == 0 && used < sizeof(text) - 1) {
		ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		if (got <= 0)
			return;
		used += got;
		text[used] = 0;
		size = http_size(text, used);
	}
	if (size <= 0)
		return;
	post = !strncmp(text, "POST ", 5);
	if (post)
		sleep_ms(delay);
	if (send(fd, answers[post], strlen(answers[post]), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "report_service: send: %s\n", strerror(errno));
}

static const struct option_row options[] = {
	{ "port", OPTION_NUMBER, &port, 0, 65535, "to listen on (default 0: a free one)" },
	{ "delay", OPTION_MS, &delay, 0, 60000, "before each answer (150ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long (default 0: SIGTERM)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	int listener;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(run_ms);
	listener = loopback_listen(port);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		loopback_tune(fd);
		handle_report(fd);
		close(fd);
	}
}
