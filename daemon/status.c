/* SPDX-License-Identifier: GPL-2.0 */
/* status.c - the recorder's state as JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"

static uint64_t cpu_held(struct daemon *d, unsigned int cpu, uint64_t now)
{
	uint64_t since = recorder_hot_since(d->recorder, cpu);

	return since < now ? now - since : 0;
}

static uint64_t evidence_held(const struct daemon *d, uint64_t now)
{
	return now > d->window.held_since ? now - d->window.held_since : 0;
}

uint64_t status_held(struct daemon *d, uint64_t now)
{
	uint64_t held = evidence_held(d, now), one;

	for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++) {
		if (!recorder_hot(d->recorder, i))
			continue;
		one = cpu_held(d, i, now);
		if (one < held)
			held = one;
	}
	return held;
}

bool status_filling(const struct daemon *d, uint64_t now)
{
	return now - d->window_since < d->config.window;
}

static uint64_t cut(uint64_t held, uint64_t wanted)
{
	return held < wanted ? held : wanted;
}

static json_t *window_json(struct daemon *d, uint64_t now)
{
	json_t *cpus = json_array();
	uint64_t wanted = d->config.window, evidence = evidence_held(d, now), held = evidence, one;

	/* each is read once: windows move on while we look, and the sum shall fit its parts */
	for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++) {
		if (!recorder_hot(d->recorder, i))
			continue;
		one = cpu_held(d, i, now);
		held = cut(held, one);
		json_array_append_new(cpus, json_pack("{s:i,s:I}", "cpu", i, "held_ns",
						      (json_int_t)cut(one, wanted)));
	}
	return json_pack("{s:I,s:I,s:b,s:I,s:o}", "wanted_ns", (json_int_t)wanted, "held_ns",
			 (json_int_t)cut(held, wanted), "filling",
			 held < wanted && status_filling(d, now), "evidence_held_ns",
			 (json_int_t)cut(evidence, wanted), "per_cpu", cpus);
}

static uint64_t own_rss(void)
{
	unsigned long total, resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu %lu", &total, &resident, &shared) != 3)
		resident = shared = 0;
	fclose(f);
	/* the maps' pages are counted as hot and evidence already */
	return (uint64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

static uint64_t rusage_ns(int who)
{
	struct rusage u;

	if (getrusage(who, &u))
		return 0;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ull +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ull;
}

uint64_t status_own_cpu(void)
{
	return rusage_ns(RUSAGE_SELF);
}

uint64_t status_cpu_used(void)
{
	return rusage_ns(RUSAGE_SELF) + rusage_ns(RUSAGE_CHILDREN);
}

static double daemon_share(struct daemon *d, uint64_t now)
{
	uint64_t wall = now - recorder_started(d->recorder);

	return wall ? (double)(status_cpu_used() - d->cpu_before) / wall : 0;
}

static struct cost cost_now(struct daemon *d, uint64_t now)
{
	struct recorder_totals t;

	recorder_totals(d->recorder, &t);
	return (struct cost){now, status_cpu_used(), t.bpf_busy, t.evidence, t.refused};
}

void status_note_cost(struct daemon *d, uint64_t now)
{
	if (d->n_costs && now - d->costs[d->n_costs - 1].ts < COST_EVERY_NS)
		return;
	if (d->n_costs == COSTS_MAX)
		memmove(d->costs, d->costs + 1, --d->n_costs * sizeof(d->costs[0]));
	d->costs[d->n_costs++] = cost_now(d, now);
}

#define STARTED_BY_US_NS 5000000000ull

static struct losses losses_of(const struct recorder_totals *t, uint64_t now)
{
	return (struct losses){now, t->lost, t->refused, t->refused_stacks};
}

void status_note_losses(struct daemon *d, uint64_t now, const struct recorder_totals *t)
{
	uint64_t started = recorder_started(d->recorder);

	if (!d->n_losses && now - started < STARTED_BY_US_NS) /* then they were 0 */
		d->losses[d->n_losses++] = (struct losses){.ts = started};
	else if (d->n_losses &&
		 now - d->losses[d->n_losses - 1].ts < d->config.window / (LOSSES_MAX - 2))
		return;
	if (d->n_losses == LOSSES_MAX)
		memmove(d->losses, d->losses + 1, --d->n_losses * sizeof(d->losses[0]));
	d->losses[d->n_losses++] = losses_of(t, now);
}

int status_losses(struct daemon *d, uint64_t now, uint64_t last, struct losses *ret)
{
	uint64_t held = cut(status_held(d, now), d->config.window);
	uint64_t from = now - (last ? cut(held, last) : held);
	const struct losses *since;
	struct recorder_totals t;
	struct losses to;

	recorder_totals(d->recorder, &t);
	to = losses_of(&t, now);
	if (from < recorder_started(d->recorder))
		from = recorder_started(d->recorder);
	for (unsigned int i = d->n_losses; i-- > 0;) {
		since = &d->losses[i];
		if (since->ts > from)
			continue;
		*ret = (struct losses){since->ts, to.lost - since->lost,
				       to.refused - since->refused,
				       to.refused_stacks - since->refused_stacks};
		return 0;
	}
	return -ENOENT;
}

/* Beside the shares since the start, which are flat after a day, those of the last minute. */
static json_t *overhead_json(struct daemon *d, uint64_t now, double bpf_share)
{
	struct cost since = d->n_costs ? d->costs[0] : (struct cost){ .ts = now },
		    to = cost_now(d, now);
	double wall = now > since.ts ? now - since.ts : 0;
	unsigned int cpus = 0;

	for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++)
		cpus += !!recorder_hot(d->recorder, i);
	return json_pack("{s:f,s:f,s:f,s:i,s:{s:I,s:f,s:f}}", "bpf_share", bpf_share,
			 "daemon_share", daemon_share(d, now), "budget", d->config.overhead_budget,
			 "level", d->governor.level, "recent", "ns", (json_int_t)wall, "bpf_share",
			 wall && cpus ? (to.bpf - since.bpf) / wall / cpus : 0.0, "daemon_share",
			 wall ? (to.daemon - since.daemon) / wall : 0.0);
}

double status_own_share(struct daemon *d, uint64_t now)
{
	uint64_t wall = now - recorder_started(d->recorder), used = status_own_cpu();

	return wall && used > d->cpu_before ? (double)(used - d->cpu_before) / wall : 0;
}

static uint64_t suppressed(struct daemon *d, unsigned int i)
{
	return policy_suppressed(&d->policy.triggers[i]) +
	       recorder_trigger_count(d->recorder, i)->suppressed;
}

static json_t *counts_json(struct daemon *d)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < d->policy.n_triggers; i++) {
		const struct policy_trigger *t = &d->policy.triggers[i];

		json_array_append_new(array, json_pack("{s:s,s:s,s:I,s:I,s:I}", "name", t->name,
						       "kind", config_kind_name(t->kind), "fired",
						       (json_int_t)t->fired, "merged",
						       (json_int_t)t->merged, "suppressed",
						       (json_int_t)suppressed(d, i)));
	}
	return array;
}

static json_t *spool_json(struct daemon *d, uint64_t now)
{
	const struct spool_state *s = &d->store.state;

	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:s?,s:I}", "directory", d->config.directory,
			 "files", (json_int_t)s->files, "bytes", (json_int_t)s->bytes, "written",
			 (json_int_t)d->policy.written, "failed", (json_int_t)d->policy.failed,
			 "error", s->error ? store_reason(s->error) : NULL, "stalled_ns",
			 (json_int_t)spooler_stalled(&d->spooler, now));
}

static json_t *app_json(const struct daemon *d)
{
	const struct app *a = &d->app;
	const struct users *u = &d->users;
	struct app_flood flood;

	recorder_flood(d->recorder, &flood);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I,s:I}}", "received",
			 (json_int_t)a->received, "flood", (json_int_t)flood.one, "crowd",
			 (json_int_t)flood.many, "malformed", (json_int_t)a->malformed, "unknown",
			 (json_int_t)a->unknown, "filtered", (json_int_t)a->filtered, "strangers",
			 (json_int_t)a->strangers, "snapshots", "asked", (json_int_t)u->asked, "written",
			 (json_int_t)u->written, "refused", (json_int_t)u->refused);
}

json_t *status_json(struct daemon *d)
{
	uint64_t now = clock_monotonic();
	const struct recorder_sizes *sizes = recorder_sizes(d->recorder);
	struct recorder_totals t;
	bool paused = recorder_paused(d->recorder);
	json_t *events, *lost;

	recorder_totals(d->recorder, &t);
	lost = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "window", (json_int_t)t.lost_hot, "evidence",
			 (json_int_t)t.lost_evidence, "triggers", (json_int_t)t.lost_trigger,
			 "threads", (json_int_t)t.lost_task, "table", (json_int_t)t.lost_slot,
			 "recursion", (json_int_t)t.recursion);
	events = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "recorded",
			   (json_int_t)(t.hot + t.evidence), "evidence", (json_int_t)t.evidence,
			   "lost", (json_int_t)t.lost, "refused", (json_int_t)t.refused,
			   "refused_stacks", (json_int_t)t.refused_stacks, "excluded_stacks",
			   (json_int_t)t.excluded_stacks, "lost_by", lost);
	return json_pack(
		"{s:s,s:s,s:I,s:I,s:o,s:{s:I,s:I,s:I},s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:s,s:s,s:o}",
		"state", paused ? "paused" : "recording", "version", FREC_VERSION, "uptime_ns",
		(json_int_t)(now - recorder_started(d->recorder)), "paused_ns",
		(json_int_t)(paused ? now - d->paused_since : 0), "window", window_json(d, now),
		"memory", "hot", (json_int_t)sizes->hot, "evidence", (json_int_t)sizes->evidence,
		"daemon_rss", (json_int_t)own_rss(), "events", events, "overhead",
		overhead_json(d, now, t.bpf_share), "triggers", counts_json(d), "spool",
		spool_json(d, now), "app", app_json(d), "histograms", status_histograms(d),
		"ledger", status_ledger(d),
		"pinned", d->pinned, "interrupts", recorder_variant(d->recorder),
		"call_ends", recorder_call_ends(d->recorder), "warnings",
		warnings_json(d, now, t.bpf_share));
}

static json_t *filters_json(const struct config_trigger *c)
{
	const struct trigger_filter *f = &c->filter;
	json_t *o = json_object();

	if (f->filters & FILTER_COMM)
		json_object_set_new(o, "comm", json_string(f->comm));
	if (f->filters & FILTER_EXE)
		json_object_set_new(o, "exe", json_string(f->exe));
	if (f->filters & FILTER_UNIT)
		json_object_set_new(o, "unit", json_string(f->unit));
	if (f->filters & FILTER_PID)
		json_object_set_new(o, "pid", json_integer(f->pid));
	if (f->filters & FILTER_UID)
		json_object_set_new(o, "uid", json_integer(f->uid));
	if (f->filters & FILTER_PORT)
		json_object_set_new(o, "port", json_integer(f->port));
	if (f->filters & FILTER_SOCKET)
		json_object_set_new(o, "port",
				    f->socket[0] ? json_string(f->socket)
						 : json_sprintf("@%s", f->socket + 1));
	if (f->kind == TRIGGER_SPAN)
		json_object_set_new(o, "exe", json_string(f->exe));
	if (*c->span)
		json_object_set_new(o, "span", json_string(c->span));
	if (*c->begin)
		json_object_set_new(o, "begin", json_string(c->begin));
	if (*c->end)
		json_object_set_new(o, "end", json_string(c->end));
	if (f->kind == TRIGGER_PRESSURE)
		json_object_set_new(o, "pressure",
				    json_sprintf("%s %s", config_pressure_name(c->pressure),
						 c->pressure_full ? "full" : "some"));
	if (f->kind == TRIGGER_PERCENTILE)
		json_object_set_new(o, "percentile",
				    json_sprintf("%s p%g", config_kind_name(f->of),
						 c->percentile / (HISTOGRAM_MILLION / 100.0)));
	return o;
}

json_t *status_triggers(struct daemon *d)
{
	uint64_t offset = clock_read(CLOCK_REALTIME) - clock_monotonic();
	json_t *array = json_array();

	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		const struct config_trigger *c = &d->config.triggers[i];
		const struct policy_trigger *t = &d->policy.triggers[i];

		json_array_append_new(
			array,
			json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:I,s:I}", "name",
				  c->name, "kind", config_kind_name(c->filter.kind), "threshold_ns",
				  (json_int_t)c->filter.threshold, "cooldown_ns",
				  (json_int_t)c->cooldown, "hold_ns", (json_int_t)c->hold,
				  "max_per_hour", (json_int_t)c->max_per_hour, "post_ns",
				  (json_int_t)c->post, "filters", filters_json(c), "fired",
				  (json_int_t)t->fired, "suppressed", (json_int_t)suppressed(d, i),
				  "merged", (json_int_t)t->merged, "last_ns",
				  (json_int_t)(t->last ? t->last + offset : 0)));
	}
	return array;
}
