/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_verdict.c - why it took so long, asked of the trace as it is written so far: so that the
 * journal, the trace, and whoever explains the file later say the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/text.h"
#include "../lib/verdict.h"
#include "worker_internal.h"

static int read_story(uint64_t from, struct story **ret)
{
	struct trace_reader *reader;
	struct stat st;
	void *bytes;
	int err;

	if (fstat(WORKER_FD_OUTPUT, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return -ENOTSUP; /* a pipe does not show what went into it */
	bytes = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, WORKER_FD_OUTPUT, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	err = trace_reader_open_memory(bytes, st.st_size, &reader);
	if (!err) {
		err = story_read_since(reader, from, ret);
		trace_reader_close(reader);
	}
	munmap(bytes, st.st_size);
	return err;
}

static void keep_verdict(struct worker *w, const struct story *s, const struct verdict *v)
{
	struct worker_verdict *ret = &w->verdict;
	const struct story_thread *t = v->culprit < s->n_threads ? &s->threads[v->culprit] : NULL;

	if (!t)
		return;
	snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(ret->text) - 1, v->text);
	text_clean(ret->text);
	snprintf(ret->wait, sizeof(ret->wait), "%s", verdict_wait_name(v->cause));
	snprintf(ret->comm, sizeof(ret->comm), "%.*s", (int)sizeof(ret->comm) - 1,
		 verdict_comm(s, v, v->culprit));
	ret->pid = t->pid;
	ret->tid = t->tid;
	ret->ns = v->cause_ns;
}

static void judge_pressure(struct worker *w)
{
	const struct wait_facts *f = &w->h->hits[0].record.w;
	const char *text = w->h->hits[0].text;
	static struct verdict v;
	struct story *s = NULL;

	snprintf(w->verdict.text, sizeof(w->verdict.text), "%s", text);
	if (read_story(0, &s))
		return;
	if (!verdict_pressure(s, text, worker_boot(w, f->start), worker_boot(w, f->end), &v))
		keep_verdict(w, s, &v);
	story_free(s);
}

/* The trigger as whoever reads the trace will find it. */
static struct story_trigger trigger_of(struct worker *w, uint64_t start, uint64_t end)
{
	const struct policy_hit *hit = &w->h->hits[0];
	const struct ev_request *request = worker_request(w, hit);
	const struct ev_span *span = worker_span(w, hit);
	struct story_trigger t = { .start = start, .end = end, .tid = hit->record.w.tid,
				   .open = hit->record.w.flags & WAIT_OPEN };

	if (span)
		t.beginner = span->begin_tid;
	if (request) {
		t.kind = "request";
		t.reader = request->read ? request->reader_tid : 0;
		t.read = worker_boot(w, request->read ? request->read : request->end);
	}
	return t;
}

void worker_judge(struct worker *w)
{
	const struct wait_facts *f = &w->h->hits[0].record.w;
	static struct verdict v; /* some ten KB */
	struct story *s = NULL;
	struct story_trigger trigger;
	uint64_t start, end, from;

	if (!w->h->n_hits)
		return;
	if (w->h->hits[0].kind == TRIGGER_EXIT) {
		worker_judge_end(w);
		return;
	}
	if (trace_writer_flush(w->out))
		return;
	if (w->h->hits[0].kind == TRIGGER_PRESSURE) {
		judge_pressure(w);
		return;
	}
	if (w->h->hits[0].kind == TRIGGER_PERCENTILE)
		snprintf(w->verdict.text, sizeof(w->verdict.text), "%s", w->h->hits[0].text);
	start = worker_boot(w, f->start > w->h->from ? f->start : w->h->from);
	/* of a wait that goes on, all until now, as the file will have it */
	end = f->flags & WAIT_OPEN ? w->h->clocks.boottime : worker_boot(w, f->end);
	/* an app that did not say since when: of all there is */
	from = end > start ? start : worker_boot(w, w->h->from);
	if (w->h->hits[0].kind == TRIGGER_PERCENTILE)
		from = 0; /* the one it is about is one of many */
	if (end < start || read_story(from, &s))
		return;
	if (f->flags & WAIT_OPEN && s->end > end)
		end = s->end; /* as whoever explains the file sees it */
	trigger = trigger_of(w, start, end);
	if (story_thread_at(s, f->tid, end) != STORY_NOBODY &&
	    !verdict_of_trigger(s, &trigger, &v)) {
		if (w->h->hits[0].kind == TRIGGER_PERCENTILE)
			verdict_percentile(s, w->h->hits[0].text, &v);
		keep_verdict(w, s, &v);
	}
	story_free(s);
}
