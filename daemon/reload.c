/* SPDX-License-Identifier: GPL-2.0 */
/* reload.c - a recorder that goes on, with a new configuration (SIGHUP), or less of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"

/* For status, until one is accepted: what was wrong first, of lines said about it. */
static void reject(struct daemon *d, const char *lines)
{
	time_t now = time(NULL);
	struct tm tm;
	char at[32];

	while (!strncmp(lines, "warning: ", 9) && strchr(lines, '\n'))
		lines = strchr(lines, '\n') + 1;
	strftime(at, sizeof(at), "%FT%TZ", gmtime_r(&now, &tm));
	snprintf(d->rejected, sizeof(d->rejected), "%s: %.*s", at, (int)strcspn(lines, "\n"),
		 lines);
}

static int load(struct daemon *d, struct config *fresh)
{
	char *said = NULL;
	size_t size;
	FILE *errors = open_memstream(&said, &size);
	int err = errors ? config_load(d->config_file, errors, fresh) : -ENOMEM;

	if (!errors || fclose(errors)) {
		err = err ? err : -ENOMEM;
		free(said);
		said = NULL;
	}
	fputs(said ? said : "", stderr);
	if (err) {
		log_error("the configuration has mistakes: what was in force stays");
		reject(d, said ? said : strerror(-err));
	}
	free(said);
	return err;
}

/* What it takes a restart to change stays as it is. Was any of it to change? */
static bool keep_fixed(const struct config *before, struct config *fresh)
{
	bool differ = strcmp(fresh->run_directory, before->run_directory) ||
		      strcmp(fresh->pin_directory, before->pin_directory) ||
		      fresh->memory != before->memory || fresh->evidence != before->evidence;

	strcpy(fresh->run_directory, before->run_directory);
	strcpy(fresh->pin_directory, before->pin_directory);
	fresh->memory = before->memory;
	fresh->evidence = before->evidence;
	return differ;
}

/* Makes fresh, as far as the governor lets it, what is in force. */
static int put_in_force(struct daemon *d, struct config *fresh, char error[RECORDER_ERROR_MAX])
{
	uint64_t withheld[TRIGGERS_MAX];
	int err;

	governor_shape(fresh, d->governor.level);
	percentile_place(&d->config, fresh);
	for (unsigned int i = 0; i < d->policy.n_triggers; i++)
		withheld[i] = recorder_trigger_count(d->recorder, i)->suppressed;
	err = recorder_configure(d->recorder, fresh, error);
	if (err)
		return err;
	for (unsigned int i = 0; i < d->policy.n_triggers; i++) /* the kernel begins anew */
		d->policy.triggers[i].suppressed_cooldown += withheld[i];
	if (strcmp(fresh->directory, d->config.directory)) {
		memset(&d->store.state, 0, sizeof(d->store.state));
		d->store.shared = 0;
		d->store.tag++;
	}
	percentile_configure(d, fresh);
	if (fresh->window > d->config.window)
		d->window_since = clock_monotonic();
	d->config = *fresh;
	policy_reconfigure(&d->policy, &d->config, recorder_bank(d->recorder));
	loop_publish(d);
	window_resize(&d->window, evidence_span(&d->config));
	scan_configure(&d->scan, &d->config);
	return 0;
}

void reload_config(struct daemon *d)
{
	static struct config fresh; /* large */
	static struct config asked;
	char error[RECORDER_ERROR_MAX] = "";
	bool restart;

	if (load(d, &fresh))
		return;
	restart = keep_fixed(&d->config, &fresh);
	asked = fresh;
	if (put_in_force(d, &fresh, error)) {
		log_error("cannot reload: %s", error);
		reject(d, error);
		return;
	}
	d->asked = asked;
	d->rejected[0] = '\0';
	d->restart_wanted = restart;
	if (restart)
		log_warning("run_directory, pin_directory, memory and evidence change at the next "
			    "start only");
	store_watch(d, clock_monotonic());
	pressure_configure(d);
	span_configure(d);
	subject_configure(d);
	log_notice("configuration reloaded, %u trigger%s", d->config.n_triggers,
		   d->config.n_triggers == 1 ? "" : "s");
}

/* ---- what the budget does not allow ---- */

/* Share of all CPUs that recording has taken since the last time, snapshots aside. */
static double taken(struct daemon *d, uint64_t now)
{
	struct cost before = d->governed;

	d->governed = (struct cost){ .ts = now, .bpf = recorder_cost_ns(d->recorder),
				     .daemon = status_own_cpu() };
	if (!before.ts || now <= before.ts)
		return 0;
	return (d->governed.bpf - before.bpf + d->governed.daemon - before.daemon) /
	       (now - before.ts) / sysconf(_SC_NPROCESSORS_ONLN);
}

static void step_noted(struct daemon *d, uint64_t now, unsigned int before, double share)
{
	unsigned int level = d->governor.level;
	struct capture_step *step;

	if (d->n_steps == CAPTURE_STEPS_MAX)
		memmove(d->steps, d->steps + 1, --d->n_steps * sizeof(d->steps[0]));
	step = &d->steps[d->n_steps++];
	*step = (struct capture_step){ .at = now, .level = level, .share = share };
	if (level > before)
		log_warning("recording takes %.2f %% of all CPUs, overhead_budget is %.3g %%: leaving out %s "
			    "(level %u) until it takes less than half of that",
			    100 * share, 100 * d->config.overhead_budget, governor_sheds(level),
			    level);
	else
		log_notice("recording takes %.2f %% of all CPUs: %s are recorded again (level %u)",
			   100 * share, governor_sheds(before), level);
}

void reload_governed(struct daemon *d, uint64_t now)
{
	static struct config fresh; /* large */
	struct governor before = d->governor;
	char error[RECORDER_ERROR_MAX];
	double share = taken(d, now);

	if (recorder_paused(d->recorder) || !governor_step(&d->governor, &d->asked, share, now))
		return;
	fresh = d->asked;
	if (put_in_force(d, &fresh, error)) {
		log_error("cannot leave out %s: %s", governor_sheds(d->governor.level), error);
		d->governor = before;
		return;
	}
	step_noted(d, now, before.level, share);
}
