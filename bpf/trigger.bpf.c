// SPDX-License-Identifier: GPL-2.0
/* trigger.bpf.c - thresholds and filters, evaluated at the end of a wait. */
#include "filter.bpf.h"

struct trigger_check {
	struct scratch *s;
	struct cpu_state *c;
	u32 which;
	u32 hits;
};

static __always_inline bool trigger_matches(const struct trigger_filter *f, u32 key,
					    struct trigger_check *k)
{
	struct scratch *s = k->s;

	if (f->filters & FILTER_SYSCALLS) {
		u32 nr = s->facts.nr;

		/* the mask has native numbers */
		if (nr >= SYSCALL_WORDS * 64 || (s->facts.flags & WAIT_COMPAT) ||
		    !(f->syscalls[nr / 64 & (SYSCALL_WORDS - 1)] >> (nr & 63) & 1))
			return false;
	}
	return filter_connection(f, &s->request) && filter_thread(f, key, s, k->which);
}

static __always_inline void trigger_submit(struct trigger_check *k, u32 index, u32 kind,
					   u64 duration)
{
	struct trigger_record *r = bpf_ringbuf_reserve(&trigger_ring, sizeof(*r), 0);
	struct scratch *s = k->s;
	u32 tgid = s->facts.tgid;
	u64 now = s->judge.now;

	if (!r) {
		__sync_fetch_and_add(&k->c->lost_trigger, 1);
		return;
	}
	r->h.ts = s->judge.now;
	r->h.kind = kind;
	r->h.cpu = s->judge.cpu;
	r->h.len = sizeof(*r);
	r->index = index;
	r->bank = s->judge.bank;
	r->duration = duration;
	__builtin_memcpy(&r->w, &s->facts, sizeof(r->w));
	if (kind == TRIGGER_RUNQUEUE)
		r->w.start = s->judge.runnable;
	if (kind == TRIGGER_REQUEST) /* judged is how long it was the server's turn */
		r->duration = r->w.end - r->w.start;
	bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
	bpf_map_update_elem(&fired_for, &tgid, &now, BPF_ANY); /* see mapped.bpf.c */
}

/* At most one record in 10 ms for each trigger: a storm must not wake the daemon for ever. */
#define TRIGGER_GAP_NS 10000000ull

static long trigger_one(u32 index, struct trigger_check *k)
{
	struct scratch *s = k->s;
	u32 key = (s->judge.bank & 1) * TRIGGERS_MAX + index;
	struct trigger_filter *f = bpf_map_lookup_elem(&trigger_filters, &key);
	struct trigger_count *n = bpf_map_lookup_elem(&trigger_counts, &key);
	u64 duration, quiet, now = s->judge.now;

	if (!f || !n || !f->kind)
		return 1;
	duration = s->judge.durations[f->kind & (TRIGGER_KINDS - 1)];
	if (!duration || duration < f->threshold ||
	    (s->judge.before && f->threshold <= s->judge.before) || !trigger_matches(f, key, k))
		return 0;
	k->hits++;
	__sync_fetch_and_add(&n->hits, 1);
	quiet = n->quiet_until;
	if (now < quiet || __sync_val_compare_and_swap(&n->quiet_until, quiet,
						       now + TRIGGER_GAP_NS) != quiet) {
		__sync_fetch_and_add(&n->suppressed, 1);
		return 0;
	}
	trigger_submit(k, index, f->kind, duration);
	return 0;
}

__noinline int trigger_run(u32 which)
{
	struct trigger_check k = {.s = scratch_get(which), .which = which};
	u32 cpu;

	k.c = cpu_self(&cpu);
	if (k.s && k.c)
		bpf_loop(TRIGGERS_MAX, trigger_one, &k, 0);
	return k.hits;
}

/*
 * The wait in this scratch, of which a trigger was told while it lasted, has ended: the syscall
 * (kind TRIGGER_SYSCALL), or a sleep, of which a syscall may have several (0).
 */
__noinline int trigger_ended(u32 which, u32 kind)
{
	struct trigger_check k = {.s = scratch_get(which), .which = which};
	u32 cpu;

	k.c = cpu_self(&cpu);
	if (k.s && k.c)
		trigger_submit(&k, TRIGGER_ENDED, kind, k.s->facts.end - k.s->facts.start);
	return 0;
}

__noinline int trigger_cpu(void)
{
	struct trigger_record *r;
	struct cpu_state *c;
	u32 cpu;

	c = cpu_self(&cpu);
	if (!c)
		return 0;
	c->asked = 1;
	r = bpf_ringbuf_reserve(&trigger_ring, sizeof(*r), 0);
	if (!r) /* it looks once a second anyway */
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->h.ts = bpf_ktime_get_ns();
	r->h.cpu = cpu;
	r->h.len = sizeof(*r);
	r->index = TRIGGER_CPU;
	bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
