/* SPDX-License-Identifier: GPL-2.0 */
/* Any bytes as a trace file: read as they are, and once more as the content of a deflated block. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../../lib/trace_pb.h"
#include "../../lib/trace_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;

static void add_string(const char *s)
{
	sum += s ? strlen(s) : 0;
}

static void add_stack(const struct trace_frame *const *stack, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct trace_mapping *m = stack[i]->mapping;

		add_string(stack[i]->function);
		add_string(stack[i]->file);
		add_string(m ? m->path : NULL);
		for (size_t k = 0; m && k < m->build_id_len; k++)
			sum += m->build_id[k];
	}
}

static void add_slice(const struct trace_slice *s)
{
	add_string(s->name);
	for (size_t i = 0; i < s->n_args; i++) {
		add_string(s->args[i].key);
		if (s->args[i].type == TRACE_ARG_STRING)
			add_string(s->args[i].string);
		for (size_t k = 0; s->args[i].type == TRACE_ARG_DICT && k < s->args[i].dict.n; k++)
			add_string(s->args[i].dict.entries[k].key);
	}
	for (size_t i = 0; i < s->n_flows; i++)
		sum += s->flows[i];
	add_stack(s->stack, s->n_stack);
}

/* Touches what the event points to, so that the sanitizer sees it. */
static void touch(const struct trace_event *e)
{
	if (e->kind >= TRACE_EVENT_CPU)
		assert(e->cpu < TRACE_MAX_CPUS);
	if (e->kind == TRACE_EVENT_SLICE)
		add_slice(&e->slice);
	if (e->kind == TRACE_EVENT_OFFCPU)
		add_stack(e->offcpu.stack, e->offcpu.n_stack);
	if (e->kind == TRACE_EVENT_SWITCH) {
		add_string(e->sw.prev_comm);
		add_string(e->sw.next_comm);
	}
	if (e->kind == TRACE_EVENT_WAKING)
		add_string(e->waking.comm);
	if (e->kind == TRACE_EVENT_BLOCKED)
		add_string(e->blocked.function);
	for (size_t i = 0; e->kind == TRACE_EVENT_PROCESS && i < e->process.n_argv; i++)
		add_string(e->process.argv[i]);
}

static void read_all(const uint8_t *data, size_t size)
{
	struct trace_reader *r;
	struct trace_event e;
	int n;

	if (trace_reader_open_memory(data, size, &r))
		return;
	while ((n = trace_reader_event(r, &e)) > 0)
		touch(&e);
	assert((n == 0) == (trace_reader_error(r)[0] == '\0'));
	trace_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uLongf n = compressBound(size);
	uint8_t *deflated = malloc(n), *file = malloc(n + 32), *p = file;

	read_all(data, size);
	if (deflated && file && compress2(deflated, &n, data, size, 1) == Z_OK) {
		*p++ = 0x0a;
		p = pb_put_varint(p, 2 + pb_varint_size(n) + n);
		*p++ = 0x92;
		*p++ = 0x03;
		p = pb_put_varint(p, n);
		memcpy(p, deflated, n);
		read_all(file, p + n - file);
	}
	free(deflated);
	free(file);
	return 0;
}
