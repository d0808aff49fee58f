// SPDX-License-Identifier: GPL-2.0
/*
 * irq.bpf.c - depth of interrupts on each CPU, for kernels that do not let us
 * read the preempt count (compat.bpf.h). Timers and irq_work have tracepoints
 * of their own: without them a timer's wake-up would accuse whoever ran.
 */
#include "maps.bpf.h"

static __always_inline int depth_add(bool soft, int by)
{
	struct cpu_state *c;
	u32 cpu, *depth;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	depth = soft ? &c->softirq : &c->hardirq;
	if (by > 0 || *depth) /* attached in the middle of an interrupt: never below 0 */
		*depth += by;
	return 0;
}

#define DEPTH(tracepoint, soft, by)                                                                \
	SEC("raw_tp/" #tracepoint) int on_##tracepoint(void *ctx)                                  \
	{                                                                                          \
		return depth_add(soft, by);                                                        \
	}

DEPTH(irq_handler_entry, false, 1)
DEPTH(irq_handler_exit, false, -1)
DEPTH(softirq_entry, true, 1)
DEPTH(softirq_exit, true, -1)
DEPTH(local_timer_entry, false, 1) /* x86 */
DEPTH(local_timer_exit, false, -1)
DEPTH(irq_work_entry, false, 1) /* x86 */
DEPTH(irq_work_exit, false, -1)
DEPTH(call_function_single_entry, false, 1) /* x86 */
DEPTH(call_function_single_exit, false, -1)
DEPTH(hrtimer_expire_entry, false, 1) /* attached where there is no local_timer_entry */
DEPTH(hrtimer_expire_exit, false, -1)

char LICENSE[] SEC("license") = "GPL";
