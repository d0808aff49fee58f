/* SPDX-License-Identifier: GPL-2.0 */
/* preempt_count.h - where the kernel keeps what tells that a CPU serves an interrupt. */
#ifndef FREC_PREEMPT_COUNT_H
#define FREC_PREEMPT_COUNT_H

#include <stdbool.h>
#include <stdint.h>

struct btf;

/*
 * The distance in bytes from the run queue of a CPU to its preempt count, as the kernel's BTF has it:
 * for kernels that do not let programs name either; or 0, where each thread keeps it (arm64).
 * Returns 0, or -ENOENT and *ret untouched: also where no thread leads to its run queue.
 */
int preempt_count_offset(const struct btf *kernel, int64_t *ret);

/* Soft interrupts are not in it: threads serve them, and count that for themselves (PREEMPT_RT). */
bool preempt_count_lacks_softirqs(const struct btf *kernel);

#endif
