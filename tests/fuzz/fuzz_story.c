/* SPDX-License-Identifier: GPL-2.0 */
/* Any bytes as a trace, and the verdict about all that it tells of. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/text.h"
#include "../../lib/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	bool fit;

	assert(strlen(text) + 1 < size);
	while (*text) {
		text += text_next(text, &fit);
		assert(fit);
	}
}

static void check(const struct story *s, const struct verdict *v)
{
	uint64_t sum = 0;

	for (int i = 0; i < VERDICT_WAITS; i++)
		sum += v->parts[i];
	assert(sum == (v->end > v->start ? v->end - v->start : 0));
	assert(v->explained >= 0 && v->explained <= 1);
	assert(v->n_chain <= VERDICT_HOPS);
	for (size_t i = 0; i < v->n_chain; i++) {
		const struct verdict_link *l = &v->chain[i];

		assert(l->thread < s->n_threads && l->ns <= l->of_ns);
		assert(l->next == STORY_NOBODY || l->next < s->n_threads);
		for (size_t k = 0; k < l->n_ran_instead; k++)
			assert(l->ran_instead[k].thread == STORY_NOBODY ||
			       l->ran_instead[k].thread < s->n_threads);
	}
	check_text(v->text, sizeof(v->text));
}

static void explain(const struct story *s)
{
	static struct verdict v;

	for (size_t i = 0; i < s->n_triggers && i < 16; i++) {
		const struct story_trigger *t = &s->triggers[i];
		uint32_t thread = story_thread_at(s, t->tid, t->start);

		if (!verdict_of(s, thread, t->start, t->end, &v))
			check(s, &v);
	}
	for (size_t i = 0; i < s->n_threads && i < 16; i++)
		if (!verdict_of(s, i, s->start, s->end, &v))
			check(s, &v);
	if (!verdict_worst(s, 0, NULL, &v) && v.n_groups)
		check(s, &v);
	if (s->n_threads && !verdict_worst(s, s->threads[0].pid, NULL, &v) && v.n_groups)
		check(s, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_reader *r;
	struct story *s;

	if (trace_reader_open_memory(data, size, &r))
		return 0;
	if (!story_read(r, &s)) {
		explain(s);
		story_free(s);
	}
	trace_reader_close(r);
	return 0;
}
