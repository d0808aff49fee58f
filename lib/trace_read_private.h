/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the trace reader share. */
#ifndef FREC_TRACE_READ_PRIVATE_H
#define FREC_TRACE_READ_PRIVATE_H

#include <libdeflate.h>
#include <zlib.h>

#include "trace_read.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	_Alignas(16) uint8_t data[];
};

/* Holds one unpacked packet, or a generation of interned data; all of it goes at once. */
struct arena {
	size_t max;
	struct arena_chunk *chunks; /* the newest first */
	size_t total;
	bool full;
};

/* One interned thing; things stay as long as their generation. */
struct interned_slot {
	uint64_t iid;
	void *thing; /* NULL: an empty slot */
};

/* Fields of InternedData that are kept. */
enum interned_list {
	INTERNED_CATEGORY,
	INTERNED_NAME,
	INTERNED_KEY,
	INTERNED_VALUE,
	INTERNED_FUNCTION,
	INTERNED_BUILD_ID,
	INTERNED_PATH,
	INTERNED_SOURCE,
	INTERNED_SYMBOL,
	INTERNED_MAPPING,
	INTERNED_FRAME,
	INTERNED_STACK,
	INTERNED_LISTS,
};

struct interned_table {
	struct interned_slot *slots;
	size_t n_slots; /* a power of two */
	size_t n;
};

struct interned_text {
	size_t length;
	char text[]; /* ended by a NUL */
};

struct interned_stack {
	size_t n;
	const struct trace_frame *frames[];
};

/* The current generation of one sequence. */
struct interned {
	uint32_t sequence;
	struct interned_table tables[INTERNED_LISTS];
	struct arena arena;
};

/* Who runs on a CPU, as far as the file has told. */
struct cpu_state {
	int32_t tid;
	int32_t prio;
	char comm[TRACE_COMM_LEN];
};

struct trace_reader {
	/* The source: one of the two. */
	gzFile gz;
	const uint8_t *memory;
	size_t memory_left;

	uint64_t offset; /* in the file, of the record being read */
	uint64_t next_offset;
	int error;
	char text[160];
	uint8_t *record;
	size_t record_size;
	struct libdeflate_decompressor *inflate; /* made for the first block */
	uint8_t *block; /* inflated */
	size_t block_size;
	const uint8_t *inner; /* what is left of it */
	size_t inner_left;
	struct arena arena;
	ProtobufCAllocator allocator;
	Pft__TracePacket *packet;

	/* Only for trace_reader_event(): where in the packet it is. */
	bool in_packet;
	unsigned int stage;
	size_t index;
	size_t n_event, n_switch, n_waking; /* done in this bundle */
	uint64_t switch_time, waking_time;  /* of the next one in its column */
	struct cpu_state *cpus;		    /* TRACE_MAX_CPUS */
	struct cpu_state prev;		    /* what the last event points to */
	struct interned *interned;	    /* one for each sequence that has any */
	size_t n_interned;
	size_t interned_bytes; /* of all; up to TRACE_READ_INTERNED_MAX */
	uint64_t seed;
};

/* Fails for good; returns error. */
int trace_reader_fail(struct trace_reader *r, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Zeroed, valid as long as the packet; NULL if there is too much. */
void *trace_reader_alloc(struct trace_reader *r, size_t n, size_t size);

/*
 * The stage of trace_reader_event() for the events of one CPU: 1, 0 when there are no more, or
 * -errno.
 */
int trace_reader_bundle_event(struct trace_reader *r, struct trace_event *e);

/* Takes in what the packet says for later ones. Returns 0 or -errno. */
int trace_reader_intern(struct trace_reader *r);

/* Of the packet's sequence, NULL if there is no such thing. */
const char *trace_reader_text(const struct trace_reader *r, enum interned_list list, uint64_t iid);
const struct interned_stack *trace_reader_stack(const struct trace_reader *r, uint64_t iid);
void trace_reader_free_interned(struct trace_reader *r);

/* NULL beyond a->max. */
void *trace_arena_alloc(struct arena *a, size_t size);
void trace_arena_free(struct arena *a);

#endif
