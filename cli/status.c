/* SPDX-License-Identifier: GPL-2.0 */
/* status.c - how the recorder is, for people. */
#include "frecctl.h"

#include <string.h>

#include "../lib/protocol.h"
#include "../lib/units.h"

/* A CPU is shown where it holds this much less or more than the window as a whole. */
#define CPU_DIFFERS 0.10

/* Members that are missing or odd count as 0: an older recorder is no reason to show nothing. */
static uint64_t number(const json_t *object, const char *key)
{
	uint64_t n = 0;

	protocol_get_u64(object, key, &n);
	return n;
}

static const char *string(const json_t *object, const char *key)
{
	const char *text = "?";

	protocol_get_string(object, key, &text);
	return text;
}

static double share(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void print_state(const json_t *status, const char *run_directory)
{
	const char *state = string(status, "state");
	bool good = strcmp(state, "recording") == 0;
	char buf[UNITS_TEXT_MAX];

	printf("%-10s %s", "state", output_colour(good ? COLOUR_GREEN : COLOUR_YELLOW));
	output_text(stdout, state);
	printf("%s for %s, frecd ", output_plain(),
	       units_format_duration(number(status,
					    strcmp(state, "paused") ? "uptime_ns" : "paused_ns"),
				     buf, sizeof(buf)));
	output_text(stdout, string(status, "version"));
	printf(", at ");
	output_text(stdout, run_directory);
	putchar('\n');
}

static bool differs(uint64_t a, uint64_t b)
{
	uint64_t larger = a > b ? a : b, gap = a > b ? a - b : b - a;

	return gap > CPU_DIFFERS * larger;
}

/* What covers another time than all of it: a CPU, the evidence. */
static void print_part(const char *name, uint64_t here, uint64_t held, unsigned int *shown)
{
	char buf[UNITS_TEXT_MAX];

	if (!differs(here, held))
		return;
	/* five a line keep within 100 columns */
	printf("%s%8s %8s", *shown % 5 ? "" : *shown ? "\n          " : "          ", name,
	       units_format_duration(here, buf, sizeof(buf)));
	++*shown;
}

static void print_window(const json_t *status)
{
	const json_t *window = json_object_get(status, "window"), *cpu;
	uint64_t held = number(window, "held_ns"), least = UINT64_MAX;
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];
	unsigned int shown = 0;
	size_t i;

	printf("%-10s %s held of %s wanted%s\n", "window",
	       units_format_duration(held, a, sizeof(a)),
	       units_format_duration(number(window, "wanted_ns"), b, sizeof(b)),
	       json_is_true(json_object_get(window, "filling")) ? ", filling" : "");
	/* where it is the evidence that holds less than any CPU, say so: else nobody would understand */
	json_array_foreach(json_object_get(window, "per_cpu"), i, cpu) {
		if (number(cpu, "held_ns") < least)
			least = number(cpu, "held_ns");
	}
	if (i && least > held)
		print_part("evidence", number(window, "evidence_held_ns"), least, &shown);
	json_array_foreach(json_object_get(window, "per_cpu"), i, cpu) {
		snprintf(b, sizeof(b), "cpu%llu", (unsigned long long)number(cpu, "cpu"));
		print_part(b, number(cpu, "held_ns"), held, &shown);
	}
	if (shown)
		putchar('\n');
}

static void print_memory(const json_t *status)
{
	const json_t *memory = json_object_get(status, "memory");
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX];

	printf("%-10s %s hot window, %s evidence, %s frecd\n", "memory",
	       units_format_size(number(memory, "hot"), a, sizeof(a)),
	       units_format_size(number(memory, "evidence"), b, sizeof(b)),
	       units_format_size(number(memory, "daemon_rss"), c, sizeof(c)));
}

static void print_events(const json_t *status)
{
	const json_t *events = json_object_get(status, "events");
	uint64_t lost = number(events, "lost"), refused = number(events, "refused");
	char a[OUTPUT_COUNT_MAX], b[OUTPUT_COUNT_MAX], c[OUTPUT_COUNT_MAX];

	printf("%-10s %s recorded, %s%s lost%s, %s%s refused by the budget%s\n", "events",
	       output_count(number(events, "recorded"), a),
	       output_colour(lost ? COLOUR_RED : COLOUR_NONE), output_count(lost, b),
	       output_plain(), output_colour(refused ? COLOUR_YELLOW : COLOUR_NONE),
	       output_count(refused, c), output_plain());
}

static void print_ledger(const json_t *status)
{
	const json_t *ledger = json_object_get(status, "ledger");
	uint64_t untold = number(ledger, "switches_untold");
	bool balanced = json_is_true(json_object_get(ledger, "balanced"));
	char buf[OUTPUT_COUNT_MAX];

	if (!ledger)
		return;
	printf("%-10s %s%s%s", "ledger", output_colour(balanced ? COLOUR_NONE : COLOUR_RED),
	       balanced ? "balances" : "does not balance", output_plain());
	if (untold)
		printf("; %s switches that the kernel counts and tells nobody of",
		       output_count(untold, buf));
	putchar('\n');
}

/* All of it is of all CPUs, so that it adds up; frecd's share is told of one. */
static void print_overhead(const json_t *status)
{
	const json_t *overhead = json_object_get(status, "overhead");
	const json_t *recent = json_object_get(overhead, "recent");
	size_t n = json_array_size(
		json_object_get(json_object_get(status, "window"), "per_cpu"));
	double cpus = n ? n : 1;
	char buf[UNITS_TEXT_MAX];

	printf("%-10s %.2f %% in the kernel + %.2f %% frecd", "overhead",
	       100 * share(recent, "bpf_share"), 100 * share(recent, "daemon_share") / cpus);
	printf(" of all CPUs over the last %s, budget %.3g %%, level %llu\n",
	       units_format_duration(number(recent, "ns"), buf, sizeof(buf)),
	       100 * share(overhead, "budget"), (unsigned long long)number(overhead, "level"));
	printf("%-10s %.2f %% + %.2f %% since the start\n", "",
	       100 * share(overhead, "bpf_share"), 100 * share(overhead, "daemon_share") / cpus);
}

static void print_triggers(const json_t *status)
{
	const json_t *triggers = json_object_get(status, "triggers"), *trigger;
	char buf[OUTPUT_COUNT_MAX];
	uint64_t fired = 0, suppressed = 0;
	size_t i;

	json_array_foreach(triggers, i, trigger) {
		fired += number(trigger, "fired");
		suppressed += number(trigger, "suppressed");
	}
	printf("%-10s %zu armed, %s fired", "triggers", json_array_size(triggers),
	       output_count(fired, buf));
	printf(", %s suppressed", output_count(suppressed, buf));
	fputs(fired || suppressed ? ":\n" : "\n", stdout);
	json_array_foreach(triggers, i, trigger) {
		if (!number(trigger, "fired") && !number(trigger, "suppressed"))
			continue;
		printf("           ");
		output_text(stdout, string(trigger, "name"));
		printf(" (");
		output_text(stdout, string(trigger, "kind"));
		printf(") %s fired", output_count(number(trigger, "fired"), buf));
		printf(", %s suppressed\n", output_count(number(trigger, "suppressed"), buf));
	}
}

static void print_histogram(const json_t *h)
{
	static const char *const told[][2] = {
		{ "p50", "p50_ns" }, { "p90", "p90_ns" }, { "p99", "p99_ns" },
		{ "p99.9", "p999_ns" }, { "max", "max_ns" },
	};
	char buf[OUTPUT_COUNT_MAX + UNITS_TEXT_MAX];

	output_text(stdout, string(h, "of"));
	printf(" of ");
	if (json_object_get(h, "trigger"))
		output_text(stdout, string(h, "trigger"));
	else if (!strcmp(string(h, "of"), "request"))
		printf("all servers that triggers look at");
	else
		printf("all threads");
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]) && number(h, "count"); i++)
		printf("%s %s %s", i ? "," : ":", told[i][0],
		       units_format_duration(number(h, told[i][1]), buf, sizeof(buf)));
	printf("; %s counted\n", output_count(number(h, "count"), buf));
}

static void print_histograms(const json_t *status)
{
	const json_t *h;
	size_t i;

	json_array_foreach(json_object_get(status, "histograms"), i, h) {
		printf("%-10s ", i ? "" : "latency");
		print_histogram(h);
	}
}

static void print_app(const json_t *status)
{
	static const char *const causes[] = { "flood",   "crowd",    "malformed",
					      "unknown", "filtered", "strangers" };
	const json_t *app = json_object_get(status, "app"),
		     *own = json_object_get(app, "snapshots");
	char buf[OUTPUT_COUNT_MAX], written[OUTPUT_COUNT_MAX], refused[OUTPUT_COUNT_MAX];

	if (!number(app, "received") && !number(app, "flood") && !number(app, "crowd"))
		return;
	printf("%-10s %s messages", "programs", output_count(number(app, "received"), buf));
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (number(app, causes[i]))
			printf(", %s %s", output_count(number(app, causes[i]), buf), causes[i]);
	if (number(own, "asked"))
		printf("; %s snapshots of their own asked for, %s written, %s refused",
		       output_count(number(own, "asked"), buf),
		       output_count(number(own, "written"), written),
		       output_count(number(own, "refused"), refused));
	putchar('\n');
}

static void print_spool(const json_t *status)
{
	const json_t *spool = json_object_get(status, "spool");
	uint64_t files = number(spool, "files");
	char a[OUTPUT_COUNT_MAX], b[UNITS_TEXT_MAX];

	printf("%-10s %s snapshot%s, %s\n", "spool", output_count(files, a), files == 1 ? "" : "s",
	       units_format_size(number(spool, "bytes"), b, sizeof(b)));
}

static void print_warnings(const json_t *status)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(status, "warnings"), i, warning) {
		if (!json_is_string(warning))
			continue;
		printf("%s%-10s%s ", output_colour(COLOUR_YELLOW), "warning", output_plain());
		output_text(stdout, json_string_value(warning));
		putchar('\n');
	}
}

int verb_status(const struct arguments *args)
{
	const json_t *status;
	int result = EXIT_DONE;
	json_t *reply;

	if (client_command(args, "status", &reply) != EXIT_DONE)
		return EXIT_FAILED;
	status = json_object_get(reply, "status");
	if (!json_is_object(status)) {
		result = output_fail("the recorder's answer has no status");
	} else if (args->json) {
		result = output_json(status);
	} else {
		print_state(status, args->run_directory);
		print_window(status);
		print_memory(status);
		print_events(status);
	print_ledger(status);
		print_overhead(status);
		print_triggers(status);
		print_histograms(status);
		print_app(status);
		print_spool(status);
		print_warnings(status);
	}
	json_decref(reply);
	return result;
}
