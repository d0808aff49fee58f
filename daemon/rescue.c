/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rescue.c - the window of a recorder that died, in what it had pinned, becomes a snapshot.
 *
 * Its programs record on until the new ones do: only then it is frozen and loses its pins, whose
 * names the new one takes. A daemon that dies before that leaves all as it was; one that dies while
 * it pins leaves no `control`, which the next one takes for rubbish. With --rescue nobody needs the
 * names: the pins stay until the snapshot is in the spool, whatever ends that before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/units.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"

static const char *find_reason(int err)
{
	if (err == -ENOENT)
		return "it is not all there";
	if (err == -ESTALE)
		return "it is of another version";
	return strerror(-err);
}

/* What could not be opened is told of. */
static void clear_pins(struct daemon *d)
{
	const char *path = d->config.pin_directory;

	if (recorder_clear_pins(path) > 0 && d->rescue.error)
		log_warning("removed what a recorder that died had left in %s, nothing can be rescued "
			    "of it: %s",
			    path, find_reason(d->rescue.error));
	d->rescue.pinned = false;
}

void rescue_find(struct daemon *d)
{
	struct rescue *s = &d->rescue;

	s->error = recorder_open_former(d->config.pin_directory, &s->former);
	/* of others the reason may go away, as want of memory does: they stay until their names are needed */
	if (s->error == -ENOENT || s->error == -ESTALE)
		clear_pins(d);
	else
		s->pinned = true;
}

/* What it recorded by, which need not be what is configured now. */
static void take_config(struct rescue *s, const struct config *now)
{
	const struct recorder_former *f = &s->facts;

	s->config = *now;
	s->config.n_triggers = 0;
	s->config.window = f->window ? f->window : now->window;
	s->config.slow_syscall = f->slow_ns;
	s->config.stacks = f->stacks_ns;
	s->config.syscalls = f->syscalls <= SYSCALLS_ALL ? f->syscalls : SYSCALLS_SLOW;
}

/* Of one that died before, in words. */
static const char *ago(uint64_t now, uint64_t then, char buf[UNITS_TEXT_MAX])
{
	return units_format_duration(now > then ? now - then : 0, buf, UNITS_TEXT_MAX);
}

void rescue_freeze(struct daemon *d)
{
	struct rescue *s = &d->rescue;
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX];
	uint64_t now;

	if (!s->former) {
		if (s->pinned)
			clear_pins(d);
		return;
	}
	if (d->recorder)
		recorder_settle(d->recorder);
	now = clock_monotonic();
	recorder_freeze(s->former, now);
	if (!s->only) /* the new one needs their names */
		clear_pins(d);
	recorder_former(s->former, &s->facts);
	take_config(s, &d->config);
	s->window.held_since = s->facts.evidence_since;
	log_notice("rescuing the window of a recorder that died (pid %u): last sign of life %s ago, "
		   "switches until %s ago, evidence until %s ago",
		   s->facts.pid, ago(now, s->facts.heartbeat, a), ago(now, s->facts.until, b),
		   ago(now, s->facts.evidence_until, c));
}

void rescue_drop(struct daemon *d)
{
	recorder_free(d->rescue.former);
	d->rescue.former = NULL;
}

int rescue_capture(struct daemon *d, const struct capture_request *q)
{
	struct rescue *s = &d->rescue;

	/* the window that it had when it died, and all that came behind */
	if (s->facts.until > s->facts.heartbeat)
		s->config.window += s->facts.until - s->facts.heartbeat;
	return capture_begin(s->former, &s->window, &s->config, q, &d->capture);
}

static void say_text(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=%s%c", key, value, 0);
}

static void say_number(FILE *f, const char *key, uint64_t value)
{
	fprintf(f, "%s=%llu%c", key, (unsigned long long)value, 0);
}

static uint64_t since(uint64_t all, uint64_t before)
{
	return all > before ? all - before : 0;
}

void rescue_say(const struct daemon *d, FILE *f)
{
	const struct recorder_former *facts = &d->rescue.facts;
	uint64_t boot = clock_read(CLOCK_BOOTTIME) - clock_monotonic();
	struct recorder_totals t;

	recorder_totals(d->rescue.former, &t);
	say_text(f, "frec.trigger.name", "rescue");
	say_text(f, "frec.trigger.kind", "rescue");
	say_number(f, "frec.rescue.pid", facts->pid);
	say_number(f, "frec.rescue.heartbeat_ns", facts->heartbeat + boot);
	say_number(f, "frec.rescue.window_until_ns", facts->until + boot);
	say_number(f, "frec.rescue.evidence_until_ns", facts->evidence_until + boot);
	say_number(f, "frec.window.lost_within", since(t.lost, facts->lost_before));
	say_number(f, "frec.window.refused_within", since(t.refused, facts->refused_before));
	say_number(f, "frec.stacks.refused_within",
		   since(t.refused_stacks, facts->refused_stacks_before));
}

void rescue_stored(struct daemon *d, const char *path)
{
	if (d->rescue.only)
		snprintf(d->rescue.path, sizeof(d->rescue.path), "%s", path);
}

int rescue_run(struct daemon *d)
{
	struct rescue *s = &d->rescue;
	int err;

	s->only = true;
	err = setup_host(d);
	if (!err && !s->former) {
		log_error("nothing to rescue in %s%s%s", d->config.pin_directory,
			  s->pinned ? ": " : "", s->pinned ? strerror(-s->error) : "");
		err = s->error;
	} else if (!err) {
		rescue_freeze(d);
		err = loop_rescue(d);
	}
	store_end(d);
	rescue_drop(d);
	if (*s->path) {
		clear_pins(d);
		puts(s->path);
	} else if (s->pinned) {
		log_error("what the recorder has left stays in %s: once that is mended, try again",
			  d->config.pin_directory);
	}
	setup_undo(d);
	return err || !*s->path;
}
