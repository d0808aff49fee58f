/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small traces for the tests of story and verdict, told in ms since the window's beginning: who ran,
 * slept, woke and waited. With FREC_SEEDS set, each is left in that directory as a fuzzer's seed.
 */
#ifndef FREC_TEST_STORY_H
#define FREC_TEST_STORY_H

#include "test_trace.h"

#include "../../lib/story.h"

#define MS 1000000ull
#define AT(ms) (T0 + (uint64_t)((ms) * 1e6))
#define SCENE_CPUS 4

#define S TRACE_STATE_SLEEPING
#define D TRACE_STATE_DISK
#define R TRACE_STATE_RUNNING
#define P TRACE_STATE_PREEMPTED
#define X TRACE_STATE_DEAD

struct scene {
	struct file f;
	struct trace_writer *w;
	struct trace_cpu *cpus[SCENE_CPUS];
	uint64_t tracks; /* of threads, so far */
};

static inline struct scene scene_begin(void)
{
	struct scene sc = { .tracks = 0x1000 };

	sc.w = file_begin(&sc.f);
	put_host(sc.w);
	for (uint32_t cpu = 0; cpu < SCENE_CPUS; cpu++)
		assert_int_equal(trace_cpu_open(sc.w, cpu, 0, &sc.cpus[cpu]), 0);
	return sc;
}

static inline void process(struct scene *sc, int32_t pid, int32_t ppid, const char *name)
{
	const struct trace_process p = { .ts = T0, .pid = pid, .ppid = ppid, .argv = &name,
					 .n_argv = 1, .kthread = ppid == 2 };

	assert_int_equal(trace_put_process(sc->w, &p), 0);
}

static inline void thread(struct scene *sc, int32_t tid, int32_t pid, const char *comm)
{
	const struct trace_thread t = { .ts = T0, .tid = tid, .tgid = pid, .name = comm };

	assert_int_equal(trace_put_thread(sc->w, &t), 0);
}

/* On one CPU in order of time: prev leaves in that state, next comes. */
static inline void sw(struct scene *sc, int cpu, double ms, int32_t prev, int64_t state,
		      int32_t next)
{
	const struct trace_switch s = { .ts = AT(ms), .prev_tid = prev, .prev_prio = 120,
					.prev_state = state, .next_tid = next, .next_prio = 120 };

	assert_int_equal(trace_cpu_switch(sc->cpus[cpu], &s), 0);
}

static inline void wake(struct scene *sc, int cpu, double ms, int32_t waker, int32_t tid)
{
	const struct trace_waking e = { .ts = AT(ms), .tid = tid, .prio = 120, .target_cpu = cpu,
					.waker_tid = waker };

	assert_int_equal(trace_cpu_waking(sc->cpus[cpu], &e), 0);
}

static inline void wake_in_irq(struct scene *sc, int cpu, double ms, int32_t current, int32_t tid,
			       uint8_t irq)
{
	const struct trace_waking e = { .ts = AT(ms), .tid = tid, .prio = 120, .target_cpu = cpu,
					.waker_tid = current, .irq = irq };

	assert_int_equal(trace_cpu_waking(sc->cpus[cpu], &e), 0);
}

static inline void wake_irq(struct scene *sc, int cpu, double ms, int32_t current, int32_t tid)
{
	wake_in_irq(sc, cpu, ms, current, tid, TRACE_IRQ_HARD);
}

static inline void born(struct scene *sc, int cpu, double ms, int32_t creator, int32_t tid,
			bool thread)
{
	const struct trace_newtask n = { AT(ms), creator, tid, thread ? 0x10000 : 0, "parent" };

	assert_int_equal(trace_cpu_newtask(sc->cpus[cpu], &n), 0);
}

struct told {
	int32_t tid, pid;
	double start, end;
	const char *name; /* "lock 0x10 held by x/3" */
	uint64_t address;
	uint32_t val;
	uint32_t op; /* of a futex */
	int32_t owner, waker, sender, peer_pid, tracer;
	int32_t fd; /* 0: none */
	const char *file, *type;
	uint64_t args[2];
	const char *kernel, *function; /* of the stack */
	bool open, brief, interrupted, at_least;
};

static inline uint64_t told_stack(struct scene *sc, const struct told *t)
{
	struct trace_frame frames[3] = {
		{ .function = "main", .mapping = &test_server, .kind = TRACE_FRAME_NATIVE },
		{ .function = t->function, .mapping = &test_server, .kind = TRACE_FRAME_NATIVE },
		{ .function = t->kernel, .mapping = &test_kernel, .kind = TRACE_FRAME_KERNEL },
	};
	uint64_t id = 0;

	if (t->function || t->kernel)
		assert_int_equal(trace_put_stack(sc->w, frames, t->kernel ? 3 : 2, &id), 0);
	return id;
}

static inline void wait_for(struct scene *sc, struct told t)
{
	struct trace_arg args[16];
	char title[600];
	struct trace_slice s = { .ts = AT(t.start), .track = sc->tracks, .type = TRACE_SLICE_BEGIN,
				 .name = title, .args = args, .stack_id = told_stack(sc, &t) };
	const struct trace_track track = { .uuid = sc->tracks++, .ts = AT(t.start), .tid = t.tid,
					   .tgid = t.pid };

	snprintf(title, sizeof(title), "wait: %s", t.name);
	trace_put_track(sc->w, &track);
	args[s.n_args++] = TRACE_UINT("waited_ns", (uint64_t)((t.end - t.start) * 1e6));
	if (t.address)
		args[s.n_args++] = TRACE_POINTER("address", t.address);
	if (t.val)
		args[s.n_args++] = TRACE_UINT("val", t.val);
	if (t.op)
		args[s.n_args++] = TRACE_UINT("op", t.op);
	if (t.owner)
		args[s.n_args++] = TRACE_UINT("owner_tid", t.owner);
	if (t.waker)
		args[s.n_args++] = TRACE_UINT("waker_tid", t.waker);
	if (t.sender)
		args[s.n_args++] = TRACE_UINT("sender_tid", t.sender);
	if (t.peer_pid)
		args[s.n_args++] = TRACE_UINT("peer_pid", t.peer_pid);
	if (t.fd)
		args[s.n_args++] = TRACE_UINT("fd", t.fd);
	if (t.file)
		args[s.n_args++] = TRACE_STRING("file", t.file);
	if (t.type)
		args[s.n_args++] = TRACE_STRING("file_type", t.type);
	args[s.n_args++] = TRACE_UINT("arg0", t.args[0]);
	args[s.n_args++] = TRACE_UINT("arg1", t.args[1]);
	if (t.open)
		args[s.n_args++] = TRACE_BOOL("still_waiting", true);
	if (t.interrupted)
		args[s.n_args++] = TRACE_BOOL("interrupted", true);
	if (t.at_least)
		args[s.n_args++] = TRACE_BOOL("at_least", true);
	if (t.tracer)
		args[s.n_args++] = TRACE_UINT("tracer_pid", t.tracer);
	if (t.brief)
		s.n_args = 0;
	assert_int_equal(trace_put_slice(sc->w, &s), 0);
	if (t.open)
		return;
	s = (struct trace_slice){ .ts = AT(t.end), .track = s.track, .type = TRACE_SLICE_END,
				  .name = title };
	assert_int_equal(trace_put_slice(sc->w, &s), 0);
}

/* A wait for a lock, woken by its waker 0.1 ms before its end, on CPU 3. */
static inline void wait_lock(struct scene *sc, int32_t tid, double start, double end,
			     uint64_t address, int32_t owner)
{
	wait_for(sc, (struct told){ .tid = tid,
				    .pid = 10,
				    .start = start,
				    .end = end,
				    .name = "lock",
				    .address = address,
				    .owner = owner,
				    .open = end >= 1000 });
}

static inline void scene_leave_seed(const struct file *f)
{
	const char *directory = getenv("FREC_SEEDS");
	static int n;
	char path[512];
	size_t size;
	uint8_t *raw;
	FILE *out;

	if (!directory || f->size > 4096) /* a mutation of much finds little */
		return;
	raw = inflate_file(f, &size);
	snprintf(path, sizeof(path), "%s/%s-%d", directory, program_invocation_short_name, n++);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(raw, 1, size, out), size);
	fclose(out);
	free(raw);
}

/* The window ends at that ms. */
static inline struct story *scene_end(struct scene *sc, double ms)
{
	const struct trace_attribute window[] = {
		{ "frec.window.start_ns", NULL, T0 },
		{ "frec.window.end_ns", NULL, AT(ms) },
		{ "frec.window.lost", NULL, 7 },
	};
	struct trace_reader *r;
	struct story *s = NULL;

	for (uint32_t cpu = 0; cpu < SCENE_CPUS; cpu++)
		assert_int_equal(trace_cpu_close(sc->cpus[cpu]), 0);
	assert_int_equal(trace_put_attributes(sc->w, window, 3), 0);
	file_end(&sc->f, sc->w);
	scene_leave_seed(&sc->f);
	r = file_open(&sc->f);
	assert_int_equal(story_read(r, &s), 0);
	trace_reader_close(r);
	file_free(&sc->f);
	return s;
}

static inline uint32_t who(const struct story *s, int32_t tid)
{
	uint32_t t = story_thread_at(s, tid, AT(50));

	assert_true(t < s->n_threads);
	return t;
}

#endif
