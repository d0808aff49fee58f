/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trace writer's core: packets, blocks, deflate, file. What is in the packets:
 * trace_{host,bundle,track}.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "trace_private.h"

/* Room in front of a deflated block for two tags and two lengths. */
#define FRAME_MAX (1 + 5 + 2 + 5)

/*
 * Measured with what `switches` and hackbench recorded: libdeflate's level 2 takes half the time of
 * zlib's level 4, and less space. Level 1 is 7 % larger for a third less time, level 6 2 % smaller for
 * twice the time.
 */
#define DEFLATE_LEVEL 2

static int writer_fail(struct trace_writer *w, int error)
{
	if (!w->error)
		w->error = error;
	return w->error;
}

int trace_reject(struct trace_writer *w, int error)
{
	w->counters.rejected++;
	return error;
}

static int write_all(struct trace_writer *w, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = write(w->fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return writer_fail(w, r < 0 ? -errno : -EIO);
		p += r;
		n -= r;
		w->counters.file_bytes += r;
	}
	return 0;
}

/* Packet { compressed_packets }, its frame put right in front of the data. */
static int write_block(struct trace_writer *w, size_t n)
{
	uint8_t frame[2 * PB_VARINT_MAX + 3], inner[PB_VARINT_MAX + 3], *p;
	size_t inner_size, size;

	p = pb_put_varint(inner, PACKET_COMPRESSED_PACKETS << 3 | 2);
	p = pb_put_varint(p, n);
	inner_size = p - inner;

	frame[0] = 0x0a;
	p = pb_put_varint(frame + 1, inner_size + n);
	memcpy(p, inner, inner_size);
	size = p + inner_size - frame;
	memcpy(w->out + FRAME_MAX - size, frame, size);
	return write_all(w, w->out + FRAME_MAX - size, size + n);
}

static int block_flush(struct trace_writer *w)
{
	size_t n;

	if (w->error || !w->block_used)
		return w->error;
	n = libdeflate_zlib_compress(w->deflate, w->block, w->block_used, w->out + FRAME_MAX,
				     w->out_size - FRAME_MAX);
	if (!n) /* cannot be: `out` has room for the worst */
		return writer_fail(w, -EIO);
	w->block_used = 0;
	return write_block(w, n);
}

static int block_put(struct trace_writer *w, const uint8_t *data, size_t n)
{
	size_t size = 1 + pb_varint_size(n) + n;
	uint8_t *p;

	if (size > TRACE_BLOCK_SIZE - w->block_used && block_flush(w))
		return w->error;
	p = w->block + w->block_used;
	*p++ = 0x0a;
	p = pb_put_varint(p, n);
	memcpy(p, data, n);
	w->block_used += size;
	w->counters.packets++;
	w->counters.raw_bytes += size;
	return 0;
}

/*
 * Processes wait for neighbours only until the next packet of another kind, so the file keeps the
 * order of the calls.
 */
static int tree_flush(struct trace_writer *w)
{
	size_t n = pb_used(&w->tree);
	struct pb *b = &w->packet;

	if (!n || w->error)
		return w->error;
	pb_init(b, w->scratch, TRACE_PACKET_MAX);
	pb_uint(b, PACKET_TIMESTAMP, w->tree_ts);
	pb_bytes(b, PACKET_PROCESS_TREE, w->tree.start, n);
	pb_init(&w->tree, w->tree.start, TRACE_TREE_SIZE);
	return block_put(w, b->start, pb_used(b));
}

struct pb *trace_packet_begin(struct trace_writer *w, uint64_t ts, enum sequence sequence)
{
	struct pb *b = &w->packet;

	if (tree_flush(w))
		return NULL;
	w->sequence = sequence;
	pb_init(b, w->scratch, TRACE_PACKET_MAX);
	if (ts)
		pb_uint(b, PACKET_TIMESTAMP, ts);
	if (sequence == SEQUENCE_NONE)
		return b;
	pb_uint(b, PACKET_SEQUENCE_ID, sequence);
	if (!w->started[sequence]) {
		pb_uint(b, PACKET_SEQUENCE_FLAGS, SEQUENCE_CLEARED);
		if (sequence == SEQUENCE_SLICES)
			trace_put_slice_defaults(b);
	}
	return b;
}

int trace_packet_end(struct trace_writer *w)
{
	if (w->packet.over)
		return trace_reject(w, -EMSGSIZE);
	w->started[w->sequence] = true;
	return block_put(w, w->scratch, pb_used(&w->packet));
}

/* --- processes and threads --- */

static void put_process(struct pb *b, const struct trace_process *p)
{
	size_t m = pb_open(b, 1);

	pb_int(b, 1, p->pid);
	pb_int(b, 2, p->ppid);
	for (size_t i = 0; i < p->n_argv; i++)
		pb_string(b, 3, p->argv[i] ? p->argv[i] : "");
	pb_int(b, 5, p->uid);
	if (p->nspid && p->nspid != p->pid)
		pb_int(b, 6, p->nspid);
	if (p->start)
		pb_uint(b, 7, p->start);
	if (p->kthread)
		pb_uint(b, 8, 1);
	if (p->argv_is_comm)
		pb_uint(b, 9, 1);
	pb_close(b, m);
}

static void put_thread(struct pb *b, const struct trace_thread *t)
{
	size_t m = pb_open(b, 2);

	pb_int(b, 1, t->tid);
	pb_string(b, 2, t->name);
	pb_int(b, 3, t->tgid);
	if (t->nstid && t->nstid != t->tid)
		pb_int(b, 4, t->nstid);
	pb_close(b, m);
}

static int tree_put(struct trace_writer *w, uint64_t ts, const struct trace_process *process,
		    const struct trace_thread *thread)
{
	if (w->tree_ts != ts && tree_flush(w))
		return w->error;
	for (int attempt = 0; attempt < 2; attempt++) {
		uint8_t *before = w->tree.p;

		if (w->error)
			return w->error;
		w->tree_ts = ts;
		if (process)
			put_process(&w->tree, process);
		else
			put_thread(&w->tree, thread);
		if (!w->tree.over)
			return 0;
		w->tree.p = before;
		w->tree.over = false;
		tree_flush(w);
	}
	return w->error ? w->error : trace_reject(w, -EMSGSIZE);
}

int trace_put_process(struct trace_writer *w, const struct trace_process *process)
{
	return tree_put(w, process->ts, process, NULL);
}

int trace_put_thread(struct trace_writer *w, const struct trace_thread *thread)
{
	return tree_put(w, thread->ts, NULL, thread);
}

/* --- life of a writer --- */

static void writer_free(struct trace_writer *w)
{
	libdeflate_free_compressor(w->deflate);
	free(w->block);
	free(w->out);
	free(w->scratch);
	free(w->slice);
	free(w->tree.start);
	free(w->symbols);
	trace_intern_free(&w->intern);
	free(w);
}

int trace_writer_open(int fd, struct trace_writer **ret)
{
	struct trace_writer *w = calloc(1, sizeof(*w));
	uint8_t *tree;

	if (!w)
		return -ENOMEM;
	w->fd = fd;
	w->deflate = libdeflate_alloc_compressor(DEFLATE_LEVEL);
	if (!w->deflate)
		goto no_memory;
	w->out_size = FRAME_MAX + libdeflate_zlib_compress_bound(w->deflate, TRACE_BLOCK_SIZE);
	w->block = malloc(TRACE_BLOCK_SIZE);
	w->out = malloc(w->out_size);
	w->scratch = malloc(TRACE_PACKET_MAX);
	w->slice = malloc(TRACE_PACKET_MAX);
	w->symbols = calloc(TRACE_SYMBOLS, sizeof(*w->symbols));
	tree = malloc(TRACE_TREE_SIZE);
	if (tree)
		pb_init(&w->tree, tree, TRACE_TREE_SIZE);
	if (!w->block || !w->out || !w->scratch || !w->slice || !w->symbols || !tree)
		goto no_memory;
	*ret = w;
	return 0;

no_memory:
	writer_free(w);
	return -ENOMEM;
}

int trace_writer_flush(struct trace_writer *w)
{
	tree_flush(w);
	return block_flush(w);
}

int trace_writer_close(struct trace_writer *w)
{
	int r;

	if (!w)
		return 0;
	r = trace_writer_flush(w);
	writer_free(w);
	return r;
}

int trace_writer_error(const struct trace_writer *w)
{
	return w->error;
}

const struct trace_counters *trace_writer_counters(const struct trace_writer *w)
{
	return &w->counters;
}
