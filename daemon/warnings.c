/* SPDX-License-Identifier: GPL-2.0 */
/* warnings.c - what an operator should know and do something about: in status, and in the log. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "../lib/units.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"

#define SECOND_NS 1000000000ull
/* Shares since the start say nothing before: loading the programs alone takes a quarter of a second. */
#define OVERHEAD_AFTER_NS (10 * SECOND_NS)
/* So many refused, and so large a part of all, are told. */
#define REFUSED_MIN 100
#define REFUSED_PART 20

static void warn(json_t *array, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(json_t *array, const char *format, ...)
{
	char line[PATH_MAX + 256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	json_array_append_new(array, json_string(line));
}

static void warn_config(json_t *array, const struct daemon *d)
{
	if (d->rejected[0])
		warn(array, "the old configuration is still in force, a reload was rejected at %s",
		     d->rejected);
	if (d->restart_wanted)
		warn(array,
		     "run_directory, pin_directory, memory or evidence is another one in the "
		     "configuration: restart frecd for it to count");
}

static void warn_window(json_t *array, struct daemon *d, uint64_t now)
{
	uint64_t held = status_held(d, now);

	if (held > d->config.window)
		held = d->config.window;
	if (status_filling(d, now))
		return;
	if (held < d->config.window / 2)
		warn(array, "the window held is %.1f s of the %.1f s wanted: raise `memory`",
		     held / 1e9, d->config.window / 1e9);
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		const struct config_trigger *t = &d->config.triggers[i];

		if (held < 2 * t->filter.threshold)
			warn(array,
			     "the window held (%.1f s) is under twice the threshold of trigger %s (%.1f "
			     "s): raise `%s`",
			     held / 1e9, t->name, t->filter.threshold / 1e9,
			     held < d->config.window ? "memory" : "window");
	}
}

static const char *spool_advice(int err)
{
	switch (err) {
	case -ENOENT:
		return "create that, or mount what it is on, or change `directory`";
	case -ENOTDIR:
		return "create it, or change `directory`";
	case -ENOSPC:
	case -EDQUOT:
		return "free some there, or lower `min_free`";
	case -EROFS:
		return "mount it writable, or change `directory`";
	case -EACCES:
	case -EPERM:
		return "let the user that frecd runs as write there, or change `directory`";
	default:
		return "mend that, or change `directory`";
	}
}

static void warn_spool(json_t *array, struct daemon *d, uint64_t now)
{
	uint64_t stalled = spooler_stalled(&d->spooler, now);
	int err = d->store.state.error;

	if (stalled)
		warn(array,
		     "the disk of %s has not answered for %llu s: snapshots wait in memory; `frecctl "
		     "snapshot -o FILE` writes elsewhere",
		     d->config.directory, (unsigned long long)(stalled / SECOND_NS));
	if (*store_shared(d))
		warn(array, "%s%s", d->config.directory, store_shared(d));
	if (err)
		warn(array, "no snapshot can be written to %s: %s: %s", d->config.directory,
		     store_reason(err), spool_advice(err));
}

/* index: as policy_newly_spent() returns it. */
static void spent_text(struct daemon *d, unsigned int index, uint64_t now, char *buf, size_t size)
{
	const struct policy_trigger *t = &d->policy.triggers[index];

	if (index == d->policy.n_triggers)
		snprintf(
			buf, size,
			"max_total (%u) is spent: triggers write no more snapshots; raise it, or restart "
			"frecd",
			d->policy.max_total);
	else
		snprintf(
			buf, size,
			"trigger %s has spent its max_per_hour (%u): no more snapshots of it for %llu "
			"min; raise that, or let it mean less",
			t->name, t->max_per_hour,
			(unsigned long long)((policy_spent_until(&d->policy, index, now) - now) /
					     (60 * SECOND_NS)) +
				1);
}

static void warn_quotas(json_t *array, struct daemon *d, uint64_t now)
{
	char text[256];

	for (unsigned int i = 0; i <= d->policy.n_triggers; i++) {
		if (!policy_spent_until(&d->policy, i, now))
			continue;
		spent_text(d, i, now, text, sizeof(text));
		warn(array, "%s", text);
	}
}

static void warn_level(json_t *array, const struct daemon *d)
{
	if (d->governor.level)
		warn(array,
		     "recording cost more than overhead_budget (%.3g %%): %s and what is listed before "
		     "it in frec.conf(5) are left out until it costs less",
		     100 * d->config.overhead_budget, governor_sheds(d->governor.level));
}

static void warn_overhead(json_t *array, struct daemon *d, uint64_t now, double bpf_share)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* without the workers: a snapshot is what it costs, and that is not for the budget */
	double share = bpf_share + status_own_share(d, now) / (cpus > 0 ? cpus : 1);

	if (now - recorder_started(d->recorder) < OVERHEAD_AFTER_NS ||
	    share <= d->config.overhead_budget)
		return;
	warn(array,
	     "recording has taken %.2f %% of all CPUs since the start (%.2f %% in the kernel + "
	     "%.2f %% frecd, snapshots aside), overhead_budget is %.3g %%: raise `slow_syscall` "
	     "and `stacks`, set `syscalls = off`, or raise the budget",
	     100 * share, 100 * bpf_share, 100 * (share - bpf_share),
	     100 * d->config.overhead_budget);
}

/*
 * Of late; a little of it is what the budget is for, and so is much of it at the start, when every
 * stack is a new one.
 */
static void warn_refused(json_t *array, struct daemon *d, uint64_t now)
{
	const struct cost *since = d->n_costs > 1 ? &d->costs[d->n_costs - 2] : NULL;
	char size[UNITS_TEXT_MAX];
	struct recorder_totals t;
	uint64_t refused, all;

	recorder_totals(d->recorder, &t);
	refused = since ? t.refused - since->refused : 0;
	all = since ? refused + t.evidence - since->evidence : 0;
	if (refused < REFUSED_MIN || refused < all / REFUSED_PART)
		return;
	warn(array,
	     "%.0f %% of the details of the last %.0f s were refused, as they do not fit into the "
	     "evidence (%s) of a window: raise `evidence` or `slow_syscall`",
	     100.0 * refused / all, (now - since->ts) / 1e9,
	     units_format_size(recorder_sizes(d->recorder)->evidence, size, sizeof(size)));
}

static void warn_triggers(json_t *array, struct daemon *d, uint64_t now)
{
	char text[SUBJECT_TEXT_MAX];

	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		const char *name = d->config.triggers[i].name;

		if (span_problem(d, i))
			warn(array, "trigger %s cannot fire: %s; it is looked for again", name,
			     span_problem(d, i));
		if (subject_flaw(d, i, now, text, sizeof(text)))
			warn(array, "trigger %s %s", name, text);
		if (!recorder_paused(d->recorder) && percentile_flaw(d, i, text, sizeof(text)))
			warn(array, "trigger %s %s", name, text);
	}
}

json_t *warnings_json(struct daemon *d, uint64_t now, double bpf_share)
{
	json_t *array = json_array();
	char text[STATUS_LEDGER_TEXT];
	struct ledger_gaps gaps;

	warn_config(array, d);
	warn_spool(array, d, now);
	warn_quotas(array, d, now);
	warn_window(array, d, now);
	warn_triggers(array, d, now);
	warn_level(array, d);
	warn_overhead(array, d, now, bpf_share);
	warn_refused(array, d, now);
	gaps = ledger_gaps(&d->ledger);
	if (!ledger_balanced(&gaps))
		warn(array, "%s", status_ledger_text(&gaps, text, sizeof(text)));
	if (!recorder_takes_sleepers(d->recorder))
		warn(array,
		     "this kernel refuses the program that reads the stacks of threads that still "
		     "sleep: their waits have no user stack");
	return array;
}

void warnings_log(struct daemon *d, uint64_t now)
{
	char text[256];
	int i;

	while ((i = policy_newly_spent(&d->policy, now)) >= 0) {
		spent_text(d, i, now, text, sizeof(text));
		log_warning("%s", text);
	}
}
