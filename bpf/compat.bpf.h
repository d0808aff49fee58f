/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.bpf.h - where kernels and architectures differ. Each entry names the
 * change; nothing else in bpf/ may.
 */
#ifndef FREC_COMPAT_BPF_H
#define FREC_COMPAT_BPF_H

#include "record.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* Keeps the compiler from carrying a bound in another register than the one that is used. */
#ifndef barrier_var
#define barrier_var(v) asm volatile("" : "+r"(v))
#endif

/* ---- CPU quota: since 6.18 a thread is taken off by itself, before with its whole run queue ---- */

struct task_struct___throttled {
	bool throttled;
} __attribute__((preserve_access_index));

struct rq;

struct cfs_rq {
	struct rq *rq;
	int throttle_count;
} __attribute__((preserve_access_index));

struct sched_entity___grouped {
	struct cfs_rq *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct___grouped {
	struct sched_entity___grouped se;
} __attribute__((preserve_access_index));

#define RT_PRIO_END 100 /* prio of threads that no quota of the fair scheduler touches is less */

/* Before 6.18: is the run queue of t's cgroup, on the CPU where t is or was, taken off as a whole? */
static __always_inline bool group_throttled(struct task_struct *t)
{
	struct task_struct___throttled *itself = (void *)t;
	struct task_struct___grouped *grouped = (void *)t;

	if (bpf_core_field_exists(itself->throttled) || t->prio < RT_PRIO_END ||
	    !bpf_core_field_exists(grouped->se.cfs_rq) ||
	    !bpf_core_field_exists(((struct cfs_rq *)0)->throttle_count))
		return false;
	return grouped->se.cfs_rq->throttle_count;
}

/* t, which could run, is being switched out. Does the quota of its cgroup keep it from the CPU? */
static __always_inline bool task_throttled(struct task_struct *t)
{
	struct task_struct___throttled *itself = (void *)t;

	if (bpf_core_field_exists(itself->throttled))
		return itself->throttled;
	return group_throttled(t);
}

/* ---- ends of syscalls since 6.18 (call_end.bpf.h) ---- */

struct task_struct___rseq {
	void *rseq;
	unsigned long rseq_event_mask; /* until 6.18 */
} __attribute__((preserve_access_index));

/* Will t pass rseq_update when it goes back to user space? Since 6.19 only if it has moved. */
static __always_inline bool rseq_update_comes(const struct control *ctl, struct task_struct *t)
{
	struct task_struct___rseq *r = (void *)t;

	return ctl->ends_pass && bpf_core_field_exists(r->rseq_event_mask) && r->rseq;
}

struct bpf_task_work {
	__u64 opaque;
};

typedef int task_work_fn(struct bpf_map *map, void *key, void *value);

/* Since 6.18. */
extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *tw,
					      void *map__map, task_work_fn *callback,
					      void *aux__prog) __ksym __weak;
/* Since 6.10. */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

#define SIGNAL_FLAGS 6ul /* TIF_SIGPENDING and TIF_NOTIFY_SIGNAL, everywhere since 6.18 */
#define NR_EXECVE 59	 /* of x86-64, as only there threads tell */
#define NR_EXECVEAT 322

/* Reads as plainly as an address allows; since 6.2. In one object: libbpf 1.1 links no function twice. */
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym __weak;

/* ---- architecture: registers of a thread inside a syscall ---- */

#if defined(__TARGET_ARCH_x86)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		sp;
} __attribute__((preserve_access_index));

#define NR_FUTEX 202
#define NR_FUTEX_32 240
#define NR_FUTEX_TIME64_32 422

static __always_inline int regs_syscall(const struct pt_regs *r)
{
	return (int)r->orig_ax;
}

static __always_inline long regs_ret(const struct pt_regs *r)
{
	return r->ax;
}

static __always_inline u64 regs_ip(const struct pt_regs *r)
{
	return r->ip;
}

static __always_inline u64 regs_sp(const struct pt_regs *r)
{
	return r->sp;
}

/* Where frec.h has the id of a span. */
static __always_inline u64 regs_span(const struct pt_regs *r)
{
	return r->di;
}

/* sp was that at the entry of a function. Is its return, and not that of a deeper call, where r is? */
static __always_inline bool regs_returned(const struct pt_regs *r, u64 sp)
{
	return r->sp > sp; /* the return address is gone */
}

/*
 * Is the syscall itself still running? Afterwards (task work, signals, the
 * freezer) its number still stands in the registers, but it has a result.
 */
static __always_inline bool regs_in_call(const struct pt_regs *r)
{
	return (long)r->ax == -38; /* -ENOSYS, which the entry code puts there until there is a result */
}

static __always_inline void regs_args(const struct pt_regs *r, bool compat, u64 args[6])
{
	if (compat) {
		args[0] = (u32)r->bx;
		args[1] = (u32)r->cx;
		args[2] = (u32)r->dx;
		args[3] = (u32)r->si;
		args[4] = (u32)r->di;
		args[5] = (u32)r->bp;
	} else {
		args[0] = r->di;
		args[1] = r->si;
		args[2] = r->dx;
		args[3] = r->r10;
		args[4] = r->r8;
		args[5] = r->r9;
	}
}

/* In DWARF's order (record.h, struct ev_dump); returns the stack pointer. */
static __always_inline u64 regs_copy(const struct pt_regs *r, struct ev_dump *e)
{
	e->n_registers = 17;
	e->registers[0] = r->ax;
	e->registers[1] = r->dx;
	e->registers[2] = r->cx;
	e->registers[3] = r->bx;
	e->registers[4] = r->si;
	e->registers[5] = r->di;
	e->registers[6] = r->bp;
	e->registers[7] = r->sp;
	e->registers[8] = r->r8;
	e->registers[9] = r->r9;
	e->registers[10] = r->r10;
	e->registers[11] = r->r11;
	e->registers[12] = r->r12;
	e->registers[13] = r->r13;
	e->registers[14] = r->r14;
	e->registers[15] = r->r15;
	e->registers[16] = r->ip;
	return r->sp;
}

/*
 * The stack ends below this address: glibc puts a thread's descriptor, to which
 * fs points, at the top of its stack; the main thread's begins at start_stack.
 */
static __always_inline u64 stack_top(struct task_struct *t, u64 sp)
{
	u64 fs = t->thread.fsbase, main = BPF_CORE_READ(t, mm, start_stack);

	return fs > sp && (main < sp || fs < main) ? fs : main > sp ? main : ~0ull;
}

#define TS_COMPAT 0x0002

static __always_inline bool task_compat(struct task_struct *t)
{
	return t->thread_info.status & TS_COMPAT;
}

#elif defined(__TARGET_ARCH_arm64)

/* syscallno lies behind the registers; regs[0] is overwritten by the return
 * value, orig_x0 keeps the first argument */
struct pt_regs {
	u64 regs[31];
	u64 sp;
	u64 pc;
	u64 orig_x0;
	s32 syscallno;
} __attribute__((preserve_access_index));

#define NR_FUTEX 98
#define NR_FUTEX_32 240
#define NR_FUTEX_TIME64_32 422

static __always_inline int regs_syscall(const struct pt_regs *r)
{
	return r->syscallno;
}

static __always_inline long regs_ret(const struct pt_regs *r)
{
	return r->regs[0];
}

static __always_inline u64 regs_ip(const struct pt_regs *r)
{
	return r->pc;
}

static __always_inline u64 regs_sp(const struct pt_regs *r)
{
	return r->sp;
}

static __always_inline u64 regs_span(const struct pt_regs *r)
{
	return r->regs[0];
}

static __always_inline bool regs_returned(const struct pt_regs *r, u64 sp)
{
	return r->sp >= sp;
}

static __always_inline bool regs_in_call(const struct pt_regs *r)
{
	return r->regs[0] == r->orig_x0; /* the result takes the place of the argument */
}

static __always_inline void regs_args(const struct pt_regs *r, bool compat, u64 args[6])
{
	args[0] = r->orig_x0;
	args[1] = r->regs[1];
	args[2] = r->regs[2];
	args[3] = r->regs[3];
	args[4] = r->regs[4];
	args[5] = r->regs[5];
}

static __always_inline u64 regs_copy(const struct pt_regs *r, struct ev_dump *e)
{
	e->n_registers = 33;
	for (int i = 0; i < 31; i++)
		e->registers[i] = r->regs[i];
	e->registers[31] = r->sp;
	e->registers[32] = r->pc;
	return r->sp;
}

static __always_inline u64 stack_top(struct task_struct *t, u64 sp)
{
	u64 main = BPF_CORE_READ(t, mm, start_stack);

	return main > sp ? main : ~0ull;
}

static __always_inline bool task_compat(struct task_struct *t)
{
	return false; /* TIF_32BIT: its bit number is not in BTF */
}

#else
#error "no pt_regs for this architecture yet"
#endif

/*
 * Does prev leave its CPU to sleep? A thread with a signal pending stays
 * runnable; prev_state says so since 6.14 only.
 */
static __always_inline bool switch_sleeps(bool preempt, struct task_struct *prev,
					  unsigned int prev_state)
{
	return !preempt && prev_state && prev->__state;
}

/*
 * As the kernel's __task_state_index(): the highest bit alone. Frozen threads
 * are D since 6.10; before, they were R, which helps nobody.
 */
static __always_inline u16 state_report(bool preempt, unsigned int state, int exit_state)
{
	u32 bits = (state | exit_state) & 0x7f;

	if (preempt)
		return TASK_REPORT_PREEMPTED;
	if ((state & (TASK_REPORT_DISK | TASK_NOLOAD_)) == (TASK_REPORT_DISK | TASK_NOLOAD_))
		return TASK_REPORT_IDLE;
	if (state & (TASK_RTLOCK_WAIT_ | TASK_FROZEN_))
		return TASK_REPORT_DISK;
	bits |= bits >> 1;
	bits |= bits >> 2;
	bits |= bits >> 4;
	return bits ^ bits >> 1;
}

/* mm_struct.rss_stat became four percpu_counters in 6.2; their sum lags behind by some pages of each CPU */
struct mm_rss_stat {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct mm_struct___counts {
	struct mm_rss_stat rss_stat;
} __attribute__((preserve_access_index));

struct percpu_counter {
	s64 count;
} __attribute__((preserve_access_index));

struct mm_struct___percpu {
	struct percpu_counter rss_stat[4];
} __attribute__((preserve_access_index));

/* mm_struct.flags became a bitmap, mm_flags_t, in 6.18 */
typedef struct {
	unsigned long __mm_flags[1];
} __attribute__((preserve_access_index)) mm_flags_t;

struct mm_struct___bitmap {
	mm_flags_t flags;
} __attribute__((preserve_access_index));

/* May others look into this memory, as the kernel's rule for ptrace(2) asks first of all? */
static __always_inline bool mm_dumpable(struct mm_struct *mm)
{
	struct mm_struct___bitmap *bitmap = (void *)mm;
	u64 flags;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		flags = BPF_CORE_READ(bitmap, flags.__mm_flags[0]);
	else
		flags = BPF_CORE_READ(mm, flags);
	return (flags & 3) == 1; /* SUID_DUMP_USER */
}

static __always_inline s64 not_below_0(s64 n)
{
	return n > 0 ? n : 0;
}

/* Pages that are there: of files, anonymous, shared; the third kind counts those swapped out. */
static __always_inline s64 mm_rss(struct mm_struct *mm)
{
	struct mm_struct___counts *counts = (void *)mm;
	struct mm_struct___percpu *percpu = (void *)mm;

	if (bpf_core_field_exists(counts->rss_stat.count))
		return BPF_CORE_READ(counts, rss_stat.count[0].counter) +
		       BPF_CORE_READ(counts, rss_stat.count[1].counter) +
		       BPF_CORE_READ(counts, rss_stat.count[3].counter);
	return not_below_0(BPF_CORE_READ(percpu, rss_stat[0].count)) +
	       not_below_0(BPF_CORE_READ(percpu, rss_stat[1].count)) +
	       not_below_0(BPF_CORE_READ(percpu, rss_stat[3].count));
}

/* kernfs_node.parent became __parent (RCU) in 6.15 */
struct kernfs_node___new {
	struct kernfs_node *__parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *kn)
{
	struct kernfs_node___new *new = (void *)kn;

	if (bpf_core_field_exists(new->__parent))
		return BPF_CORE_READ(new, __parent);
	return BPF_CORE_READ(kn, parent);
}

#endif
