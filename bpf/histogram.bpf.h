/* SPDX-License-Identifier: GPL-2.0 */
/* histogram.bpf.h - counting a latency: in that of all, and in those of triggers that mean it. */
#ifndef FREC_HISTOGRAM_BPF_H
#define FREC_HISTOGRAM_BPF_H

#include "maps.bpf.h"

static __always_inline struct histogram *histogram_at(u32 cpu, u32 which)
{
	u32 key = cpu * HISTOGRAMS_MAX + which;

	return bpf_map_lookup_elem(&histograms, &key);
}

static __always_inline void histogram_keep(struct histogram_worst *w, struct task_struct *t,
					   u64 now, u64 start, u64 ns, u64 connection)
{
	if (!t)
		t = bpf_get_current_task_btf();
	*(volatile u64 *)&w->at = 0;
	barrier();
	w->start = start;
	w->connection = connection;
	w->ns = ns;
	w->task_start = BPF_CORE_READ(t, start_time);
	w->tid = BPF_CORE_READ(t, pid);
	w->tgid = BPF_CORE_READ(t, tgid);
	bpf_probe_read_kernel(w->comm, sizeof(w->comm), t->comm);
	barrier();
	*(volatile u64 *)&w->at = now;
}

/*
 * A latency of t, of the current thread if NULL, that began at start. Not atomic, which would take
 * three times as long: nothing interrupts a switch, and of requests one may be lost where two
 * answers meet on one CPU.
 */
static __always_inline void histogram_add(struct histogram *h, struct task_struct *t, u64 now,
					  u64 start, u64 ns, u64 connection)
{
	u64 second = now >> HISTOGRAM_WORST_SHIFT, i = histogram_index(ns);
	struct histogram_worst *w = &h->worst[second & (HISTOGRAM_WORSTS - 1)];

	if (i < HISTOGRAM_BUCKETS)
		h->counts[i]++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
	if (ns > w->ns || w->at >> HISTOGRAM_WORST_SHIFT != second)
		histogram_keep(w, t, now, start, ns, connection);
}

/*
 * In histogram.bpf.c. Bits of the histograms of triggers whose filters mean the thread that is in
 * task_address and facts of this scratch; the connection that is in its request.
 */
extern int histogram_match_thread(u32 which);
extern int histogram_match_connection(u32 which);
/* Counts what is in latency of this scratch, of the thread in task_address. */
extern int histogram_add_each(u32 which);

/* Bits of the histograms of triggers whose filters mean this thread: asked again when it changes. */
static __always_inline u32 histogram_of_thread(const struct control *ctl, struct scratch *scratch,
					       u32 which, struct task_struct *t,
					       struct task_state *s)
{
	struct task_struct *named;

	if (s->histograms_bank == ctl->bank && s->cgroups == (u64)t->cgroups &&
	    s->cred == (u64)t->real_cred)
		return s->histograms;
	s->cgroups = (u64)t->cgroups;
	s->cred = (u64)t->real_cred;
	s->histograms_bank = ctl->bank;
	scratch->task_address = (u64)t;
	scratch->facts.tgid = t->tgid;
	/* as request_comm() */
	named = t->flags & (PF_IO_WORKER | PF_USER_WORKER) ? t->group_leader : t;
	bpf_probe_read_kernel(scratch->facts.comm, sizeof(scratch->facts.comm), named->comm);
	scratch->judge.bank = ctl->bank;
	s->histograms = histogram_match_thread(which);
	return s->histograms;
}

/* In those of `wanted` whose trigger means the thread. */
static __always_inline void histogram_add_own(const struct control *ctl, u32 which, u32 cpu,
					      struct task_struct *t, struct task_state *s,
					      u32 wanted, u64 now, u64 start, u64 ns,
					      u64 connection)
{
	struct scratch *scratch = scratch_get(which);

	if (!scratch)
		return;
	wanted &= histogram_of_thread(ctl, scratch, which, t, s);
	if (!wanted)
		return;
	scratch->task_address = (u64)t;
	scratch->latency.now = now;
	scratch->latency.start = start;
	scratch->latency.ns = ns;
	scratch->latency.connection = connection;
	scratch->latency.cpu = cpu;
	scratch->latency.histograms = wanted;
	histogram_add_each(which);
}

#endif
