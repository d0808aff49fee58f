/* SPDX-License-Identifier: GPL-2.0 */
/* config_exclude.c - whose stacks are not to be looked at: units, and names behind "comm:". */
#include "config_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct config_load *l, struct config *c, const char *word)
{
	static const struct config_key unit = { .name = "exclude", .max = GLOB_PATH_MAX - 1 };
	static const struct config_key comm = { .name = "exclude", .max = GLOB_COMM_MAX - 1 };
	bool is_comm = !strncmp(word, "comm:", 5);
	struct config_trigger t = { 0 };
	int err = is_comm ? config_trigger_comm(l, &comm, word + 5, &t)
			  : config_trigger_unit(l, &unit, word, &t);

	if (!err && c->n_exclude == EXCLUDES_MAX)
		err = -E2BIG;
	if (!err)
		c->exclude[c->n_exclude++] = t.filter;
	return err;
}

int config_exclude(struct config_load *l, const struct config_key *key, const char *value,
		   void *base)
{
	char *text = strdup(value), *rest = text, *word;
	struct config *c = base;
	int err = text ? 0 : -ENOMEM;

	(void)key;
	memset(c->exclude, 0, sizeof(c->exclude));
	c->n_exclude = 0;
	while (!err && *value && (word = strsep(&rest, ",")))
		err = add(l, c, config_trim(word));
	free(text);
	return err;
}
