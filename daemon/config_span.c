/* SPDX-License-Identifier: GPL-2.0 */
/* config_span.c - triggers of kind span: whose, and from where to where. */
#include "config_internal.h"

#include <errno.h>
#include <string.h>

/* The alphabet of frec.h, and what globs are made of. */
int config_trigger_span(struct config_load *l, const struct config_key *key, const char *value,
			void *base)
{
	struct config_trigger *t = base;
	size_t len = strlen(value);

	(void)l;
	if (!len ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-*?") !=
		    len)
		return -EINVAL;
	if (len > key->max)
		return -ENAMETOOLONG;
	strcpy(t->span, value);
	return 0;
}

int config_trigger_symbol(struct config_load *l, const struct config_key *key, const char *value,
			  void *base)
{
	(void)l;
	if (!*value || strpbrk(value, " \t"))
		return -EINVAL;
	if (strlen(value) > key->max)
		return -ENAMETOOLONG;
	strcpy((char *)base + key->offset, value);
	return 0;
}

/* Of another kind: no key that means nothing there. */
static void check_other(struct config_load *l, const struct config_section *s, const char *name)
{
	static const char *const keys[] = { "span", "begin", "end" };
	struct config_place kind = config_trigger_place(s, "kind"), said;

	for (unsigned int i = 0; name && i < sizeof(keys) / sizeof(keys[0]); i++) {
		said = config_trigger_place(s, keys[i]);
		if (said.line)
			config_mistake(l, &kind, "kind", name, "span, as line %u has %s", said.line,
				       keys[i]);
	}
}

static void check_file(struct config_load *l, const struct config_section *s)
{
	struct config_place exe = config_trigger_place(s, "exe");
	const char *path = s->trigger.filter.exe;

	if (!exe.line)
		config_mistake(l, &s->place, "exe", NULL,
			       "the path of the program or library, in [trigger %s]",
			       s->trigger.name);
	else if (*path && (*path != '/' || strpbrk(path, "*?")))
		config_mistake(l, &exe, "exe", strncmp(path, "*/", 2) ? path : path + 2,
			       "the whole path of the program or library that has the span");
}

static void check_what(struct config_load *l, const struct config_section *s)
{
	struct config_place span = config_trigger_place(s, "span"),
			    begin = config_trigger_place(s, "begin");
	struct config_place end = config_trigger_place(s, "end");

	if (!span.line && !begin.line)
		config_mistake(l, &s->place, "span", NULL,
			       "which: a span, or begin for a function, in [trigger %s]",
			       s->trigger.name);
	if (span.line && !*s->trigger.span)
		return; /* said already */
	if (span.line && (begin.line || end.line))
		config_mistake(l, &span, "span", s->trigger.span, "nothing, as line %u has %s",
			       begin.line ? begin.line : end.line, begin.line ? "begin" : "end");
	else if (end.line && !begin.line)
		config_mistake(l, &end, "end", s->trigger.end, "begin, too, in [trigger %s]",
			       s->trigger.name);
	else if (end.line && !strcmp(s->trigger.begin, s->trigger.end))
		config_mistake(l, &end, "end", s->trigger.end,
			       "another function than begin; without end, begin's return counts");
}

void config_span_check(struct config_load *l, struct config_section *s)
{
	struct trigger_filter *f = &s->trigger.filter;

	if (f->kind != TRIGGER_SPAN) {
		check_other(l, s, config_kind_name(f->kind));
		return;
	}
	check_file(l, s);
	check_what(l, s);
	/* of whose file it is is told by which spans are meant; that of a library is not its users' */
	f->filters = (f->filters & ~FILTER_EXE) | FILTER_SYSCALLS;
}
