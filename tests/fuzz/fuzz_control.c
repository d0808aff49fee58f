/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What clients of the control socket may do, a line each: its first letter says who (of four: @ A B C)
 * and what else. @ … O: sends the rest, with no descriptor, a file, a device, or two; P … S: hangs up;
 * ` … c: the snapshot that somebody waits for begins, or has been written; p … s: time passes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/daemon.h"
#include "../../daemon/log.h"
#include "../../daemon/loop.h"
#include "../../lib/protocol.h"

#define CLIENTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the rest of the daemon ---- */

static struct daemon d;
static bool paused;
static int ends[CLIENTS]; /* the clients' */

json_t *status_json(struct daemon *daemon)
{
	(void)daemon;
	return json_object();
}

json_t *status_triggers(struct daemon *daemon)
{
	(void)daemon;
	return json_array();
}

void store_request(const struct daemon *daemon, uint32_t op, struct spooler_request *ret)
{
	(void)daemon;
	ret->op = op;
}

uint64_t spooler_stalled(const struct spooler *s, uint64_t now)
{
	(void)s, (void)now;
	return 0;
}

int spooler_ask(struct spooler *s, const struct spooler_request *q, int fd, uint64_t now)
{
	(void)s, (void)q, (void)now;
	return fd % 2 ? -EAGAIN : 0;
}

bool recorder_paused(const struct recorder *r)
{
	(void)r;
	return paused;
}

int recorder_pause(struct recorder *r, bool pause)
{
	(void)r;
	paused = pause;
	return 0;
}

void snapshot_kill(struct snapshot *s, int why)
{
	(void)s, (void)why;
}

void loop_publish(struct daemon *daemon)
{
	(void)daemon;
}

int loop_add(struct daemon *daemon, int fd, unsigned int source)
{
	(void)daemon, (void)fd, (void)source;
	return 0;
}

void log_line(int priority, const char *format, ...)
{
	(void)priority, (void)format;
}

/* ---- clients ---- */

static void hang_up(unsigned int i)
{
	if (ends[i] >= 0)
		close(ends[i]);
	ends[i] = -1;
}

static void call(unsigned int i)
{
	int pair[2];

	hang_up(i);
	assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
	ends[i] = pair[0];
	d.clients[i] = (struct client){.fd = pair[1], .output = -1, .seen = clock_monotonic()};
}

static void send_packet(unsigned int i, unsigned int pass, const uint8_t *bytes, size_t len)
{
	static const uint8_t first[] = {0, 0, 1, 0}, count[] = {0, 1, 1, 2};
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2] = {memfd_create("out", MFD_CLOEXEC), open("/dev/null", O_RDWR | O_CLOEXEC)};

	if (count[pass]) {
		control.align.cmsg_len = CMSG_LEN(count[pass] * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds + first[pass], count[pass] * sizeof(int));
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(count[pass] * sizeof(int));
	}
	sendmsg(ends[i], &msg, MSG_NOSIGNAL);
	close(fds[0]);
	close(fds[1]);
}

/* What comes back is always a message. */
static void read_replies(unsigned int i)
{
	static char reply[1u << 16];
	json_t *message;
	ssize_t n;

	while (ends[i] >= 0 && (n = recv(ends[i], reply, sizeof(reply), 0)) > 0) {
		assert(!protocol_parse(reply, n, &message));
		json_decref(message);
	}
}

/* ---- the daemon ---- */

static void go_on(void)
{
	struct policy_job job;

	if (d.policy.writing) {
		policy_done(&d.policy, true);
		control_answer(&d, d.writing_id, json_pack("{s:b}", "ok", 1));
		d.writing_id = 0;
	} else if (!policy_take(&d.policy, clock_monotonic(), &job)) {
		assert(job.manual);
		d.writing_id = job.request.id;
	}
}

static void line(const uint8_t *bytes, size_t len)
{
	unsigned int i = bytes[0] % CLIENTS;

	switch (bytes[0] >> 4 & 3) {
	case 0:
		if (d.clients[i].fd < 0)
			call(i);
		send_packet(i, bytes[0] >> 2 & 3, bytes + 1, len - 1);
		control_readable(&d, i);
		break;
	case 1:
		hang_up(i);
		control_readable(&d, i);
		break;
	case 2:
		go_on();
		break;
	case 3:
		control_expire(&d, clock_monotonic() + (i ? 1000000000ull << 4 * i : 0));
		break;
	}
	for (unsigned int k = 0; k < CLIENTS; k++)
		read_replies(k);
}

static void begin(void)
{
	static struct config config;

	if (!config.n_triggers)
		config_defaults(&config);
	memset(&d, 0, sizeof(d));
	d.config = config;
	strcpy(d.config.run_directory, "/proc/self/none"); /* nothing can be made there */
	policy_init(&d.policy, &d.config, 1);
	d.listen_fd = d.epoll_fd = -1;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		d.clients[i] = (struct client){.fd = -1, .output = -1};
	for (unsigned int i = 0; i < CLIENTS; i++)
		ends[i] = -1;
	paused = false;
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *next;
	unsigned int before = open_fds();

	begin();
	for (; data < end; data = next + 1) {
		next = memchr(data, '\n', end - data);
		if (!next)
			next = end;
		if (next > data)
			line(data, next - data);
	}
	control_close_all(&d);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		read_replies(i);
		hang_up(i);
	}
	assert(open_fds() == before);
	return 0;
}
