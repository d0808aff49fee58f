/* SPDX-License-Identifier: GPL-2.0 */
/* control.c - the control socket: one request at a time from each of a few clients. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/protocol.h"
#include "../lib/text.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

/* A client has so long for its next request; when places are short, the longest silent goes. */
#define IDLE_NS 5000000000ull

/*
 * What a client has passed, or what lies unread in its socket, may linger when it is closed: a socket
 * that nobody reads at the other end, for as long as the client likes.
 */
static void close_passed(int fd)
{
	app_impatient(true);
	close(fd);
	app_impatient(false);
}

static void client_close(struct daemon *d, struct client *c)
{
	if (c->fd < 0)
		return;
	if (c->id)
		policy_cancel(&d->policy, c->id);
	/* nobody waits for it any more, and others may */
	if (c->id && c->id == d->writing_id && c->output >= 0)
		snapshot_kill(&d->snapshot, -ECANCELED);
	close_passed(c->fd);
	if (c->output >= 0)
		close_passed(c->output);
	*c = (struct client){.fd = -1, .output = -1};
}

static void client_reply(struct daemon *d, struct client *c, json_t *reply)
{
	/* a client that does not read its answer is not waited for */
	if (!reply || protocol_send(c->fd, reply, -1))
		client_close(d, c);
	json_decref(reply);
}

struct client *control_client(struct daemon *d, uint64_t id)
{
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (d->clients[i].fd >= 0 && d->clients[i].id == id)
			return &d->clients[i];
	return NULL;
}

void control_answer(struct daemon *d, uint64_t id, json_t *reply)
{
	struct client *c = control_client(d, id);

	if (!c) {
		json_decref(reply);
		return;
	}
	c->id = 0;
	c->seen = clock_monotonic();
	if (c->output >= 0)
		close(c->output);
	c->output = -1;
	client_reply(d, c, reply);
}

/* ---- requests ---- */

static json_t *do_status(struct daemon *d, struct client *c, const json_t *request)
{
	(void)c;
	(void)request;
	return json_pack("{s:b,s:o}", "ok", 1, "status", status_json(d));
}

static json_t *do_triggers(struct daemon *d, struct client *c, const json_t *request)
{
	(void)c;
	(void)request;
	return json_pack("{s:b,s:o}", "ok", 1, "triggers", status_triggers(d));
}

/* The spooler answers, on its own copy of the client's socket. */
static json_t *do_list(struct daemon *d, struct client *c, const json_t *request)
{
	static struct spooler_request q; /* holds a path */
	uint64_t now = clock_monotonic(), stalled = spooler_stalled(&d->spooler, now);
	int err;

	(void)request;
	store_request(d, SPOOLER_LIST, &q);
	if (stalled)
		return protocol_error("cannot read %s: its disk has not answered for %llu s",
				      d->config.directory,
				      (unsigned long long)(stalled / 1000000000));
	err = spooler_ask(&d->spooler, &q, c->fd, now);
	if (err)
		return protocol_error("cannot read %s: %s", d->config.directory, strerror(-err));
	client_close(d, c);
	return NULL;
}

static json_t *set_paused(struct daemon *d, bool paused)
{
	bool changed = recorder_paused(d->recorder) != paused;

	int err = recorder_pause(d->recorder, paused);

	if (err)
		return protocol_error("cannot go on recording: %s", strerror(-err));
	if (changed && paused)
		d->paused_since = clock_monotonic();
	policy_pause(&d->policy, paused);
	loop_publish(d);
	return json_pack("{s:b,s:b}", "ok", 1, "changed", changed);
}

static json_t *do_pause(struct daemon *d, struct client *c, const json_t *request)
{
	(void)c;
	(void)request;
	return set_paused(d, true);
}

static json_t *do_resume(struct daemon *d, struct client *c, const json_t *request)
{
	(void)c;
	(void)request;
	return set_paused(d, false);
}

/*
 * A regular file alone (frecctl makes one): a pipe that nobody reads would keep
 * the worker, and with it the snapshots of all triggers, until the deadline.
 */
static const char *output_flaw(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
		return "the descriptor passed is not open for writing";
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return "the descriptor passed is no regular file";
	return NULL;
}

/* Queues a manual snapshot; NULL: the answer comes when it is written. */
static json_t *enqueue(struct daemon *d, struct client *c, int trigger)
{
	const char *flaw;
	int err;

	if (c->id)
		return protocol_error("this connection already waits for a snapshot");
	flaw = c->output >= 0 ? output_flaw(c->output) : NULL;
	if (flaw)
		return protocol_error("cannot write the snapshot: %s", flaw);
	err = policy_manual(&d->policy, clock_monotonic(), ++d->next_id, trigger);
	if (err)
		return protocol_error(
			"too many snapshots are waiting to be written: try again later");
	c->id = d->next_id;
	return NULL;
}

static json_t *do_snapshot(struct daemon *d, struct client *c, const json_t *request)
{
	uint64_t pid = 0, last = 0;
	bool only = false;
	int err;

	err = protocol_get_u64(request, "pid", &pid);
	if ((err && err != -ENOENT) || pid > INT32_MAX)
		return protocol_error("pid: want a process id");
	err = protocol_get_u64(request, "last_ns", &last);
	if (err && err != -ENOENT)
		return protocol_error("last_ns: want nanoseconds");
	err = protocol_get_bool(request, "only", &only);
	if (err && err != -ENOENT)
		return protocol_error("only: want true or false");
	if (only && !pid)
		return protocol_error("only: needs a pid");
	c->pid = pid;
	c->last = last;
	c->only = only;
	return enqueue(d, c, -1);
}

static json_t *do_fire(struct daemon *d, struct client *c, const json_t *request)
{
	const char *name, *text = "";
	int err = protocol_get_string(request, "text", &text);

	if (err && err != -ENOENT)
		return protocol_error("text: want words");
	if (protocol_get_string(request, "name", &name))
		return protocol_error("name: want the name of a trigger");
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		if (strcmp(d->config.triggers[i].name, name))
			continue;
		c->pid = 0;
		c->last = 0;
		c->only = false;
		snprintf(c->text, sizeof(c->text), "%s", text);
		text_clean(c->text);
		return enqueue(d, c, i);
	}
	return protocol_error("no trigger '%s': `frecctl triggers` lists them", name);
}

static const struct {
	const char *name;
	json_t *(*run)(struct daemon *d, struct client *c, const json_t *request);
} commands[] = {
	{"status", do_status}, {"triggers", do_triggers}, {"list", do_list},
	{"pause", do_pause},   {"resume", do_resume},	  {"snapshot", do_snapshot},
	{"fire", do_fire},
};

static json_t *dispatch(struct daemon *d, struct client *c, const json_t *request)
{
	const char *command;

	if (protocol_get_string(request, "command", &command))
		return protocol_error("no command in the request");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, command))
			return commands[i].run(d, c, request);
	return protocol_error("unknown command '%s'", command);
}

/* ---- sockets ---- */

/* The file of the listener: fstat() on a socket tells of another inode. */
static struct {
	dev_t dev;
	ino_t ino;
	bool lost; /* said so, and cannot make a new one yet */
} socket_file;

static int stat_socket(const struct daemon *d, struct stat *st)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", d->config.run_directory, PROTOCOL_SOCKET);
	return lstat(path, st) ? -errno : 0;
}

/* An open listener keeps its inode, so that no other file gets the number. */
static bool socket_is_ours(const struct stat *st)
{
	return st->st_dev == socket_file.dev && st->st_ino == socket_file.ino;
}

int control_open(struct daemon *d)
{
	struct stat st;
	int err = protocol_listen(d->config.run_directory, 0660, d->gid, &d->listen_fd);

	if (!err && !stat_socket(d, &st)) {
		socket_file.dev = st.st_dev;
		socket_file.ino = st.st_ino;
	}
	return err;
}

static int listen_anew(struct daemon *d)
{
	int old = d->listen_fd, err = control_open(d);

	if (err)
		return err;
	err = loop_add(d, d->listen_fd, LOOP_LISTEN);
	if (err) {
		/* what is left of it is nobody's, and replaced in a second */
		close(d->listen_fd);
		d->listen_fd = old;
		socket_file.ino = 0;
		return err;
	}
	close(old);
	return 0;
}

/* Somebody who tidies up the directory would make us unreachable until the next start. */
static void check_socket(struct daemon *d)
{
	struct stat st;
	int err = stat_socket(d, &st);

	if (err ? err != -ENOENT : socket_is_ours(&st))
		return;
	err = listen_anew(d);
	if (!err)
		log_warning("the control socket was removed or replaced: there is a new one");
	else if (!socket_file.lost)
		log_error(
			"the control socket was removed or replaced, and there cannot be a new one: "
			"%s; frecctl cannot reach this recorder until that is mended",
			strerror(-err));
	socket_file.lost = err;
}

/* Closes, with a word of why. */
static void client_part(struct daemon *d, struct client *c)
{
	json_t *why = protocol_error("closed: no request came, and others want to be heard");

	protocol_send(c->fd, why, -1);
	json_decref(why);
	client_close(d, c);
}

/* Who has been silent longest; NULL: all of them wait for snapshots, or there are none. */
static struct client *idlest_client(struct daemon *d)
{
	struct client *idlest = NULL;

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &d->clients[i];

		if (c->fd >= 0 && !c->id && (!idlest || c->seen < idlest->seen))
			idlest = c;
	}
	return idlest;
}

/*
 * A place for a new client, if need be that of the one that has been silent
 * longest. There is always one: fewer than CLIENTS_MAX can wait for snapshots.
 */
static unsigned int client_place(struct daemon *d)
{
	struct client *idlest;

	_Static_assert(POLICY_MANUAL_MAX + 1 < CLIENTS_MAX, "those who wait leave places");
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		if (d->clients[i].fd < 0)
			return i;
	idlest = idlest_client(d);
	assert(idlest);
	client_part(d, idlest);
	return idlest - d->clients;
}

static void watch_listener(struct daemon *d, bool on)
{
	struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.u32 = LOOP_LISTEN};

	epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, d->listen_fd, &e);
}

/*
 * Who could not be accepted still waits, and so epoll would wake us again and
 * again: makes room, or lets them wait for control_expire() to watch anew.
 */
static void accept_failed(struct daemon *d, int err)
{
	struct client *idlest = err == -EMFILE || err == -ENFILE ? idlest_client(d) : NULL;

	if (idlest)
		client_part(d, idlest);
	else if (err != -EAGAIN && err != -EINTR && err != -ECONNABORTED)
		watch_listener(d, false);
}

/* Once a second. */
void control_expire(struct daemon *d, uint64_t now)
{
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &d->clients[i];

		if (c->fd >= 0 && !c->id && now - c->seen > IDLE_NS)
			client_part(d, c);
	}
	check_socket(d);
	watch_listener(d, true);
}

void control_accept(struct daemon *d)
{
	unsigned int i;
	int fd, err = protocol_accept(d->listen_fd, &fd);

	if (err) {
		accept_failed(d, err);
		return;
	}
	i = client_place(d);
	d->clients[i] = (struct client){.fd = fd, .output = -1, .seen = clock_monotonic()};
	if (loop_add(d, fd, LOOP_CLIENT + i))
		client_close(d, &d->clients[i]);
}

/* Closes, with a word of why where the client can do something about it. */
static void receive_failed(struct daemon *d, struct client *c, int err)
{
	json_t *why = NULL;

	if (err == -EBADMSG || err == -EMSGSIZE)
		why = protocol_error("that is no request of frecctl's");
	else if (err == -EMFILE)
		why = protocol_error("the recorder has no descriptors left: try again");
	if (why)
		protocol_send(c->fd, why, -1);
	json_decref(why);
	client_close(d, c);
}

void control_readable(struct daemon *d, unsigned int i)
{
	struct client *c = &d->clients[i];
	json_t *request, *reply;
	int err, passed = -1;

	if (c->fd < 0)
		return;
	app_impatient(true); /* it closes what is too much */
	err = protocol_receive(c->fd, PROTOCOL_REQUEST_MAX, &request, &passed);
	app_impatient(false);
	if (err == -EAGAIN)
		return;
	c->seen = clock_monotonic();
	if (err) {
		receive_failed(d, c, err);
		return;
	}
	if (passed >= 0 && c->output < 0 && !c->id)
		c->output = passed;
	else if (passed >= 0)
		close_passed(passed);
	reply = dispatch(d, c, request);
	json_decref(request);
	if (!reply)
		return;
	if (!c->id && c->output >= 0) {
		close_passed(c->output);
		c->output = -1;
	}
	client_reply(d, c, reply);
}

void control_close_all(struct daemon *d)
{
	char path[PATH_MAX + 32];
	struct stat st;
	bool ours = !stat_socket(d, &st) && socket_is_ours(&st);

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &d->clients[i];

		if (c->fd >= 0 && c->id)
			control_answer(d, c->id, protocol_error("the recorder was stopped"));
		client_close(d, c);
	}
	if (d->listen_fd < 0)
		return;
	close(d->listen_fd);
	snprintf(path, sizeof(path), "%s/%s", d->config.run_directory, PROTOCOL_SOCKET);
	if (ours)
		unlink(path);
}
