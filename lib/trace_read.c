/* SPDX-License-Identifier: GPL-2.0 */
/* From bytes to packets: file, frames, inflate, unpack. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace_read_private.h"

#define PACKET_TAG 0x0a
#define CHUNK_SIZE (256u << 10)
#define INPUT_BUFFER (128u << 10)

int trace_reader_fail(struct trace_reader *r, int error, const char *format, ...)
{
	va_list ap;

	if (r->error)
		return r->error;
	va_start(ap, format);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	va_end(ap);
	r->error = error;
	return error;
}

static int damaged(struct trace_reader *r, const char *what)
{
	return trace_reader_fail(r, -EBADMSG, "damaged trace: %s (in the record at byte %llu)",
				 what, (unsigned long long)r->offset);
}

static int no_memory(struct trace_reader *r)
{
	return trace_reader_fail(r, -ENOMEM, "out of memory");
}

/* --- arena --- */

static void arena_reset(struct arena *a)
{
	/* One chunk is kept: most packets need no more. */
	while (a->chunks && a->chunks->next) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	if (a->chunks)
		a->chunks->used = 0;
	a->total = a->chunks ? a->chunks->size : 0;
	a->full = false;
}

void *trace_arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	size_t want;
	void *p;

	if (size > a->max)
		goto full;
	size = (size + 15) & ~(size_t)15;
	if (!c || c->size - c->used < size) {
		want = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		if (a->total + want > a->max)
			goto full;
		c = malloc(sizeof(*c) + want);
		if (!c)
			return NULL;
		c->next = a->chunks;
		c->size = want;
		c->used = 0;
		a->chunks = c;
		a->total += want;
	}
	p = c->data + c->used;
	c->used += size;
	return p;

full:
	a->full = true;
	return NULL;
}

void trace_arena_free(struct arena *a)
{
	arena_reset(a);
	free(a->chunks);
	*a = (struct arena){ .max = a->max };
}

static void *packet_alloc(void *data, size_t size)
{
	return trace_arena_alloc(data, size);
}

static void packet_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

void *trace_reader_alloc(struct trace_reader *r, size_t n, size_t size)
{
	void *p;

	if (n > TRACE_READ_MAX / size)
		return NULL;
	p = trace_arena_alloc(&r->arena, n * size);
	if (p)
		memset(p, 0, n * size);
	return p;
}

/* --- bytes --- */

/* As many of n bytes as there are, or -errno. */
static ssize_t source_read(struct trace_reader *r, uint8_t *buffer, size_t n)
{
	size_t done = 0;

	if (!r->gz) {
		done = n < r->memory_left ? n : r->memory_left;
		if (done)
			memcpy(buffer, r->memory, done);
		r->memory += done;
		r->memory_left -= done;
		return done;
	}
	while (done < n) {
		int got = gzread(r->gz, buffer + done, n - done), code;

		if (got > 0) {
			done += got;
			continue;
		}
		gzerror(r->gz, &code);
		if (code == Z_ERRNO)
			return trace_reader_fail(r, errno ? -errno : -EIO, "read: %s",
						 strerror(errno));
		if (code != Z_OK)
			return damaged(r, "gzip stream is broken or cut short");
		break;
	}
	return done;
}

static int grow(struct trace_reader *r, uint8_t **buffer, size_t *size, size_t want)
{
	uint8_t *p;

	if (want <= *size)
		return 0;
	p = realloc(*buffer, want);
	if (!p)
		return no_memory(r);
	*buffer = p;
	*size = want;
	return 0;
}

/* --- records: PACKET_TAG, length, packet --- */

static int not_a_packet(struct trace_reader *r)
{
	if (r->offset == 0)
		return trace_reader_fail(r, -EINVAL, "not a Perfetto trace");
	return damaged(r, "no packet where one should begin");
}

/* Adds a byte of a length to *length. Returns 1 if it was the last one. */
static int length_byte(struct trace_reader *r, uint8_t byte, unsigned int i, uint64_t *length)
{
	*length |= (uint64_t)(byte & 0x7f) << (7 * i);
	if (byte & 0x80)
		return i < 4 ? 0 : damaged(r, "a length makes no sense");
	if (*length > TRACE_READ_MAX)
		return damaged(r, "a packet is larger than frec reads");
	return 1;
}

/* Reads one record of the file into r->record. Returns 1, or 0 at the end of the file. */
static int read_record(struct trace_reader *r, size_t *ret_length)
{
	uint64_t length = 0;
	size_t head = 1;
	uint8_t byte;
	ssize_t n;

	r->offset = r->next_offset;
	n = source_read(r, &byte, 1);
	if (n <= 0)
		return n < 0	   ? (int)n
		       : r->offset ? 0
				   : trace_reader_fail(r, -EINVAL, "the file is empty");
	if (byte != PACKET_TAG)
		return not_a_packet(r);
	for (int last = 0; !last; head++) {
		n = source_read(r, &byte, 1);
		if (n <= 0)
			return n < 0 ? (int)n : damaged(r, "cut short");
		last = length_byte(r, byte, head - 1, &length);
		if (last < 0)
			return last;
	}
	/* Grown before the bytes are there, but TRACE_READ_MAX is little. */
	if (grow(r, &r->record, &r->record_size, length + 1))
		return r->error;
	n = source_read(r, r->record, length);
	if (n < 0)
		return n;
	if ((uint64_t)n < length)
		return damaged(r, "cut short");
	*ret_length = length;
	r->next_offset = r->offset + head + length;
	return 1;
}

static int unpack(struct trace_reader *r, const uint8_t *data, size_t length)
{
	arena_reset(&r->arena);
	r->packet = pft__trace_packet__unpack(&r->allocator, length, data);
	if (r->packet)
		return 1;
	if (r->arena.full)
		return damaged(r, "a packet holds more than frec reads");
	return damaged(r, "a packet is garbled");
}

/* All at once: whoever made it did not say how much room it takes. */
static enum libdeflate_result inflate_into(struct trace_reader *r, const ProtobufCBinaryData *data,
					   size_t *ret_used, size_t *ret_size)
{
	static const uint8_t gzip[] = {0x1f, 0x8b};

	if (data->len > sizeof(gzip) && !memcmp(data->data, gzip, sizeof(gzip)))
		return libdeflate_gzip_decompress_ex(r->inflate, data->data, data->len, r->block,
						     r->block_size, ret_used, ret_size);
	return libdeflate_zlib_decompress_ex(r->inflate, data->data, data->len, r->block,
					     r->block_size, ret_used, ret_size);
}

static int inflate_block(struct trace_reader *r, const ProtobufCBinaryData *data)
{
	enum libdeflate_result result;
	size_t used, size;

	if (!r->inflate)
		r->inflate = libdeflate_alloc_decompressor();
	if (!r->inflate)
		return no_memory(r);
	if (!r->block_size && grow(r, &r->block, &r->block_size, 1u << 20))
		return r->error;
	while ((result = inflate_into(r, data, &used, &size)) == LIBDEFLATE_INSUFFICIENT_SPACE) {
		if (r->block_size >= TRACE_READ_MAX)
			return damaged(r, "a block inflates to more than frec reads");
		if (grow(r, &r->block, &r->block_size, 2 * r->block_size))
			return r->error;
	}
	if (result != LIBDEFLATE_SUCCESS || used != data->len)
		return damaged(r, "a block does not inflate");
	r->inner = r->block;
	r->inner_left = size;
	return 0;
}

/* The next packet of the inflated block. */
static int next_inner(struct trace_reader *r)
{
	uint64_t length = 0;
	size_t head = 1;

	if (r->inner[0] != PACKET_TAG)
		return damaged(r, "no packet where one should begin");
	for (int last = 0; !last; head++) {
		if (head == r->inner_left)
			return damaged(r, "a block is cut short");
		last = length_byte(r, r->inner[head], head - 1, &length);
		if (last < 0)
			return last;
	}
	if (length > r->inner_left - head)
		return damaged(r, "a block is cut short");
	if (unpack(r, r->inner + head, length) < 0)
		return r->error;
	if (r->packet->has_compressed_packets)
		return damaged(r, "a block inside a block");
	r->inner += head + length;
	r->inner_left -= head + length;
	return 1;
}

/* The next packet of the file itself: either an ordinary one or a block of others. */
static int next_outer(struct trace_reader *r)
{
	size_t length = 0;
	int n = read_record(r, &length);

	return n <= 0 ? n : unpack(r, r->record, length);
}

int trace_reader_packet(struct trace_reader *r, const Pft__TracePacket **ret)
{
	int n;

	if (r->error)
		return r->error;
	for (;;) {
		n = r->inner_left ? next_inner(r) : next_outer(r);
		if (n <= 0)
			return n;
		if (!r->packet->has_compressed_packets)
			break;
		n = inflate_block(r, &r->packet->compressed_packets);
		if (n < 0)
			return n;
	}
	*ret = r->packet;
	return 1;
}

/* --- life of a reader --- */

static int reader_new(struct trace_reader **ret)
{
	struct trace_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->cpus = calloc(TRACE_MAX_CPUS, sizeof(*r->cpus));
	if (!r->cpus) {
		free(r);
		return -ENOMEM;
	}
	for (int i = 0; i < TRACE_MAX_CPUS; i++)
		r->cpus[i].tid = -1;
	r->arena.max = TRACE_READ_MAX;
	r->allocator = (ProtobufCAllocator){ packet_alloc, packet_free, &r->arena };
	*ret = r;
	return 0;
}

int trace_reader_open_memory(const void *data, size_t size, struct trace_reader **ret)
{
	struct trace_reader *r;
	int n = reader_new(&r);

	if (n)
		return n;
	r->memory = data;
	r->memory_left = size;
	*ret = r;
	return 0;
}

int trace_reader_open_fd(int fd, struct trace_reader **ret)
{
	struct trace_reader *r;
	int n = reader_new(&r);

	if (n)
		goto close_fd;
	r->gz = gzdopen(fd, "rb");
	if (!r->gz) {
		trace_reader_close(r);
		n = -ENOMEM;
		goto close_fd;
	}
	gzbuffer(r->gz, INPUT_BUFFER);
	*ret = r;
	return 0;

close_fd:
	close(fd);
	return n;
}

int trace_reader_open(const char *path, struct trace_reader **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : trace_reader_open_fd(fd, ret);
}

void trace_reader_close(struct trace_reader *r)
{
	if (!r)
		return;
	if (r->gz)
		gzclose(r->gz);
	libdeflate_free_decompressor(r->inflate);
	trace_reader_free_interned(r);
	trace_arena_free(&r->arena);
	free(r->record);
	free(r->block);
	free(r->cpus);
	free(r);
}

const char *trace_reader_error(const struct trace_reader *r)
{
	return r->text;
}
