/* SPDX-License-Identifier: GPL-2.0 */
/* control.c - the verbs of few words: list, triggers, pause, resume. */
#include "frecctl.h"

#include <string.h>

#include "cause.h"

#include "../lib/protocol.h"
#include "../lib/units.h"

/* The reply without the envelope's "ok". */
static int print_reply(json_t *reply)
{
	json_object_del(reply, "ok");
	return output_json(reply);
}

static void add_text(struct table *t, const json_t *object, const char *key)
{
	const char *text = "-";

	protocol_get_string(object, key, &text);
	table_cell(t, text);
}

static uint64_t number(const json_t *object, const char *key)
{
	uint64_t n = 0;

	protocol_get_u64(object, key, &n);
	return n;
}

static void add_time(struct table *t, const json_t *object, const char *key)
{
	char buf[32];

	table_cell(t, output_time(number(object, key), buf, sizeof(buf)));
}

static void add_duration(struct table *t, const json_t *object, const char *key)
{
	uint64_t ns = number(object, key);
	char buf[UNITS_TEXT_MAX];

	table_cell(t, ns ? units_format_duration(ns, buf, sizeof(buf)) : "-");
}

/* The recorder does not look into its files; we may, or there is no cause. */
static void add_causes(json_t *reply)
{
	json_t *snapshot;
	const char *path;
	size_t i;

	json_array_foreach(json_object_get(reply, "snapshots"), i, snapshot) {
		if (!protocol_get_string(snapshot, "path", &path))
			json_object_set_new(snapshot, "cause", cause_of(path));
	}
}

/* "lock worker/1234", "lock worker/1234; also fired: slow-read" */
static void add_cause(struct table *t, const json_t *snapshot)
{
	const json_t *cause = json_object_get(snapshot, "cause");
	const char *wait = "-", *comm = "", *also = "";
	char text[512];
	int n;

	protocol_get_string(cause, "wait", &wait);
	protocol_get_string(cause, "comm", &comm);
	protocol_get_string(cause, "also", &also);
	n = snprintf(text, sizeof(text), "%.32s%s%.32s", wait, *comm ? " " : "", comm);
	if (number(cause, "pid"))
		n += snprintf(text + n, sizeof(text) - n, "/%llu",
			      (unsigned long long)number(cause, "pid"));
	if (number(cause, "died"))
		n = snprintf(text, sizeof(text), "the recorder died (pid %llu)",
			     (unsigned long long)number(cause, "died"));
	if (*also)
		snprintf(text + n, sizeof(text) - n, "; also fired: %s", also);
	table_cell(t, text);
}

static void print_list(const json_t *reply)
{
	static const char *const headings[] = { "TIME", ">SIZE", "SNAPSHOT", "CAUSE" };
	const char *directory = "?";
	char size[UNITS_TEXT_MAX];
	const json_t *snapshot;
	struct table *t;
	size_t i;

	protocol_get_string(reply, "directory", &directory);
	if (json_array_size(json_object_get(reply, "snapshots")) == 0) {
		printf("no snapshots in ");
		output_text(stdout, directory);
		putchar('\n');
		return;
	}
	t = table_new(4, headings);
	json_array_foreach(json_object_get(reply, "snapshots"), i, snapshot) {
		add_time(t, snapshot, "time_ns");
		table_cell(t, units_format_size(number(snapshot, "bytes"), size, sizeof(size)));
		add_text(t, snapshot, "name");
		add_cause(t, snapshot);
	}
	table_print(t);
	table_free(t);
	printf("%sin ", output_colour(COLOUR_DIM));
	output_text(stdout, directory);
	if (number(reply, "omitted"))
		printf("; %llu more there", (unsigned long long)number(reply, "omitted"));
	printf("%s\n", output_plain());
}

int verb_list(const struct arguments *args)
{
	int result = EXIT_DONE;
	json_t *reply;

	if (client_command(args, "list", &reply) != EXIT_DONE)
		return EXIT_FAILED;
	add_causes(reply);
	if (args->json)
		result = print_reply(reply);
	else
		print_list(reply);
	json_decref(reply);
	return result;
}

/* "comm=nginx* uid=33": strings and numbers as they are in the configuration */
static void add_filters(struct table *t, const json_t *trigger)
{
	json_t *filters = json_object_get(trigger, "filters"), *value;
	char text[512] = "";
	const char *key;
	size_t n = 0;

	json_object_foreach(filters, key, value) {
		if (n >= sizeof(text))
			break;
		if (json_is_string(value))
			n += snprintf(text + n, sizeof(text) - n, "%s%s=%s", n ? " " : "", key,
				      json_string_value(value));
		else if (json_is_integer(value))
			n += snprintf(text + n, sizeof(text) - n, "%s%s=%lld", n ? " " : "", key,
				      (long long)json_integer_value(value));
	}
	table_cell(t, text);
}

static void print_triggers(const json_t *triggers)
{
	static const char *const headings[] = {
		"TRIGGER",     "KIND",	  ">THRESHOLD", ">FIRED",
		">SUPPRESSED", ">MERGED", "LAST",	"FILTERS",
	};
	struct table *t = table_new(8, headings);
	const json_t *trigger;
	size_t i;

	json_array_foreach(triggers, i, trigger) {
		add_text(t, trigger, "name");
		add_text(t, trigger, "kind");
		add_duration(t, trigger, "threshold_ns");
		table_number(t, number(trigger, "fired"));
		table_number(t, number(trigger, "suppressed"));
		table_number(t, number(trigger, "merged"));
		add_time(t, trigger, "last_ns");
		add_filters(t, trigger);
	}
	table_print(t);
	table_free(t);
}

int verb_triggers(const struct arguments *args)
{
	const json_t *triggers;
	int result = EXIT_DONE;
	json_t *reply;

	if (client_command(args, "triggers", &reply) != EXIT_DONE)
		return EXIT_FAILED;
	triggers = json_object_get(reply, "triggers");
	if (!json_is_array(triggers))
		result = output_fail("the recorder's answer has no triggers");
	else if (args->json)
		result = output_json(triggers);
	else if (json_array_size(triggers) == 0)
		printf("no triggers are configured\n");
	else
		print_triggers(triggers);
	json_decref(reply);
	return result;
}

static int change(const struct arguments *args, const char *command, const char *done,
		  const char *already)
{
	bool changed = true;
	int result = EXIT_DONE;
	json_t *reply;

	if (client_command(args, command, &reply) != EXIT_DONE)
		return EXIT_FAILED;
	protocol_get_bool(reply, "changed", &changed);
	if (args->json)
		result = print_reply(reply);
	else
		printf("%s\n", changed ? done : already);
	json_decref(reply);
	return result;
}

int verb_pause(const struct arguments *args)
{
	return change(args, "pause", "paused: nothing is recorded until 'frecctl resume'",
		      "was paused already");
}

int verb_resume(const struct arguments *args)
{
	return change(args, "resume", "recording", "was recording already");
}
