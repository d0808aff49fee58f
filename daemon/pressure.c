/* SPDX-License-Identifier: GPL-2.0 */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/units.h"
#include "cgroup.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

#define RETRY_NS (10 * NSEC_PER_SEC) /* of a cgroup that is not there */

/* ---- what is pure ---- */

/* What total was at that time, had it grown evenly between two looks. */
static uint64_t total_at(const struct pressure_window *w, uint64_t ts)
{
	const struct pressure_look *a = &w->looks[0], *b;
	unsigned int i = 1;

	if (ts <= a->ts)
		return a->total;
	while (i < w->n && w->looks[i].ts <= ts)
		i++;
	a = &w->looks[i - 1];
	if (i == w->n)
		return a->total;
	b = &w->looks[i];
	return a->total +
	       (uint64_t)((double)(b->total - a->total) * (ts - a->ts) / (b->ts - a->ts));
}

uint64_t pressure_window_add(struct pressure_window *w, uint64_t now, uint64_t total)
{
	uint64_t growth;

	if (w->n && (total < w->looks[w->n - 1].total || now <= w->looks[w->n - 1].ts))
		w->n = 0;		/* another cgroup of that name */
	if (w->n == PRESSURE_LOOKS + 2) /* more than a window: the oldest one says nothing */
		memmove(w->looks, w->looks + 1, --w->n * sizeof(w->looks[0]));
	w->looks[w->n++] = (struct pressure_look){ now, total };
	growth = total - total_at(w, now > w->size ? now - w->size : 0);
	return growth > w->size ? w->size : growth;
}

int pressure_parse(const char *text, bool full, uint64_t *ret)
{
	const char *line = strstr(text, full ? "full " : "some "), *total;
	unsigned long long us;
	char *end;

	total = line ? strstr(line, "total=") : NULL;
	if (!total || memchr(line, '\n', total - line))
		return -EBADMSG;
	total += strlen("total=");
	errno = 0;
	us = strtoull(total, &end, 10);
	if (errno || end == total || us > UINT64_MAX / NSEC_PER_USEC)
		return -EBADMSG;
	*ret = us * NSEC_PER_USEC;
	return 0;
}

/* ---- which file ---- */

static int find_file(const struct config_trigger *t, char *buf, size_t size, size_t *ret_cgroup)
{
	char directory[PATH_MAX];
	int err;

	if (!(t->filter.filters & FILTER_UNIT)) {
		*ret_cgroup = 0;
		snprintf(buf, size, "/proc/pressure/%s", config_pressure_name(t->pressure));
		return 0;
	}
	err = cgroup_find(t->filter.unit, directory, sizeof(directory), ret_cgroup);
	if (!err && (size_t)snprintf(buf, size, "%s/%s.pressure", directory,
				     config_pressure_name(t->pressure)) >= size)
		err = -ENAMETOOLONG;
	return err;
}

/* ---- opening ---- */

static void watch_open(struct daemon *d, unsigned int i, uint64_t now)
{
	const struct config_trigger *t = &d->config.triggers[i];
	struct pressure_watch *w = &d->pressure.watches[i];
	bool again = w->next;
	int err;

	w->next = now + RETRY_NS;
	err = find_file(t, w->path, sizeof(w->path), &w->cgroup);
	if (!err) {
		w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
		err = w->fd < 0 ? -errno : 0;
	}
	if (err && !again)
		log_warning(
			"trigger %s cannot fire: %s: %s%s", t->name,
			err == -ENOENT && !*w->path ? "its cgroup" : w->path, strerror(-err),
			t->filter.filters & FILTER_UNIT
				? "; it is looked for again"
				: "; the kernel needs CONFIG_PSI, or psi=1 on its command line");
	if (err)
		return;
	w->window = (struct pressure_window){ .size = t->pressure_window };
	w->next = now;
	log_notice("trigger %s watches %s", t->name, w->path);
}

static void watch_close(struct pressure_watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* ---- firing ---- */

static void fire(struct daemon *d, unsigned int i, uint64_t now, uint64_t stalled)
{
	const struct config_trigger *t = &d->config.triggers[i];
	struct pressure_watch *w = &d->pressure.watches[i];
	struct trigger_record r = { .h = { .ts = now, .len = sizeof(r) },
				    .index = i,
				    .bank = recorder_bank(d->recorder),
				    .duration = stalled };
	char amount[UNITS_TEXT_MAX], window[UNITS_TEXT_MAX], text[POLICY_TEXT_MAX];
	int cgroup = 0; /* length of its path: of the root it is 0, too */

	if (now < w->silent_until || recorder_paused(d->recorder))
		return;
	w->silent_until = now + t->pressure_window;
	r.w.start = now - t->pressure_window;
	r.w.in = r.w.end = now;
	r.w.nr = -1;
	snprintf(r.w.comm, sizeof(r.w.comm), "%s", config_pressure_name(t->pressure));
	if (w->cgroup)
		cgroup = strrchr(w->path, '/') - (w->path + w->cgroup);
	/* verdict_pressure() looks for the cgroup in this */
	snprintf(text, sizeof(text), "%s pressure%s%.*s: %s stalled for %s of %s",
		 config_pressure_name(t->pressure), cgroup ? " in " : "", cgroup,
		 w->path + w->cgroup, t->pressure_full ? "all tasks" : "some task",
		 units_format_duration(stalled, amount, sizeof(amount)),
		 units_format_duration(t->pressure_window, window, sizeof(window)));
	if (policy_trigger(&d->policy, now, &r) != POLICY_SUPPRESSED)
		policy_tell(&d->policy, &r, text);
	loop_publish(d);
}

/* -errno: it cannot be read, so the cgroup is gone. */
static int look(struct daemon *d, unsigned int i, uint64_t now)
{
	const struct config_trigger *t = &d->config.triggers[i];
	struct pressure_watch *w = &d->pressure.watches[i];
	uint64_t total, stalled;
	char text[512];
	ssize_t n = pread(w->fd, text, sizeof(text) - 1, 0);
	int err;

	if (n <= 0)
		return n ? -errno : -EBADMSG;
	text[n] = '\0';
	err = pressure_parse(text, t->pressure_full, &total);
	if (err)
		return err;
	stalled = pressure_window_add(&w->window, now, total);
	if (stalled >= t->filter.threshold)
		fire(d, i, now, stalled);
	return 0;
}

void pressure_tick(struct daemon *d, uint64_t now)
{
	for (unsigned int i = 0; i < d->pressure.n; i++) {
		struct pressure_watch *w = &d->pressure.watches[i];

		if (d->config.triggers[i].filter.kind != TRIGGER_PRESSURE || now < w->next)
			continue;
		if (w->fd < 0) {
			watch_open(d, i, now);
		} else {
			w->next = now + d->config.triggers[i].pressure_window / PRESSURE_LOOKS;
			if (look(d, i, now))
				watch_close(w);
		}
	}
}

void pressure_configure(struct daemon *d)
{
	struct pressure *p = &d->pressure;
	bool any = false;

	for (unsigned int i = 0; i < p->n; i++)
		watch_close(&p->watches[i]);
	free(p->watches);
	*p = (struct pressure){ .n = 0 };
	for (unsigned int i = 0; i < d->config.n_triggers; i++)
		any |= d->config.triggers[i].filter.kind == TRIGGER_PRESSURE;
	p->watches = any ? calloc(d->config.n_triggers, sizeof(*p->watches)) : NULL;
	if (!p->watches)
		return;
	p->n = d->config.n_triggers;
	for (unsigned int i = 0; i < p->n; i++)
		p->watches[i].fd = -1;
	pressure_tick(d, clock_monotonic());
}
