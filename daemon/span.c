/* SPDX-License-Identifier: GPL-2.0 */
/*
 * span.c - the files of span triggers: found by the opener, read by the finder, and attached to by
 * their descriptors, so that it is the file that was read. Looked at again and again, as programs are
 * installed and replaced.
 */
#include "span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/text.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "opener.h"

#define LOOK_NS (2 * 1000000000ull) /* how often a file is looked at */
#define ANSWER_NS 1000000000ull	    /* so long the opener may take */
#define PAUSE_MAX_NS 60000000000ull /* before what could not be attached to is tried again */

/* ---- probes ---- */

static void probes_drop(struct span_probes *p)
{
	while (p->n)
		close(p->links[--p->n]);
	*p = (struct span_probes){ 0 };
}

static void file_of(int fd, struct span_file *ret)
{
	struct stat st;

	*ret = (struct span_file){ 0 };
	if (fstat(fd, &st))
		return;
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	ret->size = st.st_size;
	ret->changed = st.st_ctim.tv_sec * 1000000000ull + st.st_ctim.tv_nsec;
}

static bool same_file(const struct span_file *a, const struct span_file *b)
{
	return a->inode && a->inode == b->inode && a->device == b->device;
}

static bool same_content(const struct span_file *a, const struct span_file *b)
{
	return same_file(a, b) && a->size == b->size && a->changed == b->changed;
}

/* Drops probes of a watch that stays: of what is under way now the end may not be seen. */
static void probes_cut(struct daemon *d, const struct span_watch *w, struct span_probes *p)
{
	struct recorder_span *list;
	bool had = p->n;
	size_t n;

	probes_drop(p);
	if (!had || recorder_spans(d->recorder, &list, &n))
		return;
	for (size_t i = 0; i < n; i++)
		for (unsigned int k = 0; k < w->n_defs; k++)
			if (list[i].key.def == w->defs[k])
				recorder_span_forget(d->recorder, &list[i].key);
	free(list);
}

/* ---- numbers of spans ---- */

static char *name_of(const struct spans *s, uint32_t def)
{
	return s->names + (size_t)def * SPAN_NAME_MAX;
}

/* Has the kernel know what this number stands for. */
static int define(struct daemon *d, const struct span_watch *w, uint32_t def, const char *name)
{
	struct spans *s = &d->spans;
	struct span_def is = { .threshold = UINT64_MAX };

	if (*w->begin)
		is.flags = *w->end ? SPAN_FUNCTION : SPAN_FUNCTION | SPAN_RETURN;
	snprintf(is.name, sizeof(is.name), "%.*s", (int)SPAN_NAME_MAX - 1, name);
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		uint64_t threshold = d->config.triggers[i].filter.threshold;

		if (s->of[i] == w - s->list + 1 && threshold < is.threshold)
			is.threshold = threshold;
	}
	return recorder_span_define(d->recorder, def, &is);
}

/* The number of this watch's span of that name, a new one if need be; -ENOSPC. */
static int def_of(struct daemon *d, struct span_watch *w, const char *name)
{
	struct spans *s = &d->spans;
	uint32_t def = 0, tried;

	for (unsigned int i = 0; i < w->n_defs; i++)
		if (!strcmp(name_of(s, w->defs[i]), name))
			return w->defs[i];
	if (w->n_defs == SPAN_NAMES_MAX)
		return -ENOSPC;
	/* round and round: a span under way of what had the number before must not count as one */
	for (tried = 0; tried < SPAN_DEFS_MAX; tried++) {
		def = s->next_def++ % SPAN_DEFS_MAX;
		if (!*name_of(s, def))
			break;
	}
	if (tried == SPAN_DEFS_MAX || define(d, w, def, name))
		return -ENOSPC;
	snprintf(name_of(s, def), SPAN_NAME_MAX, "%.*s", (int)SPAN_NAME_MAX - 1, name);
	w->defs[w->n_defs++] = (uint16_t)def;
	return (int)def;
}

static void watch_drop(struct spans *s, struct span_watch *w)
{
	probes_drop(&w->now);
	probes_drop(&w->before);
	for (unsigned int i = 0; i < w->n_defs; i++)
		*name_of(s, w->defs[i]) = '\0';
	w->n_defs = 0;
}

/* Has the kernel know which spans the triggers of this watch mean. */
static void publish(struct daemon *d, unsigned int watch)
{
	const struct span_watch *w = &d->spans.list[watch];

	for (unsigned int k = 0; k < w->n_defs; k++) /* thresholds may be others since */
		define(d, w, w->defs[k], name_of(&d->spans, w->defs[k]));
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		struct trigger_filter *f = &d->config.triggers[i].filter;

		if (d->spans.of[i] != watch + 1)
			continue;
		memset(f->syscalls, 0, sizeof(f->syscalls));
		for (unsigned int k = 0; k < w->n_defs; k++)
			f->syscalls[w->defs[k] / 64] |= 1ull << (w->defs[k] % 64);
		recorder_span_filter(d->recorder, i, f);
	}
}

/* ---- what is said ---- */

static void complain(struct daemon *d, unsigned int watch, const char *text)
{
	struct span_watch *w = &d->spans.list[watch];

	if (!strcmp(w->problem, text))
		return;
	snprintf(w->problem, sizeof(w->problem), "%s", text);
	for (unsigned int i = 0; *text && i < d->config.n_triggers; i++)
		if (d->spans.of[i] == watch + 1)
			log_warning("trigger %s cannot fire: %s; it is looked for again",
				    d->config.triggers[i].name, text);
}

static void complain_of_file(struct daemon *d, unsigned int watch, int err)
{
	char text[SPAN_PROBLEM_MAX];

	snprintf(text, sizeof(text), "%s: %s", d->spans.list[watch].path,
		 err == -ENOEXEC ? "it is no ELF file" : strerror(-err));
	complain(d, watch, text);
}

static void complain_of_flaw(struct daemon *d, unsigned int watch, enum span_flaw flaw)
{
	static const char *const texts[SPAN_FLAWS] = {
		[SPAN_NO_ELF] = "is no ELF file of this machine's kind",
		[SPAN_NO_SPAN] = "has no probe of span ",
		[SPAN_NO_BEGIN] = "has no function ",
		[SPAN_NO_END] = "has no function ",
		[SPAN_MANY] = "has too many places that are meant: say which",
		[SPAN_GO] = "is of Go, whose stacks move: no return can be probed; name an `end`",
		[SPAN_EXCEPTIONS] =
			"unwinds its stacks for exceptions: no return can be probed; name an `end`",
		[SPAN_SHADOW_STACK] =
			"has shadow stacks, and this kernel cannot probe returns there; name an `end`",
	};
	const struct span_watch *w = &d->spans.list[watch];
	char text[SPAN_PROBLEM_MAX];

	snprintf(text, sizeof(text), "%s %s%.80s", w->path, texts[flaw],
		 flaw == SPAN_NO_SPAN	 ? w->span
		 : flaw == SPAN_NO_BEGIN ? w->begin
		 : flaw == SPAN_NO_END	 ? w->end
					 : "");
	complain(d, watch, text);
}

static void complain_of_attach(struct daemon *d, unsigned int watch, int err)
{
	char text[SPAN_PROBLEM_MAX];

	snprintf(text, sizeof(text), "cannot attach to %s: %s", d->spans.list[watch].path,
		 err == -ENOSPC ? "too many spans are meant, of this trigger or of all"
		 : err == -EMFILE
			 ? "the limit of open files is too low (LimitNOFILE= of the service)"
		 : err == -EACCES || err == -EPERM
			 ? "no right to; before Linux 6.6 that takes CAP_SYS_ADMIN"
			 : strerror(-err));
	complain(d, watch, text);
}

/* ---- attaching ---- */

/* All places where this happens. */
static int attach_what(struct daemon *d, struct span_watch *w, int fd,
		       const struct span_found *found, enum span_what what, struct span_probes *p)
{
	uint64_t offsets[SPAN_SITES_MAX], defs[SPAN_SITES_MAX];
	uint32_t n = 0;
	int def, links;

	for (uint32_t i = 0; i < found->n; i++) {
		const struct span_site *site = &found->sites[i];

		if (site->what != what)
			continue;
		def = def_of(d, w, *w->begin ? w->begin : site->name);
		if (def < 0)
			return def;
		offsets[n] = site->offset;
		defs[n++] = (uint64_t)def;
	}
	links = recorder_span_attach(d->recorder, fd, what, offsets, defs, n, &p->links[p->n]);
	if (links < 0)
		return links;
	p->n += (unsigned int)links;
	p->places += n;
	return 0;
}

/* Ends first: none is missed whose beginning was seen. */
static int attach_all(struct daemon *d, struct span_watch *w, int fd,
		      const struct span_found *found, struct span_probes *p)
{
	static const enum span_what order[] = { SPAN_ENDS, SPAN_LEAVES, SPAN_RETURNS, SPAN_BEGINS,
						SPAN_ENTERS };
	int err = 0;

	for (unsigned int i = 0; !err && i < sizeof(order) / sizeof(order[0]); i++)
		err = attach_what(d, w, fd, found, order[i], p);
	return err;
}

/* The reason may go away without a change of the file; to look into it each time costs a process. */
static void put_off(struct span_watch *w, const struct span_file *file, uint64_t now)
{
	if (!same_content(&w->useless, file))
		w->pause = LOOK_NS;
	w->useless = *file;
	w->pause = w->pause < PAUSE_MAX_NS / 2 ? w->pause * 2 : PAUSE_MAX_NS;
	w->again = now + w->pause;
}

static void attach(struct daemon *d, unsigned int watch, int fd, const struct span_found *found,
		   const struct span_file *file, uint64_t now)
{
	struct span_watch *w = &d->spans.list[watch];
	struct span_probes fresh = { .file = *file };
	int err;

	err = attach_all(d, w, fd, found, &fresh);
	if (err) {
		probes_drop(&fresh);
		complain_of_attach(d, watch, err);
		put_off(w, file, now);
		return;
	}
	if (w->now.n) {
		probes_cut(d, w, &w->before);
		w->before = w->now;
	}
	w->now = fresh;
	publish(d, watch);
	complain(d, watch, "");
	for (unsigned int i = 0; i < d->config.n_triggers; i++)
		if (d->spans.of[i] == watch + 1)
			log_notice("trigger %s watches %u spans at %u places in %s",
				   d->config.triggers[i].name, w->n_defs, w->now.places, w->path);
}

/* ---- looking: one file at a time ---- */

static void done(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;

	s->list[s->at - 1].next = now + LOOK_NS;
	s->at = 0;
}

static void ask(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;

	for (unsigned int i = 0; i < s->n; i++) {
		if (now < s->list[i].next)
			continue;
		s->ask = (uint32_t)now | 1;
		s->until = now + ANSWER_NS;
		s->at = i + 1;
		if (opener_ask_program(d->opener_fd, s->ask, s->list[i].path))
			done(d, now);
		return;
	}
}

/*
 * The kernel goes on putting probes where they were, whatever is written there. That must not last
 * while the file is read, or for good if there are no spans in it any more.
 */
static void drop_stale(struct daemon *d, struct span_watch *w, const struct span_file *file)
{
	if (same_file(&w->now.file, file) && !same_content(&w->now.file, file))
		probes_cut(d, w, &w->now);
	if (same_file(&w->before.file, file) && !same_content(&w->before.file, file))
		probes_cut(d, w, &w->before);
}

static void look_into(struct daemon *d, int fd, uint64_t now)
{
	struct spans *s = &d->spans;
	struct span_watch *w = &s->list[s->at - 1];
	int err;

	file_of(fd, &s->file);
	drop_stale(d, w, &s->file);
	if (same_content(&w->now.file, &s->file) ||
	    (same_content(&w->useless, &s->file) && now < w->again)) {
		close(fd);
		done(d, now);
		return;
	}
	err = span_child_start(&s->child, &d->worker, fd, w->span, w->begin, w->end, now);
	if (err) {
		complain_of_file(d, s->at - 1, err);
		close(fd);
		done(d, now);
		return;
	}
	s->fd = fd;
}

static void take_answer(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;
	int fd, err = opener_program(d->opener_fd, s->ask, &fd);

	if (!err)
		look_into(d, fd, now);
	else if (err != -EAGAIN)
		complain_of_file(d, s->at - 1, err);
	if (err && (err != -EAGAIN || now >= s->until))
		done(d, now);
}

static void take_found(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;
	unsigned int watch = s->at - 1;
	struct span_watch *w = &s->list[watch];
	int err = span_child_finish(&s->child, now);
	struct span_file after;

	if (err == -EAGAIN)
		return;
	file_of(s->fd, &after);
	if (same_content(&s->file, &after)) { /* else it is being written: next time */
		if (err || s->child.found.flaw) {
			w->useless = s->file;
			w->again = UINT64_MAX;
		}
		if (err)
			complain_of_file(d, watch, -ENOEXEC);
		else if (s->child.found.flaw)
			complain_of_flaw(d, watch, s->child.found.flaw);
		else
			attach(d, watch, s->fd, &s->child.found, &s->file, now);
	}
	close(s->fd);
	done(d, now);
}

void span_tick(struct daemon *d, uint64_t now)
{
	struct spans *s = &d->spans;

	if (s->child.pid)
		take_found(d, now);
	else if (!s->n || d->opener_fd < 0 || d->snapshot.pid)
		; /* the worker has the opener to itself */
	else if (s->at)
		take_answer(d, now);
	else
		ask(d, now);
}

/* ---- configuration ---- */

static bool watch_is(const struct span_watch *w, const struct config_trigger *t)
{
	return !strcmp(w->path, t->filter.exe) && !strcmp(w->span, t->span) &&
	       !strcmp(w->begin, t->begin) && !strcmp(w->end, t->end);
}

static struct span_watch *find_watch(struct span_watch *list, unsigned int n,
				     const struct config_trigger *t)
{
	for (unsigned int i = 0; i < n; i++)
		if (watch_is(&list[i], t))
			return &list[i];
	return NULL;
}

static void watch_init(struct span_watch *w, const struct config_trigger *t)
{
	*w = (struct span_watch){ 0 };
	snprintf(w->path, sizeof(w->path), "%s", t->filter.exe);
	snprintf(w->span, sizeof(w->span), "%s", t->span);
	snprintf(w->begin, sizeof(w->begin), "%s", t->begin);
	snprintf(w->end, sizeof(w->end), "%s", t->end);
}

static void stop_looking(struct spans *s)
{
	if (s->child.pid) {
		span_child_abort(&s->child);
		close(s->fd);
	}
	s->at = 0;
}

/* The watch of this trigger, perhaps another one's, too, or one of before. */
static struct span_watch *take_watch(struct spans *s, const struct config_trigger *t,
				     struct span_watch *old, unsigned int n_old)
{
	struct span_watch *w = find_watch(s->list, s->n, t), *kept;

	if (w)
		return w;
	w = &s->list[s->n++];
	kept = find_watch(old, n_old, t);
	if (!kept) {
		watch_init(w, t);
		return w;
	}
	*w = *kept;
	kept->path[0] = '\0'; /* is taken */
	return w;
}

/* A watch that stays keeps its probes: no span is missed. */
void span_configure(struct daemon *d)
{
	struct spans *s = &d->spans;
	struct span_watch *old = s->list;
	unsigned int n_old = s->n, wanted = 0;

	stop_looking(s);
	for (unsigned int i = 0; i < d->config.n_triggers; i++)
		wanted += d->config.triggers[i].filter.kind == TRIGGER_SPAN;
	memset(s->of, 0, sizeof(s->of));
	s->n = 0;
	s->list = wanted ? calloc(wanted, sizeof(*s->list)) : NULL;
	if (wanted && !s->names)
		s->names = calloc(SPAN_DEFS_MAX, SPAN_NAME_MAX);
	for (unsigned int i = 0; s->list && s->names && i < d->config.n_triggers; i++) {
		const struct config_trigger *t = &d->config.triggers[i];

		if (t->filter.kind == TRIGGER_SPAN)
			s->of[i] = (uint8_t)(take_watch(s, t, old, n_old) - s->list + 1);
	}
	for (unsigned int i = 0; i < n_old; i++)
		if (old[i].path[0])
			watch_drop(s, &old[i]);
	free(old);
	for (unsigned int i = 0; i < s->n; i++)
		publish(d, i);
	s->scanned = clock_monotonic();
	s->next_sweep = 0; /* spans of what is watched no more are forgotten */
}

const char *span_problem(const struct daemon *d, unsigned int i)
{
	const struct spans *s = &d->spans;
	const struct span_watch *w = s->of[i] ? &s->list[s->of[i] - 1] : NULL;

	if (!w || (w->now.n && !*w->problem))
		return NULL;
	return *w->problem ? w->problem : "its file has not been looked at yet";
}

void span_close_all(struct daemon *d)
{
	struct spans *s = &d->spans;

	stop_looking(s);
	for (unsigned int i = 0; i < s->n; i++)
		watch_drop(s, &s->list[i]);
	free(s->list);
	free(s->names);
	*s = (struct spans){ .child.result_fd = -1 };
}
