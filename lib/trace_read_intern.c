/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interned data: what packets of a sequence refer to by number. It is resolved when it is read, for
 * writers put the parts before the whole; an unknown part stays unknown. The first meaning of a
 * number holds until the sequence says that it begins anew, so pointers to things never dangle
 * within a generation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "trace_read_private.h"

#define SLOTS_MIN 64u
#define SEQUENCES_MAX 256u
#define SEQUENCE_CLEARED 1

static const struct trace_frame unknown_frame;

/* --- tables --- */

/* Numbers come from the file, which must not know how to make them collide. */
static size_t slot_of(const struct trace_reader *r, const struct interned_table *t, uint64_t iid)
{
	uint64_t h = iid ^ r->seed;
	size_t i;

	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	for (i = h >> 16;; i++) {
		const struct interned_slot *s = &t->slots[i & (t->n_slots - 1)];

		if (!s->thing || s->iid == iid)
			return i & (t->n_slots - 1);
	}
}

static void *look_up(const struct trace_reader *r, const struct interned *in,
		     enum interned_list list, uint64_t iid)
{
	const struct interned_table *t = in ? &in->tables[list] : NULL;

	return t && t->n_slots ? t->slots[slot_of(r, t, iid)].thing : NULL;
}

/* What there is no room for is left out. */
static bool has_room(const struct trace_reader *r, size_t bytes)
{
	return r->interned_bytes < TRACE_READ_INTERNED_MAX &&
	       bytes < TRACE_READ_INTERNED_MAX - r->interned_bytes;
}

static int grow(struct trace_reader *r, struct interned_table *t)
{
	struct interned_table bigger = { .n_slots = t->n_slots ? 2 * t->n_slots : SLOTS_MIN };

	if (t->n < t->n_slots / 4 * 3)
		return 0;
	if (!has_room(r, (bigger.n_slots - t->n_slots) * sizeof(*t->slots)))
		return -E2BIG;
	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return trace_reader_fail(r, -ENOMEM, "out of memory");
	for (size_t i = 0; i < t->n_slots; i++)
		if (t->slots[i].thing)
			bigger.slots[slot_of(r, &bigger, t->slots[i].iid)] = t->slots[i];
	r->interned_bytes += (bigger.n_slots - t->n_slots) * sizeof(*t->slots);
	free(t->slots);
	t->slots = bigger.slots;
	t->n_slots = bigger.n_slots;
	return 0;
}

/*
 * A new thing of this size, zeroed; NULL if the number is taken, memory is used up, or 0 is given,
 * which stands for nothing.
 */
static void *add(struct trace_reader *r, struct interned *in, enum interned_list list, uint64_t iid,
		 size_t size)
{
	struct interned_table *t = &in->tables[list];
	size_t before = in->arena.total;
	struct interned_slot *slot;
	void *thing;

	if (!iid || look_up(r, in, list, iid) || !has_room(r, size) || grow(r, t))
		return NULL;
	thing = trace_arena_alloc(&in->arena, size);
	r->interned_bytes += in->arena.total - before;
	if (!thing)
		return NULL;
	memset(thing, 0, size);
	slot = &t->slots[slot_of(r, t, iid)];
	*slot = (struct interned_slot){ iid, thing };
	t->n++;
	return thing;
}

/* --- sequences --- */

static struct interned *find_sequence(const struct trace_reader *r)
{
	for (size_t i = 0; i < r->n_interned; i++)
		if (r->interned[i].sequence == r->packet->trusted_packet_sequence_id)
			return &r->interned[i];
	return NULL;
}

static void clear(struct trace_reader *r, struct interned *in)
{
	r->interned_bytes -= in->arena.total;
	trace_arena_free(&in->arena);
	for (int i = 0; i < INTERNED_LISTS; i++) {
		r->interned_bytes -= in->tables[i].n_slots * sizeof(*in->tables[i].slots);
		free(in->tables[i].slots);
		in->tables[i] = (struct interned_table){ 0 };
	}
}

void trace_reader_free_interned(struct trace_reader *r)
{
	for (size_t i = 0; i < r->n_interned; i++)
		clear(r, &r->interned[i]);
	free(r->interned);
	r->interned = NULL;
	r->n_interned = 0;
}

static struct interned *add_sequence(struct trace_reader *r)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	struct interned *in;

	if (r->n_interned >= SEQUENCES_MAX)
		return NULL;
	in = realloc(r->interned, (r->n_interned + 1) * sizeof(*in));
	if (!in) {
		trace_reader_fail(r, -ENOMEM, "out of memory");
		return NULL;
	}
	if (!r->n_interned && random)
		memcpy(&r->seed, random, sizeof(r->seed));
	r->interned = in;
	in += r->n_interned++;
	*in = (struct interned){ .sequence = r->packet->trusted_packet_sequence_id,
				 .arena = { .max = TRACE_READ_INTERNED_MAX } };
	return in;
}

/* --- what there is --- */

static void add_texts(struct trace_reader *r, struct interned *in, enum interned_list list,
		      Pft__InternedString *const *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t length = from[i]->str.len;
		struct interned_text *t;

		if (length > TRACE_TEXT_MAX)
			length = TRACE_TEXT_MAX;
		t = add(r, in, list, from[i]->iid, sizeof(*t) + length + 1);
		if (!t)
			continue;
		t->length = length;
		if (length)
			memcpy(t->text, from[i]->str.data, length);
	}
}

static const char *text_of(const struct trace_reader *r, const struct interned *in,
			   enum interned_list list, uint64_t iid)
{
	const struct interned_text *t = look_up(r, in, list, iid);

	return t ? t->text : NULL;
}

/*
 * Pieces joined by slashes, into a buffer of TRACE_TEXT_MAX + 2. What is no file, such as the
 * kernel or "[vdso]", is one piece and keeps its name. Returns the length.
 */
static size_t join_path(const struct trace_reader *r, const struct interned *in,
			const Pft__Mapping *m, char *buffer)
{
	size_t used = 0;

	for (size_t i = 0; i < m->n_path_string_ids; i++) {
		const struct interned_text *t =
			look_up(r, in, INTERNED_PATH, m->path_string_ids[i]);
		bool bare = m->n_path_string_ids == 1 && t &&
			    (t->text[0] == '[' || !strcmp(t->text, TRACE_KERNEL_PATH));

		if (!t || used + t->length > TRACE_TEXT_MAX)
			break;
		if (!bare)
			buffer[used++] = '/';
		memcpy(buffer + used, t->text, t->length);
		used += t->length;
	}
	buffer[used] = '\0';
	return used;
}

static void add_mapping(struct trace_reader *r, struct interned *in, const Pft__Mapping *from)
{
	const struct interned_text *build_id = look_up(r, in, INTERNED_BUILD_ID, from->build_id);
	char path[TRACE_TEXT_MAX + 2];
	size_t n = join_path(r, in, from, path);
	struct trace_mapping *m = add(r, in, INTERNED_MAPPING, from->iid, sizeof(*m) + n + 1);

	if (!m)
		return;
	memcpy(m + 1, path, n + 1);
	*m = (struct trace_mapping){
		.path = (const char *)(m + 1),
		.start = from->start,
		.end = from->end,
		.offset = from->exact_offset,
		.load_bias = from->load_bias,
	};
	if (build_id && build_id->length && build_id->length <= TRACE_BUILD_ID_MAX) {
		m->build_id = (const uint8_t *)build_id->text;
		m->build_id_len = build_id->length;
	}
}

static void add_frame(struct trace_reader *r, struct interned *in, const Pft__Frame *from)
{
	struct trace_frame *f = add(r, in, INTERNED_FRAME, from->iid, sizeof(*f));

	if (!f)
		return;
	*f = (struct trace_frame){
		.function = text_of(r, in, INTERNED_FUNCTION, from->function_name_id),
		.mapping = look_up(r, in, INTERNED_MAPPING, from->mapping_id),
		.rel_pc = from->rel_pc,
		.file = text_of(r, in, INTERNED_SOURCE, from->source_path_iid),
		.line = from->line_number,
		.kind = from->kind <= TRACE_FRAME_JIT ? from->kind : TRACE_FRAME_UNKNOWN,
	};
}

/* Of a stack too deep, the outermost frames are left out. */
static void add_stack(struct trace_reader *r, struct interned *in, const Pft__Callstack *from)
{
	size_t n = from->n_frame_ids < TRACE_STACK_MAX ? from->n_frame_ids : TRACE_STACK_MAX;
	size_t left_out = from->n_frame_ids - n;
	struct interned_stack *s;

	s = add(r, in, INTERNED_STACK, from->iid, sizeof(*s) + n * sizeof(s->frames[0]));
	if (!s)
		return;
	s->n = n;
	for (size_t i = 0; i < n; i++) {
		s->frames[i] = look_up(r, in, INTERNED_FRAME, from->frame_ids[left_out + i]);
		if (!s->frames[i])
			s->frames[i] = &unknown_frame;
	}
}

static bool has_any(const Pft__InternedData *d)
{
	return d &&
	       (d->n_event_categories || d->n_event_names || d->n_debug_annotation_names ||
		d->n_debug_annotation_string_values || d->n_function_names || d->n_build_ids ||
		d->n_mapping_paths || d->n_source_paths ||
		d->n_kernel_symbols || d->n_mappings || d->n_frames || d->n_callstacks);
}

int trace_reader_intern(struct trace_reader *r)
{
	const Pft__InternedData *d = r->packet->interned_data;
	struct interned *in = NULL;

	if (r->packet->sequence_flags & SEQUENCE_CLEARED || d)
		in = find_sequence(r);
	if (in && r->packet->sequence_flags & SEQUENCE_CLEARED)
		clear(r, in);
	if (!has_any(d))
		return 0;
	if (!in)
		in = add_sequence(r);
	if (!in)
		return r->error;
	add_texts(r, in, INTERNED_CATEGORY, d->event_categories, d->n_event_categories);
	add_texts(r, in, INTERNED_NAME, d->event_names, d->n_event_names);
	add_texts(r, in, INTERNED_KEY, d->debug_annotation_names, d->n_debug_annotation_names);
	add_texts(r, in, INTERNED_VALUE, d->debug_annotation_string_values,
		  d->n_debug_annotation_string_values);
	add_texts(r, in, INTERNED_FUNCTION, d->function_names, d->n_function_names);
	add_texts(r, in, INTERNED_BUILD_ID, d->build_ids, d->n_build_ids);
	add_texts(r, in, INTERNED_PATH, d->mapping_paths, d->n_mapping_paths);
	add_texts(r, in, INTERNED_SOURCE, d->source_paths, d->n_source_paths);
	add_texts(r, in, INTERNED_SYMBOL, d->kernel_symbols, d->n_kernel_symbols);
	for (size_t i = 0; i < d->n_mappings; i++)
		add_mapping(r, in, d->mappings[i]);
	for (size_t i = 0; i < d->n_frames; i++)
		add_frame(r, in, d->frames[i]);
	for (size_t i = 0; i < d->n_callstacks; i++)
		add_stack(r, in, d->callstacks[i]);
	return r->error;
}

/* --- for the events --- */

const char *trace_reader_text(const struct trace_reader *r, enum interned_list list, uint64_t iid)
{
	return iid ? text_of(r, find_sequence(r), list, iid) : NULL;
}

const struct interned_stack *trace_reader_stack(const struct trace_reader *r, uint64_t iid)
{
	return look_up(r, find_sequence(r), INTERNED_STACK, iid);
}
