/* SPDX-License-Identifier: GPL-2.0 */
/* reload.c - SIGHUP: a new configuration for a recorder that goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

void reload_config(struct daemon *d)
{
	static struct config fresh; /* large */
	uint64_t withheld[TRIGGERS_MAX];
	char error[RECORDER_ERROR_MAX];
	bool restart;

	if (load(d, &fresh))
		return;
	restart = keep_fixed(&d->config, &fresh);
	percentile_place(&d->config, &fresh);
	for (unsigned int i = 0; i < d->policy.n_triggers; i++)
		withheld[i] = recorder_trigger_count(d->recorder, i)->suppressed;
	if (recorder_configure(d->recorder, &fresh, error)) {
		log_error("cannot reload: %s", error);
		reject(d, error);
		return;
	}
	for (unsigned int i = 0; i < d->policy.n_triggers; i++) /* the kernel begins anew */
		d->policy.triggers[i].suppressed_cooldown += withheld[i];
	if (strcmp(fresh.directory, d->config.directory)) {
		memset(&d->store.state, 0, sizeof(d->store.state));
		d->store.tag++;
	}
	percentile_configure(d, &fresh);
	if (fresh.window > d->config.window)
		d->window_since = clock_monotonic();
	d->config = fresh;
	d->rejected[0] = '\0';
	d->restart_wanted = restart;
	if (restart)
		log_warning("run_directory, pin_directory, memory and evidence change at the next "
			    "start only");
	store_watch(d, clock_monotonic());
	policy_reconfigure(&d->policy, &d->config, recorder_bank(d->recorder));
	loop_publish(d);
	window_resize(&d->window, evidence_span(&d->config));
	scan_configure(&d->scan, &d->config);
	pressure_configure(d);
	span_configure(d);
	subject_configure(d);
	log_notice("configuration reloaded, %u trigger%s", d->config.n_triggers,
		   d->config.n_triggers == 1 ? "" : "s");
}
