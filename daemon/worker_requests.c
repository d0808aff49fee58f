/* SPDX-License-Identifier: GPL-2.0 */
/* worker_requests.c - slow requests to servers: a slice each, beside the threads that handled them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "worker_internal.h"

#define LANES_MAX 256u

const struct ev_request *worker_request(const struct worker *w, const struct policy_hit *hit)
{
	if (hit->kind != TRIGGER_REQUEST)
		return NULL;
	for (size_t i = w->n_requests; i-- > 0;)
		if (w->requests[i]->tid == hit->record.w.tid &&
		    w->requests[i]->arrived == hit->record.w.start)
			return w->requests[i];
	return NULL;
}

/* Of the server; the client's for a UNIX socket is not known. */
static const char *local_text(const struct ev_request *e, char buf[WORKER_REQUEST_TEXT / 4])
{
	char name[SOCKET_PATH_MAX + 1];

	if (e->family != AF_UNIX)
		return worker_address(e->family, e->local, e->local_port, buf);
	memcpy(name, e->path, SOCKET_PATH_MAX);
	name[e->path_len < SOCKET_PATH_MAX ? e->path_len : SOCKET_PATH_MAX] = '\0';
	if (!name[0])
		name[0] = '@';
	snprintf(buf, WORKER_REQUEST_TEXT / 4, "%s", name);
	return buf;
}

static uint64_t span(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

size_t worker_request_args(struct worker *w, const struct ev_request *e, struct trace_arg *ret,
			   char text[WORKER_REQUEST_TEXT])
{
	char *local = text, *remote = text + WORKER_REQUEST_TEXT / 4;
	size_t n = 0;

	ret[n++] = TRACE_STRING("server", local_text(e, local));
	if (e->family != AF_UNIX)
		ret[n++] = TRACE_STRING("client", worker_address(e->family, e->remote,
								e->remote_port, remote));
	ret[n++] = TRACE_UINT("unread_ns", span(e->arrived, e->read));
	ret[n++] = TRACE_UINT("queued", e->flags & REQUEST_QUEUED);
	ret[n++] = TRACE_UINT("reader_tid", e->reader_tid);
	ret[n++] = TRACE_STRING("reader_comm", worker_comm(w, e->reader_tid, e->read));
	ret[n++] = TRACE_UINT("bytes_in", e->bytes_in);
	ret[n++] = TRACE_UINT("bytes_out", e->bytes_out);
	ret[n++] = TRACE_STRING("answered",
				e->flags & REQUEST_SEND_START ? "call" : "return");
	return n;
}

static void put_request(struct worker *w, const struct ev_request *e, uint64_t track)
{
	uint64_t start = e->arrived > w->h->from ? e->arrived : w->h->from;
	char text[WORKER_REQUEST_TEXT], name[WORKER_REQUEST_TEXT / 4 + 16];
	struct trace_arg args[WORKER_REQUEST_ARGS + 4];
	struct trace_slice s = {.ts = worker_boot(w, start), .track = track,
				.type = TRACE_SLICE_BEGIN, .name = name, .category = "frec",
				.args = args};

	s.n_args = worker_request_args(w, e, args, text);
	snprintf(name, sizeof(name), "request %.*s", WORKER_REQUEST_TEXT / 4, text);
	args[s.n_args++] = TRACE_UINT("pid", e->tgid);
	args[s.n_args++] = TRACE_UINT("tid", e->tid);
	args[s.n_args++] = TRACE_STRING("comm", worker_comm(w, e->tid, e->end));
	args[s.n_args++] = TRACE_UINT("duration_ns", span(e->arrived, e->end));
	trace_put_slice(w->out, &s);
	s = (struct trace_slice){.ts = worker_boot(w, e->end > start ? e->end : start),
				 .track = track, .type = TRACE_SLICE_END};
	trace_put_slice(w->out, &s);
}

static int by_arrival(const void *a, const void *b)
{
	const struct ev_request *x = *(const struct ev_request *const *)a;
	const struct ev_request *y = *(const struct ev_request *const *)b;

	return x->arrived < y->arrived ? -1 : x->arrived > y->arrived;
}

/* The first lane that is free by then; they overlap, and slices of one track may not. */
static unsigned int lane_of(uint64_t *ends, unsigned int *n, const struct ev_request *e)
{
	unsigned int i = 0;

	while (i < *n && ends[i] > e->arrived)
		i++;
	if (i == LANES_MAX)
		return i;
	if (i == *n)
		++*n;
	ends[i] = e->end;
	return i;
}

void worker_write_requests(struct worker *w)
{
	struct trace_track parent = {.uuid = WORKER_TRACK_REQUESTS, .parent = WORKER_TRACK_ROOT,
				     .name = "requests"};
	uint64_t ends[LANES_MAX];
	unsigned int lanes = 0, lane, before;

	if (!w->n_requests)
		return;
	qsort(w->requests, w->n_requests, sizeof(*w->requests), by_arrival);
	trace_put_track(w->out, &parent);
	for (size_t i = 0; i < w->n_requests; i++) {
		const struct ev_request *e = w->requests[i];
		struct trace_track track = {.parent = parent.uuid, .name = "request"};

		if (e->end <= w->h->from || e->read < e->arrived || e->end < e->read) {
			w->bad += e->end < e->read || e->read < e->arrived;
			continue;
		}
		before = lanes;
		lane = lane_of(ends, &lanes, e);
		if (lane == LANES_MAX) {
			w->dropped++;
			continue;
		}
		track.uuid = parent.uuid + 1 + lane;
		if (lanes > before)
			trace_put_track(w->out, &track);
		put_request(w, e, track.uuid);
	}
}
