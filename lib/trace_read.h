/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads Perfetto traces: all of what frec writes, and of foreign ones what frec knows. The bytes
 * may be anything: everything is checked, and memory is bounded by a few times TRACE_READ_MAX. Not
 * thread-safe.
 *
 * Errors: -EINVAL this is no Perfetto trace at all, -EBADMSG it is damaged, cut short, or beyond
 * the limits, others as of read(2); sticky. trace_reader_error() says it in words. A file that was
 * cut exactly between two blocks cannot be told from a whole one: the format has no end mark.
 */
#ifndef FREC_TRACE_READ_H
#define FREC_TRACE_READ_H

#include "perfetto.pb-c.h"
#include "trace_event.h"

#define TRACE_READ_MAX \
	(32u << 20) /* one packet; one block inflated; what one packet takes when unpacked */

/* Names and stacks that later packets refer to; in a foreign file with more, some are missing. */
#define TRACE_READ_INTERNED_MAX (96u << 20)

struct trace_reader;

enum trace_event_kind {
	TRACE_EVENT_CLOCKS = 1,
	TRACE_EVENT_SYSTEM,
	TRACE_EVENT_UUID,
	TRACE_EVENT_ATTRIBUTE,
	TRACE_EVENT_PROCESS,
	TRACE_EVENT_THREAD,
	TRACE_EVENT_TRIGGER,
	TRACE_EVENT_CPU_STATS,
	TRACE_EVENT_TRACK,
	TRACE_EVENT_SLICE,
	TRACE_EVENT_OFFCPU,
	/* Of one CPU: */
	TRACE_EVENT_CPU, /* begin of a bundle that has losses or a `since` */
	TRACE_EVENT_SWITCH,
	TRACE_EVENT_WAKING,
	TRACE_EVENT_NEWTASK,
	TRACE_EVENT_RENAME,
	TRACE_EVENT_EXEC,
	TRACE_EVENT_EXIT,
	TRACE_EVENT_FREE,
	TRACE_EVENT_BLOCKED,
	TRACE_EVENT_SYS_ENTER,
	TRACE_EVENT_SYS_EXIT,
};

struct trace_event {
	enum trace_event_kind kind;
	uint32_t cpu; /* from TRACE_EVENT_CPU on */
	uint64_t ts;  /* also in the structure below, if it has one */
	union {
		struct trace_clocks clocks;
		struct trace_system system;
		uint8_t uuid[16];
		struct trace_attribute attribute;
		struct trace_process process;
		struct trace_thread thread;
		struct trace_trigger trigger;
		struct {
			struct trace_cpu_stats stats;
			bool at_end;
		} cpu_stats;
		struct trace_track track;
		struct trace_slice slice;
		struct {
			int32_t pid;
			int32_t tid;
			uint64_t ns;
			const struct trace_frame *const *stack; /* outermost first */
			size_t n_stack;
		} offcpu;
		struct {
			bool lost;
			uint64_t since;
		} of_cpu;
		struct trace_switch sw;
		struct trace_waking waking;
		struct trace_newtask newtask;
		struct trace_rename rename;
		struct trace_task task; /* EXEC, EXIT, FREE */
		struct trace_blocked blocked;
		struct trace_sys_enter sys_enter;
		struct trace_sys_exit sys_exit;
	};
};

/*
 * fd becomes the reader's, also on failure. Pipes are fine, and files that were gzip'ed as a whole.
 * 
 */
int trace_reader_open_fd(int fd, struct trace_reader **ret);
int trace_reader_open(const char *path, struct trace_reader **ret);
/* data must stay as long as the reader; not gzip'ed. */
int trace_reader_open_memory(const void *data, size_t size, struct trace_reader **ret);
/* NULL is fine. */
void trace_reader_close(struct trace_reader *r);

/*
 * The next event: 1, at the end 0, or -errno. Pointers in it are valid until the next call.
 *
 * Events come in the order of the file: by time within each CPU (where full and compact events are
 * merged), but not across CPUs. prev of a compact switch is who was switched in before on that CPU:
 * -1 at the first one.
 */
int trace_reader_event(struct trace_reader *r, struct trace_event *ret);

/*
 * The next packet as it is: 1, 0, or -errno; valid until the next call. Not to be mixed with
 * trace_reader_event().
 */
int trace_reader_packet(struct trace_reader *r, const Pft__TracePacket **ret);

/* In words, for people, without a file name; "" if nothing went wrong. Valid until close. */
const char *trace_reader_error(const struct trace_reader *r);

#endif
