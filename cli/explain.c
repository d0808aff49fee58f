/* SPDX-License-Identifier: GPL-2.0 */
/*
 * explain.c - sums up the facts that the recorder wrote into a snapshot:
 *	frec.trigger.X	member X of the trigger (name, kind, pid, tid, comm, duration_ns, …)
 *	frec.window.X	member X of the window (start_ns, end_ns, lost, …)
 *	frec.summary.N	line N of a text for people
 * and all other attributes as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "verdict_output.h"
#include "../lib/protocol.h"
#include "../lib/units.h"

/* A file from elsewhere must not make us eat all memory. */
#define ATTRIBUTES_MAX 4096
#define TRIGGER_PREFIX "frec.trigger."
#define WINDOW_PREFIX "frec.window."
#define SUMMARY_PREFIX "frec.summary."

/* Text that is no UTF-8 would be refused by jansson. */
static json_t *make_string(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value)
		return value;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if (*p & 0x80)
			*p = '?';
	value = json_string(copy);
	free(copy);
	return value;
}

static bool add_line(struct facts *f, const char *number, json_t *text)
{
	struct summary_line *summary;
	uint64_t n;

	if (units_parse_count(number, &n))
		return false;
	summary = reallocarray(f->summary, f->n_summary + 1, sizeof(*summary));
	if (!summary)
		return false;
	f->summary = summary;
	f->summary[f->n_summary++] = (struct summary_line){ n, json_incref(text) };
	return true;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add_attribute(struct facts *f, const struct trace_attribute *a)
{
	const char *key = a->key ? a->key : "";
	json_t *value;

	if (f->n_attributes++ >= ATTRIBUTES_MAX)
		return;
	value = a->string ? make_string(a->string) : json_integer(a->number);
	if (has_prefix(key, TRIGGER_PREFIX))
		json_object_set(f->trigger, key + strlen(TRIGGER_PREFIX), value);
	else if (has_prefix(key, WINDOW_PREFIX))
		json_object_set(f->window, key + strlen(WINDOW_PREFIX), value);
	else if (!has_prefix(key, SUMMARY_PREFIX) || !json_is_string(value) ||
		 !add_line(f, key + strlen(SUMMARY_PREFIX), value))
		json_object_set(f->attributes, key, value);
	json_decref(value);
}

static void add_event(struct facts *f, const struct trace_event *e)
{
	if (e->kind < EVENT_KINDS)
		f->counts[e->kind]++;
	switch (e->kind) {
	case TRACE_EVENT_ATTRIBUTE:
		add_attribute(f, &e->attribute);
		break;
	case TRACE_EVENT_CPU_STATS:
		*(e->cpu_stats.at_end ? &f->dropped_after : &f->dropped_before) +=
			e->cpu_stats.stats.dropped_events;
		break;
	case TRACE_EVENT_CPU:
		f->gaps += e->of_cpu.lost;
		break;
	case TRACE_EVENT_SWITCH:
	case TRACE_EVENT_WAKING:
		if (!f->first || e->ts < f->first)
			f->first = e->ts;
		if (e->ts > f->last)
			f->last = e->ts;
		break;
	default:
		break;
	}
}

static int compare_lines(const void *a, const void *b)
{
	const struct summary_line *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void set_missing(json_t *object, const char *key, uint64_t value)
{
	if (!json_object_get(object, key))
		json_object_set_new(object, key, json_integer(value));
}

/* What no attribute said is known from the events. */
static void complete(struct facts *f)
{
	uint64_t before = f->dropped_before, after = f->dropped_after;

	if (f->n_summary)
		qsort(f->summary, f->n_summary, sizeof(*f->summary), compare_lines);
	if (f->first) {
		set_missing(f->window, "start_ns", f->first);
		set_missing(f->window, "end_ns", f->last);
	}
	set_missing(f->window, "lost", after > before ? after - before : 0);
	set_missing(f->window, "gaps", f->gaps);
}

static json_t *make_counts(const struct facts *f)
{
	json_t *counts = json_object();

	for (unsigned int i = 0; i < EVENT_KINDS; i++)
		if (f->counts[i])
			json_object_set_new(counts, event_name(i), json_integer(f->counts[i]));
	return counts;
}

/* ---- the verdict ---- */

struct judged {
	struct story *story;
	struct verdict verdict;
};

/* A process that ended did not wait for it: why it did is as the recorder wrote it. */
static void judge_end(const struct facts *f, struct verdict *v)
{
	const char *kind = "", *text = "";

	protocol_get_string(f->trigger, "kind", &kind);
	protocol_get_string(f->attributes, "frec.verdict.text", &text);
	if (strcmp(kind, "exit") || !*text)
		return;
	v->cause = VERDICT_EXIT;
	v->culprit = v->thread;
	v->cause_ns = 0;
	snprintf(v->text, sizeof(v->text), "%s", text);
}

static int judge_pressure(struct judged *j, const char *text)
{
	const struct story *s = j->story;
	uint64_t start = s->start, end = s->end;

	for (size_t i = s->n_triggers; i-- > 0;)
		if (s->triggers[i].kind && !strcmp(s->triggers[i].kind, "pressure")) {
			start = s->triggers[i].start;
			end = s->triggers[i].end;
		}
	return verdict_pressure(s, text, start, end, &j->verdict);
}

/* The interval that the snapshot was written for, or without one the worst waits. */
static int judge(const struct facts *f, const struct arguments *args, struct judged *j)
{
	const char *kind = "", *text = "";
	uint64_t tid = 0, pid = args->pid;
	int err;

	protocol_get_u64(f->trigger, "tid", &tid);
	if (!pid && !args->unit) /* a snapshot of one process is about that */
		protocol_get_u64(f->attributes, "frec.snapshot.pid", &pid);
	protocol_get_string(f->trigger, "kind", &kind);
	protocol_get_string(f->trigger, "text", &text);
	if (!pid && !args->unit && !strcmp(kind, "pressure"))
		return judge_pressure(j, text);
	for (size_t i = 0; i < j->story->n_triggers && !args->pid && !args->unit; i++) {
		const struct story_trigger *t = &j->story->triggers[i];

		if ((uint64_t)t->tid != tid)
			continue;
		err = verdict_of_trigger(j->story, t, &j->verdict);
		if (!err)
			judge_end(f, &j->verdict);
		if (!err && !strcmp(kind, "percentile"))
			verdict_percentile(j->story, text, &j->verdict);
		return err;
	}
	return verdict_worst(j->story, pid, args->unit, &j->verdict);
}

/* The file a second time, as the story wants it whole. */
static int read_story(const struct snapshot_file *file, struct story **ret)
{
	struct trace_reader *reader;
	int err = snapshot_file_again(file, &reader);

	if (err)
		return err;
	err = story_read(reader, ret);
	trace_reader_close(reader);
	return err;
}

static int print_json(const struct facts *f, const struct judged *j)
{
	json_t *all = json_object(), *summary = json_array();
	int status;

	for (size_t i = 0; i < f->n_summary; i++)
		json_array_append(summary, f->summary[i].text);
	json_object_set(all, "trigger", f->trigger);
	json_object_set(all, "window", f->window);
	json_object_set_new(all, "summary", summary);
	json_object_set(all, "attributes", f->attributes);
	json_object_set_new(all, "events", make_counts(f));
	verdict_set_json(all, j->story, &j->verdict);
	status = output_json(all);
	json_decref(all);
	return status;
}

static void free_facts(struct facts *f)
{
	for (size_t i = 0; i < f->n_summary; i++)
		json_decref(f->summary[i].text);
	free(f->summary);
	json_decref(f->trigger);
	json_decref(f->window);
	json_decref(f->attributes);
}

static int fail_process(const struct story *s, int32_t pid, const char *name)
{
	uint32_t thread = story_thread_at(s, pid, s->end);

	if (thread == STORY_NOBODY || s->threads[thread].pid == pid)
		return output_fail("%s: process %d is not in it", name, pid);
	return output_fail("%s: %d is a thread of process %d: --pid %d", name, pid,
			   s->threads[thread].pid, s->threads[thread].pid);
}

static int tell(const struct facts *f, const struct arguments *args,
		const struct snapshot_file *file)
{
	struct judged j = { .story = NULL };
	int err = read_story(file, &j.story), status;

	if (!err)
		err = judge(f, args, &j);
	if (err == -ESRCH && args->unit)
		status = output_fail("%s: no process of unit or cgroup '%s' is in it", file->name,
				     args->unit);
	else if (err == -ESRCH && j.story)
		status = fail_process(j.story, args->pid, file->name);
	else if (err)
		status = output_fail("%s: %s", file->name, strerror(-err));
	else
		status = args->json ? print_json(f, &j) :
				      explain_print(f, j.story, &j.verdict, file->name);
	story_free(j.story);
	return status;
}

int explain_file(const struct arguments *args, struct snapshot_file *file)
{
	struct facts facts = { 0 };
	struct trace_event event;
	int more, status;

	facts.trigger = json_object();
	facts.window = json_object();
	facts.attributes = json_object();
	while ((more = trace_reader_event(file->reader, &event)) > 0)
		add_event(&facts, &event);
	complete(&facts);
	if (more < 0)
		status = snapshot_file_fail(file, more);
	else
		status = tell(&facts, args, file);
	free_facts(&facts);
	snapshot_file_close(file);
	return status;
}

int verb_explain(const struct arguments *args)
{
	struct snapshot_file file;
	int status = snapshot_file_open(args, &file);

	return status == EXIT_DONE ? explain_file(args, &file) : status;
}
