/* SPDX-License-Identifier: GPL-2.0 */
/* config_percentile.c - triggers of kind percentile: "request p99 20ms/10s". */
#include "config_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../lib/units.h"

#define MILLION 1000000u
#define THRESHOLD_MAX (600 * NSEC_PER_SEC) /* within what the histograms tell apart */

static int parse_of(const char *word, uint32_t *ret)
{
	static const enum trigger_kind kinds[] = { TRIGGER_REQUEST, TRIGGER_RUNQUEUE };

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(word, config_kind_name(kinds[i]))) {
			*ret = kinds[i];
			return 0;
		}
	}
	return -EINVAL;
}

/* "99.9": 999000 of a million. */
static int parse_percentile(const char *word, uint32_t *ret)
{
	char text[24];
	double share;
	int err;

	snprintf(text, sizeof(text), "%s%%", word);
	err = units_parse_percent(text, &share);
	if (err)
		return err;
	*ret = (uint32_t)lround(share * MILLION);
	return *ret && *ret < MILLION ? 0 : -ERANGE;
}

int config_trigger_percentile(struct config_load *l, const struct config_key *key,
			      const char *value, void *base)
{
	struct config_trigger *t = base;
	char of[16], percentile[16], threshold[32], interval[32];
	uint64_t most;
	int end = 0;

	(void)l;
	if (sscanf(value, "%15s p%15[0-9.] %31[^/ ] / %31s %n", of, percentile, threshold, interval,
		   &end) != 4 ||
	    value[end])
		return -EINVAL;
	if (parse_of(of, &t->filter.of) || parse_percentile(percentile, &t->percentile) ||
	    units_parse_duration(threshold, &most) ||
	    units_parse_duration(interval, &t->percentile_interval))
		return -EINVAL;
	if (t->percentile_interval < key->min || t->percentile_interval > key->max ||
	    most < NSEC_PER_USEC || most > THRESHOLD_MAX)
		return -ERANGE;
	t->filter.threshold = most;
	return 0;
}

void config_percentile_check(struct config_load *l, struct config_section *s)
{
	const struct trigger_filter *f = &s->trigger.filter;
	struct config_place kind = config_trigger_place(s, "kind");
	const char *name = config_kind_name(f->kind);

	if (!config_trigger_own_key(l, s, TRIGGER_PERCENTILE, "request p99 20ms/10s"))
		return;
	/* each with filters takes one of its own */
	if (f->filters && ++l->histograms == HISTOGRAMS_MAX - HISTOGRAM_OWN + 1)
		config_mistake(
			l, &kind, "kind", name,
			"another one, or no filters, in [trigger %s]: at most %u triggers of "
			"kind percentile have filters",
			s->trigger.name, HISTOGRAMS_MAX - HISTOGRAM_OWN);
}
