/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the trace writer share. */
#ifndef FREC_TRACE_PRIVATE_H
#define FREC_TRACE_PRIVATE_H

#include <libdeflate.h>

#include "trace_pb.h"
#include "trace_write.h"

#define TRACE_PACKET_MAX (640u << 10)
#define TRACE_BLOCK_SIZE (768u << 10)
#define TRACE_TREE_SIZE (64u << 10)
#define TRACE_SYMBOLS 2048u /* a power of two */

/* Fields of TracePacket; the numbers are perfetto.proto's. */
enum packet_field {
	PACKET_FTRACE_EVENTS = 1,
	PACKET_PROCESS_TREE = 2,
	PACKET_CLOCK_SNAPSHOT = 6,
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE_ID = 10,
	PACKET_TRACK_EVENT = 11,
	PACKET_INTERNED_DATA = 12,
	PACKET_SEQUENCE_FLAGS = 13,
	PACKET_FTRACE_STATS = 34,
	PACKET_SYSTEM_INFO = 45,
	PACKET_COMPRESSED_PACKETS = 50,
	PACKET_DEFAULTS = 59,
	PACKET_TRACK_DESCRIPTOR = 60,
	PACKET_TRACE_UUID = 89,
	PACKET_CLONE_SNAPSHOT_TRIGGER = 113,
	PACKET_TRACE_ATTRIBUTES = 126,
	PACKET_STACK_SAMPLE = 135,
};

/* Bits of PACKET_SEQUENCE_FLAGS. */
#define SEQUENCE_CLEARED 1 /* here begins a generation of interned data */
#define SEQUENCE_NEEDED 2  /* refers to interned data of this generation */

/*
 * Packets of one sequence share interned data and defaults: slices and off-CPU samples, which both
 * refer to stacks, have one in common. Descriptors have one of their own, so
 * that the importer never takes a thread's descriptor for the default track of the slices.
 */
enum sequence {
	SEQUENCE_NONE,
	SEQUENCE_HOST,
	SEQUENCE_CPUS,
	SEQUENCE_SLICES,
	SEQUENCE_TRACKS,
	N_SEQUENCES,
};

/* Fields of InternedData; the numbers are perfetto.proto's. */
enum intern_list {
	INTERN_CATEGORY = 1,
	INTERN_NAME = 2,
	INTERN_KEY = 3,
	INTERN_FUNCTION = 5,
	INTERN_FRAME = 6,
	INTERN_STACK = 7,
	INTERN_BUILD_ID = 16,
	INTERN_PATH = 17,
	INTERN_SOURCE = 18,
	INTERN_MAPPING = 19,
	INTERN_VALUE = 29,
	INTERN_LISTS,
};

/*
 * What has been interned, each as the message that is in the file, but for its iid: two things are
 * the same if their messages are. They stand in `bytes`, behind a struct intern_entry each.
 */
struct intern {
	uint8_t *bytes;
	size_t used, size;
	uint32_t *slots;  /* offsets in bytes + 1; 0 is an empty one */
	uint32_t n_slots; /* a power of two */
	uint32_t n;
	uint32_t count[INTERN_LISTS];
	uint64_t seed;
	bool open;   /* a packet of InternedData is being filled */
	size_t mark; /* of it */
};

struct trace_writer {
	int fd;
	int error;
	struct trace_counters counters;
	struct libdeflate_compressor *deflate;
	uint8_t *block; /* TRACE_BLOCK_SIZE: whole packets, framed */
	size_t block_used;
	uint8_t *out; /* one deflated block */
	size_t out_size;
	uint8_t *scratch;	/* TRACE_PACKET_MAX: the packet being built */
	uint8_t *slice;		/* TRACE_PACKET_MAX: its slice, while what it refers to is written */
	struct pb packet;	/* over scratch */
	enum sequence sequence; /* of this packet */
	struct pb tree;		/* processes and threads of one time */
	uint64_t tree_ts;
	uint64_t *symbols; /* TRACE_SYMBOLS hashes; iid is the place + 1 */
	uint32_t n_symbols;
	bool started[N_SEQUENCES];
	struct intern intern; /* of SEQUENCE_SLICES */
};

/*
 * ts 0 and SEQUENCE_NONE are left out. Returns the buffer to put the packet's content into, or NULL
 * on a sticky error.
 */
struct pb *trace_packet_begin(struct trace_writer *w, uint64_t ts, enum sequence sequence);
int trace_packet_end(struct trace_writer *w);

/* Marks the packet just begun as one that refers to interned data. */
void trace_packet_refers(struct pb *b);

/* Defaults of SEQUENCE_SLICES; for its first packet. */
void trace_put_slice_defaults(struct pb *b);

/*
 * Gives a text a number in this list, of which trace_intern_end() is to be called before the packet
 * that refers to it. 0: it has none, so it has to be spelt out.
 */
uint32_t trace_intern_text(struct trace_writer *w, enum intern_list list, const char *text);
void trace_intern_end(struct trace_writer *w);

/* Is this an id that trace_put_stack() gave, or 0? */
bool trace_stack_known(const struct trace_writer *w, uint64_t stack_id);
void trace_intern_free(struct intern *in);

/* Counts a refused call; returns error. */
int trace_reject(struct trace_writer *w, int error);

/* --- one CPU --- */

#define BUNDLE_EVENTS 4096
#define BUNDLE_COMMS 512
#define COMM_SLOTS (2 * BUNDLE_COMMS)
#define EVENTS_SIZE (64u << 10)
/* The largest event: an exec, with its filename and frame. */
#define EVENT_FILENAME_MAX 4096
#define EVENT_MAX (EVENT_FILENAME_MAX + 256)

/* Fields of FtraceEvent. */
enum event_field {
	EVENT_SWITCH = 4,
	EVENT_BLOCKED_REASON = 18,
	EVENT_WAKING = 20,
	EVENT_NEWTASK = 235,
	EVENT_RENAME = 236,
	EVENT_EXEC = 237,
	EVENT_EXIT = 238,
	EVENT_FREE = 240,
	EVENT_SYS_ENTER = 329,
	EVENT_SYS_EXIT = 330,
};

/*
 * In the order of the file. Like stands beside like, for deflate's sake: times, which hardly
 * shrink, first, then small numbers, then tids.
 */
enum column_id {
	SWITCH_TIME,
	WAKING_TIME,
	SWITCH_COMM,
	WAKING_COMM,
	WAKING_CPU,
	WAKING_FLAGS,
	SWITCH_STATE,
	SWITCH_PRIO,
	WAKING_PRIO,
	SWITCH_TID,
	WAKING_TID,
	N_COLUMNS,
};

/*
 * Each column has room for BUNDLE_EVENTS varints of the worst size; pages never touched cost
 * nothing.
 */
#define COLUMN_SIZE (BUNDLE_EVENTS * PB_VARINT_MAX)

struct comm {
	uint64_t word[2];
};

struct trace_cpu {
	struct trace_writer *w;
	uint32_t cpu;
	uint64_t since;	 /* to be told by the first bundle */
	int32_t current; /* who the file has running here; -1 unknown */
	uint64_t last_switch;
	uint64_t last_waking;
	/* The bundle being filled. */
	bool lost;
	bool flagged; /* some wake-up has flags */
	uint32_t n_switches;
	uint32_t n_wakings;
	uint32_t n_comms;
	uint64_t switch_time; /* of the last element of its column, 0 before the first */
	uint64_t waking_time;
	uint8_t *column[N_COLUMNS]; /* where the next one goes */
	struct pb events;
	struct comm comms[BUNDLE_COMMS];
	uint16_t slots[COMM_SLOTS]; /* index + 1 */
	uint8_t columns[N_COLUMNS][COLUMN_SIZE];
	uint8_t event_buffer[EVENTS_SIZE];
};

/*
 * Opens both FtraceEvent and the event inside it, which is then put into c->events. tid -1 becomes
 * 0.
 */
int trace_event_begin(struct trace_cpu *c, uint64_t ts, int32_t tid, enum event_field field,
		      size_t ret_mark[2]);
int trace_event_end(struct trace_cpu *c, const size_t mark[2]);

#endif
