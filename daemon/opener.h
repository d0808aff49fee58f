/* SPDX-License-Identifier: GPL-2.0 */
/*
 * opener.h - the one process that may look into /proc of others.
 *
 * It is forked before the daemon gives up its privileges, keeps CAP_SYS_PTRACE
 * and CAP_DAC_READ_SEARCH alone, and answers requests of the snapshot worker on
 * a SOCK_SEQPACKET socket. It reads nothing that a recorded process wrote (of
 * /proc/PID/stat only what the kernel did): it hands out descriptors, and the
 * worker, which has no privileges, reads them.
 */
#ifndef FREC_OPENER_H
#define FREC_OPENER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the protocol: one packet each way, native byte order ---- */

enum opener_op {
	OPENER_CMDLINE = 1, /* a descriptor of /proc/PID/cmdline */
	OPENER_EXE = 2,	    /* where /proc/PID/exe points to, as text */
	OPENER_MAPS = 3,    /* a descriptor of /proc/PID/maps */
	OPENER_MAPPED = 4,  /* of the file mapped at map_start … map_end */
	OPENER_PERF_MAP = 5,   /* of /tmp/perf-NUMBER.map in the process's root */
	OPENER_REMEMBER = 6,   /* its maps, for when it is gone; not answered */
	OPENER_TOLD = 7,       /* likewise, but the text is behind the struct; inode: mount namespace */
	OPENER_STATUS = 8,     /* a descriptor of /proc/PID/status */
	OPENER_PROGRAM = 9,    /* the ELF file of this path on the host; of no process */
};

/*
 * start is that of the process's leader, MONOTONIC ns (0: do not compare),
 * boot_offset BOOTTIME - MONOTONIC now. /proc/PID/stat has the start in clock
 * ticks of BOOTTIME, so what it says must lie between start (before the first
 * suspend) and start + boot_offset (after the last), give or take two ticks. A
 * pid that was used again in between would need a suspend in that very time.
 */
struct opener_request {
	uint32_t id;
	uint32_t op;
	uint32_t pid;
	uint32_t number;
	uint64_t start;
	uint64_t boot_offset;
	uint64_t map_start, map_end; /* OPENER_MAPPED, as /proc/PID/maps has them … */
	uint64_t inode;		     /* … and, behind the struct, the path */
	/*
	 * OPENER_MAPS and OPENER_MAPPED, MONOTONIC ns: as it was between the exec at
	 * since (0: the first one) and the one at until (0: it has not exec'ed since).
	 * What has gone is answered from what was remembered.
	 */
	uint64_t since, until;
};
_Static_assert(sizeof(struct opener_request) == 72, "opener request");

/* len bytes of text (without NUL) follow; a descriptor comes with it or not. */
struct opener_reply {
	uint32_t id;
	int32_t error; /* 0 or -errno: -ESRCH if it is gone, or another process by now */
	uint32_t len;
	uint32_t pad;
	char text[PATH_MAX];
};
#define OPENER_REPLY_HEAD offsetof(struct opener_reply, text)

/* ---- the daemon's side ---- */

/*
 * Forks it and waits until it has confined itself. It runs as uid and gid
 * where this process may change them ((uid_t)-1: stay), and dies with the
 * *thread* that called this. *ret_fd is close-on-exec; the opener ends, too,
 * when all its copies are closed. Capabilities that are missing here are
 * missing there: requests then end with -EACCES.
 */
int opener_start(uid_t uid, gid_t gid, int *ret_fd, pid_t *ret_pid);

/*
 * Has it note what a process has mapped. Does not wait: 0, or -EAGAIN if the
 * opener has not yet taken earlier requests, -EPIPE if it is gone.
 */
int opener_remember(int fd, uint32_t pid, uint64_t start, uint64_t boot_offset);

/* The same with a text of at most OPENER_TOLD_MAX bytes, as /proc/PID/maps would have it. */
#define OPENER_TOLD_MAX (64u << 10)
int opener_tell(int fd, uint32_t pid, uint64_t start, uint32_t mnt_ns, const char *text,
		size_t len);

/*
 * Asks for the program or library of this path, an answer for opener_program(). Does not wait: 0, or
 * as opener_remember(). Not while a worker runs: it has the socket to itself.
 */
int opener_ask_program(int fd, uint32_t id, const char *path);
/* 0 and a descriptor; -EAGAIN: not yet; else why there is none (-ENOEXEC: it is no ELF file). */
int opener_program(int fd, uint32_t id, int *ret_fd);

/* ---- the worker's side ---- */

/* On a starved host it may have to wait for a CPU: hundreds of threads before it are no rarity. */
#define OPENER_TIMEOUT_MS 500

struct opener_client {
	int fd;
	int error; /* it did not answer, or is gone: not asked again */
	uint32_t id;
};

/* One client at a time may use the socket; what one left unread the next skips. */
void opener_client_init(struct opener_client *c, int fd);

/*
 * The arguments of a process, at most size - 1 bytes of them, each ended by
 * NUL but the last, where *ret_len is; buf[*ret_len] is NUL. Empty for kernel
 * threads and zombies. Once a request has not been answered in time this and
 * all later calls return -ETIMEDOUT at once; -EPIPE if the opener is gone.
 */
int opener_cmdline(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		   char *buf, size_t size, size_t *ret_len);

/* The thread that traces this one now, 0: none; errors as of opener_cmdline(). */
int opener_tracer(struct opener_client *c, uint32_t tid, uint64_t start, uint64_t boot_offset,
		  uint32_t *ret_tid);

/* A process between two of its execs: see struct opener_request. */
struct opener_life {
	uint32_t pid;
	uint64_t start, boot_offset;
	uint64_t since, until;
};

/*
 * Descriptors, for the caller to close. opener_mapped(): the file that the
 * process has mapped there, -ESTALE if another one stands at its path by now.
 * opener_perf_map(): ns_pid is the pid in the process's own namespace; only if
 * it belongs to the process's user and is no link.
 */
int opener_maps(struct opener_client *c, const struct opener_life *life, int *ret_fd);
int opener_mapped(struct opener_client *c, const struct opener_life *life, uint64_t map_start,
		  uint64_t map_end, uint64_t inode, const char *path, int *ret_fd);
int opener_perf_map(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		    uint32_t ns_pid, int *ret_fd);

/* An ELF file of the host: -ENOEXEC if it is none. */
int opener_file(struct opener_client *c, const char *path, int *ret_fd);

/* The path of the executable, as that process's root has it; -ENOBUFS if it does not fit. */
int opener_exe(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
	       char *buf, size_t size, size_t *ret_len);

#endif
