/* SPDX-License-Identifier: GPL-2.0 */
#include "user.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/message.h"
#include "access.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define SECOND_NS 1000000000ull
/* So many at once and then one each time so much has passed: of one user, and of all together. */
#define USER_BURST 3
#define USER_GAP_NS (10 * SECOND_NS)
#define TOTAL_BURST 6
#define TOTAL_GAP_NS (2 * SECOND_NS)
/* Beyond this, who waits is told to come again, and who does not read goes without. */
#define WAIT_NS (30 * SECOND_NS)
#define SEND_NS (20 * SECOND_NS)
#define CHUNK (128u << 10) /* sent in one turn of the main loop */

struct user {
	struct client client; /* for the capture: whose, and the memory that the worker writes to */
	int socket;
	int caller, target; /* descriptors of /proc/PID */
	bool same;	    /* one process */
	uid_t uid;
	uint64_t since, until;
	const uint8_t *bytes; /* of the finished snapshot */
	uint64_t size, sent;
};

/* ---- answers ---- */

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void user_free(struct daemon *d, struct user *u)
{
	if (!u)
		return;
	for (unsigned int i = 0; i < USERS_MAX; i++)
		if (d->users.list[i] == u)
			d->users.list[i] = NULL;
	if (d->users.writing == u) {
		d->users.writing = NULL;
		snapshot_kill(&d->snapshot, -ECANCELED);
	}
	if (u->bytes)
		munmap((void *)(uintptr_t)u->bytes, u->size);
	close_fd(u->client.output);
	app_impatient(true); /* whatever lies in it unread */
	close_fd(u->socket);
	app_impatient(false);
	close_fd(u->caller);
	close_fd(u->target);
	free(u);
}

static void send_refusal(int socket, int err, const char *why)
{
	struct frec_reply reply = {.magic = FREC_MAGIC, .error = err};

	snprintf(reply.text, sizeof(reply.text), "%s", why);
	send(socket, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void user_refuse(struct daemon *d, struct user *u, int err, const char *why)
{
	d->users.refused++;
	send_refusal(u->socket, err, why);
	user_free(d, u);
}

/* ---- quotas ---- */

/* Whether the burst allows for one more; then it is taken. */
static bool earn(uint64_t *until, uint64_t now, uint64_t gap, unsigned int burst)
{
	uint64_t since = *until > now ? *until : now;

	if (since - now > (burst - 1) * gap)
		return false;
	*until = since + gap;
	return true;
}

/* Of those whose time has long come, the place of the earliest. */
static uint64_t *quota_of(struct users *users, uid_t uid)
{
	unsigned int oldest = 0;

	for (unsigned int i = 0; i < USER_QUOTAS; i++) {
		if (users->quotas[i].until && users->quotas[i].uid == uid)
			return &users->quotas[i].until;
		if (users->quotas[i].until < users->quotas[oldest].until)
			oldest = i;
	}
	users->quotas[oldest].uid = uid;
	users->quotas[oldest].until = 0;
	return &users->quotas[oldest].until;
}

/* NULL: it may have one. */
static const char *quota_flaw(struct daemon *d, const struct user *u, uint64_t now)
{
	for (unsigned int i = 0; i < USERS_MAX; i++)
		if (d->users.list[i] && d->users.list[i] != u && d->users.list[i]->uid == u->uid)
			return "another snapshot of this user's is under way";
	if (!earn(quota_of(&d->users, u->uid), now, USER_GAP_NS, USER_BURST))
		return "this user has asked for too many snapshots: try again in some seconds";
	if (!earn(&d->users.total, now, TOTAL_GAP_NS, TOTAL_BURST))
		return "too many snapshots are asked for: try again in some seconds";
	return NULL;
}

/* ---- requests ---- */

static bool is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t a = sizeof(domain), b = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &a) &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &b) && domain == AF_UNIX &&
	       type == SOCK_STREAM;
}

const char *user_flaw(const struct client *client)
{
	const struct user *u = (const void *)client;
	struct access_facts caller, target;

	_Static_assert(offsetof(struct user, client) == 0, "a user is found by its client");
	if (access_read(u->caller, &caller) || access_read(u->target, &target))
		return "the process has gone, or cannot be seen";
	if (caller.uid[0] != u->uid)
		return "the caller has become another user";
	return access_flaw(&caller, &target, u->same);
}

/* Whose snapshot it is to be: of the caller, or of the process whose pidfd was passed. */
static const char *find_target(struct user *u, const struct app_envelope *e)
{
	int pid = e->passed[1] != -1 ? access_pid_of(e->passed[1]) : e->who.pid;

	u->uid = e->who.uid;
	u->caller = access_open(e->who.pid, e->pidfd);
	u->target = pid < 0 ? pid : access_open(pid, e->passed[1] >= 0 ? e->passed[1] : e->pidfd);
	if (u->caller < 0 || u->target < 0)
		return "there is no such process, or it cannot be seen";
	u->same = pid == e->who.pid;
	u->client.pid = pid;
	return user_flaw(&u->client);
}

static const char *make_room(struct daemon *d, struct user *u)
{
	unsigned int i = 0;

	while (i < USERS_MAX && d->users.list[i])
		i++;
	if (i == USERS_MAX)
		return "too many wait for snapshots: try again";
	u->client.output = memfd_create("frec-user-snapshot", MFD_CLOEXEC);
	if (u->client.output < 0)
		return "the recorder has no memory left: try again";
	d->users.list[i] = u;
	/* events: none but that it has gone, which is always told */
	struct epoll_event event = {.data.u32 = LOOP_USER + i};

	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, u->socket, &event)
		       ? "the recorder cannot watch this socket"
		       : NULL;
}

void user_request(struct daemon *d, struct app_envelope *e)
{
	uint64_t now = clock_monotonic();
	const char *flaw = NULL;
	struct user *u;
	int err = -EACCES;

	d->users.asked++;
	u = e->passed[0] >= 0 && is_stream(e->passed[0]) ? calloc(1, sizeof(*u)) : NULL;
	if (!u) {
		d->users.refused++; /* and there is nobody to tell */
		return;
	}
	*u = (struct user){.client = {.fd = -1, .output = -1, .anonymous = true},
			   .socket = e->passed[0], .caller = -1, .target = -1, .since = now};
	e->passed[0] = -1;
	if (e->who.uid && !d->config.user_snapshots)
		flaw = "user_snapshots = no in the recorder's configuration";
	if (!flaw)
		flaw = find_target(u, e);
	if (!flaw) {
		err = -EBUSY;
		flaw = quota_flaw(d, u, now);
	}
	if (!flaw)
		flaw = make_room(d, u);
	if (flaw)
		user_refuse(d, u, err, flaw);
}

/* ---- the snapshot ---- */

static struct user *longest_waiting(const struct users *users)
{
	struct user *first = NULL;

	for (unsigned int i = 0; i < USERS_MAX; i++) {
		struct user *u = users->list[i];

		if (u && !u->bytes && (!first || u->since < first->since))
			first = u;
	}
	return first;
}

void user_due(struct daemon *d, uint64_t now)
{
	static const struct policy_job job = {.manual = true, .request = {.trigger = -1}};
	struct user *u = longest_waiting(&d->users);
	int err;

	if (!u)
		return;
	err = shoot_capture(d, &job, &u->client, now);
	d->users.worker = !err;
	if (!err)
		d->users.writing = u;
	else
		user_refuse(d, u, err, "the recorder cannot take a snapshot now");
}

const struct client *user_writing(const struct daemon *d)
{
	return d->users.writing ? &d->users.writing->client : NULL;
}

void user_finish(struct daemon *d, int err, const struct worker_result *r)
{
	struct user *u = d->users.writing;
	struct epoll_event event = {.events = EPOLLOUT};
	void *bytes = MAP_FAILED;

	d->users.writing = NULL;
	d->users.worker = false;
	if (!u)
		return; /* it has gone */
	/* it made way for another one: its turn comes again, until it has waited too long */
	if (err == -EBUSY && !ftruncate(u->client.output, 0) &&
	    !lseek(u->client.output, 0, SEEK_SET))
		return;
	if (err == -EACCES) {
		user_refuse(d, u, err, user_flaw(&u->client) ?: "the process has changed");
		return;
	}
	if (!err && r->bytes) {
		u->size = r->bytes;
		bytes = mmap(NULL, u->size, PROT_READ, MAP_SHARED, u->client.output, 0);
	}
	if (bytes == MAP_FAILED) {
		user_refuse(d, u, -EIO, "the recorder could not write the snapshot");
		return;
	}
	u->bytes = bytes;
	u->until = clock_monotonic() + SEND_NS;
	for (unsigned int i = 0; i < USERS_MAX; i++)
		if (d->users.list[i] == u)
			event.data.u32 = LOOP_USER + i;
	epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, u->socket, &event);
}

/* Bytes sent of the head and then of the snapshot; u->sent counts both. */
static ssize_t send_some(struct user *u)
{
	struct frec_reply head = {.magic = FREC_MAGIC, .bytes = u->size};
	const uint8_t *from = u->bytes;
	uint64_t left = u->size;

	if (u->sent < sizeof(head)) {
		from = (const uint8_t *)&head + u->sent;
		left = sizeof(head) - u->sent;
	} else {
		from += u->sent - sizeof(head);
		left -= u->sent - sizeof(head);
	}
	return send(u->socket, from, left < CHUNK ? left : CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void user_ready(struct daemon *d, unsigned int i)
{
	struct user *u = i < USERS_MAX ? d->users.list[i] : NULL;
	ssize_t n;

	if (!u)
		return;
	if (!u->bytes) { /* nothing was asked for but this */
		d->users.refused++;
		user_free(d, u);
		return;
	}
	n = send_some(u);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		u->sent += (uint64_t)n;
	if (n > 0 && u->sent < sizeof(struct frec_reply) + u->size)
		return;
	*(n > 0 ? &d->users.written : &d->users.refused) += 1;
	user_free(d, u);
}

void user_expire(struct daemon *d, uint64_t now)
{
	for (unsigned int i = 0; i < USERS_MAX; i++) {
		struct user *u = d->users.list[i];

		if (!u || u == d->users.writing)
			continue;
		if (!u->bytes && now - u->since > WAIT_NS)
			user_refuse(d, u, -EBUSY,
				    "the recorder had other snapshots to write: try again");
		else if (u->bytes && now > u->until) {
			d->users.refused++;
			user_free(d, u);
		}
	}
}

void user_close_all(struct daemon *d)
{
	for (unsigned int i = 0; i < USERS_MAX; i++)
		user_free(d, d->users.list[i]);
}
