/* SPDX-License-Identifier: GPL-2.0 */
/*
 * explain_stack.c - where the thread of the trigger slept, and what woke it. The file is read a
 * second time for it: which thread the trigger was for is said behind the waits.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "folded.h"

#define TRACKS_MAX 64
#define SHOWN_MAX 40

struct found {
	uint64_t overlap; /* in ns, with the slow interval; 0: nothing found */
	char *sleeper;	  /* as printed, or NULL */
	char *waker;	  /* functions, innermost first, semicolons between, or NULL */
};

struct search {
	const struct trigger_slice *trigger;
	uint64_t tracks[TRACKS_MAX]; /* of the thread */
	size_t n_tracks;
	struct found self; /* the trigger's own slice */
	struct found wait; /* the one wait that fills most of the slow interval */
};

static const struct trace_arg *find_arg(const struct trace_slice *s, const char *key)
{
	for (size_t i = 0; i < s->n_args; i++)
		if (strcmp(s->args[i].key, key) == 0)
			return &s->args[i];
	return NULL;
}

static uint64_t number_arg(const struct trace_slice *s, const char *key)
{
	const struct trace_arg *a = find_arg(s, key);

	return a && (a->type == TRACE_ARG_UINT || a->type == TRACE_ARG_INT) ? a->u : 0;
}

static bool is_begin_of(const struct trace_slice *s, const char *prefix)
{
	return s->type == TRACE_SLICE_BEGIN && s->name &&
	       strncmp(s->name, prefix, strlen(prefix)) == 0;
}

void explain_note_slice(struct facts *f, const struct trace_slice *s)
{
	if (f->n_triggers == TRIGGERS_MAX || !is_begin_of(s, "trigger: "))
		return;
	f->triggers[f->n_triggers++] =
		(struct trigger_slice){ s->ts, number_arg(s, "duration_ns"), number_arg(s, "tid") };
}

/* ---- the search ---- */

static bool of_thread(const struct search *search, const struct trace_slice *s)
{
	for (size_t i = 0; i < search->n_tracks; i++)
		if (search->tracks[i] == s->track)
			return is_begin_of(s, "wait: ");
	return false;
}

/* At least 1 where the wait belongs to the slow interval at all. */
static uint64_t overlap(const struct trigger_slice *t, const struct trace_slice *s)
{
	uint64_t waited = number_arg(s, "waited_ns"), start = t->ts, end = t->ts + t->duration;

	if (s->ts > end || s->ts + waited < start)
		return 0;
	if (s->ts > start)
		start = s->ts;
	return (s->ts + waited < end ? s->ts + waited : end) - start + 1;
}

static void print_where(FILE *file, const struct trace_frame *f)
{
	const char *path = f->mapping ? f->mapping->path : NULL;
	const char *slash = strrchr(f->file ? f->file : path ? path : "", '/');

	if (f->kind == TRACE_FRAME_KERNEL) {
		fputs("  kernel", file);
	} else if (f->file || (path && f->function)) {
		fputs("  ", file);
		output_text(file, slash ? slash + 1 : f->file ? f->file : path);
	}
	if (f->file && f->line)
		fprintf(file, ":%" PRIu32, f->line);
}

/* For people: innermost first, as debuggers have it. */
static char *format_stack(const struct trace_frame *const *stack, size_t n)
{
	char *text = NULL, buf[96];
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
		const struct trace_frame *f = stack[n - 1 - i];

		fprintf(file, "%11s", i ? "" : "slept in   ");
		output_text(file, folded_name(f, buf, sizeof(buf)));
		print_where(file, f);
		fputc('\n', file);
	}
	if (n > SHOWN_MAX)
		fprintf(file, "%11sand %zu more\n", "", n - SHOWN_MAX);
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

/* Both are of one slice: the waker of another wait is none of this one's. */
static void keep_better(struct found *found, const struct trace_slice *s, uint64_t ns)
{
	const struct trace_arg *waker = find_arg(s, "waker_stack");
	bool woken = waker && waker->type == TRACE_ARG_STRING && waker->string[0];

	if (ns <= found->overlap)
		return;
	free(found->sleeper);
	free(found->waker);
	found->overlap = ns;
	found->sleeper = s->n_stack ? format_stack(s->stack, s->n_stack) : NULL;
	found->waker = woken ? strdup(waker->string) : NULL;
}

static void look_at(struct search *search, const struct trace_slice *s)
{
	const struct trigger_slice *t = search->trigger;

	if (of_thread(search, s))
		keep_better(&search->wait, s, overlap(t, s));
	else if (is_begin_of(s, "trigger: ") && s->ts == t->ts && number_arg(s, "tid") == t->tid)
		keep_better(&search->self, s, 1);
}

static void find_stacks(struct search *search, struct trace_reader *reader)
{
	struct trace_event e;

	while (trace_reader_event(reader, &e) > 0) {
		if (e.kind == TRACE_EVENT_SLICE)
			look_at(search, &e.slice);
		else if (e.kind == TRACE_EVENT_TRACK && search->n_tracks < TRACKS_MAX &&
			 e.track.tid && (uint64_t)e.track.tid == search->trigger->tid)
			search->tracks[search->n_tracks++] = e.track.uuid;
	}
}

static void print_waker(char *functions)
{
	char *rest = functions, *function;
	unsigned int n = 0;

	while (functions && n < SHOWN_MAX && (function = strsep(&rest, ";"))) {
		printf("%11s", n++ ? "" : "woken from ");
		output_text(stdout, function);
		putchar('\n');
	}
}

static void free_found(struct found *found)
{
	free(found->sleeper);
	free(found->waker);
}

bool explain_print_stacks(const struct facts *f, const char *path)
{
	uint64_t tid = (uint64_t)json_integer_value(json_object_get(f->trigger, "tid"));
	struct search search = { 0 };
	struct trace_reader *reader;
	char *sleeper, *waker;
	bool found;

	for (size_t i = 0; i < f->n_triggers && !search.trigger; i++)
		if (f->triggers[i].tid == tid)
			search.trigger = &f->triggers[i];
	if (!tid || !search.trigger || trace_reader_open(path, &reader))
		return false;
	find_stacks(&search, reader);
	trace_reader_close(reader);
	sleeper = search.self.sleeper ? search.self.sleeper : search.wait.sleeper;
	waker = search.self.waker ? search.self.waker : search.wait.waker;
	found = sleeper || waker;
	if (sleeper)
		fputs(sleeper, stdout);
	print_waker(waker);
	free_found(&search.self);
	free_found(&search.wait);
	return found;
}
