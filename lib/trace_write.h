/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes a Perfetto trace, deflated, as a stream with bounded memory (some 2.5 MiB, 100 to 600
 * KiB for each CPU that is open, and up to 32 MiB as stacks come). Not thread-safe. The structures are in trace_event.h; none is
 * kept beyond the call.
 *
 * Order in the file: trace_put_clocks(), trace_put_system(), then all else; CPUs one after the
 * other or interleaved, as the caller likes (within one CPU in order of time).
 *
 * Errors: every function returns 0 or -errno. What went wrong with the file (-EIO, -ENOSPC, -EPIPE,
 * -ENOMEM) is sticky: all later calls return the same, nothing more is written, and
 * trace_writer_close() returns it too; so a caller may check only there. Not sticky, and only this
 * one thing left out (see `rejected`):
 *   -EINVAL    senseless arguments, e.g. a time before the last one of this CPU
 *   -E2BIG     more stacks than a file takes
 *   -EMSGSIZE  larger than one packet may be (640 KiB; process and thread 64 KiB)
 */
#ifndef FREC_TRACE_WRITE_H
#define FREC_TRACE_WRITE_H

#include "trace_event.h"

struct trace_writer;
struct trace_cpu;

struct trace_counters {
	uint64_t packets;
	uint64_t events;   /* scheduler, task and syscall events, and slices */
	uint64_t switches; /* of these */
	uint64_t full;	   /* switches that broke the chain and so took the long form */
	uint64_t wakings;
	uint64_t stacks;    /* different ones */
	uint64_t rejected;  /* calls refused with -EINVAL, -EMSGSIZE or -E2BIG */
	uint64_t raw_bytes; /* before deflate */
	uint64_t file_bytes;
};

/*
 * Writes to fd from where it stands; pipes and short writes are fine. The fd stays the caller's: it
 * is neither closed nor synced.
 */
int trace_writer_open(int fd, struct trace_writer **ret);

/*
 * Writes out what is left and frees w. CPUs must have been closed before. Returns the first error
 * of the file's whole life. NULL is fine and returns 0.
 */
int trace_writer_close(struct trace_writer *w);

/* Writes out all that is complete; CPUs' open bundles stay open. Not needed before close. */
int trace_writer_flush(struct trace_writer *w);

/* The sticky error or 0. */
int trace_writer_error(const struct trace_writer *w);

/* Valid as long as w; file_bytes is exact only after trace_writer_flush(). */
const struct trace_counters *trace_writer_counters(const struct trace_writer *w);

/* --- the host; in this order at the start of the file --- */

/*
 * Readings of one moment. The first comes before everything else; more may follow (suspend, clock
 * steps).
 */
int trace_put_clocks(struct trace_writer *w, const struct trace_clocks *clocks);
int trace_put_system(struct trace_writer *w, const struct trace_system *system);
int trace_put_uuid(struct trace_writer *w, const uint8_t uuid[16]);
/* One packet for all n; shown by the importer as trace_attribute.KEY. */
int trace_put_attributes(struct trace_writer *w, const struct trace_attribute *attributes,
			 size_t n);

/* --- processes and threads; neighbours of one time share a packet --- */

int trace_put_process(struct trace_writer *w, const struct trace_process *process);
int trace_put_thread(struct trace_writer *w, const struct trace_thread *thread);

/* --- what happened on one CPU --- */

/*
 * since: time from which this CPU's events are complete, or 0. The importer takes the latest of all
 * CPUs and keeps what is earlier out of its scheduling tables, so give it only where a CPU's stream
 * begins late. Opening the same CPU twice at once is the caller's mistake.
 */
int trace_cpu_open(struct trace_writer *w, uint32_t cpu, uint64_t since, struct trace_cpu **ret);

/* Writes what is gathered (may be called at any time; done by itself every few thousand events). */
int trace_cpu_flush(struct trace_cpu *c);

/* Flushes and frees. NULL is fine. */
int trace_cpu_close(struct trace_cpu *c);

/*
 * Says that tid was running here from ts on, before the first trace_cpu_switch() or after a loss:
 * the importer learns of a thread only at a switch, and the one that ran when the window began
 * would be missing until it stops. Written as a switch from swapper, so it counts as one.
 */
int trace_cpu_running(struct trace_cpu *c, uint64_t ts, int32_t tid, const char *comm,
		      int32_t prio);

/*
 * Compact where prev is the thread that was switched in last on this CPU; the first switch, the
 * first after trace_cpu_lost(), and any other whose prev is not that thread are written in full. (A
 * first switch in compact form would be swallowed by the importer, a chain that does not close
 * would invent a running thread.)
 */
int trace_cpu_switch(struct trace_cpu *c, const struct trace_switch *s);

/*
 * Compact, which alone can carry `irq` and says nothing of the waker: it is whoever runs on this
 * CPU. Written in full where that would accuse the wrong thread: before the first switch, or if
 * waker_tid is another one.
 */
int trace_cpu_waking(struct trace_cpu *c, const struct trace_waking *e);

/*
 * Events of this CPU were lost here: marks the bundle (the UI shows a warning) and breaks the
 * chain.
 */
int trace_cpu_lost(struct trace_cpu *c);

int trace_cpu_newtask(struct trace_cpu *c, const struct trace_newtask *e);
int trace_cpu_rename(struct trace_cpu *c, const struct trace_rename *e);
int trace_cpu_exec(struct trace_cpu *c, const struct trace_task *e);
int trace_cpu_exit(struct trace_cpu *c, const struct trace_task *e);
/* ts must be after the thread's last switch-out, else the importer lets the tid rise again. */
int trace_cpu_free_task(struct trace_cpu *c, const struct trace_task *e);
int trace_cpu_blocked(struct trace_cpu *c, const struct trace_blocked *e);

/*
 * Syscalls become slices of the thread's own track, together with trace_put_slice() on its thread
 * track: all of them must nest. An enter needs its exit; one from before the window is given with
 * the window's start. Numbers are those of the host's ABI (trace_system.machine): name 32-bit
 * processes' with slices of their own.
 */
int trace_cpu_sys_enter(struct trace_cpu *c, const struct trace_sys_enter *e);
int trace_cpu_sys_exit(struct trace_cpu *c, const struct trace_sys_exit *e);

/* --- tracks, slices and stacks; independent of CPUs, any order of time --- */

/*
 * Makes *ret_id stand for this stack, outermost frame (main) first, in slices and samples: an equal
 * stack gets the same id. 0 if n is 0. With n above TRACE_STACK_MAX -EINVAL. A file takes
 * TRACE_STACKS different stacks of TRACE_FRAMES different frames in all, and TRACE_STACK_BYTES of
 * what describes them; then it is -E2BIG (not sticky) for stacks that are not yet in it, and the
 * slice goes without.
 */
#define TRACE_STACKS (16u << 10)
#define TRACE_FRAMES (64u << 10)
#define TRACE_STACK_BYTES (16u << 20)
int trace_put_stack(struct trace_writer *w, const struct trace_frame *frames, size_t n,
		    uint64_t *ret_id);

/* Once for each uuid, before its first slice. */
int trace_put_track(struct trace_writer *w, const struct trace_track *track);
int trace_put_slice(struct trace_writer *w, const struct trace_slice *slice);

/*
 * One sample of an off-CPU flame graph: tid of pid spent ns in this stack, of trace_put_stack(), or
 * 0. Only Perfetto v58 and later shows it; others skip it.
 */
int trace_put_offcpu(struct trace_writer *w, uint64_t ts, int32_t pid, int32_t tid, uint64_t ns,
		     uint64_t stack_id);

/* --- the trigger and the losses --- */

/* The trigger that caused this file: an instant on the trace's own track. producer NULL: "frec". */
int trace_put_trigger(struct trace_writer *w, const struct trace_trigger *trigger);

/*
 * at_end false: counters when the window began, true: when it ended. Both are needed to see a
 * difference.
 */
int trace_put_cpu_stats(struct trace_writer *w, bool at_end, const struct trace_cpu_stats *stats,
			size_t n);

#endif
