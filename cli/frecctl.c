/* SPDX-License-Identifier: GPL-2.0 */
/* frecctl.c - the command line: one table drives verbs, options and help. */
#include "frecctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/units.h"

#ifndef FREC_VERSION
#define FREC_VERSION "unknown"
#endif

/* What getopt_long() returns for each option: its short letter, or above all letters. */
enum {
	OPTION_JSON = 256,
	OPTION_PID,
	OPTION_ONLY,
	OPTION_LAST,
	OPTION_UNIT,
	OPTION_FORMAT,
	OPTION_RUN_DIRECTORY,
	OPTION_CONFIG,
	OPTION_VERSION,
};

/* Which verbs take an option. */
#define TAKES_JSON 1u
#define TAKES_SNAPSHOT 2u /* --pid --only --last -o */
#define TAKES_FORMAT 4u
#define TAKES_ALWAYS 8u
#define TAKES_PID 16u
#define TAKES_WHY 32u /* --pid --unit --last */
#define TAKES_CONFIG 64u

static const struct option_row {
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
	int code;
	unsigned int group;
} option_rows[] = {
	{ "pid", "P", "focus on process P and all that it waited for", OPTION_PID,
	  TAKES_SNAPSHOT | TAKES_PID | TAKES_WHY },
	{ "only", NULL, "with --pid: leave all other processes out", OPTION_ONLY, TAKES_SNAPSHOT },
	{ "last", "TIME", "only the last TIME, such as 5s or 500ms", OPTION_LAST,
	  TAKES_SNAPSHOT | TAKES_WHY },
	{ "unit", "U", "only processes of systemd unit or cgroup U", OPTION_UNIT, TAKES_WHY },
	{ "output", "FILE", "write to FILE, - for stdout, not to the spool", 'o', TAKES_SNAPSHOT },
	{ "format", "FORMAT", "json or folded", OPTION_FORMAT, TAKES_FORMAT },
	{ "config", "FILE", "configuration of the recorder that died, if not in /etc/frec",
	  OPTION_CONFIG, TAKES_CONFIG },
	{ "json", NULL, "print JSON", OPTION_JSON, TAKES_JSON },
	{ "run-directory", "D",
	  "of the recorder to talk to (default: $FREC_RUN_DIRECTORY or " RUN_DIRECTORY ")",
	  OPTION_RUN_DIRECTORY, TAKES_ALWAYS },
	{ "help", NULL, "print this help", 'h', TAKES_ALWAYS },
	{ "version", NULL, "print the version", OPTION_VERSION, TAKES_ALWAYS },
};
#define N_OPTIONS (sizeof(option_rows) / sizeof(option_rows[0]))

static int verb_help(const struct arguments *args);

enum operand { OPERAND_NONE, OPERAND_OPTIONAL, OPERAND_REQUIRED, OPERAND_AND_TEXT };

#define FILE_HELP "FILE is a path, a name as 'frecctl list' prints it, or - for standard input.\n"

static const struct verb {
	const char *name;
	const char *operand; /* as in the usage line */
	enum operand takes;
	unsigned int groups; /* TAKES_* */
	int (*run)(const struct arguments *args);
	const char *summary;
	const char *more; /* further help, or NULL */
} verbs[] = {
	{ "status", NULL, OPERAND_NONE, TAKES_JSON, verb_status,
	  "show state, window held, memory, losses, overhead, triggers and spool", NULL },
	{ "snapshot", NULL, OPERAND_NONE, TAKES_SNAPSHOT | TAKES_JSON, verb_snapshot,
	  "write the last seconds to a file and print its path",
	  "Without -o the file goes into the recorder's spool. With -o FILE, FILE is complete\n"
	  "or not there. With --pid every switch and wake-up of the host stays, so that the\n"
	  "CPU tracks are whole; --only drops those of other processes too.\n" },
	{ "list", NULL, OPERAND_NONE, TAKES_JSON, verb_list,
	  "list the snapshots in the spool, each with its cause in short", NULL },
	{ "triggers", NULL, OPERAND_NONE, TAKES_JSON, verb_triggers,
	  "list the triggers and how often each fired", NULL },
	{ "fire", "NAME [TEXT]", OPERAND_AND_TEXT, TAKES_JSON, verb_fire,
	  "test trigger NAME: write a snapshot as if it had fired",
	  "The TEXT is kept in the snapshot.\n" },
	{ "pause", NULL, OPERAND_NONE, TAKES_JSON, verb_pause, "stop recording; the window is kept",
	  NULL },
	{ "resume", NULL, OPERAND_NONE, TAKES_JSON, verb_resume, "start recording again", NULL },
	{ "doctor", NULL, OPERAND_NONE, TAKES_JSON, verb_doctor,
	  "tell what this kernel offers, what is missing and why it matters",
	  "Needs no recorder. Exit status 0: recording is possible here.\n" },
	{ "rescue", NULL, OPERAND_NONE, TAKES_CONFIG, verb_rescue,
	  "write the window of a recorder that died, and print its path",
	  "For where no recorder is started again, which would do the same. Needs its rights.\n" },
	{ "why", NULL, OPERAND_NONE, TAKES_WHY | TAKES_JSON, verb_why,
	  "write a snapshot and explain it",
	  "What hurt most in the last seconds, of all processes, of process P or of unit U.\n"
	  "The snapshot stays in the recorder's spool. Where that cannot take it, it is explained\n"
	  "from memory.\n" },
	{ "explain", "[FILE]", OPERAND_OPTIONAL, TAKES_JSON | TAKES_PID, verb_explain,
	  "tell why it was slow: of a snapshot, the newest one without FILE",
	  "The cause in one sentence; then where the time went, and the chain of who waited\n"
	  "for whom, each with what that rests on. Of a snapshot that no trigger wrote, or with\n"
	  "--pid, it is about the waits that hurt most. --json prints all that is known.\n"
	  FILE_HELP },
	{ "export", "[FILE]", OPERAND_OPTIONAL, TAKES_FORMAT, verb_export,
	  "print the events of a snapshot, the newest one without FILE",
	  "--format json prints one JSON object a line for each event, in the order of the\n"
	  "file. All have \"type\", and \"ts\" in ns of CLOCK_BOOTTIME where they have a time;\n"
	  "those of one CPU have \"cpu\". The manual page lists the members of each type.\n"
	  "A stack is a list of frames, outermost first.\n"
	  "--format folded prints the stacks of waits, one a line, with the microseconds spent\n"
	  "in each, as flame graph tools read them: process;thread;main;...;futex_wait 1234\n"
	  FILE_HELP },
	{ "help", "[VERB]", OPERAND_OPTIONAL, 0, verb_help, "print this help, or that of VERB",
	  NULL },
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int __attribute__((format(printf, 2, 3)))
fail_usage(const struct verb *verb, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	output_fail("%s; see 'frecctl %s%s--help'", text, verb ? verb->name : "", verb ? " " : "");
	return EXIT_USAGE;
}

static void print_options(unsigned int groups)
{
	char left[32];

	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option_row *o = &option_rows[i];

		if (!(o->group & groups))
			continue;
		snprintf(left, sizeof(left), "%s--%s %s",
			 o->code == 'o'	  ? "-o, "
			 : o->code == 'h' ? "-h, "
					  : "    ",
			 o->name, o->argument ? o->argument : "");
		printf("  %-25s %s\n", left, o->help);
	}
}

static int print_help(const struct verb *verb)
{
	if (verb) {
		printf("usage: frecctl %s%s%s [options]\n\n%s\n", verb->name,
		       verb->operand ? " " : "", verb->operand ? verb->operand : "", verb->summary);
		if (verb->more)
			printf("\n%s", verb->more);
		printf("\noptions:\n");
		print_options(verb->groups | TAKES_ALWAYS);
		return EXIT_DONE;
	}
	printf("usage: frecctl [--run-directory D] VERB [options]\n\n"
	       "frecctl talks to frecd, the flight recorder of this host.\n\nverbs:\n");
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-9s %-6s %s\n", verbs[i].name, verbs[i].operand ? verbs[i].operand : "",
		       verbs[i].summary);
	printf("\noptions:\n");
	print_options(TAKES_ALWAYS);
	printf("\nExit status: 0 done, 1 failed, 2 wrong use. "
	       "'frecctl VERB --help' tells more of each.\n");
	return EXIT_DONE;
}

static int parse_pid(const struct verb *verb, const char *text, uint32_t *ret)
{
	uint64_t n;

	/* 4194304 is the largest pid_max there can be */
	if (units_parse_count(text, &n) || n == 0 || n > 4194304)
		return fail_usage(verb, "--pid: got '%s', want the number of a process", text);
	*ret = n;
	return EXIT_DONE;
}

static int parse_last(const struct verb *verb, const char *text, uint64_t *ret)
{
	uint64_t n;

	if (units_parse_duration(text, &n) || n == 0 || n > INT64_MAX)
		return fail_usage(verb, "--last: got '%s', want a time such as 5s or 500ms", text);
	*ret = n;
	return EXIT_DONE;
}

static int parse_option(const struct verb *verb, int code, struct arguments *args)
{
	switch (code) {
	case OPTION_JSON:
		args->json = true;
		return EXIT_DONE;
	case OPTION_ONLY:
		args->only = true;
		return EXIT_DONE;
	case OPTION_PID:
		return parse_pid(verb, optarg, &args->pid);
	case OPTION_LAST:
		return parse_last(verb, optarg, &args->last_ns);
	case OPTION_UNIT:
		args->unit = optarg;
		return EXIT_DONE;
	case OPTION_FORMAT:
		args->format = optarg;
		return EXIT_DONE;
	case OPTION_CONFIG:
		args->config = optarg;
		return EXIT_DONE;
	case 'o':
		args->output = optarg;
		return EXIT_DONE;
	default:
		args->run_directory = optarg;
		return EXIT_DONE;
	}
}

static const struct option_row *find_option(int code)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (option_rows[i].code == code)
			return &option_rows[i];
	return NULL;
}

static int fail_option(const struct verb *verb, char **argv, int code)
{
	const struct option_row *o = find_option(optopt);

	if (code == ':')
		return fail_usage(verb, "option '%s' needs a value", argv[optind - 1]);
	if (o && optopt >= 256) /* getopt_long: a flag was given a value */
		return fail_usage(verb, "option '--%s' takes no value", o->name);
	if (!verb)
		return fail_usage(verb, "unknown option '%s' before the verb", argv[optind - 1]);
	if (optopt > 0 && optopt < 256)
		return fail_usage(verb, "unknown option '-%c'", optopt);
	return fail_usage(verb, "unknown option '%s'", argv[optind - 1]);
}

/* -1: go on; else the exit status with which all is said. verb NULL: options before the verb. */
static int parse_options(const struct verb *verb, int argc, char **argv, struct arguments *args)
{
	const unsigned int groups = TAKES_ALWAYS | (verb ? verb->groups : TAKES_JSON);
	struct option table[N_OPTIONS + 1] = { 0 };
	int code, status;

	for (size_t i = 0, n = 0; i < N_OPTIONS; i++) {
		if (!(option_rows[i].group & groups))
			continue;
		table[n].name = option_rows[i].name;
		table[n].has_arg = option_rows[i].argument ? required_argument : no_argument;
		table[n++].val = option_rows[i].code;
	}
	while ((code = getopt_long(argc, argv,
				   groups & TAKES_SNAPSHOT ? ":ho:"
				   : verb		   ? ":h"
							   : "+:h",
				   table, NULL)) != -1) {
		if (code == '?' || code == ':')
			return fail_option(verb, argv, code);
		if (code == 'h')
			return print_help(verb);
		if (code == OPTION_VERSION) {
			printf("frecctl " FREC_VERSION "\n");
			return EXIT_DONE;
		}
		status = parse_option(verb, code, args);
		if (status != EXIT_DONE)
			return status;
	}
	return -1;
}

static int parse_operand(const struct verb *verb, int argc, char **argv, struct arguments *args)
{
	if (optind < argc && verb->takes != OPERAND_NONE)
		args->operand = argv[optind++];
	if (optind < argc && verb->takes == OPERAND_AND_TEXT)
		args->text = argv[optind++];
	if (optind < argc)
		return fail_usage(verb, "unexpected argument '%s'", argv[optind]);
	if (!args->operand && verb->takes >= OPERAND_REQUIRED)
		return fail_usage(verb, "%s needs %.4s", verb->name, verb->operand);
	if (args->only && !args->pid)
		return fail_usage(verb, "--only needs --pid");
	if (args->pid && args->unit)
		return fail_usage(verb, "--pid and --unit cannot go together");
	if (!*args->run_directory)
		return fail_usage(verb, "--run-directory: got '', want a directory");
	return -1;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int verb_help(const struct arguments *args)
{
	const struct verb *verb = args->operand ? find_verb(args->operand) : NULL;

	if (args->operand && !verb)
		return fail_usage(NULL, "unknown verb '%s'", args->operand);
	return print_help(verb);
}

static int run(int argc, char **argv)
{
	const char *env = getenv("FREC_RUN_DIRECTORY");
	struct arguments args = { .run_directory = env && *env ? env : RUN_DIRECTORY };
	const struct verb *verb;
	int status;

	status = parse_options(NULL, argc, argv, &args);
	if (status >= 0)
		return status;
	if (optind >= argc)
		return fail_usage(NULL, "which verb?");
	verb = find_verb(argv[optind]);
	if (!verb)
		return fail_usage(NULL, "unknown verb '%s'", argv[optind]);
	if (args.json && !(verb->groups & TAKES_JSON))
		return fail_usage(verb, "unknown option '--json'");
	/* getopt_long() starts anew behind the verb, which stands in for the program's name */
	argv += optind;
	argc -= optind;
	optind = 0;
	status = parse_options(verb, argc, argv, &args);
	if (status < 0)
		status = parse_operand(verb, argc, argv, &args);
	return status < 0 ? verb->run(&args) : status;
}

int main(int argc, char **argv)
{
	int status;

	opterr = 0;
	status = run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		output_fail("cannot write the result: %s", strerror(errno));
		if (status == EXIT_DONE)
			status = EXIT_FAILED;
	}
	return status;
}
