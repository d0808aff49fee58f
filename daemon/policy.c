/* SPDX-License-Identifier: GPL-2.0 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_NS 60000000000ull

_Static_assert(TRIGGERS_MAX <= 64, "policy.joined has a bit for each trigger");
_Static_assert(TRIGGERS_MAX <= INT8_MAX, "policy.old_index holds every index");

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t cooldown_end(const struct policy_trigger *t)
{
	return t->accepted ? add_sat(t->accepted, t->cooldown) : 0;
}

/*
 * The hour is counted in whole minutes, so that any quota fits in a fixed
 * space; it is up to a minute too long, never too short.
 */
static uint32_t minute_count(const struct policy_trigger *t, uint64_t minute)
{
	unsigned int place = minute % POLICY_MINUTES;

	return t->minutes[place].minute == minute ? t->minutes[place].count : 0;
}

/* 0, or the time from which the hourly quota allows one more. */
static uint64_t hour_end(const struct policy_trigger *t, uint64_t now)
{
	uint64_t minute = now / MINUTE_NS, sum = 0;

	if (!t->max_per_hour)
		return 0;
	for (uint64_t age = 0; age < POLICY_MINUTES && age <= minute; age++) {
		sum += minute_count(t, minute - age);
		if (sum >= t->max_per_hour)
			return (minute - age + POLICY_MINUTES) * MINUTE_NS;
	}
	return 0;
}

/* One that was counted at that time came to nothing. */
static void hour_take_back(struct policy_trigger *t, uint64_t then)
{
	uint64_t minute = then / MINUTE_NS;

	if (minute_count(t, minute))
		t->minutes[minute % POLICY_MINUTES].count--;
}

static void hour_add(struct policy_trigger *t, uint64_t now)
{
	uint64_t minute = now / MINUTE_NS;
	unsigned int place = minute % POLICY_MINUTES;

	if (t->minutes[place].minute != minute) {
		t->minutes[place].minute = minute;
		t->minutes[place].count = 0;
	}
	t->minutes[place].count++;
}

/* Whether another may be opened; the one that is being written has its place reserved. */
static bool total_reached(const struct policy *p)
{
	uint64_t n = p->counted + (p->writing && p->writing_counts);

	return p->max_total && n >= p->max_total;
}

/* ---- configuration ---- */

static void trigger_configure(struct policy_trigger *t, const struct config_trigger *c)
{
	memcpy(t->name, c->name, sizeof(t->name));
	t->name[sizeof(t->name) - 1] = '\0';
	t->cooldown = c->cooldown;
	t->post = c->post;
	t->hold = c->hold;
	t->threshold = c->filter.threshold;
	t->max_per_hour = c->max_per_hour;
	t->kind = c->filter.kind;
}

static void configure_common(struct policy *p, const struct config *c, uint32_t bank)
{
	p->max_total = c->max_total;
	p->merge_max = min_u64(POLICY_MERGE_MAX_NS, c->window / 2);
	p->hold_max = c->window / 2;
	p->bank = bank;
	p->n_triggers = c->n_triggers < TRIGGERS_MAX ? c->n_triggers : TRIGGERS_MAX;
	for (unsigned int i = 0; i < p->n_triggers; i++)
		trigger_configure(&p->triggers[i], &c->triggers[i]);
}

void policy_init(struct policy *p, const struct config *c, uint32_t bank)
{
	memset(p, 0, sizeof(*p));
	memset(p->old_index, -1, sizeof(p->old_index));
	p->old_bank = bank;
	configure_common(p, c, bank);
}

static int find_name(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->n_triggers && i < TRIGGERS_MAX; i++)
		if (!strcmp(c->triggers[i].name, name))
			return (int)i;
	return -1;
}

/* joined and the queue's indices speak of the old table */
static void remap(struct policy *p)
{
	uint64_t joined = 0;

	for (unsigned int i = 0; i < TRIGGERS_MAX; i++)
		if (p->joined >> i & 1 && p->old_index[i] >= 0)
			joined |= 1ull << p->old_index[i];
	p->joined = joined;
	for (unsigned int i = 0; i < p->n_manual; i++)
		if (p->manual[i].trigger >= 0)
			p->manual[i].trigger = p->old_index[p->manual[i].trigger];
}

void policy_reconfigure(struct policy *p, const struct config *c, uint32_t bank)
{
	struct policy_trigger fresh[TRIGGERS_MAX];

	memset(fresh, 0, sizeof(fresh));
	memset(p->old_index, -1, sizeof(p->old_index));
	p->old_bank = p->bank;
	for (unsigned int i = 0; i < p->n_triggers; i++) {
		int to = find_name(c, p->triggers[i].name);

		if (to < 0)
			continue;
		fresh[to] = p->triggers[i];
		p->old_index[i] = (int8_t)to;
	}
	memcpy(p->triggers, fresh, sizeof(fresh));
	remap(p);
	configure_common(p, c, bank);
}

void policy_pause(struct policy *p, bool paused)
{
	p->paused = paused;
}

/* ---- triggers ---- */

/* Records that were under way during a reload carry the old table's index. */
static int record_index(const struct policy *p, const struct trigger_record *r)
{
	if (r->index >= TRIGGERS_MAX)
		return -1;
	if (r->bank == p->bank)
		return r->index < p->n_triggers ? (int)r->index : -1;
	return r->bank == p->old_bank ? p->old_index[r->index] : -1;
}

/* The counter to raise if the record cannot be accepted, else NULL. */
static uint64_t *suppressed_by(const struct policy *p, struct policy_trigger *t, uint64_t now)
{
	if (p->paused)
		return &t->suppressed_paused;
	if (now < cooldown_end(t))
		return &t->suppressed_cooldown;
	if (hour_end(t, now))
		return &t->suppressed_hour;
	if (!p->pending && total_reached(p))
		return &t->suppressed_total;
	return NULL;
}

/*
 * When a snapshot may be taken, as far as this record goes. post counts from
 * the event: one that was fetched late is due the sooner. A wait that lasts is
 * held for, so that its end and its waker get into the snapshot.
 */
static uint64_t hit_due(const struct policy *p, const struct policy_trigger *t, uint64_t now,
			const struct trigger_record *r)
{
	uint64_t at = min_u64(r->h.ts, now);

	if (r->w.flags & WAIT_OPEN)
		return add_sat(at, min_u64(t->hold, p->hold_max));
	return add_sat(at, t->post);
}

/* The latest of all; the first one's own may be later than merge_max, others may not. */
static void job_update_due(struct policy *p)
{
	struct policy_job *job = &p->next;
	uint64_t latest = add_sat(job->first, p->merge_max);

	job->due = job->hits[0].due;
	for (unsigned int i = 1; i < job->n_hits; i++)
		job->due = max_u64(job->due, min_u64(job->hits[i].due, latest));
}

static void keep_hit(struct policy *p, uint64_t now, const struct policy_trigger *t,
		     const struct trigger_record *r)
{
	struct policy_job *job = &p->next;
	struct policy_hit *hit;

	if (job->n_hits >= POLICY_HITS_MAX)
		return;
	hit = &job->hits[job->n_hits++];
	memset(hit, 0, sizeof(*hit));
	memcpy(hit->name, t->name, sizeof(hit->name));
	hit->threshold = t->threshold;
	hit->kind = t->kind;
	hit->post = t->post;
	hit->due = hit_due(p, t, now, r);
	hit->record = *r;
	job_update_due(p);
}

static void open_next(struct policy *p, uint64_t now, struct policy_trigger *t,
		      const struct trigger_record *r)
{
	memset(&p->next, 0, sizeof(p->next));
	p->pending = true;
	p->joined = 0;
	p->next.first = now;
	keep_hit(p, now, t, r);
	hour_add(t, now);
	t->fired++;
}

static void merge_next(struct policy *p, uint64_t now, struct policy_trigger *t,
		       const struct trigger_record *r)
{
	p->next.n_merged++;
	keep_hit(p, now, t, r);
	t->merged++;
}

/* Of requests and spans another thread may tell the end. */
static bool passes_on(unsigned int kind)
{
	return kind == TRIGGER_REQUEST || kind == TRIGGER_SPAN;
}

/* Is it the end of what this hit, which went on, is about? */
static bool is_end_of(const struct policy_hit *hit, const struct trigger_record *r)
{
	const struct wait_facts *w = &hit->record.w;

	if (!(w->flags & WAIT_OPEN))
		return false;
	if (passes_on(hit->kind) || passes_on(r->h.kind))
		return hit->kind == r->h.kind && w->start == r->w.start && w->nr == r->w.nr &&
		       w->args[0] == r->w.args[0];
	return w->tid == r->w.tid && w->task_start == r->w.task_start &&
	       (hit->kind == TRIGGER_SYSCALL) == (r->h.kind == TRIGGER_SYSCALL);
}

bool policy_ended(struct policy *p, uint64_t now, const struct trigger_record *r)
{
	bool found = false;

	for (unsigned int i = 0; p->pending && i < p->next.n_hits; i++) {
		struct policy_hit *hit = &p->next.hits[i];
		struct trigger_record *old = &hit->record;

		if (!is_end_of(hit, r))
			continue;
		found = true;
		if (r->w.start <= old->w.start) {
			old->duration = r->w.end - old->w.start;
			old->w = r->w;
		} else {
			/* a later wait: the one told of ended while it was looked at */
			old->w.flags &= ~WAIT_OPEN;
		}
		hit->due = min_u64(hit->due, add_sat(min_u64(r->h.ts, now), hit->post));
	}
	if (found)
		job_update_due(p);
	return found;
}

enum policy_verdict policy_trigger(struct policy *p, uint64_t now, const struct trigger_record *r)
{
	int i = record_index(p, r);
	struct policy_trigger *t;
	uint64_t *counter;
	bool was_pending = p->pending, again;

	if (i < 0) {
		p->unknown++;
		return POLICY_SUPPRESSED;
	}
	t = &p->triggers[i];
	/* part of the pending snapshot already: its cooldown does not stand in the way */
	again = was_pending && p->joined >> i & 1 && !p->paused;
	counter = again ? NULL : suppressed_by(p, t, now);
	if (counter) {
		(*counter)++;
		return POLICY_SUPPRESSED;
	}
	if (was_pending)
		merge_next(p, now, t, r);
	else
		open_next(p, now, t, r);
	p->joined |= 1ull << i;
	t->last = now;
	if (!again)
		t->accepted = now;
	return was_pending ? POLICY_MERGED : POLICY_ACCEPTED;
}

void policy_tell(struct policy *p, const struct trigger_record *r, const char *text)
{
	struct policy_hit *last = p->next.n_hits ? &p->next.hits[p->next.n_hits - 1] : NULL;

	if (p->pending && last && !memcmp(&last->record, r, sizeof(*r)))
		snprintf(last->text, sizeof(last->text), "%s", text);
}

int policy_manual(struct policy *p, uint64_t now, uint64_t id, int trigger)
{
	struct policy_request *q;

	if (trigger < -1 || trigger >= (int)p->n_triggers)
		return -EINVAL;
	if (p->n_manual >= POLICY_MANUAL_MAX)
		return -EBUSY;
	q = &p->manual[p->n_manual++];
	memset(q, 0, sizeof(*q));
	q->id = id;
	q->trigger = trigger;
	q->due = now;
	strcpy(q->name, "manual");
	if (trigger >= 0) {
		struct policy_trigger *t = &p->triggers[trigger];

		memcpy(q->name, t->name, sizeof(q->name));
		q->due = add_sat(now, t->post);
		t->fired++;
		t->last = now;
	}
	return 0;
}

/* ---- the queue ---- */

static void manual_remove(struct policy *p, unsigned int i)
{
	p->n_manual--;
	memmove(&p->manual[i], &p->manual[i + 1], (p->n_manual - i) * sizeof(p->manual[0]));
}

bool policy_cancel(struct policy *p, uint64_t id)
{
	for (unsigned int i = 0; i < p->n_manual; i++) {
		if (p->manual[i].id != id)
			continue;
		manual_remove(p, i);
		return true;
	}
	return false;
}

/* The request that comes first, or -1. */
static int manual_first(const struct policy *p)
{
	int best = -1;

	for (unsigned int i = 0; i < p->n_manual; i++)
		if (best < 0 || p->manual[i].due < p->manual[best].due)
			best = (int)i;
	return best;
}

uint64_t policy_next_due(const struct policy *p)
{
	uint64_t due = p->pending ? p->next.due : POLICY_NEVER;
	int m = manual_first(p);

	if (p->writing)
		return POLICY_NEVER;
	return m >= 0 ? min_u64(due, p->manual[m].due) : due;
}

static void take_manual(struct policy *p, unsigned int i, struct policy_job *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->manual = true;
	ret->request = p->manual[i];
	ret->due = p->manual[i].due;
	manual_remove(p, i);
}

int policy_take_aside(struct policy *p, uint64_t now, uint64_t id, struct policy_job *ret)
{
	for (unsigned int i = 0; i < p->n_manual; i++) {
		if (p->manual[i].id != id || p->manual[i].due > now)
			continue;
		take_manual(p, i, ret);
		return 0;
	}
	return -EAGAIN;
}

void policy_done_aside(struct policy *p, bool success)
{
	if (success)
		p->written++;
	else
		p->failed++;
}

int policy_take(struct policy *p, uint64_t now, struct policy_job *ret)
{
	uint64_t due = policy_next_due(p);
	int m = manual_first(p);

	if (due == POLICY_NEVER || due > now)
		return -EAGAIN;
	/* of two due at the same time, the one that somebody waits for */
	if (m >= 0 && p->manual[m].due == due) {
		take_manual(p, (unsigned int)m, ret);
	} else {
		*ret = p->next;
		snprintf(p->writing_for, sizeof(p->writing_for), "%s", ret->hits[0].name);
		p->writing_since = ret->first;
		p->pending = false;
		p->joined = 0;
	}
	p->writing = true;
	p->writing_counts = !ret->manual;
	return 0;
}

void policy_take_rescue(struct policy *p, struct policy_job *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->manual = ret->rescue = true;
	ret->request.trigger = -1;
	strcpy(ret->request.name, "rescue");
	p->writing = p->writing_counts = true;
	p->writing_for[0] = 0; /* no trigger's hour */
}

void policy_done(struct policy *p, bool success)
{
	if (!p->writing)
		return;
	p->writing = false;
	if (!success) {
		p->failed++;
		for (unsigned int i = 0; i < p->n_triggers && p->writing_counts; i++)
			if (!strcmp(p->triggers[i].name, p->writing_for))
				hour_take_back(&p->triggers[i], p->writing_since);
		return;
	}
	p->written++;
	p->counted += p->writing_counts;
}

/* ---- what the kernel and status want to know ---- */

uint64_t policy_quiet_until(const struct policy *p, unsigned int index, uint64_t now)
{
	const struct policy_trigger *t;

	if (index >= p->n_triggers || p->paused)
		return POLICY_NEVER;
	t = &p->triggers[index];
	/* merged until there is no place for its records; then only a storm of wake-ups is left */
	if (p->pending && p->joined >> index & 1)
		return p->next.n_hits < POLICY_HITS_MAX ? 0 : POLICY_NEVER;
	if (!p->pending && total_reached(p))
		return POLICY_NEVER;
	return max_u64(cooldown_end(t), hour_end(t, now));
}

uint64_t policy_spent_until(const struct policy *p, unsigned int index, uint64_t now)
{
	if (index < p->n_triggers)
		return hour_end(&p->triggers[index], now);
	return total_reached(p) ? POLICY_NEVER : 0;
}

int policy_newly_spent(struct policy *p, uint64_t now)
{
	for (unsigned int i = 0; i <= p->n_triggers; i++) {
		bool *said = i < p->n_triggers ? &p->triggers[i].spent_said : &p->total_said;
		bool spent = policy_spent_until(p, i, now), before = *said;

		*said = spent;
		if (spent && !before)
			return (int)i;
	}
	return -1;
}

uint64_t policy_suppressed(const struct policy_trigger *t)
{
	return t->suppressed_cooldown + t->suppressed_hour + t->suppressed_total +
	       t->suppressed_paused;
}

const char *policy_server(const struct wait_facts *w, char *buf, size_t size)
{
	if (w->tgid)
		snprintf(buf, size, "%.*s (pid %u)", COMM_LEN, w->comm, w->tgid);
	else
		snprintf(buf, size, "a process that is not known");
	return buf;
}
