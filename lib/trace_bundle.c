/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One CPU's events. Switches and wake-ups go into columns, already encoded: equal things stand side
 * by side, which is what makes the file small. A bundle is cut after BUNDLE_EVENTS of either; comms
 * are interned within it.
 */
#include <errno.h>
#include <stdlib.h>

#include "trace_private.h"

/* Fields of CompactSched; all are packed. */
static const uint8_t column_field[N_COLUMNS] = {
	[SWITCH_TIME] = 1,  [SWITCH_STATE] = 2, [SWITCH_TID] = 3,    [SWITCH_PRIO] = 4,
	[SWITCH_COMM] = 6,  [WAKING_TIME] = 7,	[WAKING_TID] = 8,    [WAKING_CPU] = 9,
	[WAKING_PRIO] = 10, [WAKING_COMM] = 11, [WAKING_FLAGS] = 12,
};

/* All that one bundle may hold fits one packet, even if every varint were of the worst size. */
_Static_assert(sizeof(struct trace_cpu) + 4 * BUNDLE_COMMS + 1024 < TRACE_PACKET_MAX, "bundle");

static void bundle_reset(struct trace_cpu *c)
{
	c->lost = c->flagged = false;
	c->n_switches = c->n_wakings = c->n_comms = 0;
	c->switch_time = c->waking_time = 0;
	for (int i = 0; i < N_COLUMNS; i++)
		c->column[i] = c->columns[i];
	pb_init(&c->events, c->event_buffer, EVENTS_SIZE);
	memset(c->slots, 0, sizeof(c->slots));
}

static void put_compact(struct trace_cpu *c, struct pb *b)
{
	size_t m = pb_open(b, 4);

	for (uint32_t i = 0; i < c->n_comms; i++)
		pb_string_max(b, 5, (const char *)c->comms[i].word, TRACE_COMM_LEN);
	for (int i = 0; i < N_COLUMNS; i++) {
		size_t n = c->column[i] - c->columns[i];

		/* Flags may be fewer than wake-ups: absent is 0. */
		if (n && (i != WAKING_FLAGS || c->flagged))
			pb_bytes(b, column_field[i], c->columns[i], n);
	}
	pb_close(b, m);
}

int trace_cpu_flush(struct trace_cpu *c)
{
	struct trace_writer *w = c->w;
	size_t n_events = pb_used(&c->events), m;
	struct pb *b;

	if (!n_events && !c->n_switches && !c->n_wakings && !c->lost)
		return w->error;
	b = trace_packet_begin(w, 0, SEQUENCE_CPUS);
	if (!b) {
		bundle_reset(c);
		return w->error;
	}
	m = pb_open(b, PACKET_FTRACE_EVENTS);
	pb_uint(b, 1, c->cpu);
	if (pb_room(b, n_events)) {
		memcpy(b->p, c->event_buffer, n_events);
		b->p += n_events;
	}
	if (c->lost)
		pb_uint(b, 3, 1);
	if (c->n_switches || c->n_wakings)
		put_compact(c, b);
	if (c->since)
		pb_uint(b, 10, c->since);
	pb_close(b, m);
	c->since = 0;
	bundle_reset(c);
	return trace_packet_end(w);
}

int trace_cpu_open(struct trace_writer *w, uint32_t cpu, uint64_t since, struct trace_cpu **ret)
{
	struct trace_cpu *c;

	if (cpu >= TRACE_MAX_CPUS)
		return trace_reject(w, -EINVAL);
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->w = w;
	c->cpu = cpu;
	c->since = since;
	c->current = -1;
	c->last_switch = c->last_waking = 0;
	bundle_reset(c);
	*ret = c;
	return 0;
}

int trace_cpu_close(struct trace_cpu *c)
{
	int r;

	if (!c)
		return 0;
	r = trace_cpu_flush(c);
	free(c);
	return r;
}

/* --- columns --- */

static uint32_t comm_index(struct trace_cpu *c, const char *name)
{
	struct comm comm = { { 0, 0 } };
	uint32_t slot;

	if (name)
		memcpy(&comm, name, strnlen(name, TRACE_COMM_LEN));
	slot = (comm.word[0] * 0x9e3779b97f4a7c15u ^ comm.word[1] * 0xc2b2ae3d27d4eb4fu) >> 40;
	for (;; slot++) {
		uint16_t *s = &c->slots[slot % COMM_SLOTS];

		if (!*s) {
			c->comms[c->n_comms] = comm;
			*s = ++c->n_comms;
			return *s - 1u;
		}
		if (!memcmp(&c->comms[*s - 1], &comm, sizeof(comm)))
			return *s - 1u;
	}
}

static inline void column_put(struct trace_cpu *c, enum column_id id, int64_t v)
{
	c->column[id] = pb_put_varint(c->column[id], (uint64_t)v);
}

static int room_for_compact(struct trace_cpu *c)
{
	if (c->n_switches < BUNDLE_EVENTS && c->n_wakings < BUNDLE_EVENTS &&
	    c->n_comms < BUNDLE_COMMS)
		return c->w->error;
	return trace_cpu_flush(c);
}

static int room_for_event(struct trace_cpu *c)
{
	if ((size_t)(c->events.end - c->events.p) >= EVENT_MAX)
		return c->w->error;
	return trace_cpu_flush(c);
}

int trace_event_begin(struct trace_cpu *c, uint64_t ts, int32_t tid, enum event_field field,
		      size_t ret_mark[2])
{
	struct pb *b = &c->events;
	int r = room_for_event(c);

	if (r)
		return r;
	ret_mark[0] = pb_open(b, 2);
	pb_uint(b, 1, ts);
	pb_int(b, 2, tid < 0 ? 0 : tid);
	ret_mark[1] = pb_open(b, field);
	return 0;
}

int trace_event_end(struct trace_cpu *c, const size_t mark[2])
{
	pb_close(&c->events, mark[1]);
	pb_close(&c->events, mark[0]);
	c->w->counters.events++;
	return 0;
}

/* --- switches and wake-ups --- */

static int put_full_switch(struct trace_cpu *c, const struct trace_switch *s)
{
	struct pb *b = &c->events;
	size_t m[2];
	int r = trace_event_begin(c, s->ts, s->prev_tid, EVENT_SWITCH, m);

	if (r)
		return r;
	pb_string_max(b, 1, s->prev_comm, TRACE_COMM_LEN);
	pb_int(b, 2, s->prev_tid);
	pb_int(b, 3, s->prev_prio);
	pb_int(b, 4, s->prev_state);
	pb_string_max(b, 5, s->next_comm, TRACE_COMM_LEN);
	pb_int(b, 6, s->next_tid);
	pb_int(b, 7, s->next_prio);
	c->w->counters.full++;
	return trace_event_end(c, m);
}

static int put_compact_switch(struct trace_cpu *c, const struct trace_switch *s)
{
	int r = room_for_compact(c);

	if (r)
		return r;
	column_put(c, SWITCH_TIME, s->ts - c->switch_time);
	column_put(c, SWITCH_STATE, s->prev_state);
	column_put(c, SWITCH_TID, s->next_tid);
	column_put(c, SWITCH_PRIO, s->next_prio);
	column_put(c, SWITCH_COMM, comm_index(c, s->next_comm));
	c->switch_time = s->ts;
	c->n_switches++;
	c->w->counters.events++;
	return 0;
}

int trace_cpu_switch(struct trace_cpu *c, const struct trace_switch *s)
{
	int r;

	if (s->ts < c->last_switch || s->prev_tid < 0 || s->next_tid < 0)
		return trace_reject(c->w, -EINVAL);
	if (s->prev_tid == c->current)
		r = put_compact_switch(c, s);
	else
		r = put_full_switch(c, s);
	if (r)
		return r;
	c->last_switch = s->ts;
	c->current = s->next_tid;
	c->w->counters.switches++;
	return 0;
}

int trace_cpu_running(struct trace_cpu *c, uint64_t ts, int32_t tid, const char *comm, int32_t prio)
{
	const struct trace_switch s = {
		.ts = ts,
		.prev_comm = "swapper",
		.prev_prio = 120,
		.next_tid = tid,
		.next_comm = comm,
		.next_prio = prio,
	};

	if (c->current != -1)
		return trace_reject(c->w, -EINVAL);
	return trace_cpu_switch(c, &s);
}

static int put_full_waking(struct trace_cpu *c, const struct trace_waking *e)
{
	struct pb *b = &c->events;
	size_t m[2];
	/*
	 * This form has no flags; swapper for an interrupt, or an innocent thread would be the
	 * waker.
	 */
	int r = trace_event_begin(c, e->ts, e->irq ? 0 : e->waker_tid, EVENT_WAKING, m);

	if (r)
		return r;
	pb_string_max(b, 1, e->comm, TRACE_COMM_LEN);
	pb_int(b, 2, e->tid);
	pb_int(b, 3, e->prio);
	pb_int(b, 4, 1);
	pb_int(b, 5, e->target_cpu);
	return trace_event_end(c, m);
}

static int put_compact_waking(struct trace_cpu *c, const struct trace_waking *e)
{
	int r = room_for_compact(c);

	if (r)
		return r;
	column_put(c, WAKING_TIME, e->ts - c->waking_time);
	column_put(c, WAKING_TID, e->tid);
	column_put(c, WAKING_CPU, e->target_cpu);
	column_put(c, WAKING_PRIO, e->prio);
	column_put(c, WAKING_COMM, comm_index(c, e->comm));
	column_put(c, WAKING_FLAGS, e->irq);
	c->flagged |= e->irq != 0;
	c->waking_time = e->ts;
	c->n_wakings++;
	c->w->counters.events++;
	return 0;
}

int trace_cpu_waking(struct trace_cpu *c, const struct trace_waking *e)
{
	bool as_current = e->irq || e->waker_tid < 0 || e->waker_tid == c->current;
	int r;

	if (e->ts < c->last_waking || e->tid < 0)
		return trace_reject(c->w, -EINVAL);
	if (c->current != -1 && as_current)
		r = put_compact_waking(c, e);
	else
		r = put_full_waking(c, e);
	if (r)
		return r;
	c->last_waking = e->ts;
	c->w->counters.wakings++;
	return 0;
}

int trace_cpu_lost(struct trace_cpu *c)
{
	c->lost = true;
	c->current = -1;
	return c->w->error;
}
