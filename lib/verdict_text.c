/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_text.c - the cause, in one sentence that a person can act on. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "units.h"
#include "verdict.h"

/* ---- functions ---- */

static bool is_library(const char *module)
{
	static const char *const libraries[] = { "libc.so", "libc-2", "libpthread", "ld-linux",
						 "[vdso]", "libstdc++", "libgcc_s", "libm.so" };

	for (size_t i = 0; module && i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (strncmp(module, libraries[i], strlen(libraries[i])) == 0)
			return true;
	return false;
}

const char *verdict_function(const struct story_wait *w)
{
	const char *found = NULL;

	for (size_t i = 0; i < w->stack.n; i++) {
		const struct story_frame *f = &w->stack.frames[i];

		if (f->kernel || !f->function)
			continue;
		if (!is_library(f->module))
			return f->function;
		if (!found)
			found = f->function;
	}
	return found;
}

/* ---- text ---- */

#define COMM_MAX 64
#define FUNCTION_MAX 160
#define CGROUP_MAX 256

static void say(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct verdict *v, const char *format, ...)
{
	size_t used = strlen(v->text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(v->text + used, sizeof(v->text) - used, format, ap);
	va_end(ap);
}

/* Names can be of any length; so much of one. */
static void say_name(struct verdict *v, const char *name, size_t max)
{
	size_t n = strnlen(name, max + 1);

	if (n <= max) {
		say(v, "%s", name);
		return;
	}
	for (n = max; n && ((unsigned char)name[n] & 0xc0) == 0x80; n--)
		;
	say(v, "%.*s…", (int)n, name);
}

static void say_who(const struct story *s, struct verdict *v, uint32_t thread)
{
	const struct story_thread *t = &s->threads[thread];
	const struct story_process *p = story_process(s, t->pid);

	const char *comm = verdict_comm(s, v, thread);

	say_name(v, comm, COMM_MAX);
	say(v, " (tid %d", t->tid);
	if (t->tid != t->pid && p && p->name && strcmp(p->name, comm) != 0) {
		say(v, " of ");
		say_name(v, p->name, COMM_MAX);
		say(v, ", pid %d)", t->pid);
	} else if (t->tid != t->pid) {
		say(v, " of pid %d)", t->pid);
	} else {
		say(v, ")");
	}
}

static const char *duration(uint64_t ns)
{
	static __thread char text[UNITS_TEXT_MAX];

	return units_format_duration(ns, text, sizeof(text));
}

static void say_ran_instead(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	unsigned int said = 0;

	for (size_t i = 0; i < l->n_ran_instead && said < 2; i++) {
		const struct verdict_ran *r = &l->ran_instead[i];
		bool ours = r->thread != STORY_NOBODY && verdict_is_recorder(s, r->thread);

		if (ours && r->ns <= l->ns / 2)
			continue; /* all the others together ran more */
		say(v, "%s", said++ ? " and " : ", which ran ");
		if (r->thread == STORY_NOBODY)
			say(v, "nobody");
		else
			say_who(s, v, r->thread);
		say(v, "%s for %s", ours ? ", which is the recorder itself," : "", duration(r->ns));
	}
}

/* A signal interrupts a sleep, and is acted on at once: who went on for longer stopped for another. */
#define STOP_WITHIN_NS 1000000u

/* How long it had a CPU from then to then. */
static uint64_t ran(const struct story *s, uint32_t thread, uint64_t from, uint64_t to)
{
	struct story_segment g;
	uint64_t sum = 0;

	for (uint64_t at = from; at < to && sum <= STOP_WITHIN_NS; at = g.end) {
		story_segment(s, thread, at, &g);
		if (g.end <= at)
			break;
		if (g.state == STORY_RUNNING)
			sum += (g.end < to ? g.end : to) - at;
	}
	return sum;
}

/* Who sent the signal that stopped this thread at start, as far as switches and waits show it. */
static uint32_t find_stopper(const struct story *s, uint32_t thread, uint64_t start)
{
	int32_t pid = s->threads[thread].pid;

	for (int hop = 0; hop < 4; hop++) { /* one thread stops the others of its process */
		uint32_t n = story_wakes_before(s, thread, start);
		const struct story_wake *k = n ? &s->wakes[s->threads[thread].wakes + n - 1] : NULL;
		const struct story_wait *slept = k ? story_wait_at(s, thread, k->ts) : NULL, *stop;

		if (!slept || !slept->interrupted || slept->end > start || k->irq ||
		    k->waker == STORY_NOBODY || ran(s, thread, k->ts, start) > STOP_WITHIN_NS)
			return STORY_NOBODY;
		thread = k->waker;
		if (s->threads[thread].pid != pid)
			return thread;
		stop = story_wait_at(s, thread, start);
		if (!stop || strcmp(stop->name, "stopped") != 0)
			return STORY_NOBODY;
		start = stop->start;
	}
	return STORY_NOBODY;
}

static void say_tracer(const struct story *s, struct verdict *v, int32_t tracer)
{
	uint32_t thread = story_thread_at(s, tracer, s->end);

	say(v, " by its tracer, ");
	if (thread == STORY_NOBODY)
		say(v, "pid %d", tracer);
	else
		say_who(s, v, thread);
}

static void say_stopped(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	const struct story_wait *w = l->evidence;
	uint64_t ns = w && w->open && w->waited > l->ns ? w->waited : l->ns;
	uint32_t sender = w && w->start > s->start ? find_stopper(s, l->thread, w->start)
						   : STORY_NOBODY;

	say(v, "was stopped for %s%s%s", w && w->at_least ? "at least " : "", duration(ns),
	    w && w->open ? ", and still is," : "");
	if (w && w->tracer_pid) {
		say_tracer(s, v, w->tracer_pid);
		return;
	}
	say(v, " by a %s",
	    sender != STORY_NOBODY || (w && w->open) ? "signal" : "signal or a debugger");
	if (sender != STORY_NOBODY) {
		say(v, " that ");
		say_who(s, v, sender);
		say(v, " sent");
	} else {
		say(v, "; who sent it is not recorded");
	}
	if (w && w->open)
		say(v, "; `kill -CONT %d` lets it go on", s->threads[l->thread].pid);
}

/* Of a connection that nobody has accepted, or refused, yet; in poll(2) no such thing is known. */
static const char *unanswered(const struct verdict_link *l)
{
	const struct story_wait *w = l->evidence;

	return w && w->open && w->type && strcmp(w->type, "inet") == 0 &&
			       strcmp(w->name, "connect") == 0
		       ? ", which nobody has answered"
		       : "";
}

/* Short waits are the first that go where many are recorded. */
static void say_nothing(const struct story *s, struct verdict *v, const struct verdict_link *l,
			const char *space)
{
	uint64_t refused = s->refused_within ? s->refused_within : s->refused;

	say(v, "%sslept %s, and nothing recorded says what for", space, duration(l->ns));
	if (refused)
		say(v, ": the budget withheld %llu details, a larger `evidence` keeps more",
		    (unsigned long long)refused);
}

/* What the thread of the last link did itself. */
static void say_deed(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	const struct story_process *p = story_process(s, s->threads[l->thread].pid);
	const char *function = l->evidence ? verdict_function(l->evidence) : NULL;

	switch (l->wait) {
	case VERDICT_RUNNING:
		say(v, "ran on a CPU for %s", duration(l->ns));
		break;
	case VERDICT_RUNQUEUE:
		say(v, "waited %s for a CPU", duration(l->ns));
		say_ran_instead(s, v, l);
		break;
	case VERDICT_THROTTLED:
		say(v, "was throttled for %s by the CPU quota of its cgroup", duration(l->ns));
		if (p && p->cgroup) {
			say(v, " ");
			say_name(v, p->cgroup, CGROUP_MAX);
		}
		break;
	case VERDICT_SLEEP:
		say(v, "slept %s in %s", duration(l->ns), l->what);
		break;
	case VERDICT_STOPPED:
		say_stopped(s, v, l);
		break;
	case VERDICT_MEMORY:
		say(v, "waited %s for memory: %s", duration(l->ns), l->what);
		break;
	case VERDICT_DISK:
		say(v, "waited %s for the disk: %s", duration(l->ns), *l->what ? l->what : "I/O");
		break;
	case VERDICT_KERNEL_LOCK:
		say(v, "waited %s for a lock of the kernel: %s", duration(l->ns), l->what);
		break;
	case VERDICT_NETWORK:
		say(v, "waited %s for the network: %s%s", duration(l->ns), l->what, unanswered(l));
		break;
	case VERDICT_UNKNOWN:
		say_nothing(s, v, l, "");
		break;
	default:
		say(v, "waited %s for %s", duration(l->ns), *l->what ? l->what : "something");
	}
	if (function && l->wait != VERDICT_RUNNING && l->wait != VERDICT_RUNQUEUE &&
	    l->wait != VERDICT_STOPPED && !strstr(l->what, function)) {
		say(v, ", in ");
		say_name(v, function, FUNCTION_MAX);
	}
}

static void say_deadlock(const struct story *s, struct verdict *v)
{
	const struct verdict_link *last = &v->chain[v->n_chain - 1], *l = v->chain;

	while (l < last && l->thread != last->next)
		l++;
	say(v, "deadlock: ");
	say_who(s, v, l->thread);
	if (l->next == l->thread) {
		say(v, " waits for %s, which it holds itself", l->what);
		return;
	}
	for (; l <= last; l++) {
		say(v, " waits for %s, which %s ", *l->what ? l->what : "something",
		    l->wait == VERDICT_LOCK || l->wait == VERDICT_FILE_LOCK ? "is held by"
									    : "depends on");
		say_who(s, v, l->next);
		say(v, "%s", l < last ? ", which" : "");
	}
}

static void say_unknown_other(const struct story *s, struct verdict *v,
			      const struct verdict_link *l)
{
	const struct story_process *p =
		l->evidence ? story_process(s, l->evidence->peer_pid) : NULL;

	say(v, " waited %s for %s%s, and nothing recorded says ", duration(l->ns),
	    *l->what ? l->what : verdict_wait_name(l->wait), unanswered(l));
	if (p && p->name) {
		say(v, "which thread of ");
		say_name(v, p->name, COMM_MAX);
		say(v, " (pid %d)", p->pid);
	} else {
		say(v, "who");
	}
	say(v, " %s", l->evidence && l->evidence->open ? "could end it" : "ended it");
}

static void say_end(const struct story *s, struct verdict *v, uint32_t thread)
{
	uint64_t gone = verdict_gone_since(s, v, thread);

	say(v, " ended %s before this snapshot", duration(gone < s->end ? s->end - gone : 0));
}

static void say_ended(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	say_end(s, v, l->thread);
	if (l > v->chain && l[-1].wait == VERDICT_LOCK)
		say(v, ", and nothing recorded says who then held %s", l[-1].what);
	else
		say(v, ", and nothing recorded says who went on with it");
}

/*
 * Nobody is known to have had the lock. The owner that stood in it was a thread of the same process,
 * where that does not share it, and all threads that live are known.
 */
static void say_no_owner(struct verdict *v, const struct verdict_link *l)
{
	const struct story_wait *w = l->evidence;

	say(v, " waited %s for %s, ", duration(l->ns), *l->what ? l->what : "a lock");
	if (w && w->owner_tid && w->is_private)
		say(v, "whose owner then, thread %u, has ended",
		    w->owner_tid);
	else
		say(v, "and nothing recorded says who held it");
}

/* Why the chain ends without a cause. */
static void say_unknown(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	const char *runtime = l->evidence ? verdict_runtime(l->evidence) : NULL;

	say(v, "unknown: ");
	if (runtime && l->next == STORY_NOBODY) {
		say(v, "the runtime schedules its own tasks (%s): ", runtime);
		say_who(s, v, l->thread);
		say(v,
		    " was parked for %s; ask its own profiler%s, or have it call frec_trigger() "
		    "where a task is slow",
		    duration(l->ns), strcmp(runtime, "Go") ? "" : " (pprof)");
		return;
	}
	say_who(s, v, l->thread);
	if (l->next != STORY_NOBODY && v->n_chain == VERDICT_HOPS)
		say(v, " waited for one more thread, after %u of them", VERDICT_HOPS);
	else if (l->next != STORY_NOBODY)
		say(v, " waited for a thread that had waited for it");
	else if (l->wait == VERDICT_LOCK || l->wait == VERDICT_KERNEL_LOCK)
		say_no_owner(v, l);
	else if (l->wait == VERDICT_EXIT)
		say_ended(s, v, l);
	else if (l->wait != VERDICT_UNKNOWN)
		say_unknown_other(s, v, l);
	else
		say_nothing(s, v, l, " ");
}

/* Nobody saw what the thread did before it, which may be why it waits. */
static bool is_from_before(const struct story *s, const struct story_wait *w)
{
	return !verdict_is_unconnected(w) && (w->at_least || w->start <= s->start + STOP_WITHIN_NS);
}

static void say_idle(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	const struct story_wait *w = l->evidence;
	const char *function = w ? verdict_function(w) : NULL;

	say_who(s, v, l->thread);
	say(v, " was idle%s: it waited %s of ",
	    w && is_from_before(s, w) ? ", unless it has work from before" : "", duration(l->ns));
	say(v, "%s for %s: %s", duration(l->of_ns),
	    w && verdict_is_unconnected(w) ? "requests" : "what comes",
	    *l->what ? l->what : verdict_wait_name(l->wait));
	if (function) {
		say(v, ", in ");
		say_name(v, function, FUNCTION_MAX);
	}
}

static void say_rounds(struct verdict *v, const struct verdict_link *l)
{
	if (l->rounds > 1)
		say(v, " in %u rounds", l->rounds);
}

static void tell(const struct story *s, struct verdict *v)
{
	const struct verdict_link *last = &v->chain[v->n_chain - 1];
	const struct verdict_link *before = v->n_chain > 1 ? last - 1 : NULL;

	v->text[0] = 0;
	if (v->idle) {
		say_idle(s, v, last);
		return;
	}
	if (v->cause == VERDICT_DEADLOCK) {
		say_deadlock(s, v);
		return;
	}
	if (v->cause == VERDICT_UNKNOWN) {
		say_unknown(s, v, last);
		return;
	}
	say_who(s, v, last->thread);
	if (before && v->cause == VERDICT_LOCK) { /* never by itself */
		say_end(s, v, last->thread);
		say(v, " without letting go of %s; ", before->what);
		say_who(s, v, before->thread);
		say(v, " %s for it", before->evidence->open ? "waits" : "waited");
		return;
	}
	if (before && before->wait == VERDICT_LOCK)
		say(v, " held %s while it ", before->what);
	else if (before && before->wait == VERDICT_FILE_LOCK && before->evidence &&
		 before->evidence->file)
		say(v, " held the lock on %s while it ", before->evidence->file);
	else if (before && before->wait == VERDICT_FILE_LOCK)
		say(v, " held the lock that %s waited for while it ", before->what);
	else
		say(v, " ");
	say_deed(s, v, last);
	if (before && before->wait != VERDICT_LOCK && before->wait != VERDICT_FILE_LOCK) {
		say(v, "; ");
		say_who(s, v, before->thread);
		say(v, " waited for it");
		say_rounds(v, before);
		say(v, ": %s", before->what);
	}
	if (before && before > v->chain && *v->chain->what) { /* whom it was all about, beyond the middle */
		say(v, "; so ");
		say_who(s, v, v->chain->thread);
		say(v, " waited %s for %s", duration(v->chain->ns), v->chain->what);
	}
}

/* No stack is taken of who runs. */
static void say_where(const struct story *s, struct verdict *v)
{
	uint32_t thread = v->chain[v->n_chain - 1].thread;

	say(v, "; where in its code is not recorded");
	if (verdict_gone_since(s, v, thread) == UINT64_MAX)
		say(v, ", `perf record -p %d` shows it while it runs", s->threads[thread].pid);
}

/* And nearly as long as it ran … */
static void say_also(const struct story *s, struct verdict *v, const struct verdict_link *l)
{
	say(v, "; it also ");
	if (l->next == STORY_NOBODY) {
		say_deed(s, v, l);
		return;
	}
	say(v, "waited %s for ", duration(l->ns));
	say_who(s, v, l->next);
	say_rounds(v, l);
	say(v, ": %s", l->what);
}

void verdict_tell(const struct story *s, struct verdict *v)
{
	tell(s, v);
	if (v->also.ns)
		say_also(s, v, &v->also);
	if (v->cause == VERDICT_RUNNING)
		say_where(s, v);
	if (v->chain->wait == VERDICT_EXIT || v->parts[VERDICT_EXIT] < (v->end - v->start) / 20 ||
	    verdict_gone_since(s, v, v->thread) == UINT64_MAX)
		return;
	say(v, "; ");
	say_who(s, v, v->thread);
	say_end(s, v, v->thread);
}
