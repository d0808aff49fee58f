/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guess the number over HTTP, with a bug: the reporter keeps the lock of every bucket while it
 * waits for the report service, so now and then every guess takes as long as that service does.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>

#ifdef WITH_FREC
#include <frec/frec.h>
#endif

#include "loopback.h"
#include "threads.h"

#define BUCKETS 100

struct connection {
	int fd;
	size_t used;
	char text[2048]; /* always ends with a NUL */
};

static pthread_mutex_t bucket_locks[BUCKETS] = { [0 ... BUCKETS - 1] = PTHREAD_MUTEX_INITIALIZER };
static unsigned long bucket_counts[BUCKETS];

static long port, report_port, report_every = 3000, threads = 4, run_ms;
static long secret;
static int listener, poller;

/* Returns the size of the answer. */
WORKLOAD_NAMED static int handle_guess(long guess, char *answer, size_t size)
{
	unsigned long bucket = (unsigned long)guess % BUCKETS, count;
	const char *hint = guess < secret ? "higher" : guess > secret ? "lower" : "right";

	pthread_mutex_lock(&bucket_locks[bucket]);
	count = ++bucket_counts[bucket];
	pthread_mutex_unlock(&bucket_locks[bucket]);
	return snprintf(answer, size, "{\"guess\":%ld,\"hint\":\"%s\",\"count\":%lu}\n", guess,
			hint, count);
}

static bool answer_request(struct connection *connection)
{
	const char *status = "200 OK";
	char body[256], answer[512];
	int size, parsed = 0;
	long guess;

	if (sscanf(connection->text, "GET /guess?n=%18ld HTTP/1.%n", &guess, &parsed) == 1 &&
	    parsed) {
#ifdef WITH_FREC
		uint64_t begin = frec_now();
#endif
		size = handle_guess(guess, body, sizeof(body));
#ifdef WITH_FREC
		if (frec_now() - begin > 100000000)
			frec_trigger_since("slow-guess", begin, "guess %ld", guess);
#endif
	} else {
		status = strncmp(connection->text, "GET /guess", 10) ? "404 Not Found"
								     : "400 Bad Request";
		size = snprintf(body, sizeof(body), "{\"error\":\"want GET /guess?n=NUMBER\"}\n");
	}
	size = snprintf(
		answer, sizeof(answer),
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		status, size, body);
	return send(connection->fd, answer, size, MSG_NOSIGNAL) == size;
}

/* Reads what is there and answers each complete request. False: the connection is done with. */
static bool serve_connection(struct connection *connection)
{
	size_t space = sizeof(connection->text) - 1 - connection->used;
	ssize_t got =
		recv(connection->fd, connection->text + connection->used, space, MSG_DONTWAIT);
	long size;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	connection->used += got;
	connection->text[connection->used] = 0;
	while ((size = http_size(connection->text, connection->used)) > 0) {
		if (!answer_request(connection))
			return false;
		connection->used -= size;
		memmove(connection->text, connection->text + size, connection->used + 1);
	}
	return size == 0 && connection->used < sizeof(connection->text) - 1;
}

/* One event wakes one worker; the descriptor stays quiet until it is armed again. */
static bool arm(int operation, int fd, struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = connection };

	return epoll_ctl(poller, operation, fd, &event) == 0;
}

static void accept_connection(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : calloc(1, sizeof(*connection));

	if (connection) {
		connection->fd = fd;
		loopback_tune(fd);
	}
	if (!connection || !arm(EPOLL_CTL_ADD, fd, connection)) {
		free(connection);
		if (fd >= 0)
			close(fd);
	}
	arm(EPOLL_CTL_MOD, listener, NULL);
}

WORKLOAD_NAMED static void *worker_main(void *unused)
{
	struct epoll_event event;

	pthread_setname_np(pthread_self(), "guess-worker");
	for (;;) {
		struct connection *connection;

		if (epoll_wait(poller, &event, 1, -1) != 1)
			continue;
		connection = event.data.ptr;
		if (!connection) {
			accept_connection();
		} else if (!serve_connection(connection) ||
			   !arm(EPOLL_CTL_MOD, connection->fd, connection)) {
			close(connection->fd);
			free(connection);
		}
	}
	return unused;
}

/* Returns 0 when the service has answered, else -errno. */
WORKLOAD_NAMED static int http_post(const char *body)
{
	char text[4096];
	size_t used = 0;
	int fd = loopback_connect(report_port), err = 0;
	int size = snprintf(
		text, sizeof(text),
		"POST /report HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);

	if (fd < 0)
		return fd;
	if (send(fd, text, size, MSG_NOSIGNAL) != size)
		err = -EIO;
	text[0] = 0;
	while (!err && http_size(text, used) == 0) {
		ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		if (got <= 0)
			err = got < 0 ? -errno : -ECONNRESET;
		else
			used += got;
		text[used] = 0;
	}
	close(fd);
	return err;
}

WORKLOAD_NAMED static int send_report(void)
{
	char body[3072] = "{\"counts\":[";
	size_t used = strlen(body);
	int err;

	for (int i = 0; i < BUCKETS; i++)
		pthread_mutex_lock(&bucket_locks[i]);
	for (int i = 0; i < BUCKETS; i++)
		used += snprintf(body + used, sizeof(body) - used, "%s%lu", i ? "," : "",
				 bucket_counts[i]);
	snprintf(body + used, sizeof(body) - used, "]}\n");
	/* The bug: the counts are copied, the locks should have been released here. */
	err = http_post(body);
	for (int i = 0; i < BUCKETS; i++)
		pthread_mutex_unlock(&bucket_locks[i]);
	return err;
}

WORKLOAD_NAMED static void *reporter_main(void *unused)
{
	pthread_setname_np(pthread_self(), "reporter");
	for (;;) {
		int err;

		sleep_ms(report_every);
		err = send_report();
		if (err)
			fprintf(stderr, "guess_server: report: %s\n", strerror(-err));
	}
	return unused;
}

static const struct option_row options[] = {
	{ "port", OPTION_NUMBER, &port, 0, 65535, "to listen on (default 0: a free one)" },
	{ "report-port", OPTION_NUMBER, &report_port, 0, 65535,
	  "of the report service (default 0: no reports)" },
	{ "report-every", OPTION_SECONDS, &report_every, 1, 3600000, "pause between reports (3s)" },
	{ "threads", OPTION_NUMBER, &threads, 1, 256, "workers (4)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long (default 0: SIGTERM)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	pthread_t thread;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(run_ms);
	secret = clock_ns() % 1000;
	poller = epoll_create1(EPOLL_CLOEXEC);
	die_if(poller < 0, "epoll_create1");
	listener = loopback_listen(port);
	die_if(!arm(EPOLL_CTL_ADD, listener, NULL), "epoll_ctl");
	for (long i = 0; i < threads; i++)
		thread_start(&thread, worker_main, NULL);
	if (report_port)
		thread_start(&thread, reporter_main, NULL);
	for (;;)
		pause();
}
