/* SPDX-License-Identifier: GPL-2.0 */
/* status_ledger.c - looks at the ledger all the time, and tells what does not balance. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "daemon.h"
#include "log.h"

/* To have /proc/stat takes the kernel some 50 us, and a ms on large hosts. */
#define SWITCHES_EVERY_NS 5000000000ull

/* How many switches the kernel has counted on all CPUs; 0: it does not tell. */
static uint64_t switches_counted(void)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long n = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) /* parts of long lines begin with no letter */
		if (sscanf(line, "ctxt %llu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static uint64_t switches_recorded(const struct daemon *d)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++)
		n += recorder_cpu(d->recorder, i)->runs[HOT_SWITCH];
	return n;
}

static void look_at_switches(struct daemon *d, uint64_t now, uint64_t missed)
{
	struct ledger_switches s = {.missed = missed};
	uint64_t since, to;

	if (recorder_paused(d->recorder) || now < d->next_switches)
		return;
	d->next_switches = now + SWITCHES_EVERY_NS;
	s.before = switches_recorded(d);
	s.counted = switches_counted();
	s.after = switches_recorded(d);
	recorder_seen(d->recorder, now, &since, &to);
	if (s.counted)
		ledger_switches(&d->ledger, &s, since);
}

const char *status_ledger_text(const struct ledger_gaps *g, char *buf, size_t size)
{
	snprintf(buf, size,
		 "the ledger does not balance: unexplained are %llu slots of the window, %llu records "
		 "of evidence, %llu bytes of its ring, %llu switches that the kernel counted",
		 (unsigned long long)g->hot, (unsigned long long)g->evidence,
		 (unsigned long long)g->ring, (unsigned long long)g->switches);
	return buf;
}

void status_watch_ledger(struct daemon *d, uint64_t now, const struct recorder_totals *t)
{
	uint64_t held = status_held(d, now);
	uint64_t every = (held < d->config.window ? held : d->config.window) / LEDGER_MARKS + 1;
	struct ledger_gaps gaps;
	char text[STATUS_LEDGER_TEXT];

	/* a copy under way has the marks */
	ledger_look(&d->ledger, now, recorder_cpu(d->recorder, 0),
		    recorder_evidence(d->recorder)->producer, d->capture ? 0 : every);
	look_at_switches(d, now, t->recursion);
	gaps = ledger_gaps(&d->ledger);
	if (ledger_balanced(&gaps) || d->unbalanced_said)
		return;
	d->unbalanced_said = true;
	log_warning("%s", status_ledger_text(&gaps, text, sizeof(text)));
}

static json_t *kinds_json(const struct daemon *d)
{
	json_t *array = json_array();

	for (unsigned int k = 1; k <= HOT_KIND_MAX; k++) {
		uint64_t n = 0;

		for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++)
			n += recorder_cpu(d->recorder, i)->runs[k];
		if (hot_slots(k))
			json_array_append_new(array, json_pack("{s:s,s:I}", "kind", ledger_hot_name(k),
							       "tried", (json_int_t)n));
	}
	for (unsigned int k = 1; k <= EV_KIND_MAX; k++) {
		struct evidence_count n = {0};

		for (unsigned int i = 0; i < recorder_cpus(d->recorder); i++)
			ledger_add(&n, &recorder_cpu(d->recorder, i)->evidence[k - 1]);
		json_array_append_new(array, json_pack("{s:s,s:I,s:I,s:I,s:I}", "kind",
						       ledger_evidence_name(k), "tried",
						       (json_int_t)n.tried, "written",
						       (json_int_t)n.written, "lost",
						       (json_int_t)n.lost, "refused",
						       (json_int_t)n.refused));
	}
	return array;
}

json_t *status_ledger(const struct daemon *d)
{
	struct ledger_gaps g = ledger_gaps(&d->ledger);
	json_t *unexplained =
		json_pack("{s:I,s:I,s:I,s:I}", "window", (json_int_t)g.hot, "evidence",
			  (json_int_t)g.evidence, "ring_bytes", (json_int_t)g.ring, "switches",
			  (json_int_t)g.switches);

	return json_pack("{s:b,s:o,s:I,s:I,s:I,s:o}", "balanced", ledger_balanced(&g), "unexplained",
			 unexplained, "switches_counted",
			 (json_int_t)(d->ledger.last.counted - d->ledger.first.counted),
			 "switches_recorded",
			 (json_int_t)(d->ledger.last.before - d->ledger.first.before), "switches_untold",
			 (json_int_t)g.untold, "kinds", kinds_json(d));
}
