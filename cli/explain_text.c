/* SPDX-License-Identifier: GPL-2.0 */
/* explain_text.c - the facts of a snapshot for people. */
#include "explain.h"

#include <string.h>

#include "../lib/protocol.h"
#include "../lib/units.h"

static uint64_t number(const json_t *object, const char *key)
{
	uint64_t n = 0;

	protocol_get_u64(object, key, &n);
	return n;
}

static void print_value(const json_t *value)
{
	if (json_is_string(value))
		output_text(stdout, json_string_value(value));
	else
		printf("%lld", (long long)json_integer_value(value));
}

/* Members that have been told in a sentence are left out. */
static void print_rest(json_t *object, const char *const *told)
{
	json_t *value;
	const char *key;

	json_object_foreach(object, key, value) {
		size_t i = 0;

		while (told[i] && strcmp(told[i], key) != 0)
			i++;
		if (told[i])
			continue;
		printf("%11s", "");
		output_text(stdout, key);
		fputs(": ", stdout);
		print_value(value);
		putchar('\n');
	}
}

static void print_trigger(const struct facts *f)
{
	static const char *const told[] = { "name", "kind",	   "comm",  "pid",
					    "tid",  "duration_ns", "ts_ns", NULL };
	const char *name = "none said", *kind = "", *comm = "";
	char buf[UNITS_TEXT_MAX];

	protocol_get_string(f->trigger, "name", &name);
	protocol_get_string(f->trigger, "kind", &kind);
	protocol_get_string(f->trigger, "comm", &comm);
	printf("%-10s ", "trigger");
	output_text(stdout, name);
	if (*kind) {
		fputs(" (", stdout);
		output_text(stdout, kind);
		putchar(')');
	}
	if (number(f->trigger, "tid")) {
		fputs(": ", stdout);
		output_text(stdout, comm);
		printf(", thread %llu of process %llu",
		       (unsigned long long)number(f->trigger, "tid"),
		       (unsigned long long)number(f->trigger, "pid"));
	}
	if (number(f->trigger, "duration_ns"))
		printf(", %s",
		       units_format_duration(number(f->trigger, "duration_ns"), buf, sizeof(buf)));
	putchar('\n');
	print_rest(f->trigger, told);
}

static void print_window(const struct facts *f)
{
	static const char *const told[] = { "start_ns", "end_ns", "lost", "gaps", NULL };
	uint64_t start = number(f->window, "start_ns"), end = number(f->window, "end_ns");
	uint64_t lost = number(f->window, "lost"), gaps = number(f->window, "gaps");
	char a[UNITS_TEXT_MAX], b[OUTPUT_COUNT_MAX];

	printf("%-10s %s, %s%s lost%s", "window",
	       units_format_duration(end > start ? end - start : 0, a, sizeof(a)),
	       output_colour(lost ? COLOUR_RED : COLOUR_NONE), output_count(lost, b),
	       output_plain());
	if (gaps)
		printf(", %s%s gaps%s", output_colour(COLOUR_RED), output_count(gaps, b),
		       output_plain());
	putchar('\n');
	print_rest(f->window, told);
}

/* Six in a line keep within 100 columns. */
static void print_counts(const struct facts *f)
{
	char buf[OUTPUT_COUNT_MAX];
	unsigned int shown = 0;

	printf("%-10s ", "events");
	for (unsigned int i = 0; i < EVENT_KINDS; i++) {
		if (!f->counts[i])
			continue;
		printf("%s%s %s",
		       !shown	   ? ""
		       : shown % 6 ? ", "
				   : ",\n           ",
		       event_name(i), output_count(f->counts[i], buf));
		shown++;
	}
	fputs(shown ? "\n" : "none\n", stdout);
}

static void print_attributes(const struct facts *f)
{
	static const char *const told[] = { NULL };

	if (json_object_size(f->attributes) == 0)
		return;
	printf("attributes\n");
	print_rest(f->attributes, told);
}

int explain_print(const struct facts *f, const char *path)
{
	printf("%-10s ", "snapshot");
	output_text(stdout, path);
	putchar('\n');
	print_trigger(f);
	explain_print_stacks(f, path);
	print_window(f);
	print_counts(f);
	print_attributes(f);
	if (f->n_summary)
		putchar('\n');
	for (size_t i = 0; i < f->n_summary; i++) {
		output_text(stdout, json_string_value(f->summary[i].text));
		putchar('\n');
	}
	return EXIT_DONE;
}
