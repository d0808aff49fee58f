/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Encodes protobuf straight into a buffer. The writer does so by hand because it must be fast and
 * must not allocate; the reader uses what protoc-c makes of perfetto.proto, and the tests hold the
 * two together.
 *
 * What does not fit is left out and sets `over`; the caller looks at it once, at the end.
 */
#ifndef FREC_TRACE_PB_H
#define FREC_TRACE_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PB_VARINT_MAX 10

struct pb {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool over;
};

static inline void pb_init(struct pb *b, uint8_t *buffer, size_t size)
{
	*b = (struct pb){ buffer, buffer, buffer + size, false };
}

static inline size_t pb_used(const struct pb *b)
{
	return b->p - b->start;
}

static inline bool pb_room(struct pb *b, size_t n)
{
	if ((size_t)(b->end - b->p) >= n)
		return true;
	b->over = true;
	return false;
}

/* p has room for PB_VARINT_MAX bytes. */
static inline uint8_t *pb_put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = v | 0x80;
		v >>= 7;
	}
	*p++ = v;
	return p;
}

static inline size_t pb_varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

/* Negative int32 and int64 values are given sign-extended: ten bytes, as the format wants. */
static inline void pb_uint(struct pb *b, uint32_t field, uint64_t v)
{
	if (!pb_room(b, 2 * PB_VARINT_MAX))
		return;
	b->p = pb_put_varint(b->p, field << 3);
	b->p = pb_put_varint(b->p, v);
}

static inline void pb_int(struct pb *b, uint32_t field, int64_t v)
{
	pb_uint(b, field, (uint64_t)v);
}

static inline void pb_fixed64(struct pb *b, uint32_t field, uint64_t v)
{
	if (!pb_room(b, PB_VARINT_MAX + 8))
		return;
	b->p = pb_put_varint(b->p, field << 3 | 1);
	for (int i = 0; i < 8; i++)
		*b->p++ = v >> (8 * i);
}

static inline void pb_double(struct pb *b, uint32_t field, double d)
{
	uint64_t v;

	memcpy(&v, &d, sizeof(v));
	pb_fixed64(b, field, v);
}

static inline void pb_bytes(struct pb *b, uint32_t field, const void *data, size_t n)
{
	if (!pb_room(b, 2 * PB_VARINT_MAX) || !pb_room(b, 2 * PB_VARINT_MAX + n))
		return;
	b->p = pb_put_varint(b->p, field << 3 | 2);
	b->p = pb_put_varint(b->p, n);
	if (n)
		memcpy(b->p, data, n);
	b->p += n;
}

static inline void pb_string(struct pb *b, uint32_t field, const char *s)
{
	if (s)
		pb_bytes(b, field, s, strlen(s));
}

/* At most max bytes of s, which need not be ended. */
static inline void pb_string_max(struct pb *b, uint32_t field, const char *s, size_t max)
{
	pb_bytes(b, field, s ? s : "", s ? strnlen(s, max) : 0);
}

/* Opens a nested message: it holds what is put until pb_close() of the value returned here. */
static inline size_t pb_open(struct pb *b, uint32_t field)
{
	if (!pb_room(b, PB_VARINT_MAX + 1))
		return pb_used(b);
	b->p = pb_put_varint(b->p, field << 3 | 2);
	b->p++;
	return pb_used(b);
}

/* One byte was kept for the length; a longer message has to move. */
static inline void pb_close(struct pb *b, size_t mark)
{
	uint8_t *body = b->start + mark;
	size_t n = b->p - body, extra = pb_varint_size(n) - 1;

	if (b->over || !pb_room(b, extra))
		return;
	if (extra)
		memmove(body + extra, body, n);
	pb_put_varint(body - 1, n);
	b->p += extra;
}

#endif
