/* SPDX-License-Identifier: GPL-2.0 */
/* irq.bpf.h - the interrupt context of the CPU that runs `me`, the current thread. For sched.bpf.c. */
#ifndef FREC_IRQ_BPF_H
#define FREC_IRQ_BPF_H

#include "compat.bpf.h"

#define PREEMPT_SOFTIRQ_SERVING 0x00000100u
#define PREEMPT_HARDIRQ_NMI 0x00ff0000u

static __always_inline u32 irq_of_preempt_count(u32 count)
{
	if (count & PREEMPT_HARDIRQ_NMI)
		return IRQ_HARD;
	return count & PREEMPT_SOFTIRQ_SERVING ? IRQ_SOFT : 0;
}

/*
 * x86 keeps the count in a per-CPU variable: __preempt_count until 6.1 and
 * again since 6.15, pcpu_hot.preempt_count in between. Kernels without
 * KALLSYMS_ALL resolve neither, and a ksym that cannot be resolved makes
 * loading fail: one object for each case, the daemon picks.
 */
#if defined(IRQ_FROM_PREEMPT_COUNT)

extern const int __preempt_count __ksym;

static __always_inline u32 irq_context(struct task_struct *me)
{
	const int *p = bpf_this_cpu_ptr(&__preempt_count);

	return irq_of_preempt_count(*p);
}

#elif defined(IRQ_FROM_PCPU_HOT)

struct pcpu_hot {
	int preempt_count;
} __attribute__((preserve_access_index));

extern const struct pcpu_hot pcpu_hot __ksym;

static __always_inline u32 irq_context(struct task_struct *me)
{
	const struct pcpu_hot *p = bpf_this_cpu_ptr(&pcpu_hot);

	return irq_of_preempt_count(p->preempt_count);
}

#else /* located by the daemon; arm64 keeps it in thread_info */

/* From the run queue of a CPU to its preempt count, both per-CPU variables; 0: not known. */
const volatile s64 preempt_count_offset = 0;

static __always_inline u32 irq_context(struct task_struct *me)
{
	struct task_struct___grouped *grouped = (void *)me;
	void *count;
	int value;

	if (bpf_core_field_exists(me->thread_info.preempt_count))
		return irq_of_preempt_count(me->thread_info.preempt_count);
	if (!preempt_count_offset || !bpf_core_field_exists(grouped->se.cfs_rq))
		return 0;
	count = (void *)grouped->se.cfs_rq->rq + preempt_count_offset;
	if (bpf_rdonly_cast) {
		struct refcount_struct *cast = bpf_rdonly_cast(
			count, bpf_core_type_id_kernel(struct refcount_struct));

		return irq_of_preempt_count(cast->refs.counter);
	}
	if (bpf_probe_read_kernel(&value, sizeof(value), count))
		return 0;
	return irq_of_preempt_count(value);
}

#endif

#endif
