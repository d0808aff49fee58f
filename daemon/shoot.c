/* SPDX-License-Identifier: GPL-2.0 */
/* shoot.c - a job of the policy becomes a capture, a worker, a file, an answer. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../lib/protocol.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

/* ---- attributes that only the daemon knows ---- */

struct text {
	char *bytes;
	size_t len;
	FILE *f;
};

static void say(struct text *t, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct text *t, const char *key, const char *format, ...)
{
	va_list ap;

	fprintf(t->f, "%s=", key);
	va_start(ap, format);
	vfprintf(t->f, format, ap);
	va_end(ap);
	fputc(0, t->f);
}

static void read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	buf[0] = 0;
	if (!f)
		return;
	if (fgets(buf, size, f))
		buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

static void say_config(struct text *t, const struct config *c)
{
	static const char *const modes[] = {"off", "slow", "all"};

	say(t, "frec.config.window_ns", "%llu", (unsigned long long)c->window);
	say(t, "frec.config.syscalls", "%s", modes[c->syscalls]);
	say(t, "frec.config.slow_syscall_ns", "%llu", (unsigned long long)c->slow_syscall);
	for (unsigned int i = 0; i < c->n_triggers; i++) {
		char key[CONFIG_NAME_MAX + 32];

		snprintf(key, sizeof(key), "frec.config.trigger.%s", c->triggers[i].name);
		say(t, key, "%s > %llu ns", config_kind_name(c->triggers[i].filter.kind),
		    (unsigned long long)c->triggers[i].filter.threshold);
	}
}

static int make_text(struct daemon *d, struct text *t)
{
	const struct recorder_sizes *sizes = recorder_sizes(d->recorder);
	char line[128];
	struct utsname u;

	t->f = open_memstream(&t->bytes, &t->len);
	if (!t->f)
		return -ENOMEM;
	uname(&u);
	say(t, "frec.version", "%s", FREC_VERSION);
	say(t, "frec.host", "%s", u.nodename);
	say(t, "frec.kernel", "%s", u.release);
	read_line("/proc/sys/kernel/random/boot_id", line, sizeof(line));
	say(t, "frec.boot", "%s", line);
	read_line("/etc/machine-id", line, sizeof(line));
	say(t, "frec.machine", "%s", line);
	say(t, "frec.memory.hot", "%llu", (unsigned long long)sizes->hot);
	say(t, "frec.memory.evidence", "%llu", (unsigned long long)sizes->evidence);
	say(t, "frec.interrupts", "%s", recorder_variant(d->recorder));
	say_config(t, &d->config);
	return fclose(t->f) ? -ENOMEM : 0;
}

/* ---- taking one ---- */

static void limits_of(const struct config *c, struct spool_limits *ret)
{
	ret->max_files = c->max_files;
	ret->max_bytes = c->max_bytes;
	ret->min_free = c->min_free;
}

/* For which room is made: two bytes a slot are usual, and a little is always there. */
static uint64_t expected_bytes(const struct daemon *d)
{
	uint64_t slots = 0, size = recorder_sizes(d->recorder)->hot_cpu, pos;

	for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++) {
		pos = recorder_cpu(d->recorder, i)->pos;
		if (recorder_hot(d->recorder, i))
			slots += (pos < size ? pos : size) / HOT_SLOT_SIZE;
	}
	return slots * 2 + (512 << 10);
}

static int open_file(struct daemon *d, const struct policy_job *job, const struct client *client)
{
	struct spool_naming n = {.realtime = clock_read(CLOCK_REALTIME)};
	char comm[COMM_LEN + 1] = "";
	int err;

	if (!job->manual) {
		n.trigger = job->hits[0].name;
		memcpy(comm, job->hits[0].record.w.comm, COMM_LEN);
		n.comm = comm;
		n.pid = job->hits[0].record.w.tgid;
	} else if (job->request.trigger >= 0) {
		n.trigger = job->request.name;
		n.comm = "fired";
	} else if (client && client->pid) {
		n.comm = "pid";
		n.pid = client->pid;
	}
	limits_of(&d->config, &d->snapshot.limits);
	err = d->spool ? 0 : setup_spool(d);
	if (err)
		return err;
	return spool_create_temp(d->spool, &n, &d->snapshot.limits, expected_bytes(d),
				 &d->snapshot.file);
}

/* The capture's own copy and descriptor live only in here: the worker has its own. */
static int capture_and_start(struct daemon *d, const struct policy_job *job,
			     const struct client *client, uint64_t now)
{
	struct capture_request q = {.job = job, .offsets = d->offsets, .n_offsets = d->n_offsets};
	struct text text = {0};
	uint64_t size;
	int err, fd;

	if (client) {
		q.last = client->last;
		q.focus_pid = client->pid;
		q.only = client->only;
	}
	err = make_text(d, &text);
	if (err)
		return err;
	q.text = text.bytes;
	q.text_len = text.len;
	err = capture_take(d->recorder, &d->window, &d->config, &q, &fd, &size);
	free(text.bytes);
	if (err)
		return err;
	err = snapshot_start(&d->snapshot, &d->worker, fd, d->opener_fd,
			     client ? client->output : -1, now);
	close(fd);
	if (err)
		return err;
	err = loop_add(d, d->snapshot.result_fd, LOOP_WORKER);
	if (err)
		snapshot_abort(&d->snapshot);
	return err;
}

/* to: the directory that cannot be written to, or NULL where something else is wrong. */
static void fail(struct daemon *d, const struct policy_job *job, const char *to, int err)
{
	const char *reason = strerror(-err);

	policy_done(&d->policy, false);
	spool_abort(&d->snapshot.file);
	if (err == -ENOSPC)
		reason = "no space left, or less than min_free and max_bytes demand";
	if (job->manual)
		control_answer(d, job->request.id,
			       protocol_error("cannot write a snapshot%s%s: %s", to ? " to " : "",
					      to ? to : "", reason));
	else
		log_error("trigger %s fired, but no snapshot can be written%s%s: %s",
			  job->hits[0].name, to ? " to " : "", to ? to : "", reason);
}

void shoot_due(struct daemon *d, uint64_t now)
{
	static struct policy_job job; /* tens of KB: not for the stack */
	const struct client *client = NULL;
	const char *to = NULL;
	int err = 0;

	if (d->snapshot.pid || policy_take(&d->policy, now, &job))
		return;
	if (job.manual) {
		client = control_client(d, job.request.id);
		if (!client) { /* hung up while it waited */
			policy_done(&d->policy, false);
			return;
		}
	}
	d->writing_id = job.manual ? job.request.id : 0;
	d->snapshot.file = (struct spool_file)SPOOL_FILE_NONE;
	strcpy(d->writing_directory, d->config.directory);
	if (!client || client->output < 0)
		err = open_file(d, &job, client);
	if (err)
		to = d->writing_directory;
	else
		err = capture_and_start(d, &job, client, now);
	if (err)
		fail(d, &job, to, err);
	else if (!job.manual)
		log_notice("trigger %s: %.16s (tid %u, pid %u) waited %llu ms, writing a snapshot",
			   job.hits[0].name, job.hits[0].record.w.comm, job.hits[0].record.w.tid,
			   job.hits[0].record.w.tgid,
			   (unsigned long long)job.hits[0].record.duration / 1000000);
}

/* ---- the end of one ---- */

static const char *failure_text(int err)
{
	if (err == -ETIME)
		return "the worker did not finish in time";
	if (err == -ECHILD)
		return "the worker died";
	if (err == -ECANCELED)
		return "the client that wanted it has gone";
	if (err == -ENOSPC || err == -EDQUOT)
		return "no space left for it";
	if (err == -EFBIG)
		return "it alone is larger than max_bytes";
	return strerror(-err);
}

void shoot_finish(struct daemon *d)
{
	char name[SPOOL_NAME_MAX], path[PATH_MAX + SPOOL_NAME_MAX + 1];
	struct worker_result r;
	uint64_t took = clock_monotonic() - d->snapshot.started;
	unsigned int attempts = d->snapshot.attempts;
	int err = snapshot_finish(&d->snapshot, &r, name);
	struct recorder_totals totals;
	json_t *reply;

	if (err == -EAGAIN && d->snapshot.attempts != attempts) {
		log_warning("the worker died or hung over a process's files: writing without stacks");
		err = loop_add(d, d->snapshot.result_fd, LOOP_WORKER);
		if (err)
			snapshot_abort(&d->snapshot);
		else
			err = -EAGAIN;
	}
	if (err == -EAGAIN)
		return;
	policy_done(&d->policy, !err);
	loop_publish(d); /* what is quiet depends on how it ended */
	if (err) {
		log_error("no snapshot: %s", failure_text(err));
		if (d->writing_id)
			control_answer(d, d->writing_id,
				       protocol_error("no snapshot: %s", failure_text(err)));
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", d->writing_directory, name);
	if (name[0])
		log_notice("snapshot %s: %llu events, %llu bytes, %llu ms", path,
			   (unsigned long long)r.events, (unsigned long long)r.bytes,
			   (unsigned long long)took / 1000000);
	if (!d->writing_id)
		return;
	recorder_totals(d->recorder, &totals);
	reply = json_pack("{s:b,s:o,s:I,s:I,s:I,s:I,s:I}", "ok", 1, "path",
			  name[0] ? json_string(path) : json_null(), "bytes", (json_int_t)r.bytes,
			  "events", (json_int_t)r.events, "switches", (json_int_t)r.switches,
			  "duration_ns", (json_int_t)took, "lost", (json_int_t)totals.lost);
	control_answer(d, d->writing_id, reply);
}
