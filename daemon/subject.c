/* SPDX-License-Identifier: GPL-2.0 */
/*
 * subject.c - is there anybody whom a trigger means? Who waits in vain for one to fire learns from
 * status, and from the log, that there is no such process, listener or unit.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"

#define SEARCH_NS (10 * 1000000000ull) /* of a cgroup that is not there */
#define TCP_LISTENS 0x0a /* TCP_LISTEN */
#define UNIX_LISTENS 0x10000 /* __SO_ACCEPTCON */

uint32_t subject_process_of(uint32_t tid)
{
	char path[48], line[128];
	uint32_t tgid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	f = fopen(path, "re");
	while (f && !tgid && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %u", &tgid) != 1)
			tgid = 0;
	if (f)
		fclose(f);
	return tgid;
}

/* ---- listeners ---- */

/* Listeners are the first that the kernel tells. */
static bool in_tcp(FILE *f, const struct trigger_filter *t)
{
	unsigned int port, state;
	char line[512];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*s %x", &port, &state) != 2)
			continue;
		if (state != TCP_LISTENS)
			return false;
		if (port == t->port)
			return true;
	}
	return false;
}

static bool in_unix(FILE *f, const struct trigger_filter *t)
{
	char line[512];
	unsigned int flags;
	int at;

	while (fgets(line, sizeof(line), f)) {
		at = 0;
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %n", &flags, &at) != 1 || !at ||
		    !(flags & UNIX_LISTENS))
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line + at + (line[at] == '@'), t->socket + !t->socket[0]) &&
		    (line[at] == '@') == !t->socket[0])
			return true;
	}
	return false;
}

/* The service has a network namespace of its own, so that of PID 1, too. */
static bool listens(const struct trigger_filter *t)
{
	static const char *const tcp[] = { "/proc/1/net/tcp", "/proc/1/net/tcp6",
					   "/proc/self/net/tcp", "/proc/self/net/tcp6" };
	static const char *const local[] = { "/proc/1/net/unix", "/proc/self/net/unix" };
	bool of_tcp = t->filters & FILTER_PORT, found = false, any = false;

	for (int i = 0; !found && i < (of_tcp ? 4 : 2); i++) {
		FILE *f = fopen(of_tcp ? tcp[i] : local[i], "re");

		if (!f)
			continue;
		any = true;
		found = of_tcp ? in_tcp(f, t) : in_unix(f, t);
		fclose(f);
	}
	return found || !any;
}

/* ---- units ---- */

static bool has_unit(struct subject *s, const char *glob, uint64_t now)
{
	char path[PATH_MAX];
	size_t root;

	if (s->cgroup && !access(s->cgroup, F_OK))
		return true;
	free(s->cgroup);
	s->cgroup = NULL;
	if (now < s->next)
		return false;
	if (!cgroup_find(glob, path, sizeof(path), &root))
		s->cgroup = strdup(path);
	else
		s->next = now + SEARCH_NS;
	return s->cgroup;
}

/* ---- all ---- */

static bool pid_flaw(uint32_t pid, char *buf, size_t size)
{
	uint32_t process = subject_process_of(pid);

	if (process == pid)
		return false;
	if (process)
		snprintf(buf, size, "cannot fire: %u is a thread of process %u", pid, process);
	else
		snprintf(buf, size, "cannot fire: no process %u lives", pid);
	return true;
}

/* Who runs it, only the opener may see; whether anybody could, of a whole path all can. */
static bool exe_flaw(const struct trigger_filter *f, char *buf, size_t size)
{
	char path[PATH_MAX];

	if (f->exe[0] != '/' || strpbrk(f->exe, "*?"))
		return false;
	if (!realpath(f->exe, path)) {
		snprintf(buf, size, "sees no file %s now, in frecd's mount namespace", f->exe);
		return errno == ENOENT;
	}
	snprintf(buf, size, "cannot fire outside of containers: %s is a link to %.*s", f->exe,
		 GLOB_PATH_MAX, path);
	return strcmp(path, f->exe);
}

static bool port_flaw(const struct trigger_filter *f, char *buf, size_t size)
{
	if (listens(f))
		return false;
	if (f->filters & FILTER_PORT)
		snprintf(buf, size,
			 "sees nobody listen on port %u now, in the host's network namespace",
			 f->port);
	else
		snprintf(buf, size, "sees nobody listen on %s%s now, by that name",
			 f->socket[0] ? "" : "@", f->socket + !f->socket[0]);
	return true;
}

bool subject_flaw(struct daemon *d, unsigned int i, uint64_t now, char *buf, size_t size)
{
	const struct trigger_filter *f = &d->config.triggers[i].filter;

	if (f->filters & FILTER_PID && pid_flaw(f->pid, buf, size))
		return true;
	if (f->filters & FILTER_UNIT && !has_unit(&d->subjects[i], f->unit, now)) {
		snprintf(buf, size, "cannot fire now: no cgroup (v2) matches its unit");
		return true;
	}
	if (f->filters & (FILTER_PORT | FILTER_SOCKET) && port_flaw(f, buf, size))
		return true;
	/* span.c looks for the file itself */
	if (f->filters & FILTER_EXE && f->kind != TRIGGER_SPAN && exe_flaw(f, buf, size))
		return true;
	if (!(f->filters & FILTER_COMM) || !subject_no_comm(d, i, now))
		return false;
	snprintf(buf, size, "sees no thread of the name %s now (looked at once a minute)", f->comm);
	return true;
}

void subject_configure(struct daemon *d)
{
	char text[SUBJECT_TEXT_MAX];

	for (unsigned int i = 0; i < TRIGGERS_MAX; i++) {
		free(d->subjects[i].cgroup);
		d->subjects[i] = (struct subject){ 0 };
	}
	d->next_comms = 0;
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		const struct config_trigger *t = &d->config.triggers[i];

		/* pressure.c says it itself */
		if (t->filter.kind != TRIGGER_PRESSURE &&
		    subject_flaw(d, i, clock_monotonic(), text, sizeof(text)))
			log_warning("trigger %s %s", t->name, text);
	}
}
