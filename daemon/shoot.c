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
#include "../lib/signals.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define USER_AHEAD_NS 500000000ull /* a snapshot takes about so long */

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

/* Of the host, in bytes. */
static void say_memory(struct text *t)
{
	static const struct {
		const char *name, *key;
	} lines[] = {
		{"MemTotal", "frec.host.memory.total"},
		{"MemAvailable", "frec.host.memory.available"},
		{"SwapTotal", "frec.host.memory.swap_total"},
		{"SwapFree", "frec.host.memory.swap_free"},
	};
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128], name[32];
	unsigned long long kib;

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (sscanf(line, "%31[^:]: %llu kB", name, &kib) == 2 &&
			    !strcmp(name, lines[i].name))
				say(t, lines[i].key, "%llu", kib << 10);
	if (f)
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

/* A trigger that is tested. */
static void say_fired(struct text *t, const struct policy_job *job, const struct client *client)
{
	if (!client || job->request.trigger < 0)
		return;
	say(t, "frec.fire.name", "%s", job->request.name);
	if (*client->text)
		say(t, "frec.fire.text", "%s", client->text);
}

static void say_losses(struct text *t, struct daemon *d, const struct client *client)
{
	struct losses l;

	if (status_losses(d, clock_monotonic(), client ? client->last : 0, &l))
		return;
	say(t, "frec.window.lost_within", "%llu", (unsigned long long)l.lost);
	say(t, "frec.window.refused_within", "%llu", (unsigned long long)l.refused);
	say(t, "frec.stacks.refused_within", "%llu", (unsigned long long)l.refused_stacks);
}

static int make_text(struct daemon *d, const struct policy_job *job, const struct client *client,
		     struct text *t)
{
	const struct recorder *r = job->rescue ? d->rescue.former : d->recorder;
	const struct recorder_sizes *sizes = recorder_sizes(r);
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
	if (client && client->anonymous)
		return fclose(t->f) ? -ENOMEM : 0;
	read_line("/etc/machine-id", line, sizeof(line));
	say(t, "frec.machine", "%s", line);
	say(t, "frec.memory.hot", "%llu", (unsigned long long)sizes->hot);
	say(t, "frec.memory.evidence", "%llu", (unsigned long long)sizes->evidence);
	if (d->recorder)
		say(t, "frec.interrupts", "%s", recorder_variant(d->recorder));
	say_memory(t);
	say_config(t, job->rescue ? &d->rescue.config : &d->config);
	say_fired(t, job, client);
	if (job->rescue)
		rescue_say(d, t->f);
	else
		say_losses(t, d, client);
	return fclose(t->f) ? -ENOMEM : 0;
}

/* ---- taking one ---- */

int shoot_capture(struct daemon *d, const struct policy_job *job, const struct client *client,
		  uint64_t now)
{
	struct capture_request q = {.job = job, .offsets = d->offsets, .n_offsets = d->n_offsets,
				    .steps = d->steps, .n_steps = d->n_steps,
				    .ledger = &d->ledger};
	struct text text = {0};
	int err, fd;

	if (job->rescue) {
		q.n_steps = 0; /* those of the former one nobody knows */
		q.ledger = NULL;
	}
	if (client) {
		q.last = client->last;
		q.focus_pid = client->pid;
		q.only = client->only;
		q.anonymous = client->anonymous;
	}
	err = make_text(d, job, client, &text);
	if (err)
		return err;
	q.text = text.bytes;
	q.text_len = text.len;
	err = job->rescue ? rescue_capture(d, &q)
			  : capture_begin(d->recorder, &d->window, &d->config, &q, &d->capture);
	free(text.bytes);
	if (err)
		return err;
	d->capture_since = now;
	err = loop_add(d, capture_done_fd(d->capture), LOOP_CAPTURE);
	if (err && !capture_end(d->capture, &fd))
		close(fd);
	if (err)
		d->capture = NULL;
	return err;
}

#define ENDS_STALE_NS 5000000000ull

/* Who has the ends of pipes and connections now; when a recorder died long ago, it may have been others. */
static int look_at_ends(struct daemon *d, bool rescue)
{
	bool stale = rescue && d->capture_since > d->rescue.facts.until + ENDS_STALE_NS;

	return d->recorder && !stale ? recorder_ends(d->recorder) : -1;
}

/* The worker has its own descriptor of the copy. */
static int start_worker(struct daemon *d, int fd, const struct client *client, bool rescue)
{
	int err = snapshot_start(&d->snapshot, &d->worker, fd, d->opener_fd,
				 look_at_ends(d, rescue),
				 d->store.fd >= 0 || !client ? d->store.fd : client->output,
				 d->capture_since);

	if (err)
		return err;
	err = loop_add(d, d->snapshot.result_fd, LOOP_WORKER);
	if (err)
		snapshot_abort(&d->snapshot);
	return err;
}

static void done(struct daemon *d, bool success)
{
	if (d->writing_aside)
		policy_done_aside(&d->policy, success);
	else
		policy_done(&d->policy, success);
	loop_publish(d); /* what is quiet depends on how it ended */
}

static void fail(struct daemon *d, const struct policy_job *job, int err)
{
	done(d, false);
	store_drop(d);
	rescue_drop(d);
	if (job->rescue)
		log_error("the window of the recorder that died cannot be written: %s",
			  strerror(-err));
	else if (job->manual)
		control_answer(d, job->request.id,
			       protocol_error("cannot write a snapshot: %s", strerror(-err)));
	else
		log_error("trigger %s fired, but no snapshot can be written: %s", job->hits[0].name,
			  strerror(-err));
}

/*
 * While the spooler is at a snapshot, and its disk perhaps does not answer, only
 * those that go elsewhere can be taken.
 */
static int take(struct daemon *d, uint64_t now, struct policy_job *ret)
{
	d->writing_aside = d->store.busy;
	if (!d->store.busy && d->rescue.former) {
		policy_take_rescue(&d->policy, ret);
		return 0;
	}
	if (!d->store.busy)
		return policy_take(&d->policy, now, ret);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		const struct client *c = &d->clients[i];

		if (c->id && c->output >= 0 && !policy_take_aside(&d->policy, now, c->id, ret))
			return 0;
	}
	return -EAGAIN;
}

static void log_hit(const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;
	unsigned long long ms = hit->record.duration / 1000000;
	char text[64];

	if (hit->kind == TRIGGER_EXIT)
		log_notice("trigger %s: %.16s (tid %u, pid %u) %s, writing a snapshot", hit->name,
			   f->comm, f->tid, f->tgid, signal_end_text(f->nr, text, sizeof(text)));
	else if (hit->kind == TRIGGER_PRESSURE || hit->kind == TRIGGER_PERCENTILE)
		log_notice("trigger %s: %s, writing a snapshot", hit->name, hit->text);
	else if (hit->kind == TRIGGER_SPAN)
		log_notice(
			"trigger %s: a span of %.16s (tid %u, pid %u) took %llu ms%s, writing a snapshot",
			hit->name, f->comm, f->tid, f->tgid, ms,
			f->flags & WAIT_OPEN ? " and goes on" : "");
	else if (hit->kind == TRIGGER_APP)
		log_notice("trigger %s: %.16s (tid %u, pid %u) says%s%s%s, writing a snapshot",
			   hit->name, f->comm, f->tid, f->tgid, *hit->text ? " '" : " so",
			   hit->text, *hit->text ? "'" : "");
	else if (hit->kind == TRIGGER_REQUEST)
		log_notice("trigger %s: a request to %s %s %llu ms, writing a snapshot",
			   hit->name, policy_server(f, text, sizeof(text)),
			   f->flags & WAIT_OPEN ? "lasts longer than" : "took", ms);
	else
		log_notice("trigger %s: %.16s (tid %u, pid %u) waited %llu ms, writing a snapshot",
			   hit->name, f->comm, f->tid, f->tgid, ms);
}

static struct policy_job job; /* what is being captured */

static int captured_for_user(struct daemon *d, int fd)
{
	const struct client *client = user_writing(d);

	if (!client)
		return -ECANCELED;
	/* those that anybody may ask for make way */
	if (!d->store.busy && policy_next_due(&d->policy) <= clock_monotonic())
		return -EBUSY;
	/* as it was asked, so it still is: what was copied is of the process that was meant */
	return user_flaw(client) ? -EACCES : start_worker(d, fd, client, false);
}

static int captured(struct daemon *d, int fd)
{
	const struct client *client = d->writing_id ? control_client(d, d->writing_id) : NULL;

	if (!client && d->store.fd < 0)
		return -ECANCELED; /* hung up */
	return start_worker(d, fd, client, job.rescue);
}

void shoot_captured(struct daemon *d)
{
	static const struct worker_result none;
	int fd = -1, err = capture_end(d->capture, &fd);

	d->capture = NULL;
	rescue_drop(d);
	if (!err)
		err = d->users.worker ? captured_for_user(d, fd) : captured(d, fd);
	if (fd >= 0)
		close(fd);
	if (err && d->users.worker)
		user_finish(d, err, &none);
	else if (err)
		fail(d, &job, err);
	else if (!d->users.worker && !job.manual)
		log_hit(&job.hits[0]);
}

void shoot_due(struct daemon *d, uint64_t now)
{
	const struct client *client = NULL;
	int err = 0;

	/* those that anybody may ask for make way */
	if (d->users.worker && !d->store.busy && policy_next_due(&d->policy) <= now)
		snapshot_kill(&d->snapshot, -EBUSY);
	if (d->snapshot.pid || d->capture)
		return;
	if (take(d, now, &job)) {
		/* else it is cut off at once: a program that has fired may ask right then */
		if (policy_next_due(&d->policy) - now > USER_AHEAD_NS)
			user_due(d, now);
		return;
	}
	if (job.manual && !job.rescue) {
		client = control_client(d, job.request.id);
		if (!client) { /* hung up while it waited */
			done(d, false);
			return;
		}
	}
	d->writing_id = job.manual ? job.request.id : 0;
	if (!client || client->output < 0)
		err = store_prepare(d, &job, client);
	if (!err)
		err = shoot_capture(d, &job, client, now);
	if (err)
		fail(d, &job, err);
}

/* ---- the end of one ---- */

/* Nothing was recorded of the process that a snapshot was to be about. */
static const char *nobody_text(struct daemon *d)
{
	const struct client *c = control_client(d, d->writing_id);
	uint32_t pid = c ? c->pid : 0, tgid = pid ? subject_process_of(pid) : 0;
	static char text[160];

	if (!tgid)
		return "no process of this number lives, or lived within the window";
	if (tgid == pid)
		snprintf(
			text, sizeof(text),
			"process %u lives, but the kernel does not show it to the recorder, as it is "
			"with processes outside of a container",
			pid);
	else
		snprintf(text, sizeof(text), "%u is a thread of process %u: --pid %u", pid, tgid,
			 tgid);
	return text;
}

static const char *failure_text(struct daemon *d, int err)
{
	if (err == -ETIME)
		return "the worker did not finish in time";
	if (err == -ECHILD)
		return "the worker died";
	if (err == -ESRCH)
		return nobody_text(d);
	if (err == -ECANCELED)
		return "the client that wanted it has gone";
	return store_reason(err);
}

void shoot_answer(struct daemon *d, uint64_t id, const struct worker_result *r, uint64_t took,
		  const char *path)
{
	struct recorder_totals totals;

	if (!id)
		return;
	recorder_totals(d->recorder, &totals);
	control_answer(d, id,
		       json_pack("{s:b,s:s?,s:I,s:I,s:I,s:I,s:I,s:I}", "ok", 1, "path", path,
				 "bytes", (json_int_t)r->bytes, "events", (json_int_t)r->events,
				 "switches", (json_int_t)r->switches, "duration_ns",
				 (json_int_t)took, "held_ns", (json_int_t)r->held, "lost",
				 (json_int_t)totals.lost));
}

/* Once for each time that it falls silent. */
static void tell_opener(struct daemon *d, int err)
{
	if (err && !d->opener_silent)
		log_warning("the opener %s: snapshots lack names of functions and command lines",
			    err == -ETIMEDOUT ? "does not answer" : "is gone");
	d->opener_silent = err;
}

void shoot_finish(struct daemon *d)
{
	struct worker_result r;
	uint64_t took = clock_monotonic() - d->snapshot.started;
	unsigned int attempts = d->snapshot.attempts;
	int err = snapshot_finish(&d->snapshot, &r);

	if (err == -EAGAIN && d->snapshot.attempts != attempts) {
		log_warning(
			"the worker died or hung over a process's files: writing without stacks");
		err = loop_add(d, d->snapshot.result_fd, LOOP_WORKER);
		if (err)
			snapshot_abort(&d->snapshot);
		else
			err = -EAGAIN;
	}
	if (err == -EAGAIN)
		return;
	if (!err)
		tell_opener(d, r.opener);
	if (d->users.worker) {
		user_finish(d, err, &r);
		return;
	}
	if (!err && d->store.fd >= 0) {
		store_begin(d, &r, took);
		return;
	}
	store_drop(d);
	done(d, !err);
	if (err) {
		const char *why = failure_text(d, err);

		log_error("no snapshot: %s", why);
		if (d->writing_id)
			control_answer(d, d->writing_id, protocol_error("no snapshot: %s", why));
		return;
	}
	shoot_answer(d, d->writing_id, &r, took, NULL);
}
