/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Load for guess_server at a fixed rate. A request that is due while all connections are busy waits
 * for one, and its latency counts from when it was due: a stall of the server hides nothing.
 */
#define _GNU_SOURCE
#include <poll.h>

#include "loopback.h"

#define CONNECTIONS_MAX 256

struct connection {
	uint64_t due; /* ns, of the request under way; 0: idle */
	size_t used;
	char text[1024];
};

static long port, connections = 8, rate = 200, run_ms = 10000, until_slow;
static struct connection pool[CONNECTIONS_MAX];
static struct pollfd fds[CONNECTIONS_MAX];
static uint32_t *latencies; /* us */
static size_t answered, capacity, failed;
static uint64_t slowest; /* ns */
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void latency_add(uint64_t ns)
{
	if (answered == capacity) {
		capacity = capacity ? capacity * 2 : 4096;
		latencies = realloc(latencies, capacity * sizeof(*latencies));
		die_if(!latencies, "realloc");
	}
	latencies[answered++] = ns / 1000;
	if (ns > slowest)
		slowest = ns;
}

static void request_send(long i, uint64_t due, unsigned int number)
{
	char text[128];
	int size = snprintf(text, sizeof(text),
			    "GET /guess?n=%u HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", number);

	pool[i].due = due;
	if (send(fds[i].fd, text, size, MSG_NOSIGNAL) != size)
		die(1, "send: %s", strerror(errno));
}

static void answer_receive(long i)
{
	struct connection *connection = &pool[i];
	ssize_t got = recv(fds[i].fd, connection->text + connection->used,
			   sizeof(connection->text) - 1 - connection->used, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		die(1, "the server closed a connection: %s", got ? strerror(errno) : "end of file");
	connection->used += got;
	connection->text[connection->used] = 0;
	if (http_size(connection->text, connection->used) <= 0) {
		if (connection->used == sizeof(connection->text) - 1)
			die(1, "answer too long");
		return;
	}
	failed += strncmp(connection->text, "HTTP/1.1 200 ", 13) != 0;
	latency_add(clock_ns() - connection->due);
	connection->due = 0;
	connection->used = 0;
}

/* Sends what is due to idle connections; returns when the next request is due. */
static uint64_t requests_send(uint64_t due, uint64_t now)
{
	static unsigned int number;

	for (long i = 0; i < connections && due <= now; i++) {
		if (pool[i].due)
			continue;
		/* 7919 is a prime: it visits all buckets in no simple order */
		number = (number + 7919) % 1000;
		request_send(i, due, number);
		due += WORKLOAD_NS_PER_S / rate;
	}
	return due;
}

static long busy(void)
{
	long count = 0;

	for (long i = 0; i < connections; i++)
		count += pool[i].due != 0;
	return count;
}

static void answers_receive(uint64_t until)
{
	uint64_t now = clock_ns(), wait = until > now ? until - now : 0;
	struct timespec ts = { .tv_sec = wait / WORKLOAD_NS_PER_S,
			       .tv_nsec = wait % WORKLOAD_NS_PER_S };

	if (ppoll(fds, connections, &ts, NULL) <= 0)
		return;
	for (long i = 0; i < connections; i++)
		if (fds[i].revents)
			answer_receive(i);
}

static bool seen_slow(void)
{
	return until_slow && slowest > until_slow * WORKLOAD_NS_PER_MS;
}

static void load_run(void)
{
	uint64_t start = clock_ns(), due = start, now = start;
	uint64_t end = start + run_ms * WORKLOAD_NS_PER_MS, grace = end + 5 * WORKLOAD_NS_PER_S;

	while (now < end && !stopped && !seen_slow()) {
		uint64_t next;

		due = requests_send(due, now);
		/* due already: all connections are busy, only an answer helps */
		next = due > now ? due : end;
		answers_receive(next < end ? next : end);
		now = clock_ns();
	}
	while (busy() && now < grace && !stopped && !seen_slow()) {
		answers_receive(grace);
		now = clock_ns();
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double percentile_ms(double share)
{
	return answered ? latencies[(size_t)(share * (answered - 1))] / 1000.0 : 0;
}

static const struct option_row options[] = {
	{ "port", OPTION_NUMBER, &port, 1, 65535, "of guess_server (required)" },
	{ "connections", OPTION_NUMBER, &connections, 1, CONNECTIONS_MAX, "kept open (8)" },
	{ "rate", OPTION_NUMBER, &rate, 1, 100000,
	  "requests a second, over all connections (200)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 1, 86400000, "end after so long (10)" },
	{ "until-slow", OPTION_MS, &until_slow, 1, 60000,
	  "end with 0 at the first request slower than this, with 1 if there was none" },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };

	if (options_parse(argc, argv, "--port N [options]", options) || !port)
		die(2, "want --port N and options (see --help)");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (long i = 0; i < connections; i++) {
		fds[i] = (struct pollfd){ .fd = loopback_connect(port), .events = POLLIN };
		if (fds[i].fd < 0)
			die(1, "127.0.0.1:%ld: %s", port, strerror(-fds[i].fd));
	}
	load_run();
	if (answered)
		qsort(latencies, answered, sizeof(*latencies), compare);
	say("requests=%zu median=%.2fms p99=%.2fms max=%.2fms failed=%zu unanswered=%ld", answered,
	    percentile_ms(0.5), percentile_ms(0.99), percentile_ms(1), failed, busy());
	return failed || !answered || (until_slow && !seen_slow());
}
