/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_print.c - the verdict for people: the cause first, then how it came to it. */
#include <inttypes.h>
#include <string.h>

#include "../lib/units.h"
#include "../lib/verdict_idle.h"
#include "verdict_output.h"

#define WIDTH 100
#define FUNCTIONS_MAX 6

static const char *duration(uint64_t ns, char buf[UNITS_TEXT_MAX])
{
	return units_format_duration(ns, buf, UNITS_TEXT_MAX);
}

/* Words, broken to the width; every line but the first begins with indent spaces. */
static void print_wrapped(const char *text, int indent, int column)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		char word[512];

		if (column > indent && column + 1 + (int)len > WIDTH) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		output_text(stdout, word);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_who(const struct story *s, const struct verdict *v, uint32_t thread)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_process *p = story_process(s, t->pid);

	output_text(stdout, verdict_comm(s, v, thread));
	printf("/%d", t->tid);
	if (t->tid != t->pid) {
		fputs(" of ", stdout);
		output_text(stdout, p && p->name ? p->name : "process");
		printf("/%d", t->pid);
	}
}

/* The parts of the subject's time, most first; what is under a thousandth is left out. */
static void print_parts(const struct verdict *v)
{
	uint64_t wall = v->end - v->start, left[VERDICT_WAITS];
	char buf[UNITS_TEXT_MAX];
	const char *separator = "";

	memcpy(left, v->parts, sizeof(left));
	for (;;) {
		unsigned int best = 0;

		for (unsigned int i = 0; i < VERDICT_WAITS; i++)
			if (left[i] > left[best])
				best = i;
		if (left[best] == 0 || left[best] < wall / 1000)
			break;
		printf("%s%s %s (%.0f %%)", separator, verdict_wait_name(best),
		       duration(left[best], buf), 100.0 * left[best] / wall);
		separator = ", ";
		left[best] = 0;
	}
	putchar('\n');
}

static bool is_library(const struct story_frame *f)
{
	return f->module && (strncmp(f->module, "libc.so", 7) == 0 || f->module[0] == '[' ||
			     strncmp(f->module, "ld-linux", 8) == 0 ||
			     strncmp(f->module, "libpthread", 10) == 0);
}

/* The program's own functions; those of the C library if it has none. */
static void print_stack(const struct story_stack *stack, int indent)
{
	char text[1024] = "in ";
	bool own = false;
	unsigned int n = 0;
	size_t used = 3;

	for (size_t i = 0; i < stack->n; i++)
		own |= !stack->frames[i].kernel && stack->frames[i].function &&
		       !is_library(&stack->frames[i]);
	for (size_t i = 0; i < stack->n && n < FUNCTIONS_MAX; i++) {
		const struct story_frame *f = &stack->frames[i];

		if (f->kernel || !f->function || (own && is_library(f)))
			continue;
		used += snprintf(text + used, sizeof(text) - used, "%s%s", n++ ? " < " : "",
				 f->function);
		if (used >= sizeof(text))
			break;
	}
	if (!n)
		return;
	printf("%*s", indent, "");
	print_wrapped(text, indent, indent);
}

/* Only names are known here; these are the C library's. */
static bool is_library_name(const char *name)
{
	return *name == '_' || strncmp(name, "lll_", 4) == 0 || strncmp(name, "pthread_", 8) == 0 ||
	       strncmp(name, "start_thread", 12) == 0;
}

static void print_waker_stack(enum verdict_wait wait, const char *functions, int indent)
{
	char text[1024];
	size_t used = snprintf(text, sizeof(text), "%s in ",
			       verdict_deed(wait, functions ? functions : ""));
	unsigned int n = 0;

	while (functions && *functions && n < FUNCTIONS_MAX && used < sizeof(text)) {
		size_t len = strcspn(functions, ";");

		if (!is_library_name(functions))
			used += snprintf(text + used, sizeof(text) - used, "%s%.*s",
					 n++ ? " < " : "", (int)len, functions);
		functions += len + (functions[len] == ';');
	}
	if (!n)
		return;
	printf("%*s", indent, "");
	print_wrapped(text, indent, indent);
}

static const char *rests_on(enum verdict_wait wait, unsigned int by)
{
	static const char *const texts[] = {
		"", "the lock's owner word", "it ended the wait",
		"the lock's owner word, and it ended the wait",
		"it has the other end", "", "it has the other end, and ended the wait", "",
	};

	if (by == VERDICT_BY_CREATOR)
		return "it made who ended the wait";
	if (by == VERDICT_BY_REQUEST)
		return "it was asked, and has not answered";
	if (by == VERDICT_BY_PEER && wait == VERDICT_CHILD)
		return "it is the child";
	if (by == VERDICT_BY_PEER && wait == VERDICT_FILE_LOCK)
		return "it has the lock";
	return texts[by & 7];
}

static void print_ran_instead(const struct story *s, const struct verdict *v,
			      const struct verdict_link *l)
{
	char buf[UNITS_TEXT_MAX];

	for (size_t i = 0; i < l->n_ran_instead; i++) {
		uint32_t thread = l->ran_instead[i].thread;

		printf("      %8s ", duration(l->ran_instead[i].ns, buf));
		if (thread == STORY_NOBODY)
			fputs("the CPU was idle", stdout);
		else
			print_who(s, v, thread);
		puts(thread != STORY_NOBODY && verdict_is_recorder(s, thread) ?
			     " (the recorder itself)" : "");
	}
}

static void print_link(const struct story *s, const struct verdict *v, const struct verdict_link *l,
		       size_t number)
{
	char ns[UNITS_TEXT_MAX], of[UNITS_TEXT_MAX];

	printf("%3zu. ", number);
	print_who(s, v, l->thread);
	printf(": %s %s of %s", verdict_wait_name(l->wait), duration(l->ns, ns),
	       duration(l->of_ns, of));
	if (l->evidence && l->evidence->open)
		fputs(", and still is", stdout);
	putchar('\n');
	if (*l->what) {
		printf("     ");
		print_wrapped(l->what, 5, 5);
	}
	if (l->evidence)
		print_stack(&l->evidence->stack, 5);
	print_ran_instead(s, v, l);
	if (l->next == STORY_NOBODY)
		return;
	printf("     waited for ");
	print_who(s, v, l->next);
	printf(" (%s%s)\n", rests_on(l->wait, l->rests_on), l->sure ? "" : "; not sure");
	if (l->evidence && (l->rests_on & VERDICT_BY_WAKER))
		print_waker_stack(l->wait, l->evidence->waker_stack, 5);
}

/* Each process's waits for a CPU alone say little of how crowded the host is. */
static void print_load(const struct verdict *v)
{
	if (verdict_is_overload(v))
		printf("overload: on average %.1f threads wanted %u CPU%s\n\n", v->wanted_cpus,
		       v->cpus, v->cpus == 1 ? "" : "s");
}

/* That a process has ended is more than anything it waited for. */
static void print_end(const struct story *s, const struct verdict *v)
{
	const struct story_end *e = v->end_of;
	const struct story_process *p = e ? story_process(s, e->pid) : NULL;
	char buf[UNITS_TEXT_MAX];

	if (!e)
		return;
	fputs(output_colour(COLOUR_RED), stdout);
	output_text(stdout, p && p->name ? p->name : "process");
	printf("%s (pid %d) ", output_plain(), e->pid);
	output_text(stdout, e->text ? e->text : "ended; how is not recorded");
	printf("; that was %s before the snapshot\n\n",
	       duration(s->end > e->ts ? s->end - e->ts : 0, buf));
}

static void print_groups(const struct story *s, const struct verdict *v)
{
	char ns[UNITS_TEXT_MAX], longest[UNITS_TEXT_MAX];

	if (!v->n_groups)
		return;
	printf("worst waits\n");
	for (size_t i = 0; i < v->n_groups; i++) {
		const struct verdict_group *g = &v->groups[i];
		const struct story_process *p = story_process(s, g->pid);

		printf("  %8s %-11s %" PRIu64 " times, longest %s: ", duration(g->ns, ns),
		       verdict_wait_name(g->wait), g->count, duration(g->longest_ns, longest));
		output_text(stdout, p && p->name ? p->name : s->threads[g->thread].comm);
		printf("/%d%s\n", g->pid, g->idle == VERDICT_IDLE ? " (idle)" : "");
	}
	putchar('\n');
}

void verdict_print(const struct story *s, const struct verdict *v)
{
	const char *kind = verdict_wait_name(v->cause);
	bool has_kind = v->cause == VERDICT_UNKNOWN || v->cause == VERDICT_DEADLOCK;
	char buf[UNITS_TEXT_MAX];

	print_end(s, v);
	if (v->thread == STORY_NOBODY) {
		printf("%s\n",
		       *v->text ? v->text : "Nothing in this snapshot waited in a way that hurts.");
		return;
	}
	/* what is not known, and a deadlock, say so themselves */
	printf("%s%s%s", output_colour(v->cause == VERDICT_UNKNOWN ? COLOUR_YELLOW : COLOUR_RED),
	       has_kind ? "" : kind, output_plain());
	fputs(has_kind ? "" : ": ", stdout);
	print_wrapped(v->text, 2, 2 + (has_kind ? 0 : strlen(kind)));
	putchar('\n');
	print_load(v);
	print_groups(s, v);
	print_who(s, v, v->thread);
	printf(", %s: ", duration(v->end - v->start, buf));
	print_parts(v);
	for (size_t i = 0; i < v->n_chain; i++)
		print_link(s, v, &v->chain[i], i + 1);
	putchar('\n');
}
