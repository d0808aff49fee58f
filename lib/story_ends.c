/* SPDX-License-Identifier: GPL-2.0 */
/* story_ends.c - processes that ended, and how. */
#include <stdio.h>
#include <string.h>

#include "story_private.h"

bool story_tells_end(const char *name)
{
	return strncmp(name, "was killed by ", 14) == 0 || strncmp(name, "exited with ", 12) == 0;
}

static int add_end(struct story_builder *b, const struct story_end *e)
{
	struct story *s = b->s;
	int err = story_grow(&s->ends, s->n_ends, &b->size_ends, sizeof(*s->ends));

	if (!err)
		s->ends[s->n_ends++] = *e;
	return err;
}

int story_add_told_end(struct story_builder *b, const struct story_end *e, uint64_t sender,
		       const char *comm)
{
	struct story_end told = *e;
	char words[256];

	if (!sender)
		snprintf(words, sizeof(words), "%s", e->text);
	else if (sender == (uint64_t)e->pid)
		snprintf(words, sizeof(words), "%s, which it sent itself", e->text);
	else
		snprintf(words, sizeof(words), "%s, sent by %s (pid %llu)", e->text,
			 comm ? comm : "process", (unsigned long long)sender);
	told.text = story_keep(b->s, words);
	return add_end(b, &told);
}

/* Of a thread; a process's is that of its leader. */
int story_add_exit(struct story_builder *b, const struct trace_task *t)
{
	if (t->tid <= 0 || t->tid != t->tgid)
		return 0;
	return add_end(b, &(struct story_end){ t->ts, t->tid, NULL });
}

/* Its leader may have ended before it, so words say more than that. */
const struct story_end *story_end_of(const struct story *s, int32_t pid)
{
	const struct story_end *found = NULL;

	for (size_t i = 0; i < s->n_ends; i++)
		if (s->ends[i].pid == pid && (!found || s->ends[i].text || !found->text))
			found = &s->ends[i];
	return found;
}
