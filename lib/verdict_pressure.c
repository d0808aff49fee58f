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

int verdict_pressure(const struct story *s, const char *text, struct verdict *ret)
{
	char *cgroup = cgroup_of(text);
	int err = verdict_worst(s, 0, cgroup, ret);

	if (err == -ESRCH) /* nothing is known of its processes */
		err = verdict_worst(s, 0, NULL, ret);
	if (!err)
		verdict_preface(ret, text);
	free(cgroup);
	return err;
}
