/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_json.c - the verdict for programs: subject, chain, cause, groups. */
#include <string.h>

#include "../lib/text.h"
#include "../lib/verdict_idle.h"
#include "verdict_output.h"

/* Names from elsewhere may be no UTF-8, which jansson refuses. */
static json_t *make_text(const char *text)
{
	char buf[1024];

	snprintf(buf, sizeof(buf), "%s", text ? text : "");
	text_clean(buf);
	return json_string(buf);
}

static void set_who(json_t *to, const struct story *s, const struct verdict *v, uint32_t thread)
{
	if (thread == STORY_NOBODY)
		return;
	json_object_set_new(to, "pid", json_integer(s->threads[thread].pid));
	json_object_set_new(to, "tid", json_integer(s->threads[thread].tid));
	json_object_set_new(to, "comm", make_text(verdict_comm(s, v, thread)));
}

static json_t *make_share(enum verdict_wait wait, uint64_t ns, uint64_t of)
{
	return json_pack("{s:s, s:I, s:f}", "wait", verdict_wait_name(wait), "ns", (json_int_t)ns,
			 "share", of ? (double)ns / of : 0.0);
}

static json_t *make_parts(const uint64_t parts[VERDICT_WAITS], uint64_t of)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < VERDICT_WAITS; i++)
		if (parts[i])
			json_array_append_new(list, make_share(i, parts[i], of));
	return list;
}

static json_t *make_subject(const struct story *s, const struct verdict *v)
{
	json_t *subject = json_object();
	uint64_t wall = v->end - v->start;

	set_who(subject, s, v, v->thread);
	json_object_set_new(subject, "start_ns", json_integer(v->start));
	json_object_set_new(subject, "wall_ns", json_integer(wall));
	json_object_set_new(subject, "parts", make_parts(v->parts, wall));
	return subject;
}

/* Innermost first, as debuggers have it. */
static json_t *make_stack(const struct story_stack *stack)
{
	json_t *list = json_array();

	for (size_t i = 0; i < stack->n; i++)
		json_array_append_new(list, make_text(stack->frames[i].function));
	return list;
}

static json_t *make_waker_stack(const char *functions)
{
	json_t *list = json_array();
	char name[512];

	while (functions && *functions) {
		size_t len = strcspn(functions, ";");

		snprintf(name, sizeof(name), "%.*s", (int)len, functions);
		json_array_append_new(list, make_text(name));
		functions += len + (functions[len] == ';');
	}
	return list;
}

static json_t *make_ran_instead(const struct story *s, const struct verdict *v,
				const struct verdict_link *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n_ran_instead; i++) {
		const struct verdict_ran *r = &l->ran_instead[i];
		json_t *ran = json_object();

		if (r->thread == STORY_NOBODY) {
			json_object_set_new(ran, "pid", json_integer(0));
			json_object_set_new(ran, "comm", json_string("idle"));
		} else {
			set_who(ran, s, v, r->thread);
		}
		json_object_set_new(ran, "ns", json_integer(r->ns));
		json_array_append_new(list, ran);
	}
	return list;
}

static json_t *make_rests_on(unsigned int by)
{
	json_t *list = json_array();

	if (by & VERDICT_BY_OWNER)
		json_array_append_new(list, json_string("owner"));
	if (by & VERDICT_BY_WAKER)
		json_array_append_new(list, json_string("waker"));
	if (by & VERDICT_BY_PEER)
		json_array_append_new(list, json_string("peer"));
	if (by & VERDICT_BY_CREATOR)
		json_array_append_new(list, json_string("creator"));
	if (by & VERDICT_BY_REQUEST)
		json_array_append_new(list, json_string("request"));
	return list;
}

static void set_tid(json_t *to, const char *key, const struct story *s, uint32_t thread)
{
	if (thread != STORY_NOBODY)
		json_object_set_new(to, key, json_integer(s->threads[thread].tid));
}

static json_t *make_link(const struct story *s, const struct verdict *v,
			 const struct verdict_link *l)
{
	const struct story_wait *w = l->evidence;
	json_t *link = json_object();

	set_who(link, s, v, l->thread);
	json_object_set_new(link, "wait", json_string(verdict_wait_name(l->wait)));
	json_object_set_new(link, "ns", json_integer(l->ns));
	json_object_set_new(link, "of_ns", json_integer(l->of_ns));
	json_object_set_new(link, "what", make_text(l->what));
	if (w) {
		set_tid(link, "owner_tid", s, w->owner);
		set_tid(link, "waker_tid", s, w->waker);
		json_object_set_new(link, "still_waiting", json_boolean(w->open));
		json_object_set_new(link, "stack", make_stack(&w->stack));
		json_object_set_new(link, "waker_stack", make_waker_stack(w->waker_stack));
	}
	if (l->next != STORY_NOBODY) {
		set_tid(link, "next_tid", s, l->next);
		json_object_set_new(link, "rests_on", make_rests_on(l->rests_on));
		json_object_set_new(link, "sure", json_boolean(l->sure));
	}
	if (l->n_ran_instead)
		json_object_set_new(link, "ran_instead", make_ran_instead(s, v, l));
	return link;
}

static json_t *make_cause(const struct story *s, const struct verdict *v)
{
	json_t *cause = json_object();

	json_object_set_new(cause, "wait", json_string(verdict_wait_name(v->cause)));
	set_who(cause, s, v, v->culprit);
	json_object_set_new(cause, "ns", json_integer(v->cause_ns));
	json_object_set_new(cause, "text", make_text(v->text));
	return cause;
}

static json_t *make_groups(const struct story *s, const struct verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n_groups; i++) {
		const struct verdict_group *g = &v->groups[i];
		json_t *group = json_object();

		set_who(group, s, v, g->thread);
		json_object_set_new(group, "wait", json_string(verdict_wait_name(g->wait)));
		json_object_set_new(group, "ns", json_integer(g->ns));
		json_object_set_new(group, "count", json_integer(g->count));
		json_object_set_new(group, "longest_ns", json_integer(g->longest_ns));
		json_object_set_new(group, "idle", json_boolean(g->idle == VERDICT_IDLE));
		json_array_append_new(list, group);
	}
	return list;
}

static json_t *make_end(const struct story_end *e)
{
	json_t *end = json_object();

	json_object_set_new(end, "pid", json_integer(e->pid));
	json_object_set_new(end, "ts_ns", json_integer(e->ts));
	if (e->text)
		json_object_set_new(end, "text", make_text(e->text));
	return end;
}

void verdict_set_json(json_t *to, const struct story *s, const struct verdict *v)
{
	json_t *chain = json_array(), *window = json_object_get(to, "window");

	if (v->thread != STORY_NOBODY) {
		if (window)
			json_object_set_new(window, "explained", json_real(v->explained));
		json_object_set_new(to, "subject", make_subject(s, v));
		for (size_t i = 0; i < v->n_chain; i++)
			json_array_append_new(chain, make_link(s, v, &v->chain[i]));
	}
	if (*v->text)
		json_object_set_new(to, "cause", make_cause(s, v));
	if (v->end_of)
		json_object_set_new(to, "ended", make_end(v->end_of));
	if (v->cpus)
		json_object_set_new(to, "load",
				    json_pack("{s:f,s:i}", "threads", v->wanted_cpus, "cpus",
					      (int)v->cpus));
	json_object_set_new(to, "chain", chain);
	json_object_set_new(to, "groups", make_groups(s, v));
	json_object_set_new(to, "commands", verdict_commands(s, v));
}
