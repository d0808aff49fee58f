/* SPDX-License-Identifier: GPL-2.0 */
/* explain_text.c - the facts of a snapshot for people. */
#include <string.h>

#include "explain.h"
#include "verdict_output.h"

#include "../lib/protocol.h"
#include "../lib/units.h"

static uint64_t number(const json_t *object, const char *key)
{
	uint64_t n = 0;

	protocol_get_u64(object, key, &n);
	return n;
}

/* The label of a line, flush with those of the stacks. */
static void print_label(const char *label)
{
	printf("%-10s ", label);
}

static void print_text(const json_t *object, const char *key, const char *before)
{
	const char *text = "";

	protocol_get_string(object, key, &text);
	if (*text)
		fputs(before, stdout);
	output_text(stdout, text);
}

static void print_duration(uint64_t ns, const char *before)
{
	char buf[UNITS_TEXT_MAX];

	if (ns)
		printf("%s%s", before, units_format_duration(ns, buf, sizeof(buf)));
}

/* The first count of a line stands there whatever it is, others if they are not 0. */
static void print_count(uint64_t n, const char *what, bool first)
{
	char buf[OUTPUT_COUNT_MAX];

	if (n || first)
		printf("%s%s %s", first ? "" : ", ", output_count(n, buf), what);
}

static void print_trigger(const struct facts *f)
{
	const char *name = "none";

	print_label("trigger");
	protocol_get_string(f->trigger, "name", &name);
	output_text(stdout, name);
	print_text(f->attributes, "frec.fire.name", ", but `frecctl fire` of ");
	print_text(f->attributes, "frec.fire.text", ": ");
	print_text(f->trigger, "kind", ", kind ");
	if (number(f->trigger, "tid")) {
		print_text(f->trigger, "comm", ": ");
		printf(", thread %llu of process %llu",
		       (unsigned long long)number(f->trigger, "tid"),
		       (unsigned long long)number(f->trigger, "pid"));
	}
	print_duration(number(f->trigger, "duration_ns"), ", ");
	print_duration(number(f->trigger, "threshold_ns"), ", threshold ");
	print_count(number(f->trigger, "merged"), "more merged", false);
	print_text(f->trigger, "text", ", says: ");
	putchar('\n');
}

static void print_words(const char *before, const char *text)
{
	if (!text || !*text)
		return;
	fputs(before, stdout);
	output_text(stdout, text);
}

static void print_one_merged(const struct story *s, const struct story_trigger *t)
{
	const struct story_end *end = NULL;

	if (t->kind && !strcmp(t->kind, "exit"))
		end = story_end_of(s, t->pid);
	output_text(stdout, t->name ? t->name : "?");
	if (t->comm && t->tid) {
		print_words(": ", t->comm);
		printf(", thread %d", t->tid);
		if (t->pid != t->tid)
			printf(" of process %d", t->pid);
	}
	print_words(" ", end ? end->text : NULL);
	print_words(", to ", t->server);
	print_words(", from ", t->client);
	print_duration(t->duration, ", ");
	print_words(", says: ", t->text);
	putchar('\n');
}

/* What other triggers fired for before the snapshot was taken. */
static void print_merged(const struct facts *f, const struct story *s)
{
	const char *name = "", *label = "also fired";
	bool first = true; /* the one that the snapshot is named after comes first */

	protocol_get_string(f->trigger, "name", &name);
	for (size_t i = 0; i < s->n_triggers; i++) {
		const struct story_trigger *t = &s->triggers[i];

		if (first && t->name && !strcmp(t->name, name) &&
		    (uint64_t)t->tid == number(f->trigger, "tid")) {
			first = false;
			continue;
		}
		print_label(label);
		label = "";
		print_one_merged(s, t);
	}
}

/* Who read it and who answered, as far as it came. */
static void print_answer(const struct facts *f)
{
	char buf[OUTPUT_COUNT_MAX];
	const char *answered = "";

	if (number(f->trigger, "reader_tid") != number(f->trigger, "tid") &&
	    json_object_get(f->trigger, "reader_tid")) {
		print_text(f->trigger, "reader_comm", ", read by ");
		printf(", thread %llu", (unsigned long long)number(f->trigger, "reader_tid"));
	}
	protocol_get_string(f->trigger, "answered", &answered);
	if (!strcmp(answered, "never"))
		print_text(f->trigger, "closed_by", ", never answered: closed by its ");
	else if (!strcmp(answered, "not yet"))
		printf(", not answered yet");
	else
		printf(", answered with %s bytes",
		       output_count(number(f->trigger, "bytes_out"), buf));
	putchar('\n');
}

/* Of a slow request: between whom, and how long it lay unread. */
static void print_request(const struct facts *f)
{
	bool queued = number(f->trigger, "queued"),
	     read = json_object_get(f->trigger, "reader_tid");
	char buf[OUTPUT_COUNT_MAX];

	if (!json_object_get(f->trigger, "server"))
		return;
	print_label("request");
	print_text(f->trigger, "server", "to ");
	print_text(f->trigger, "client", ", from ");
	if (read)
		printf(", %s bytes", output_count(number(f->trigger, "bytes_in"), buf));
	if (read)
		print_duration(number(f->trigger, "unread_ns"),
			       queued ? ", to be accepted and read " : ", unread for ");
	else
		print_duration(number(f->trigger, "unread_ns"),
			       queued ? ", which nobody accepted or read for " :
					", which nobody read for ");
	print_answer(f);
}

/* Of a slow span: which, and who began it. */
static void print_span(const struct facts *f)
{
	if (!json_object_get(f->trigger, "span"))
		return;
	print_label("span");
	print_text(f->trigger, "span", "");
	if (json_object_get(f->trigger, "span_id"))
		printf(", id %llu", (unsigned long long)number(f->trigger, "span_id"));
	if (number(f->trigger, "begin_tid") != number(f->trigger, "tid")) {
		print_text(f->trigger, "begin_comm", ", begun by ");
		printf(", thread %llu", (unsigned long long)number(f->trigger, "begin_tid"));
	}
	putchar('\n');
}

/* What was lost or refused within the window; older files only know of all that was, ever. */
static void print_losses(const json_t *object, const char *within, const char *ever,
			 const char *what, bool first)
{
	bool known = json_object_get(object, within);

	print_count(number(object, known ? within : ever), what, first);
}

static void print_window(const struct facts *f)
{
	uint64_t start = number(f->window, "start_ns"), end = number(f->window, "end_ns");
	bool known = json_object_get(f->window, "lost_within");
	bool lost = number(f->window, known ? "lost_within" : "lost");

	print_label("window");
	print_duration(end > start ? end - start : 0, "");
	fputs(output_colour(lost ? COLOUR_RED : COLOUR_NONE), stdout);
	printf(", ");
	print_losses(f->window, "lost_within", "lost", "lost", true);
	fputs(output_plain(), stdout);
	print_losses(f->window, "refused_within", "refused", "refused", false);
	print_count(number(f->window, "gaps"), "gaps", false);
	putchar('\n');
}

/* What the recorder has found to be wrong with itself. */
static void print_doubts(const json_t *a)
{
	uint64_t unexplained = number(a, "frec.ledger.unexplained");
	uint64_t failed = number(a, "frec.runtime_check.failed");

	if (unexplained) {
		print_label("ledger");
		printf("%s%llu events or bytes are not accounted for%s\n",
		       output_colour(COLOUR_RED), (unsigned long long)unexplained, output_plain());
	}
	if (!failed)
		return;
	print_label("run time");
	printf("%s%llu of %llu threads ran", output_colour(COLOUR_RED), (unsigned long long)failed,
	       (unsigned long long)number(a, "frec.runtime_check.threads"));
	printf(" for another time than their switches say%s, thread %llu ",
	       output_plain(), (unsigned long long)number(a, "frec.runtime_check.failed_tid"));
	print_duration(number(a, "frec.runtime_check.failed_kernel_ns"), "");
	print_duration(number(a, "frec.runtime_check.failed_events_ns"), ", by those ");
	putchar('\n');
}

static void print_counts(const struct facts *f)
{
	const json_t *a = f->attributes;

	print_label("events");
	print_count(f->counts[TRACE_EVENT_SWITCH], "switches", true);
	print_count(f->counts[TRACE_EVENT_WAKING], "wake-ups", false);
	print_count(f->counts[TRACE_EVENT_SYS_EXIT], "system calls", false);
	print_count(number(a, "frec.events.waits"), "waits", false);
	print_count(number(a, "frec.events.torn"), "torn", false);
	print_count(number(a, "frec.events.malformed"), "malformed", false);
	print_count(number(a, "frec.events.rejected"), "rejected", false);
	putchar('\n');
	print_doubts(a);
}

static void print_stacks(const struct facts *f)
{
	const json_t *a = f->attributes;

	if (!number(a, "frec.stacks.found"))
		return;
	print_label("stacks");
	print_count(number(a, "frec.stacks.found"), "found", true);
	print_count(number(a, "frec.stacks.distinct"), "different user stacks", false);
	print_count(number(a, "frec.stacks.complete"), "complete", false);
	print_count(number(a, "frec.stacks.cut"), "cut", false);
	print_count(number(a, "frec.stacks.broken"), "broken", false);
	print_count(number(a, "frec.stacks.missing"), "missing", false);
	print_count(number(a, "frec.stacks.late"), "late", false);
	print_losses(a, "frec.stacks.refused_within", "frec.stacks.refused", "refused", false);
	putchar('\n');
}

/* What was not recorded in all of the window, as that cost too much. */
static void print_detail(const struct facts *f)
{
	const json_t *a = f->attributes;
	uint64_t end = number(f->window, "end_ns"), from = number(a, "frec.detail.from_ns"),
		 until = number(a, "frec.detail.until_ns");

	if (!json_object_get(a, "frec.detail.left_out"))
		return;
	print_label("left out");
	print_text(a, "frec.detail.left_out", "");
	print_duration(end > from ? end - from : 0, ", from ");
	printf(" before its end");
	if (until)
		print_duration(end > until ? end - until : 0, " until ");
	printf("%s: recording cost more than overhead_budget\n", until ? " before it" : " on");
}

#define ROUGHLY_NS 1000000u /* times of two clocks */

/* Until when what was recorded of a recorder that died. */
static void print_rescue(const struct facts *f)
{
	const json_t *a = f->attributes;
	uint64_t end = number(f->window, "end_ns"), heartbeat = number(a, "frec.rescue.heartbeat_ns"),
		 evidence = number(a, "frec.rescue.evidence_until_ns");

	if (!json_object_get(a, "frec.rescue.heartbeat_ns"))
		return;
	print_label("rescue");
	printf("of a recorder that died (pid %llu): its last sign of life was",
	       (unsigned long long)number(a, "frec.rescue.pid"));
	print_duration(end > heartbeat ? end - heartbeat : 0, " ");
	printf(" before the end; waits and stacks are there until");
	if (end > evidence + ROUGHLY_NS)
		print_duration(end - evidence, " ");
	printf("%s\n", end > evidence + ROUGHLY_NS ? " before it, when their memory was full" :
						     " the end");
}

static void print_host(const struct facts *f)
{
	if (!json_object_get(f->attributes, "frec.version"))
		return;
	print_label("host");
	print_text(f->attributes, "frec.host", "");
	print_text(f->attributes, "frec.kernel", ", Linux ");
	print_text(f->attributes, "frec.version", ", frec ");
	putchar('\n');
}

/* The story first; what else is known, briefly: --json has all of it. */
int explain_print(const struct facts *f, const struct story *s, const struct verdict *v,
		  const char *path)
{
	verdict_print(s, v);
	verdict_print_commands(s, v);
	print_trigger(f);
	print_merged(f, s);
	print_request(f);
	print_span(f);
	print_window(f);
	print_counts(f);
	print_stacks(f);
	print_detail(f);
	print_rescue(f);
	print_host(f);
	print_label("snapshot");
	output_text(stdout, path);
	putchar('\n');
	return EXIT_DONE;
}
