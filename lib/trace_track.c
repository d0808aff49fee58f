/* SPDX-License-Identifier: GPL-2.0 */
/* Tracks, slices and off-CPU samples. */
#include <errno.h>

#include "trace_private.h"

int trace_put_track(struct trace_writer *w, const struct trace_track *track)
{
	struct pb *b;
	size_t m;

	if (!track->uuid)
		return trace_reject(w, -EINVAL);
	b = trace_packet_begin(w, track->ts, SEQUENCE_TRACKS);
	if (!b)
		return w->error;
	m = pb_open(b, PACKET_TRACK_DESCRIPTOR);
	pb_uint(b, 1, track->uuid);
	if (track->tid) {
		size_t thread = pb_open(b, 4);

		pb_int(b, 1, track->tgid);
		pb_int(b, 2, track->tid);
		pb_close(b, thread);
	} else {
		pb_string(b, 2, track->name);
		if (track->parent)
			pb_uint(b, 5, track->parent);
	}
	if (track->separate)
		pb_uint(b, 9, 1);
	if (track->child_order)
		pb_uint(b, 11, track->child_order);
	if (track->rank)
		pb_int(b, 12, track->rank);
	pb_string(b, 14, track->description);
	pb_close(b, m);
	return trace_packet_end(w);
}

/* --- slices: their texts by number where they have one --- */

static void put_text(struct trace_writer *w, struct pb *b, enum intern_list list,
		     uint32_t by_number, uint32_t in_full, const char *text)
{
	uint32_t iid = text ? trace_intern_text(w, list, text) : 0;

	if (iid)
		pb_uint(b, by_number, iid);
	else
		pb_string(b, in_full, text);
}

static void put_arg_value(struct trace_writer *w, struct pb *b, const struct trace_arg *a)
{
	switch (a->type) {
	case TRACE_ARG_BOOL:
		pb_uint(b, 2, a->b);
		break;
	case TRACE_ARG_UINT:
		pb_uint(b, 3, a->u);
		break;
	case TRACE_ARG_INT:
		pb_int(b, 4, a->i);
		break;
	case TRACE_ARG_DOUBLE:
		pb_double(b, 5, a->d);
		break;
	case TRACE_ARG_STRING:
		put_text(w, b, INTERN_VALUE, 17, 6, a->string ? a->string : "");
		break;
	case TRACE_ARG_POINTER:
		pb_uint(b, 7, a->u);
		break;
	case TRACE_ARG_DICT:
		break;
	}
}

static void put_args(struct trace_writer *w, struct pb *b, uint32_t field,
		     const struct trace_arg *args, size_t n, bool nested)
{
	for (size_t i = 0; i < n; i++) {
		size_t m = pb_open(b, field);

		put_text(w, b, INTERN_KEY, 1, 10, args[i].key ? args[i].key : "");
		if (args[i].type != TRACE_ARG_DICT)
			put_arg_value(w, b, &args[i]);
		else if (!nested)
			put_args(w, b, 11, args[i].dict.entries, args[i].dict.n, true);
		pb_close(b, m);
	}
}

static void put_slice(struct trace_writer *w, struct pb *b, const struct trace_slice *slice)
{
	put_text(w, b, INTERN_CATEGORY, 3, 22, slice->category);
	put_args(w, b, 4, slice->args, slice->n_args, false);
	pb_uint(b, 9, slice->type);
	put_text(w, b, INTERN_NAME, 10, 23, slice->name);
	pb_uint(b, 11, slice->track);
	for (size_t i = 0; i < slice->n_flows; i++)
		pb_fixed64(b, 47, slice->flows[i]);
	for (size_t i = 0; i < slice->n_flow_ends; i++)
		pb_fixed64(b, 48, slice->flow_ends[i]);
	if (slice->stack_id)
		pb_uint(b, 56, slice->stack_id);
}

int trace_put_slice(struct trace_writer *w, const struct trace_slice *slice)
{
	struct pb body, *b;
	int r;

	if (slice->type < TRACE_SLICE_BEGIN || slice->type > TRACE_INSTANT ||
	    !trace_stack_known(w, slice->stack_id))
		return trace_reject(w, -EINVAL);
	/* Aside: what gets a number on the way goes into a packet before it. */
	pb_init(&body, w->slice, TRACE_PACKET_MAX);
	put_slice(w, &body, slice);
	trace_intern_end(w);
	if (body.over)
		return trace_reject(w, -EMSGSIZE);
	b = trace_packet_begin(w, slice->ts, SEQUENCE_SLICES);
	if (!b)
		return w->error;
	trace_packet_refers(b);
	pb_bytes(b, PACKET_TRACK_EVENT, w->slice, pb_used(&body));
	r = trace_packet_end(w);
	w->counters.events += !r;
	return r;
}

/* Samples say only what differs from one to the next. */
void trace_put_slice_defaults(struct pb *b)
{
	size_t defaults = pb_open(b, PACKET_DEFAULTS), m = pb_open(b, 100), counter;

	pb_string(b, 1, "frec.offcpu");
	counter = pb_open(b, 2);
	pb_string(b, 2, "off-CPU time");
	pb_uint(b, 3, 1); /* ns */
	pb_close(b, counter);
	pb_close(b, m);
	pb_close(b, defaults);
}

int trace_put_offcpu(struct trace_writer *w, uint64_t ts, int32_t pid, int32_t tid, uint64_t ns,
		     uint64_t stack_id)
{
	struct pb *b;
	size_t m, task;

	if (!trace_stack_known(w, stack_id))
		return trace_reject(w, -EINVAL);
	b = trace_packet_begin(w, ts, SEQUENCE_SLICES);
	if (!b)
		return w->error;
	if (stack_id)
		trace_packet_refers(b);
	m = pb_open(b, PACKET_STACK_SAMPLE);
	task = pb_open(b, 1);
	pb_uint(b, 2, pid);
	pb_uint(b, 3, tid);
	pb_close(b, task);
	if (stack_id)
		pb_uint(b, 6, stack_id);
	pb_uint(b, 11, ns);
	pb_close(b, m);
	return trace_packet_end(w);
}
