/* SPDX-License-Identifier: GPL-2.0 */
/*
 * app.c - the trigger socket. Anybody may send, so much is checked, and little is done for one
 * message; the kernel drops floods before they get here (recorder_guard()).
 */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/message.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define READS_MAX 32 /* in one turn of the main loop */

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif

/* ---- the socket ---- */

static void address_of(const struct daemon *d, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	/* run_directory is short enough, see config_keys.c */
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%.94s/" FREC_SOCKET,
		 d->config.run_directory);
}

static bool is_there(const struct daemon *d)
{
	struct sockaddr_un address;
	struct stat st;

	address_of(d, &address);
	return !lstat(address.sun_path, &st) && st.st_ino == d->app.file[0] &&
	       st.st_dev == d->app.file[1];
}

/* The lock on the run directory is ours: a socket that is there is of a recorder that died. */
static int bind_socket(struct daemon *d, int fd)
{
	mode_t old = umask(0777);
	struct sockaddr_un address;
	struct stat st;
	int err = 0;

	address_of(d, &address);
	if (!lstat(address.sun_path, &st) && S_ISSOCK(st.st_mode))
		unlink(address.sun_path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    chmod(address.sun_path, 0666) || lstat(address.sun_path, &st))
		err = -errno;
	umask(old);
	d->app.file[0] = st.st_ino;
	d->app.file[1] = st.st_dev;
	return err;
}

static int set_options(struct daemon *d, int fd)
{
	int one = 1, err;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)))
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof(one)); /* where the kernel has it */
	err = recorder_guard(d->recorder, fd);
	if (err)
		log_error("cannot guard the trigger socket: %s", strerror(-err));
	return err;
}

int app_open(struct daemon *d)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	err = set_options(d, fd);
	if (!err)
		err = bind_socket(d, fd);
	if (!err && d->epoll_fd >= 0)
		err = loop_add(d, fd, LOOP_APP);
	if (err) {
		close(fd);
		return err;
	}
	if (d->app.fd >= 0)
		close(d->app.fd);
	d->app.fd = fd;
	return 0;
}

void app_check(struct daemon *d)
{
	if (is_there(d))
		return;
	if (!app_open(d))
		log_warning("the trigger socket was removed or replaced: there is a new one");
}

void app_close(struct daemon *d)
{
	struct sockaddr_un address;

	if (d->app.fd < 0)
		return;
	close(d->app.fd);
	d->app.fd = -1;
	address_of(d, &address);
	if (is_there(d))
		unlink(address.sun_path);
}

/* ---- messages ---- */

/*
 * Who only triggers passes nothing; what comes nevertheless is never ours to close. Who asks for a
 * snapshot is answered on a socket that he passes.
 */
static int receive(struct daemon *d, struct app_envelope *ret)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct message m;
	ssize_t n = app_receive(d->app.fd, ret, control.room, sizeof(control.room), MSG_PEEK);
	bool wanted = n >= 0 && !message_parse(ret->bytes, ret->len, &m) && m.kind == FREC_SNAPSHOT;
	int err = -EBUSY;

	if (n < 0)
		return (int)n;
	if (wanted)
		err = app_receive_passed(&d->app, ret);
	if (err != -EBUSY)
		return err;
	app_impatient(true);
	n = app_receive(d->app.fd, ret, control.room, sizeof(control.room), 0);
	app_impatient(false);
	return n < 0 ? (int)n : 0;
}

static void envelope_close(struct app_envelope *e)
{
	if (e->pidfd >= 0)
		close(e->pidfd);
	for (int i = 0; i < APP_PASSED_MAX; i++)
		if (e->passed[i] >= 0)
			close(e->passed[i]);
}

/* ---- triggers ---- */

static int find_trigger(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->n_triggers; i++)
		if (c->triggers[i].filter.kind == TRIGGER_APP && !strcmp(c->triggers[i].name, name))
			return (int)i;
	return -1;
}

static struct trigger_record record_of(const struct daemon *d, int index,
				       const struct app_sender *s, uint64_t begin, uint64_t now)
{
	uint64_t end = s->at < now ? s->at : now, start = begin && begin < end ? begin : end;
	struct trigger_record r = {
		.h = {.ts = now, .kind = TRIGGER_APP, .len = sizeof(r)},
		.index = (uint32_t)index,
		.bank = d->policy.bank,
		.duration = end - start,
		.w = {.start = start, .in = end, .end = end, .tid = s->tid,
		      .tgid = s->tgid, .task_start = s->start, .nr = -1},
	};

	memcpy(r.w.comm, s->comm, COMM_LEN);
	return r;
}

/* Returns the counter of why it came to nothing, or NULL. */
static uint64_t *fire(struct daemon *d, const struct ucred *who, const struct message *m)
{
	int index = find_trigger(&d->config, m->name);
	uint64_t now = clock_monotonic();
	struct trigger_record r;
	struct app_sender s;

	if (index < 0)
		return &d->app.unknown;
	if (m->begin > now)
		return &d->app.malformed;
	if (recorder_sender(d->recorder, who->pid, m->tid, &s))
		return &d->app.strangers;
	if (!sender_matches(&s, who->uid, &d->config.triggers[index].filter))
		return &d->app.filtered;
	r = record_of(d, index, &s, m->begin, now);
	if (policy_trigger(&d->policy, now, &r) != POLICY_SUPPRESSED)
		policy_tell(&d->policy, &r, m->text);
	return NULL;
}

static void take(struct daemon *d, struct app_envelope *e)
{
	uint64_t *failed = &d->app.malformed;
	struct message m;

	d->app.received++;
	if (!message_parse(e->bytes, e->len, &m))
		failed = m.kind == FREC_SNAPSHOT ? NULL : fire(d, &e->who, &m);
	if (!failed && m.kind == FREC_SNAPSHOT)
		user_request(d, e);
	if (failed)
		++*failed;
}

void app_readable(struct daemon *d)
{
	struct app_envelope e;

	for (int i = 0; i < READS_MAX && !receive(d, &e); i++) {
		take(d, &e);
		envelope_close(&e);
	}
	loop_publish(d);
	shoot_due(d, clock_monotonic());
}
