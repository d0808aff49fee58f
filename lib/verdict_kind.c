/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_kind.c - from what the recorder saw of a sleep to the word for it. */
#include <stdio.h>
#include <string.h>

#include "verdict.h"

static const char *const names[VERDICT_WAITS] = {
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_RUNNING] = "running",
	[VERDICT_RUNQUEUE] = "runqueue",
	[VERDICT_THROTTLED] = "throttled",
	[VERDICT_LOCK] = "lock",
	[VERDICT_FUTEX] = "futex",
	[VERDICT_PIPE] = "pipe",
	[VERDICT_SOCKET] = "socket",
	[VERDICT_NETWORK] = "network",
	[VERDICT_DISK] = "disk",
	[VERDICT_MEMORY] = "memory",
	[VERDICT_SLEEP] = "sleep",
	[VERDICT_POLL] = "poll",
	[VERDICT_CHILD] = "child",
	[VERDICT_FILE_LOCK] = "file-lock",
	[VERDICT_KERNEL_LOCK] = "kernel-lock",
	[VERDICT_STOPPED] = "stopped",
	[VERDICT_DEADLOCK] = "deadlock",
	[VERDICT_EXIT] = "exit",
};

const char *verdict_wait_name(enum verdict_wait w)
{
	return (unsigned int)w < VERDICT_WAITS ? names[w] : "unknown";
}

static bool in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if (len && (p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

/* ---- by the kernel's own functions ---- */

/* Parts of names; the innermost function that matches one decides. */
static const struct {
	const char *part;
	enum verdict_wait wait;
} functions[] = {
	{ "rwsem_", VERDICT_KERNEL_LOCK },
	{ "down_read", VERDICT_KERNEL_LOCK },
	{ "down_write", VERDICT_KERNEL_LOCK },
	{ "mutex_lock", VERDICT_KERNEL_LOCK },
	{ "try_to_free", VERDICT_MEMORY },
	{ "mem_cgroup_", VERDICT_MEMORY },
	{ "mem_cgroup_handle", VERDICT_MEMORY },
	{ "shrink_", VERDICT_MEMORY },
	{ "reclaim", VERDICT_MEMORY },
	{ "swap_read", VERDICT_MEMORY },
	{ "do_swap_page", VERDICT_MEMORY },
	{ "balance_dirty_pages", VERDICT_DISK },
	{ "flock_lock", VERDICT_FILE_LOCK },
	{ "posix_lock", VERDICT_FILE_LOCK },
	{ "fcntl_setlk", VERDICT_FILE_LOCK },
	{ "locks_lock", VERDICT_FILE_LOCK },
	{ "__break_lease", VERDICT_FILE_LOCK },
	{ "wait_for_partner", VERDICT_PIPE }, /* open(2) of a FIFO */
};

static const struct {
	const char *part;
	enum verdict_wait wait;
} io_functions[] = {
	{ "io_schedule", VERDICT_DISK }, { "submit_bio_wait", VERDICT_DISK },
	{ "blk_", VERDICT_DISK },	 { "jbd2_", VERDICT_DISK },
	{ "folio_wait", VERDICT_DISK },	 { "wait_on_page", VERDICT_DISK },
	{ "xlog_", VERDICT_DISK },	 { "btrfs_", VERDICT_DISK },
	{ "filemap_", VERDICT_DISK },	 { "nfs_", VERDICT_DISK },
};

static enum verdict_wait by_function(const struct story_wait *w)
{
	for (size_t i = 0; i < w->stack.n && w->stack.frames[i].kernel; i++) {
		const char *name = w->stack.frames[i].function;

		for (size_t k = 0; name && k < sizeof(functions) / sizeof(functions[0]); k++)
			if (strstr(name, functions[k].part))
				return functions[k].wait;
	}
	for (size_t i = 0; i < w->stack.n && w->stack.frames[i].kernel; i++) {
		const char *name = w->stack.frames[i].function;

		for (size_t k = 0; name && k < sizeof(io_functions) / sizeof(io_functions[0]); k++)
			if (strstr(name, io_functions[k].part))
				return io_functions[k].wait;
	}
	return VERDICT_UNKNOWN;
}

/* ---- by the system call ---- */

static const struct {
	enum verdict_wait wait;
	const char *calls;
} by_call[] = {
	{ VERDICT_FUTEX, "futex futex_wait futex_waitv semop semtimedop semtimedop_time64" },
	{ VERDICT_POLL, "poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2 "
			"epoll_wait_old io_uring_enter io_getevents io_pgetevents accept accept4" },
	{ VERDICT_PIPE, "msgrcv msgsnd mq_timedreceive mq_timedsend" },
	{ VERDICT_SLEEP, "nanosleep clock_nanosleep pause rt_sigsuspend rt_sigtimedwait "
			 "sched_yield" },
	{ VERDICT_CHILD, "wait4 waitid waitpid vfork clone clone3" },
	{ VERDICT_FILE_LOCK, "flock fcntl" },
	{ VERDICT_DISK, "fsync fdatasync sync syncfs sync_file_range msync truncate ftruncate "
			"rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link "
			"linkat symlink symlinkat stat lstat fstat newfstatat statx getdents "
			"getdents64 fallocate readahead fadvise64 open openat openat2 creat "
			"chmod fchmod chown fchown utimensat statfs fstatfs swapoff swapon "
			"umount2 mount execve execveat" },
	{ VERDICT_MEMORY, "mmap munmap mremap mprotect brk madvise mlock mlockall mlock2 fault "
			  "process_madvise" },
};

/* Calls on a descriptor: what it is decides. */
static const char io_calls[] =
	"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile "
	"splice tee vmsplice copy_file_range ioctl close lseek recvfrom recvmsg recvmmsg "
	"sendto sendmsg sendmmsg connect shutdown accept accept4";

static bool is_loopback(const char *file)
{
	return strncmp(file, "127.", 4) == 0 || strncmp(file, "[::1]", 5) == 0 ||
	       strncmp(file, "[::ffff:127.", 12) == 0;
}

#define UNCONNECTED "listening at "

bool verdict_is_unconnected(const struct story_wait *w)
{
	return w->file && strncmp(w->file, UNCONNECTED, strlen(UNCONNECTED)) == 0;
}

/* Who sends to a socket that is not connected is known at the end, if at all. */
static bool is_local(const struct story_wait *w)
{
	if (w->peer_pid || !w->file)
		return w->peer_pid;
	if (!verdict_is_unconnected(w))
		return is_loopback(w->file);
	return is_loopback(w->file + strlen(UNCONNECTED)) || w->open || w->sender != STORY_NOBODY;
}

static enum verdict_wait by_file(const struct story_wait *w)
{
	static const struct {
		const char *type;
		enum verdict_wait wait;
	} types[] = {
		{ "pipe", VERDICT_PIPE },   { "unix", VERDICT_SOCKET }, { "regular", VERDICT_DISK },
		{ "block", VERDICT_DISK },  { "directory", VERDICT_DISK },
		{ "socket", VERDICT_SOCKET },
		{ "character", VERDICT_POLL }, { "anonymous", VERDICT_POLL },
	};

	if (!w->type)
		return VERDICT_UNKNOWN;
	if (strcmp(w->type, "inet") == 0)
		return is_local(w) ? VERDICT_SOCKET : VERDICT_NETWORK;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, w->type) == 0)
			return types[i].wait;
	return VERDICT_UNKNOWN;
}

static enum verdict_wait of_call(const struct story_wait *w)
{
	enum verdict_wait wait;

	if (w->file && strcmp(w->file, "[timerfd]") == 0)
		return VERDICT_SLEEP;
	for (size_t i = 0; i < sizeof(by_call) / sizeof(by_call[0]); i++)
		if (in_list(by_call[i].calls, w->name))
			return by_call[i].wait;
	if (!in_list(io_calls, w->name))
		return by_function(w);
	wait = by_file(w);
	return wait ? wait : by_function(w);
}

/* No thread wakes another's futex from an interrupt: its own time-out has ended the wait. */
static bool is_timed_out(const struct story_segment *g)
{
	return g->wake && g->wake->irq & TRACE_IRQ_HARD;
}

bool verdict_is_kthread(const struct story *s, uint32_t thread)
{
	const struct story_process *p = story_process(s, s->threads[thread].pid);

	return p && p->kthread;
}

bool verdict_is_recorder(const struct story *s, uint32_t thread)
{
	const struct story_process *p = story_process(s, s->threads[thread].pid);

	return p && p->name &&
	       (strncmp(p->name, "frecd", 5) == 0 || strcmp(p->name, "frecctl") == 0);
}

/*
 * A lock of the kernel. No function tells: the kernel leaves out those of its scheduler and locks
 * from the stack of a sleeper. But devices wake by interrupts and kernel threads, and whom a device
 * keeps waiting is marked so; a lock another thread lets go, or has not yet.
 */
static bool is_let_go(const struct story *s, const struct story_segment *g,
		      const struct story_wait *w, bool io)
{
	const struct story_wake *k = g->wake;

	if (g->sleep != TRACE_STATE_DISK || io || verdict_is_served(w))
		return false;
	if (!k)
		return w->open;
	return !k->irq && k->waker != STORY_NOBODY && k->waker != w->thread &&
	       !verdict_is_kthread(s, k->waker);
}

/* Disks let nobody be interrupted: then the name of a call is not enough. */
static bool is_interruptible(const struct story_segment *g, const struct story_wait *w, bool io)
{
	return g->sleep == TRACE_STATE_SLEEPING && !io && by_function(w) != VERDICT_DISK &&
	       !verdict_is_served(w);
}

/* What open(2) waits for, if not for a disk, a thread lets it have: the other end of a FIFO, mostly. */
static enum verdict_wait without_disk(const struct story_segment *g, const struct story_wait *w)
{
	return in_list("open openat openat2 creat", w->name) && g->wake && !g->wake->irq &&
			       g->wake->waker != STORY_NOBODY
		       ? VERDICT_PIPE
		       : VERDICT_UNKNOWN;
}

static enum verdict_wait of_sleep(const struct story *s, const struct story_segment *g,
				  const struct story_wait *w, bool io)
{
	enum verdict_wait wait;

	if (g->sleep & (TRACE_STATE_STOPPED | TRACE_STATE_TRACED))
		return VERDICT_STOPPED;
	if (strcmp(w->name, "stopped") == 0)
		return VERDICT_STOPPED;
	if (strcmp(w->name, "lock") == 0)
		return VERDICT_LOCK;
	if (strcmp(w->name, "futex") == 0)
		return is_timed_out(g) ? VERDICT_SLEEP : VERDICT_FUTEX;
	/* a lock of the kernel, or its memory, may be what any call waits for */
	wait = by_function(w);
	if (g->sleep == TRACE_STATE_DISK && wait)
		return wait == VERDICT_DISK && strcmp(w->name, "fault") == 0 ? VERDICT_MEMORY
									     : wait;
	if (wait == VERDICT_FILE_LOCK || wait == VERDICT_PIPE)
		return wait;
	wait = of_call(w);
	if (wait != VERDICT_CHILD && is_let_go(s, g, w, io))
		return VERDICT_KERNEL_LOCK;
	return wait == VERDICT_DISK && is_interruptible(g, w, io) ? without_disk(g, w) : wait;
}

bool verdict_joins(const struct story_wait *w)
{
	for (size_t i = 0; i < w->stack.n; i++) {
		const char *name = w->stack.frames[i].function;

		if (!w->stack.frames[i].kernel && name && strstr(name, "pthread_") &&
		    strstr(name, "join"))
			return true;
	}
	return false;
}

bool verdict_awaits_signal(const struct story_wait *w)
{
	return in_list("pause rt_sigsuspend rt_sigtimedwait", w->name);
}

bool verdict_is_served(const struct story_wait *w)
{
	for (size_t i = 0; i < w->stack.n && w->stack.frames[i].kernel; i++) {
		const char *name = w->stack.frames[i].function;

		if (name &&
		    (strstr(name, "request_wait_answer") || strstr(name, "handle_userfault")))
			return true;
	}
	return false;
}

/* What the recorder marks at the beginning of a sleep, or when a thread is taken off its CPU. */
static const struct story_blocked *mark_of(const struct story *s, uint32_t thread,
					   const struct story_segment *g)
{
	static const struct story_blocked none;
	uint32_t tid = s->threads[thread].tid;
	size_t low = 0, high = s->n_blocked;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct story_blocked *b = &s->blocked[mid];

		if (b->tid < tid || (b->tid == tid && b->ts < g->start))
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n_blocked && s->blocked[low].tid == tid && s->blocked[low].ts < g->end
		       ? &s->blocked[low]
		       : &none;
}

enum verdict_wait verdict_kind(const struct story *s, uint32_t thread,
			       const struct story_segment *g, const struct story_wait *w)
{
	enum verdict_wait wait;

	switch (g->state) {
	case STORY_RUNNING:
		return VERDICT_RUNNING;
	case STORY_RUNNABLE:
		return mark_of(s, thread, g)->throttled ? VERDICT_THROTTLED : VERDICT_RUNQUEUE;
	case STORY_SLEEPING:
		if (!w && g->sleep & (TRACE_STATE_STOPPED | TRACE_STATE_TRACED))
			return VERDICT_STOPPED;
		wait = w ? of_sleep(s, g, w, mark_of(s, thread, g)->io) : VERDICT_UNKNOWN;
		return wait == VERDICT_UNKNOWN && mark_of(s, thread, g)->io ? VERDICT_DISK : wait;
	case STORY_GONE: /* before its birth and beyond the window nothing is known */
		return g->start && g->start < s->end ? VERDICT_EXIT : VERDICT_UNKNOWN;
	default:
		return VERDICT_UNKNOWN;
	}
}

/* ---- in words ---- */

void verdict_what(const struct story_wait *w, enum verdict_wait kind, char *buf, size_t size)
{
	unsigned long long address = w->address;
	int n;

	if (kind == VERDICT_LOCK && w->symbol)
		snprintf(buf, size, "mutex %s (0x%llx)", w->symbol, address);
	else if (kind == VERDICT_LOCK)
		snprintf(buf, size, "mutex 0x%llx", address);
	else if (kind == VERDICT_FUTEX && address)
		snprintf(buf, size, "futex 0x%llx", address);
	else if (kind == VERDICT_FUTEX || kind == VERDICT_STOPPED || w->fd < 0)
		snprintf(buf, size, "%s", w->name);
	else {
		n = snprintf(buf, size, "%s fd %d", w->name, w->fd);
		if (w->file && n > 0 && (size_t)n < size)
			snprintf(buf + n, size - n, " %s", w->file);
	}
}

static bool has_frame(const struct story_wait *w, const char *prefix)
{
	for (size_t i = 0; i < w->stack.n; i++)
		if (!w->stack.frames[i].kernel && w->stack.frames[i].function &&
		    strncmp(w->stack.frames[i].function, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

const char *verdict_runtime(const struct story_wait *w)
{
	static const struct {
		const char *prefix, *runtime;
	} parkers[] = {
		{ "runtime.futex", "Go" },	{ "runtime.epollwait", "Go" },
		{ "runtime.mPark", "Go" },	{ "runtime.netpoll", "Go" },
		{ "runtime.notesleep", "Go" },	{ "runtime.usleep", "Go" },
		{ "tokio::runtime::", "tokio" }, { "tokio::park", "tokio" },
		{ "java.lang.VirtualThread", "Java" }, { "jdk.internal.vm.Continuation", "Java" },
	};

	for (size_t i = 0; i < sizeof(parkers) / sizeof(parkers[0]); i++)
		if (has_frame(w, parkers[i].prefix))
			return parkers[i].runtime;
	return NULL;
}
