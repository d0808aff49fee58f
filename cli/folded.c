/* SPDX-License-Identifier: GPL-2.0 */
/* folded.c - off-CPU stacks of a trace as flame graph tools read them. */
#include "folded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frecctl.h"

/* A file from elsewhere must not make us eat all memory. */
#define LINES_BYTES (64u << 20)
#define NAMES_MAX (1u << 20)
#define TASK_NAME_MAX 63

/* What a process or thread is called from ts on. */
struct name {
	int32_t id;
	bool is_thread;
	uint64_t ts;
	char text[TASK_NAME_MAX + 1];
};

struct line {
	char *text;
	uint64_t ns;
};

struct folded {
	struct name *names;
	size_t n_names, names_size;
	bool sorted;
	struct line *lines;
	size_t n_lines, lines_size;
	size_t bytes; /* of the lines' text */
};

struct folded *folded_new(void)
{
	return calloc(1, sizeof(struct folded));
}

static void drop_lines(struct folded *f)
{
	for (size_t i = 0; i < f->n_lines; i++)
		free(f->lines[i].text);
	f->n_lines = 0;
	f->bytes = 0;
}

void folded_free(struct folded *f)
{
	if (!f)
		return;
	drop_lines(f);
	free(f->lines);
	free(f->names);
	free(f);
}

/* Room for one more; *size is a power of two or 0. */
static bool grow(void **array, size_t *size, size_t n, size_t each)
{
	size_t bigger = *size ? 2 * *size : 64;
	void *p;

	if (n < *size)
		return true;
	p = reallocarray(*array, bigger, each);
	if (!p)
		return false;
	*array = p;
	*size = bigger;
	return true;
}

/* ---- who ---- */

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->is_thread != y->is_thread)
		return x->is_thread - y->is_thread;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static int add_name(struct folded *f, int32_t id, bool is_thread, uint64_t ts, const char *text)
{
	struct name *name;

	if (!text || !*text || f->n_names >= NAMES_MAX)
		return 0;
	if (!grow((void **)&f->names, &f->names_size, f->n_names, sizeof(*f->names)))
		return -ENOMEM;
	name = &f->names[f->n_names++];
	*name = (struct name){ .id = id, .is_thread = is_thread, .ts = ts };
	memcpy(name->text, text, strnlen(text, TASK_NAME_MAX));
	f->sorted = false;
	return 0;
}

static int add_process(struct folded *f, const struct trace_process *p)
{
	const char *name = p->n_argv ? p->argv[0] : NULL;
	const char *slash = name && !p->argv_is_comm ? strrchr(name, '/') : NULL;

	return add_name(f, p->pid, false, p->ts, slash && slash[1] ? slash + 1 : name);
}

/* The name at that time, or else the first one known. */
static const char *find_name(struct folded *f, int32_t id, bool is_thread, uint64_t ts,
			     char buf[32])
{
	const struct name key = { .id = id, .is_thread = is_thread, .ts = ts };
	size_t low = 0, high = f->n_names;

	if (!f->sorted && f->n_names)
		qsort(f->names, f->n_names, sizeof(*f->names), compare_names);
	f->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(&f->names[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && f->names[low - 1].id == id && f->names[low - 1].is_thread == is_thread)
		return f->names[low - 1].text;
	if (low < f->n_names && f->names[low].id == id && f->names[low].is_thread == is_thread)
		return f->names[low].text;
	snprintf(buf, 32, "%s %" PRId32, is_thread ? "thread" : "process", id);
	return buf;
}

/* ---- lines ---- */

const char *folded_name(const struct trace_frame *frame, char *buf, size_t size)
{
	const struct trace_mapping *m = frame->mapping;
	const char *slash = m ? strrchr(m->path, '/') : NULL;

	if (frame->function && *frame->function)
		return frame->function;
	if (!m || !m->path[0])
		return "[unknown]";
	snprintf(buf, size, "[%.60s+0x%" PRIx64 "]", slash ? slash + 1 : m->path,
		 frame->rel_pc - m->load_bias);
	return buf;
}

/* The format has no way to quote a semicolon. */
static void put_part(FILE *file, const char *text)
{
	char copy[TRACE_TEXT_MAX + 1];
	size_t n = strnlen(text, TRACE_TEXT_MAX);

	for (size_t i = 0; i < n; i++)
		copy[i] = text[i] == ';' ? ':' : text[i];
	copy[n] = '\0';
	output_text(file, copy);
}

static char *make_line(struct folded *f, const struct trace_event *e)
{
	char *text = NULL, buf[96], id[32];
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	put_part(file, find_name(f, e->offcpu.pid, false, e->ts, id));
	fputc(';', file);
	put_part(file, find_name(f, e->offcpu.tid, true, e->ts, id));
	for (size_t i = 0; i < e->offcpu.n_stack; i++) {
		fputc(';', file);
		put_part(file, folded_name(e->offcpu.stack[i], buf, sizeof(buf)));
	}
	if (!e->offcpu.n_stack)
		fputs(";[no stack]", file);
	if (!fclose(file))
		return text;
	free(text);
	return NULL;
}

static int add_line(struct folded *f, const struct trace_event *e, FILE *file)
{
	char *text;

	if (f->bytes > LINES_BYTES)
		folded_print(f, file);
	if (!grow((void **)&f->lines, &f->lines_size, f->n_lines, sizeof(*f->lines)))
		return -ENOMEM;
	text = make_line(f, e);
	if (!text)
		return -ENOMEM;
	f->lines[f->n_lines++] = (struct line){ text, e->offcpu.ns };
	f->bytes += strlen(text) + sizeof(struct line) + 32;
	return 0;
}

int folded_add(struct folded *f, const struct trace_event *event, FILE *file)
{
	switch (event->kind) {
	case TRACE_EVENT_PROCESS:
		return add_process(f, &event->process);
	case TRACE_EVENT_THREAD:
		return add_name(f, event->thread.tid, true, event->thread.ts, event->thread.name);
	case TRACE_EVENT_OFFCPU:
		return add_line(f, event, file);
	default:
		return 0;
	}
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return strcmp(x->text, y->text);
}

void folded_print(struct folded *f, FILE *file)
{
	if (f->n_lines)
		qsort(f->lines, f->n_lines, sizeof(*f->lines), compare_lines);
	for (size_t i = 0, next; i < f->n_lines; i = next) {
		uint64_t ns = 0;

		for (next = i; next < f->n_lines && !compare_lines(&f->lines[i], &f->lines[next]);
		     next++)
			ns += f->lines[next].ns;
		fprintf(file, "%s %" PRIu64 "\n", f->lines[i].text, ns / 1000);
	}
	drop_lines(f);
}
