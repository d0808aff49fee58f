/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stacks, and texts of slices: names, mappings, frames and stacks are written once and referred to by number (iid), on
 * the sequence of the slices. Nothing is forgotten before the file ends, so there is but one
 * generation.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "trace_private.h"

/* The largest is a name; next a stack: TRACE_STACK_MAX numbers of up to 4 bytes and a tag. */
#define ITEM_MAX (TRACE_TEXT_MAX + 8192)
#define SLOTS_MIN 1024u

struct intern_entry {
	uint32_t hash;
	uint32_t list;
	uint32_t iid;
	uint32_t length; /* of the message behind it */
};

/* One thing while it is looked for. */
struct item {
	struct pb pb;
	uint8_t buffer[ITEM_MAX];
};

_Static_assert(TRACE_STACK_MAX * 5 <= ITEM_MAX, "a stack");
_Static_assert(TRACE_TEXT_MAX / 2 * 5 <= ITEM_MAX, "a path of one-letter names");
_Static_assert(2 * ITEM_MAX < TRACE_PACKET_MAX, "packet");

static struct pb *item_begin(struct item *item)
{
	pb_init(&item->pb, item->buffer, sizeof(item->buffer));
	return &item->pb;
}

/* --- the table --- */

/* Names come from files of others, who must not know how to make them collide. */
static uint64_t make_seed(void)
{
	uint64_t seed = 0xcbf29ce484222325u;
	const void *random = (const void *)getauxval(AT_RANDOM);

	if (random)
		memcpy(&seed, random, sizeof(seed));
	return seed | 1;
}

static uint32_t make_hash(uint64_t seed, uint32_t list, const uint8_t *p, size_t n)
{
	uint64_t hash = (seed ^ list) * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ p[i]) * 0x100000001b3u;
		hash ^= hash >> 29;
	}
	return hash >> 32 ^ hash;
}

static void slot_put(struct intern *in, uint32_t hash, uint32_t at)
{
	uint32_t i = hash;

	while (in->slots[i & (in->n_slots - 1)])
		i++;
	in->slots[i & (in->n_slots - 1)] = at + 1;
}

static int grow_slots(struct intern *in)
{
	uint32_t n = in->n_slots ? 2 * in->n_slots : SLOTS_MIN;
	uint32_t *old = in->slots, n_old = in->n_slots;
	struct intern_entry e;

	if (in->n < in->n_slots / 4 * 3)
		return 0;
	in->slots = calloc(n, sizeof(*in->slots));
	if (!in->slots) {
		in->slots = old;
		return -ENOMEM;
	}
	if (!in->seed)
		in->seed = make_seed();
	in->n_slots = n;
	for (uint32_t i = 0; i < n_old; i++) {
		if (!old[i])
			continue;
		memcpy(&e, in->bytes + old[i] - 1, sizeof(e));
		slot_put(in, e.hash, old[i] - 1);
	}
	free(old);
	return 0;
}

static int grow_bytes(struct intern *in, size_t need)
{
	size_t size = in->size ? in->size : 64u << 10;
	uint8_t *bytes;

	while (size < in->used + need)
		size *= 2;
	if (size > TRACE_STACK_BYTES)
		return -E2BIG;
	if (size == in->size)
		return 0;
	bytes = realloc(in->bytes, size);
	if (!bytes)
		return -ENOMEM;
	in->bytes = bytes;
	in->size = size;
	return 0;
}

/* The iid, or 0. */
static uint32_t find(const struct intern *in, uint32_t hash, uint32_t list, const struct pb *item)
{
	struct intern_entry e;

	for (uint32_t i = hash; in->n_slots; i++) {
		uint32_t at = in->slots[i & (in->n_slots - 1)];

		if (!at)
			break;
		memcpy(&e, in->bytes + at - 1, sizeof(e));
		if (e.hash == hash && e.list == list && e.length == pb_used(item) &&
		    !memcmp(in->bytes + at - 1 + sizeof(e), item->start, e.length))
			return e.iid;
	}
	return 0;
}

static int add(struct intern *in, uint32_t list, const struct pb *item, uint32_t *ret_iid)
{
	struct intern_entry e = { .list = list, .length = pb_used(item) };
	int r = grow_slots(in);

	if (!r)
		r = grow_bytes(in, sizeof(e) + e.length);
	if (r)
		return r;
	e.hash = make_hash(in->seed, list, item->start, e.length);
	e.iid = ++in->count[list];
	slot_put(in, e.hash, in->used);
	memcpy(in->bytes + in->used, &e, sizeof(e));
	memcpy(in->bytes + in->used + sizeof(e), item->start, e.length);
	in->used += sizeof(e) + e.length;
	in->n++;
	*ret_iid = e.iid;
	return 0;
}

void trace_intern_free(struct intern *in)
{
	free(in->bytes);
	free(in->slots);
}

/* --- the packets --- */

static int emit_end(struct trace_writer *w)
{
	if (!w->intern.open)
		return w->error;
	w->intern.open = false;
	pb_close(&w->packet, w->intern.mark);
	return trace_packet_end(w);
}

static int emit(struct trace_writer *w, uint32_t list, uint32_t iid, const struct pb *item)
{
	struct intern *in = &w->intern;
	struct pb *b = &w->packet;
	size_t m;

	if (in->open && (size_t)(b->end - b->p) < 2 * ITEM_MAX && emit_end(w))
		return w->error;
	if (!in->open) {
		b = trace_packet_begin(w, 0, SEQUENCE_SLICES);
		if (!b)
			return w->error;
		in->mark = pb_open(b, PACKET_INTERNED_DATA);
		in->open = true;
	}
	m = pb_open(b, list);
	pb_uint(b, 1, iid);
	memcpy(b->p, item->start, pb_used(item));
	b->p += pb_used(item);
	pb_close(b, m);
	return 0;
}

static int intern(struct trace_writer *w, enum intern_list list, const struct pb *item,
		  uint32_t *ret_iid)
{
	struct intern *in = &w->intern;
	uint32_t hash = make_hash(in->seed, list, item->start, pb_used(item));
	int r;

	*ret_iid = find(in, hash, list, item);
	if (*ret_iid)
		return 0;
	if ((list == INTERN_FRAME && in->count[list] >= TRACE_FRAMES) ||
	    (list == INTERN_STACK && in->count[list] >= TRACE_STACKS))
		return -E2BIG;
	r = add(in, list, item, ret_iid);
	return r ? r : emit(w, list, *ret_iid, item);
}

/* --- what stacks are made of --- */

/* Without any bytes, 0. */
static int intern_bytes(struct trace_writer *w, enum intern_list list, const void *bytes, size_t n,
			uint32_t *ret_iid)
{
	struct item item;

	*ret_iid = 0;
	if (!n)
		return 0;
	pb_bytes(item_begin(&item), 2, bytes, n < TRACE_TEXT_MAX ? n : TRACE_TEXT_MAX);
	return intern(w, list, &item.pb, ret_iid);
}

static int intern_text(struct trace_writer *w, enum intern_list list, const char *text,
		       uint32_t *ret_iid)
{
	return intern_bytes(w, list, text, text ? strnlen(text, TRACE_TEXT_MAX) : 0, ret_iid);
}

/* The importer wants a path in pieces, without its slashes. */
static int put_path(struct trace_writer *w, struct pb *b, const char *path)
{
	const char *end = path ? path + strnlen(path, TRACE_TEXT_MAX) : NULL;
	uint32_t iid;
	size_t n;
	int r;

	for (const char *p = path; p && p < end; p += n) {
		for (n = 0; p + n < end && p[n] != '/'; n++)
			;
		r = intern_bytes(w, INTERN_PATH, p, n, &iid);
		if (r)
			return r;
		if (iid)
			pb_uint(b, 7, iid);
		n += p + n < end;
	}
	return 0;
}

static int intern_mapping(struct trace_writer *w, const struct trace_mapping *m, uint32_t *ret_iid)
{
	size_t n = m->build_id && m->build_id_len <= TRACE_BUILD_ID_MAX ? m->build_id_len : 0;
	struct item item;
	struct pb *b = item_begin(&item);
	uint32_t build_id;
	int r = intern_bytes(w, INTERN_BUILD_ID, m->build_id, n, &build_id);

	if (r)
		return r;
	if (build_id)
		pb_uint(b, 2, build_id);
	/* The importer would not survive the other way round. */
	if (m->start < m->end) {
		pb_uint(b, 4, m->start);
		pb_uint(b, 5, m->end);
	}
	if (m->load_bias)
		pb_uint(b, 6, m->load_bias);
	if (m->offset)
		pb_uint(b, 8, m->offset);
	r = put_path(w, b, m->path);
	return r ? r : intern(w, INTERN_MAPPING, b, ret_iid);
}

/* mapping: iid of frame->mapping. */
static int intern_frame(struct trace_writer *w, const struct trace_frame *frame, uint32_t mapping,
			uint32_t *ret_iid)
{
	struct item item;
	struct pb *b = item_begin(&item);
	uint32_t function, source;
	int r = intern_text(w, INTERN_FUNCTION, frame->function, &function);

	if (!r)
		r = intern_text(w, INTERN_SOURCE, frame->file, &source);
	if (r)
		return r;
	if (function)
		pb_uint(b, 2, function);
	if (mapping) {
		pb_uint(b, 3, mapping);
		pb_uint(b, 4, frame->rel_pc);
	}
	if (source)
		pb_uint(b, 5, source);
	if (frame->line)
		pb_uint(b, 6, frame->line);
	if (frame->kind)
		pb_uint(b, 7, frame->kind);
	return intern(w, INTERN_FRAME, b, ret_iid);
}

static int intern_stack(struct trace_writer *w, const struct trace_frame *frames, size_t n,
			uint32_t *ret_iid)
{
	const struct trace_mapping *last = NULL;
	uint32_t mapping = 0, frame;
	struct item item;
	struct pb *b = item_begin(&item);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		/* Neighbours mostly lie in the same file. */
		if (frames[i].mapping && frames[i].mapping != last)
			r = intern_mapping(w, frames[i].mapping, &mapping);
		if (r)
			return r;
		if (frames[i].mapping)
			last = frames[i].mapping;
		r = intern_frame(w, &frames[i], frames[i].mapping ? mapping : 0, &frame);
		if (r)
			return r;
		pb_uint(b, 2, frame);
	}
	return intern(w, INTERN_STACK, b, ret_iid);
}

int trace_put_stack(struct trace_writer *w, const struct trace_frame *frames, size_t n,
		    uint64_t *ret_id)
{
	uint32_t iid = 0;
	int r = 0;

	if (n > TRACE_STACK_MAX)
		return trace_reject(w, -EINVAL);
	if (n && !w->error)
		r = intern_stack(w, frames, n, &iid);
	/* Also after an error: what has been numbered must be in the file. */
	emit_end(w);
	if (w->error)
		return w->error;
	if (r)
		return trace_reject(w, r);
	w->counters.stacks = w->intern.count[INTERN_STACK];
	*ret_id = iid;
	return 0;
}

/* Stacks have the other half. */
#define TEXT_BYTES (TRACE_STACK_BYTES / 2)

uint32_t trace_intern_text(struct trace_writer *w, enum intern_list list, const char *text)
{
	uint32_t iid;

	if (w->error || w->intern.used > TEXT_BYTES ||
	    strnlen(text, TRACE_TEXT_MAX + 1) > TRACE_TEXT_MAX)
		return 0;
	return intern_text(w, list, text, &iid) ? 0 : iid;
}

void trace_intern_end(struct trace_writer *w)
{
	emit_end(w);
}

bool trace_stack_known(const struct trace_writer *w, uint64_t stack_id)
{
	return stack_id <= w->intern.count[INTERN_STACK];
}

void trace_packet_refers(struct pb *b)
{
	pb_uint(b, PACKET_SEQUENCE_FLAGS, SEQUENCE_NEEDED);
}
