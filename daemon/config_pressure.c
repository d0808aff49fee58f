/* SPDX-License-Identifier: GPL-2.0 */
/* config_pressure.c - triggers of kind pressure: "memory full 150ms/1s". */
#include "config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/units.h"

static const char *const names[] = {
	[PRESSURE_CPU] = "cpu", [PRESSURE_MEMORY] = "memory", [PRESSURE_IO] = "io"
};

const char *config_pressure_name(enum config_pressure p)
{
	return names[p];
}

static int parse_resource(const char *word, enum config_pressure *ret)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(word, names[i])) {
			*ret = (enum config_pressure)i;
			return 0;
		}
	}
	return -EINVAL;
}

int config_trigger_pressure(struct config_load *l, const struct config_key *key, const char *value,
			    void *base)
{
	struct config_trigger *t = base;
	char resource[16], how[16], stall[32], window[32];
	uint64_t stalled;
	int end = 0;

	(void)l;
	if (sscanf(value, "%15s %15s %31[^/ ] / %31s %n", resource, how, stall, window, &end) !=
		    4 ||
	    value[end])
		return -EINVAL;
	t->pressure_full = !strcmp(how, "full");
	if ((!t->pressure_full && strcmp(how, "some")) || parse_resource(resource, &t->pressure) ||
	    units_parse_duration(stall, &stalled) ||
	    units_parse_duration(window, &t->pressure_window))
		return -EINVAL;
	/* as the kernel has it */
	if (t->pressure_window < key->min || t->pressure_window > key->max ||
	    stalled < NSEC_PER_USEC || stalled > t->pressure_window)
		return -ERANGE;
	t->filter.threshold = stalled;
	return 0;
}

void config_pressure_check(struct config_load *l, struct config_section *s)
{
	const struct trigger_filter *f = &s->trigger.filter;
	struct config_place kind = config_trigger_place(s, "kind");
	struct config_place said = config_trigger_place(s, "pressure");
	const char *name = config_kind_name(f->kind);

	if (!config_trigger_own_key(l, s, TRIGGER_PRESSURE, "memory full 150ms/1s"))
		return;
	if (f->filters & ~FILTER_UNIT)
		config_mistake(
			l, &kind, "kind", name,
			"another one, or no filter but unit, in [trigger %s]: pressure is that "
			"of the host or of a cgroup",
			s->trigger.name);
	if (said.line && s->trigger.pressure == PRESSURE_CPU && s->trigger.pressure_full &&
	    !(f->filters & FILTER_UNIT))
		config_mistake(l, &said, "pressure", "cpu full",
			       "cpu some, or a unit: of the whole host it is always 0");
}
