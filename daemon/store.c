/* SPDX-License-Identifier: GPL-2.0 */
/*
 * store.c - a snapshot on its way from the worker into the spool.
 *
 * The worker writes into memory, the spooler from there to the disk: nothing
 * that records or decides waits for a disk, and a snapshot of a disk that does
 * not answer is there when it does again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/protocol.h"
#include "../lib/units.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define SECOND_NS 1000000000ull
/* So long a client waits for the disk; the snapshot goes on waiting. */
#define CLIENT_NS (10 * SECOND_NS)
/* Of what is under way when the daemon ends. */
#define END_MS 5000

const char *store_reason(int err)
{
	if (err == -ENOENT)
		return "the directory that it should be in does not exist";
	if (err == -ENOSPC || err == -EDQUOT)
		return "no space left, or less than min_free and max_bytes demand";
	if (err == -EFBIG)
		return "it alone is larger than max_bytes";
	if (err == -ECHILD)
		return "the process that writes it died";
	return strerror(-err);
}

void store_request(const struct daemon *d, uint32_t op, struct spooler_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->op = op;
	ret->tag = d->store.tag;
	ret->limits.max_files = d->config.max_files;
	ret->limits.max_bytes = d->config.max_bytes;
	ret->limits.min_free = d->config.min_free;
	strcpy(ret->directory, d->config.directory);
}

/* ---- before the worker ---- */

int store_prepare(struct daemon *d, const struct policy_job *job, const struct client *client)
{
	struct spooler_request *q = &d->store.request;

	store_request(d, SPOOLER_STORE, q);
	d->store.manual = job->manual;
	q->realtime = clock_read(CLOCK_REALTIME);
	if (job->rescue) {
		strcpy(q->trigger, "rescue");
		strcpy(q->comm, "frecd");
		q->pid = d->rescue.facts.pid;
	} else if (!job->manual) {
		snprintf(q->trigger, sizeof(q->trigger), "%s", job->hits[0].name);
		snprintf(q->comm, sizeof(q->comm), "%.*s", COMM_LEN, job->hits[0].record.w.comm);
		q->pid = job->hits[0].record.w.tgid;
	} else if (job->request.trigger >= 0) {
		snprintf(q->trigger, sizeof(q->trigger), "%s", job->request.name);
		strcpy(q->comm, "fired");
	} else if (client && client->pid) {
		strcpy(q->comm, "pid");
		q->pid = client->pid;
	}
	d->store.fd = memfd_create("frec-snapshot", MFD_CLOEXEC);
	return d->store.fd < 0 ? -errno : 0;
}

void store_drop(struct daemon *d)
{
	if (d->store.fd >= 0)
		close(d->store.fd);
	d->store.fd = -1;
}

/* ---- after it ---- */

/* Elsewhere it could still be written. */
static json_t *not_kept(json_t *error)
{
	if (error)
		json_object_set_new(error, "not_kept", json_true());
	return error;
}

/* created: it was not the directory that is to blame. */
static void store_failed(struct daemon *d, bool created, int err)
{
	const struct store *s = &d->store;
	const char *reason = store_reason(err);
	char text[PATH_MAX + 128];

	if (created)
		snprintf(text, sizeof(text), "no snapshot: %s", reason);
	else
		snprintf(text, sizeof(text), "cannot write a snapshot to %s: %s",
			 s->request.directory, reason);
	if (!s->manual && !created)
		log_error("trigger %s fired, but no snapshot can be written to %s: %s",
			  s->request.trigger, s->request.directory, reason);
	else if (created || !s->id) /* else somebody reads the answer */
		log_error("%s", text);
	if (s->id)
		control_answer(d, s->id, not_kept(protocol_error("%s", text)));
}

/* A line with each snapshot at most, and of those there are not many. */
static void log_removed(const struct store *s, const struct spool_removed *r)
{
	char size[UNITS_TEXT_MAX];

	if (r->files)
		log_notice("removed %llu snapshot%s (%s) from %s, the oldest %s: beyond%s%s%s",
			   (unsigned long long)r->files, r->files == 1 ? "" : "s",
			   units_format_size(r->bytes, size, sizeof(size)), s->request.directory,
			   r->oldest, r->why & SPOOL_FILES ? " max_files" : "",
			   r->why & SPOOL_BYTES ? " max_bytes" : "",
			   r->why & SPOOL_FREE ? " min_free" : "");
}

static void stored(struct daemon *d, const struct spooler_reply *reply)
{
	char path[PATH_MAX + SPOOL_NAME_MAX + 1];
	const struct store *s = &d->store;

	if (!s->busy)
		return;
	d->store.busy = false;
	log_removed(s, &reply->removed);
	policy_done(&d->policy, !reply->error);
	loop_publish(d); /* what is quiet depends on how it ended */
	if (reply->error) {
		store_failed(d, reply->created, reply->error);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", s->request.directory, reply->name);
	rescue_stored(d, path);
	log_notice("snapshot %s: %llu events, %llu bytes, %llu ms", path,
		   (unsigned long long)s->result.events, (unsigned long long)s->result.bytes,
		   (unsigned long long)s->took / 1000000);
	if (*s->result.verdict.text)
		log_notice("why %s: %s", s->request.trigger, s->result.verdict.text);
	shoot_answer(d, s->id, &s->result, s->took, path);
}

void store_begin(struct daemon *d, const struct worker_result *r, uint64_t took)
{
	struct spooler_reply none = {.created = 1};

	d->store.busy = true;
	d->store.result = *r;
	d->store.id = d->writing_id;
	d->store.took = took;
	none.error = spooler_ask(&d->spooler, &d->store.request, d->store.fd, clock_monotonic());
	store_drop(d);
	if (none.error)
		stored(d, &none);
}

/* ---- the spooler ---- */

static const char shared_text[] = " is the spool of another frecd, too: the limits of each delete "
				  "what the other wrote; give this one a `directory` of its own";

const char *store_shared(const struct daemon *d)
{
	return d->store.shared >= STORE_SHARED ? shared_text : "";
}

static void take_state(struct daemon *d, const struct spool_state *state)
{
	if (state->error && state->error != d->store.state.error)
		log_error("cannot use %s for snapshots: %s", d->config.directory,
			  store_reason(state->error));
	d->store.state = *state;
	if (!state->shared)
		d->store.shared = 0;
	else if (d->store.shared < STORE_SHARED && ++d->store.shared == STORE_SHARED)
		log_warning("%s%s", d->config.directory, shared_text);
}

void store_readable(struct daemon *d)
{
	struct spooler_reply reply;
	int err = spooler_receive(&d->spooler, &reply, clock_monotonic());

	if (err == -EAGAIN)
		return;
	if (err) {
		log_warning("the spooler has died");
		reply = (struct spooler_reply){.op = SPOOLER_STORE, .error = err, .created = 1};
	}
	if (reply.op == SPOOLER_STORE)
		stored(d, &reply);
	if (!err && reply.tag == d->store.tag)
		take_state(d, &reply.state);
}

static void report_stall(struct daemon *d, uint64_t now)
{
	uint64_t stalled = spooler_stalled(&d->spooler, now);

	if (!stalled && d->store.stalled_said)
		log_notice("the disk of %s answers again", d->config.directory);
	if (stalled && !d->store.stalled_said)
		log_error(
			"the disk of %s does not answer: snapshots wait in memory, recording goes on",
			d->config.directory);
	d->store.stalled_said = stalled;
	if (stalled < CLIENT_NS || !d->store.busy || !d->store.id)
		return;
	control_answer(d, d->store.id,
		       not_kept(protocol_error(
			       "the disk of %s has not answered for %llu s: the snapshot "
			       "will be there when it does; -o FILE writes one elsewhere",
			       d->store.request.directory,
			       (unsigned long long)(stalled / SECOND_NS))));
	d->store.id = 0;
}

void store_watch(struct daemon *d, uint64_t now)
{
	static struct spooler_request q; /* holds a path */

	if (d->spooler.fd < 0 && (spooler_start(&d->spooler, d->uid, d->gid) ||
				  loop_add(d, d->spooler.fd, LOOP_SPOOLER)))
		return;
	report_stall(d, now);
	store_request(d, SPOOLER_STATE, &q);
	/* one question at a time is enough, unless it has become another one */
	if (!d->spooler.pending)
		spooler_ask(&d->spooler, &q, -1, now);
}

void store_end(struct daemon *d)
{
	struct pollfd p = {.fd = d->spooler.fd, .events = POLLIN};
	uint64_t until = clock_monotonic() + END_MS * 1000000ull, now;

	while (d->store.busy && d->spooler.fd >= 0 && (now = clock_monotonic()) < until) {
		if (poll(&p, 1, (until - now) / 1000000 + 1) > 0)
			store_readable(d);
	}
	if (d->store.busy)
		log_warning(
			"the disk of %s does not answer: a snapshot is left to the spooler, which "
			"ends when it does",
			d->store.request.directory);
	spooler_stop(&d->spooler);
	store_drop(d);
}
