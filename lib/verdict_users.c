/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_users.c - who had the CPUs of a host while others waited for one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "verdict.h"

#define TOP 3
#define NAME_MAX_BYTES 48

/* Processes of one name: those of a shell's loop or of a pool count together. */
struct user {
	const char *name;
	int32_t pid;   /* of the process that ran most … */
	uint64_t most; /* … for so long, ns */
	uint64_t ns;
	unsigned int processes;
};

struct users {
	struct user *list;
	size_t n;
	uint64_t idle, all; /* ns, of all CPUs together */
	uint32_t cpus;
	double ours; /* the recorder's share */
};

static int compare_names(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	return names ? names : (x->pid > y->pid) - (x->pid < y->pid);
}

static int compare_ns(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return x->ns > y->ns ? -1 : x->ns < y->ns;
}

/* From threads to processes to names. */
static size_t sum_names(struct user *list, size_t n)
{
	uint64_t ns = 0; /* of the process at hand */
	int32_t pid = -1;
	size_t kept = 0;

	qsort(list, n, sizeof(*list), compare_names);
	for (size_t i = 0; i < n; i++) {
		struct user u = list[i], *k;

		if (!kept || strcmp(list[kept - 1].name, u.name))
			list[kept++] = (struct user){ .name = u.name };
		k = &list[kept - 1];
		if (!k->processes || u.pid != pid) {
			k->processes++;
			ns = 0;
		}
		pid = u.pid;
		ns += u.ns;
		k->ns += u.ns;
		if (ns > k->most) {
			k->most = ns;
			k->pid = pid;
		}
	}
	qsort(list, kept, sizeof(*list), compare_ns);
	return kept;
}

/* How long each thread ran, and nobody. */
static void add_runs(const struct story *s, struct verdict_span span, struct users *u)
{
	for (size_t i = 0; i < s->n_runs; i++) {
		const struct story_run *r = &s->runs[i];
		uint64_t from = r->start > span.start ? r->start : span.start;
		uint64_t until = r->end < span.end ? r->end : span.end;

		if (until > from)
			*(r->thread == STORY_NOBODY ? &u->idle : &u->list[r->thread].ns) +=
				until - from;
	}
}

/* From threads to those that ran, with names. */
static void name_threads(const struct story *s, struct users *u)
{
	for (uint32_t i = 0; i < s->n_threads; i++) {
		const struct story_thread *t = &s->threads[i];
		const struct story_process *p = story_process(s, t->pid);
		const char *name = p && p->name ? p->name : t->comm;
		uint64_t ns = u->list[i].ns;

		if (!ns)
			continue;
		u->list[u->n++] = (struct user){ name ? name : "?", t->pid, .ns = ns };
		if (verdict_is_recorder(s, i))
			u->ours += (double)ns / u->all;
	}
}

/* In percent, rounded. */
static unsigned int share(const struct users *u, uint64_t ns)
{
	return (unsigned int)(100.0 * ns / u->all + .5);
}

static void say_users(const struct users *u, char *buf, size_t size)
{
	size_t used = snprintf(buf, size, "of %u CPU%s", u->cpus, u->cpus > 1 ? "s" : "");

	for (size_t i = 0; i < u->n && i < TOP && (!i || share(u, u->list[i].ns)); i++) {
		const struct user *k = &u->list[i];

		used += snprintf(buf + used, size - used, "%s %.*s (", i ? "," : "", NAME_MAX_BYTES,
				 k->name);
		if (k->processes > 1)
			used += snprintf(buf + used, size - used,
					 "%u processes, the busiest pid %d", k->processes, k->pid);
		else
			used += snprintf(buf + used, size - used, "pid %d", k->pid);
		used += snprintf(buf + used, size - used, ")%s %u %%", i ? "" : " had",
				 share(u, k->ns));
	}
	if (share(u, u->idle))
		snprintf(buf + used, size - used, "; %u %% was idle", share(u, u->idle));
	text_clean(buf);
}

int verdict_users(const struct story *s, struct verdict_span span, char buf[VERDICT_USERS],
		  double *ret_ours)
{
	struct users u = { .list = calloc(s->n_threads + 1, sizeof(*u.list)) };
	int err = -ENODATA;

	if (!u.list)
		return -ENOMEM;
	span.start = span.start > s->start ? span.start : s->start;
	span.end = span.end < s->end ? span.end : s->end;
	for (uint32_t cpu = 0; cpu < s->n_cpus; cpu++)
		u.cpus += s->cpu_runs[cpu + 1] > s->cpu_runs[cpu];
	if (span.end > span.start) {
		u.all = (span.end - span.start) * u.cpus;
		add_runs(s, span, &u);
		name_threads(s, &u);
		u.n = sum_names(u.list, u.n);
	}
	if (u.n) {
		say_users(&u, buf, VERDICT_USERS);
		*ret_ours = u.ours;
		err = 0;
	}
	free(u.list);
	return err;
}
