/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker.h - the snapshot worker: turns a capture into a Perfetto trace.
 *
 * A process of its own, without privileges, started by the daemon
 * (snapshot.c) from the same binary. What it gets is in its descriptors.
 */
#ifndef FREC_WORKER_H
#define FREC_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#define WORKER_ARGV0 "frecd-worker"

enum worker_fd {
	WORKER_FD_CAPTURE = 3,
	WORKER_FD_OUTPUT = 4,
	WORKER_FD_OPENER = 5, /* may be closed */
	WORKER_FD_RESULT = 6,
	WORKER_FD_KALLSYMS = 7, /* may be closed */
	WORKER_FD_ENDS = 8,	/* gives struct peer_end; may be closed */
	WORKER_FD_LOCKS = 9,	/* of /proc/locks; may be closed */
};

/* Argument: write no stacks, open no files. */
#define WORKER_PLAIN "plain"
/* Hostile ELF files may claim any size: so many bytes of address space, the capture included. */
#define WORKER_ADDRESSES (6ull << 30)

/* Why the wait that the snapshot was written for took so long; all empty: nobody asked, or knows. */
struct worker_verdict {
	char text[512]; /* one sentence, fit for a log */
	char wait[16];	/* "lock", "network", …: the last link's */
	char comm[16];	/* who is to blame, or comes next to it */
	uint32_t pid, tid;
	uint64_t ns;
};

/* What the worker writes to WORKER_FD_RESULT when the trace is complete (or not). */
struct worker_result {
	uint64_t magic;
	int32_t error; /* 0 or -errno */
	int32_t opener; /* 0, or -errno: names are missing */
	uint64_t events, switches, bytes;
	uint64_t torn; /* slots of the window that could not be used */
	uint64_t held; /* ns of the window, complete on all CPUs */
	struct worker_verdict verdict;
};
#define WORKER_MAGIC 0x746b726f77636572ull

/* main() of the worker; returns its exit status. */
int worker_main(bool plain);

#endif
