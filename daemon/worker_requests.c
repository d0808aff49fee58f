/* SPDX-License-Identifier: GPL-2.0 */
/* worker_requests.c - slow requests to servers: a slice each, beside the threads that handled them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "worker_internal.h"

/* One that was told of while it lasted, and at its end, is there twice: then it is the end. */
const struct ev_request *worker_request(const struct worker *w, const struct policy_hit *hit)
{
	const struct wait_facts *f = &hit->record.w;
	const struct ev_request *open = NULL;

	if (worker_hit_of(hit) != TRIGGER_REQUEST)
		return NULL;
	for (size_t i = w->n_requests; i-- > 0;) {
		const struct ev_request *e = w->requests[i];

		if (e->connection != f->args[0] || e->arrived != f->start)
			continue;
		if (!(e->flags & REQUEST_OPEN))
			return e;
		if (!open)
			open = e;
	}
	return open;
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

static const char *answered(const struct ev_request *e)
{
	if (e->flags & REQUEST_OPEN)
		return "not yet";
	if (e->flags & REQUEST_CLOSED)
		return "never";
	return e->flags & REQUEST_SEND_START ? "call" : "return";
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
	ret[n++] = TRACE_UINT("unread_ns", span(e->arrived, e->read ? e->read : e->end));
	ret[n++] = TRACE_UINT("queued", e->flags & REQUEST_QUEUED);
	if (e->read) {
		ret[n++] = TRACE_UINT("reader_tid", e->reader_tid);
		ret[n++] = TRACE_STRING("reader_comm", worker_comm(w, e->reader_tid, e->read));
	}
	ret[n++] = TRACE_UINT("bytes_in", e->bytes_in);
	ret[n++] = TRACE_UINT("bytes_out", e->bytes_out);
	ret[n++] = TRACE_STRING("answered", answered(e));
	if (e->flags & REQUEST_CLOSED)
		ret[n++] = TRACE_STRING("closed_by", e->flags & REQUEST_LEFT ? "client" : "server");
	if (e->flags & REQUEST_OPEN)
		ret[n++] = TRACE_BOOL("still_waiting", true);
	return n;
}

static void put_request(struct worker *w, struct worker_lanes *lanes, const struct ev_request *e)
{
	char text[WORKER_REQUEST_TEXT], name[WORKER_REQUEST_TEXT / 4 + 16];
	struct trace_arg args[WORKER_REQUEST_ARGS + 4];
	struct worker_lasting s = {.lane = "request", .open = e->flags & REQUEST_OPEN,
				   .begin = e->arrived, .end = e->end, .name = name, .args = args};

	s.n_args = worker_request_args(w, e, args, text);
	snprintf(name, sizeof(name), "request %.*s", WORKER_REQUEST_TEXT / 4, text);
	if (e->tid) {
		args[s.n_args++] = TRACE_UINT("pid", e->tgid);
		args[s.n_args++] = TRACE_UINT("tid", e->tid);
		args[s.n_args++] = TRACE_STRING("comm", worker_comm(w, e->tid, e->end));
	}
	args[s.n_args++] = TRACE_UINT("duration_ns", span(e->arrived, e->end));
	worker_put_lasting(w, lanes, &s);
}

/* Of one request, what says most of it is last. */
static int by_arrival(const void *a, const void *b)
{
	const struct ev_request *x = *(const struct ev_request *const *)a;
	const struct ev_request *y = *(const struct ev_request *const *)b;

	if (x->arrived != y->arrived)
		return x->arrived < y->arrived ? -1 : 1;
	if (x->connection != y->connection)
		return x->connection < y->connection ? -1 : 1;
	if ((x->flags ^ y->flags) & REQUEST_OPEN)
		return x->flags & REQUEST_OPEN ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static bool is_told_again(const struct worker *w, size_t i)
{
	return i + 1 < w->n_requests && w->requests[i + 1]->arrived == w->requests[i]->arrived &&
	       w->requests[i + 1]->connection == w->requests[i]->connection;
}

static bool is_in_order(const struct ev_request *e)
{
	return e->read ? e->arrived <= e->read && e->read <= e->end : e->arrived <= e->end;
}

void worker_write_requests(struct worker *w)
{
	struct trace_track parent = {.uuid = WORKER_TRACK_REQUESTS, .parent = WORKER_TRACK_ROOT,
				     .name = "requests"};
	static struct worker_lanes lanes = {.parent = WORKER_TRACK_REQUESTS};

	if (!w->n_requests)
		return;
	qsort(w->requests, w->n_requests, sizeof(*w->requests), by_arrival);
	trace_put_track(w->out, &parent);
	lanes.n = 0;
	for (size_t i = 0; i < w->n_requests; i++) {
		const struct ev_request *e = w->requests[i];

		w->bad += !is_in_order(e);
		if (e->end > w->h->from && is_in_order(e) && !is_told_again(w, i))
			put_request(w, &lanes, e);
	}
}
