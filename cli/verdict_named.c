/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_named.c - the processes that a verdict names, for their command lines. */
#include <string.h>

#include "../lib/text.h"
#include "verdict_output.h"

#define NAMED_MAX 12
#define WIDTH 100

struct named {
	const struct story_process *list[NAMED_MAX];
	size_t n;
};

static void add_pid(struct named *named, const struct story *s, int32_t pid)
{
	const struct story_process *p = story_process(s, pid);

	if (!p || !p->command || named->n == NAMED_MAX)
		return;
	for (size_t i = 0; i < named->n; i++)
		if (named->list[i] == p)
			return;
	named->list[named->n++] = p;
}

static void add_thread(struct named *named, const struct story *s, uint32_t thread)
{
	if (thread != STORY_NOBODY)
		add_pid(named, s, s->threads[thread].pid);
}

/* Those of the chain first, as there may be too many. */
static struct named find_named(const struct story *s, const struct verdict *v)
{
	struct named named = { .n = 0 };

	if (v->end_of)
		add_pid(&named, s, v->end_of->pid);
	add_thread(&named, s, v->thread);
	for (size_t i = 0; i < v->n_chain; i++) {
		add_thread(&named, s, v->chain[i].thread);
		add_thread(&named, s, v->chain[i].next);
	}
	for (size_t i = 0; i < v->n_chain; i++)
		for (size_t k = 0; k < v->chain[i].n_ran_instead; k++)
			add_thread(&named, s, v->chain[i].ran_instead[k].thread);
	for (size_t i = 0; i < v->n_groups; i++)
		add_pid(&named, s, v->groups[i].pid);
	return named;
}

/* Of this many columns. */
static void print_cut(const char *text, int columns)
{
	bool fit;

	for (; *text && columns > 1; columns--) {
		size_t n = text_next(text, &fit);

		if (fit)
			fwrite(text, 1, n, stdout);
		else
			putchar('?');
		text += n;
	}
	puts(*text ? "…" : "");
}

void verdict_print_commands(const struct story *s, const struct verdict *v)
{
	struct named named = find_named(s, v);

	for (size_t i = 0; i < named.n; i++)
		print_cut(named.list[i]->command,
			  WIDTH - printf("%-10s %d: ", i ? "" : "command", named.list[i]->pid));
}

json_t *verdict_commands(const struct story *s, const struct verdict *v)
{
	struct named named = find_named(s, v);
	json_t *list = json_array();

	for (size_t i = 0; i < named.n; i++)
		json_array_append_new(list, json_pack("{s:i,s:s}", "pid", (int)named.list[i]->pid,
						      "command", named.list[i]->command));
	return list;
}
