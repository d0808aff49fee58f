/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_pressure.c - a host or a cgroup under pressure: nobody is the subject, the worst waits are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"
#include "verdict.h"

#define OURS_MIN .05 /* of the CPUs: less than that the recorder may have */

/* Of "memory pressure in CGROUP: all tasks stalled for …"; NULL: of the host. */
static char *cgroup_of(const char *text)
{
	static const char in[] = " pressure in ";
	const char *from = strstr(text, in), *to = NULL;

	if (!from)
		return NULL;
	from += strlen(in);
	for (const char *p = from; (p = strstr(p, ": ")); p++)
		to = p; /* there may be one in its name */
	return to ? strndup(from, to - from) : NULL;
}

/* Puts what is known before the cause. */
static void preface(struct verdict *v, const char *text)
{
	char *cause = strdup(v->text);

	if (cause)
		snprintf(v->text, sizeof(v->text), "%.512s; %.4000s", text,
			 *cause ? cause : "nothing in this snapshot waited in a way that hurts");
	free(cause);
}

#define KIND(wait) (1u << VERDICT_##wait)

/* The waits that there is such pressure by; the second ones where there are none of the first. */
static const struct {
	const char *resource;
	uint32_t kinds[2];
	const char *none;
} pressures[] = {
	{ "cpu ",
	  { KIND(RUNQUEUE) | KIND(THROTTLED) },
	  "no wait for a CPU is recorded, but others are" },
	/* what one waits for a page of a file is a wait for a disk */
	{ "io ", { KIND(DISK), KIND(MEMORY) }, "no wait for a disk is recorded, but others are" },
	{ "memory ", { KIND(MEMORY) }, "no wait for memory is recorded, but others are" },
};

/* The worst wait for what is short; *ret_none: there is none, and *ret is about the worst of others. */
static int find_worst(const struct story *s, const char *text, const char *cgroup,
		      struct verdict *ret, const char **ret_none)
{
	*ret_none = NULL;
	for (size_t i = 0; i < sizeof(pressures) / sizeof(pressures[0]); i++) {
		if (strncmp(text, pressures[i].resource, strlen(pressures[i].resource)))
			continue;
		for (int k = 0; k < 2 && pressures[i].kinds[k]; k++) {
			uint32_t kinds = pressures[i].kinds[k];
			int err = verdict_worst_kinds(s, kinds, cgroup, ret);

			if (err || (ret->n_groups && kinds >> ret->groups[0].wait & 1))
				return err;
		}
		*ret_none = pressures[i].none;
	}
	return verdict_worst(s, 0, cgroup, ret);
}

/*
 * The worst wait is one by chance. Where the recorder ran instead, but had little of the CPUs
 * otherwise, it is not why they were short, and is not said to be.
 */
static void leave_out_recorder(const struct story *s, struct verdict *v)
{
	struct verdict_link *last = &v->chain[v->n_chain - 1], saved = *last;
	size_t n = 0;

	for (size_t i = 0; i < saved.n_ran_instead; i++)
		if (saved.ran_instead[i].thread == STORY_NOBODY ||
		    !verdict_is_recorder(s, saved.ran_instead[i].thread))
			last->ran_instead[n++] = saved.ran_instead[i];
	last->n_ran_instead = n;
	verdict_tell(s, v);
	*last = saved;
}

/* Before the cause: what the trigger says, who had the CPUs if it is about those, what is missing. */
static void tell(const struct story *s, const char *text, const char *resource,
		 struct verdict_span span, const char *none, struct verdict *v)
{
	char users[VERDICT_USERS];
	bool cpus = strncmp(text, resource, strlen(resource)) == 0;
	double ours;

	cpus = cpus && !verdict_users(s, span, users, &ours);
	if (cpus && v->n_chain && ours < OURS_MIN)
		leave_out_recorder(s, v);
	if (none && *v->text)
		preface(v, none);
	if (cpus)
		preface(v, users);
	preface(v, text);
}

int verdict_pressure(const struct story *s, const char *text, uint64_t start, uint64_t end,
		     struct verdict *ret)
{
	char *cgroup = cgroup_of(text);
	const char *none;
	int err = find_worst(s, text, cgroup, ret, &none);

	if (err == -ESRCH) /* nothing is known of its processes */
		err = find_worst(s, text, NULL, ret, &none);
	if (!err)
		tell(s, text, "cpu ", (struct verdict_span){ start, end }, none, ret);
	free(cgroup);
	return err;
}

/* "… in the last 10 s: …" */
static uint64_t interval_of(const char *text)
{
	static const char in[] = " in the last ";
	const char *from = strstr(text, in);
	unsigned int n;
	int len = 0;

	if (!from || sscanf(from + strlen(in), "%u s:%n", &n, &len) != 1 || !len)
		return UINT64_MAX; /* longer than any window */
	return n * NSEC_PER_SEC;
}

void verdict_percentile(const struct story *s, const char *text, struct verdict *v)
{
	uint64_t interval = interval_of(text);
	struct verdict_span span = { interval < s->end ? s->end - interval : 0, s->end };

	tell(s, text, "runqueue ", span, NULL, v);
}
