/* SPDX-License-Identifier: GPL-2.0 */
/* Packets about the host, the trigger and the losses. */
#include <errno.h>

#include "trace_private.h"

#define CLOCK_ID_REALTIME 1
#define CLOCK_ID_MONOTONIC 3
#define CLOCK_ID_BOOTTIME 6

static void put_clock(struct pb *b, uint32_t id, uint64_t ts)
{
	size_t m = pb_open(b, 1);

	pb_uint(b, 1, id);
	pb_uint(b, 2, ts);
	pb_close(b, m);
}

int trace_put_clocks(struct trace_writer *w, const struct trace_clocks *clocks)
{
	struct pb *b = trace_packet_begin(w, clocks->boottime, SEQUENCE_HOST);
	size_t m;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_CLOCK_SNAPSHOT);
	put_clock(b, CLOCK_ID_BOOTTIME, clocks->boottime);
	put_clock(b, CLOCK_ID_MONOTONIC, clocks->monotonic);
	put_clock(b, CLOCK_ID_REALTIME, clocks->realtime);
	pb_uint(b, 2, CLOCK_ID_BOOTTIME);
	pb_close(b, m);
	return trace_packet_end(w);
}

int trace_put_system(struct trace_writer *w, const struct trace_system *system)
{
	struct pb *b = trace_packet_begin(w, 0, SEQUENCE_HOST);
	size_t m, utsname;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_SYSTEM_INFO);
	utsname = pb_open(b, 1);
	pb_string(b, 1, system->sysname);
	pb_string(b, 2, system->version);
	pb_string(b, 3, system->release);
	pb_string(b, 4, system->machine);
	pb_close(b, utsname);
	pb_string(b, 4, system->recorder);
	pb_uint(b, 6, system->page_size);
	pb_int(b, 7, system->timezone_min);
	pb_uint(b, 8, system->cpus);
	pb_uint(b, 16, system->ram_bytes);
	pb_close(b, m);
	return trace_packet_end(w);
}

static uint64_t big_endian64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

int trace_put_uuid(struct trace_writer *w, const uint8_t uuid[16])
{
	struct pb *b = trace_packet_begin(w, 0, SEQUENCE_HOST);
	size_t m;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_TRACE_UUID);
	pb_uint(b, 1, big_endian64(uuid));
	pb_uint(b, 2, big_endian64(uuid + 8));
	pb_close(b, m);
	return trace_packet_end(w);
}

int trace_put_attributes(struct trace_writer *w, const struct trace_attribute *attributes, size_t n)
{
	struct pb *b = trace_packet_begin(w, 0, SEQUENCE_HOST);
	size_t m;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_TRACE_ATTRIBUTES);
	for (size_t i = 0; i < n; i++) {
		size_t a = pb_open(b, 1);

		pb_string(b, 1, attributes[i].key);
		if (attributes[i].string)
			pb_string(b, 3, attributes[i].string);
		else
			pb_int(b, 2, attributes[i].number);
		pb_close(b, a);
	}
	pb_close(b, m);
	return trace_packet_end(w);
}

int trace_put_trigger(struct trace_writer *w, const struct trace_trigger *trigger)
{
	struct pb *b = trace_packet_begin(w, trigger->ts, SEQUENCE_HOST);
	size_t m;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_CLONE_SNAPSHOT_TRIGGER);
	pb_string(b, 1, trigger->name);
	pb_string(b, 2, trigger->producer ? trigger->producer : "frec");
	pb_close(b, m);
	return trace_packet_end(w);
}

int trace_put_cpu_stats(struct trace_writer *w, bool at_end, const struct trace_cpu_stats *stats,
			size_t n)
{
	struct pb *b = trace_packet_begin(w, 0, SEQUENCE_HOST);
	size_t m;

	if (!b)
		return w->error;
	m = pb_open(b, PACKET_FTRACE_STATS);
	pb_uint(b, 1, at_end ? 2 : 1);
	for (size_t i = 0; i < n; i++) {
		size_t c = pb_open(b, 2);

		pb_uint(b, 1, stats[i].cpu);
		pb_uint(b, 2, stats[i].entries);
		pb_uint(b, 3, stats[i].overrun);
		pb_uint(b, 8, stats[i].dropped_events);
		pb_uint(b, 9, stats[i].read_events);
		pb_close(b, c);
	}
	pb_close(b, m);
	return trace_packet_end(w);
}
