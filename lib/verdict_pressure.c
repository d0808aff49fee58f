/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_pressure.c - a host or a cgroup under pressure: nobody is the subject, the worst waits are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

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

void verdict_preface(struct verdict *v, const char *text)
{
	char *cause = strdup(v->text);

	if (cause)
		snprintf(v->text, sizeof(v->text), "%.256s; %.4000s", text,
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

int verdict_pressure(const struct story *s, const char *text, struct verdict *ret)
{
	char *cgroup = cgroup_of(text);
	const char *none;
	int err = find_worst(s, text, cgroup, ret, &none);

	if (err == -ESRCH) /* nothing is known of its processes */
		err = find_worst(s, text, NULL, ret, &none);
	if (!err && none && *ret->text)
		verdict_preface(ret, none);
	if (!err)
		verdict_preface(ret, text);
	free(cgroup);
	return err;
}
