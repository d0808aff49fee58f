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

/* Who sent the signal stands behind it; or that nothing was armed that looks for that. */
int story_add_told_end(struct story_builder *b, const struct trace_slice *slice, int32_t pid)
{
	const char *comm = "process";
	bool armed = false;
	uint64_t sender = 0;
	char words[256];

	for (size_t i = 0; i < slice->n_args; i++) {
		const struct trace_arg *a = &slice->args[i];
		const char *key = a->key ? a->key : "";

		armed |= strcmp(key, "signal") == 0;
		if (strcmp(key, "sender_pid") == 0 && a->type == TRACE_ARG_UINT)
			sender = a->u;
		if (strcmp(key, "sender_comm") == 0 && a->type == TRACE_ARG_STRING)
			comm = a->string;
	}
	if (!sender && !armed && strncmp(slice->name, "was killed", 10) == 0)
		snprintf(words, sizeof(words),
			 "%s (who sent it is recorded only with a trigger of kind exit)",
			 slice->name);
	else if (!sender)
		snprintf(words, sizeof(words), "%s", slice->name);
	else if (sender == (uint64_t)pid)
		snprintf(words, sizeof(words), "%s, which it sent itself", slice->name);
	else
		snprintf(words, sizeof(words), "%s, sent by %s (pid %llu)", slice->name, comm,
			 (unsigned long long)sender);
	return add_end(b, &(struct story_end){ slice->ts, pid, story_keep(b->s, words) });
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
