// SPDX-License-Identifier: GPL-2.0
/*
 * span.bpf.c - spans that a program marks (frec.h), or from one of its functions to another or to its
 * return. User probes, which the daemon attaches at the places that it has found, while a trigger
 * wants them; bpf_get_attach_cookie() says which span it is.
 *
 * They run where a thread may be preempted: the scratch of a CPU is one thread's at a time.
 */
#include "path.bpf.h"
#include "wait.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SPAN_OPENS_MAX);
	__type(key, struct span_key);
	__type(value, struct span_open);
} span_opens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SPAN_DEFS_MAX);
	__type(key, u32);
	__type(value, struct span_def);
} span_defs SEC(".maps");

/* One element, written by the daemon: the span that iter_span is about. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct span_key);
} span_asked SEC(".maps");

/* What every probe begins with. */
struct span_here {
	u64 now;
	struct task_struct *t;
	struct control *ctl;
	struct cpu_state *c;
	struct span_key key;
	struct span_def *def;
	u32 cpu;
};

static __always_inline bool span_look(void *ctx, struct span_here *h)
{
	h->now = bpf_ktime_get_ns();
	h->c = cpu_self(&h->cpu);
	h->ctl = h->c ? control_live(h->now, h->c) : NULL;
	h->key.def = bpf_get_attach_cookie(ctx);
	h->def = bpf_map_lookup_elem(&span_defs, &h->key.def);
	if (!h->ctl || !h->def)
		return false;
	h->t = bpf_get_current_task_btf();
	h->key.tgid = h->t->tgid;
	h->key.id = h->t->pid;
	return true;
}

/* Of a function it is also of this very thread: another one may have got its number. */
static __always_inline bool span_same(struct task_struct *t, const struct span_open *o)
{
	u64 mm = (u64)t->mm;

	return o->process == BPF_CORE_READ(t, group_leader, start_time) && (!mm || o->mm == mm) &&
	       (!o->sp || o->task_start == t->start_time);
}

/* Is it known since its beginning, by this program? */
static __always_inline bool span_known(const struct span_here *h, const struct span_open *o)
{
	return o->begin >= h->ctl->live_since && span_same(h->t, o);
}

static __always_inline void span_begin(struct span_here *h, u64 sp)
{
	struct task_struct *t = h->t;
	struct span_open o = {.begin = h->now,
			      .process = BPF_CORE_READ(t, group_leader, start_time),
			      .mm = (u64)t->mm,
			      .task_start = t->start_time,
			      .sp = sp,
			      .tid = t->pid,
			      .depth = 1};

	if (bpf_map_update_elem(&span_opens, &h->key, &o, BPF_ANY)) {
		struct evidence_count *n = evidence_of(h->c, EV_SPAN);

		__sync_fetch_and_add(&n->tried, 1);
		__sync_fetch_and_add(&n->lost, 1);
	}
}

/* ---- the end ---- */

static __always_inline void span_emit(struct span_here *h, const struct span_open *o)
{
	u64 lasted = h->now - o->begin;
	struct ev_span *e;

	e = evidence_reserve(h->ctl, h->c, h->cpu, h->now,
			     lasted >= h->def->threshold ? BUDGET_FIRES : budget_of(h->ctl, lasted),
			     EV_SPAN, sizeof(*e));
	if (!e)
		return;
	e->begin = o->begin;
	e->end = h->now;
	e->id = h->key.id;
	e->tid = h->t->pid;
	e->tgid = h->t->tgid;
	e->begin_tid = o->tid;
	e->flags = h->def->flags;
	__builtin_memcpy(e->name, h->def->name, sizeof(e->name));
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* nr: what filters of triggers know it by. */
static __always_inline void span_facts(struct scratch *s, struct task_struct *t,
				       const struct span_key *key, u64 begin, u64 now)
{
	struct wait_facts *w = &s->facts;

	__builtin_memset(w, 0, sizeof(*w));
	w->start = begin;
	w->in = now;
	w->end = now;
	w->task_start = t->start_time;
	w->args[0] = key->id;
	w->tid = t->pid;
	w->tgid = t->tgid;
	w->nr = key->def;
	bpf_probe_read_kernel(w->comm, sizeof(w->comm), t->comm);
	s->task_address = (u64)t;
}

static __always_inline void span_judge(struct span_here *h, const struct span_open *o)
{
	struct scratch *s = scratch_get(SCRATCH_SPAN);

	if (!s)
		return;
	if (__sync_val_compare_and_swap(&s->busy, 0, 1)) {
		__sync_fetch_and_add(&h->c->lost_trigger, 1);
		return;
	}
	span_facts(s, h->t, &h->key, o->begin, h->now);
	judge_one(s, h->ctl, h->cpu, h->now, TRIGGER_SPAN, h->now - o->begin);
	if (o->announced)
		trigger_ended(SCRATCH_SPAN, TRIGGER_SPAN);
	else
		trigger_run(SCRATCH_SPAN);
	*(volatile u64 *)&s->busy = 0;
}

/* Of two that end it at the same time one deletes it. */
static __always_inline void span_end(struct span_here *h, const struct span_open *found)
{
	struct span_open o = *found;

	if (bpf_map_delete_elem(&span_opens, &h->key) || !span_known(h, &o))
		return;
	span_emit(h, &o);
	if (h->now - o.begin >= h->def->threshold || o.announced)
		span_judge(h, &o);
}

/* ---- probes of frec.h ---- */

SEC("uprobe")
int on_span_begin(struct pt_regs *ctx)
{
	struct span_here h;

	if (!span_look(ctx, &h))
		return 0;
	h.key.id = regs_span(ctx);
	span_begin(&h, 0);
	return 0;
}

SEC("uprobe")
int on_span_end(struct pt_regs *ctx)
{
	struct span_here h;
	struct span_open *o;

	if (!span_look(ctx, &h))
		return 0;
	h.key.id = regs_span(ctx);
	o = bpf_map_lookup_elem(&span_opens, &h.key);
	if (o)
		span_end(&h, o);
	return 0;
}

/* ---- functions ---- */

/*
 * The outermost of calls within calls counts. A call that begins no deeper than the one that is
 * known is none of those: that one was left by longjmp(3), or on a way that has no end.
 */
SEC("uprobe")
int on_span_enter(struct pt_regs *ctx)
{
	struct span_here h;
	struct span_open *o;

	if (!span_look(ctx, &h))
		return 0;
	o = bpf_map_lookup_elem(&span_opens, &h.key);
	if (o && span_known(&h, o) && regs_sp(ctx) < o->sp)
		o->depth++;
	else
		span_begin(&h, regs_sp(ctx));
	return 0;
}

SEC("uprobe")
int on_span_leave(struct pt_regs *ctx)
{
	struct span_here h;
	struct span_open *o;

	if (!span_look(ctx, &h))
		return 0;
	o = bpf_map_lookup_elem(&span_opens, &h.key);
	if (!o)
		return 0;
	if (h.def->flags & SPAN_RETURN ? regs_returned(ctx, o->sp) : --o->depth == 0)
		span_end(&h, o);
	return 0;
}

/* ---- spans that last ---- */

/*
 * The span of span_asked, by a thread of its process: is it past a trigger's threshold? Told of once;
 * one of a program that is no more is forgotten. What is written says that the process lives.
 */
SEC("iter/task")
int iter_span(struct bpf_iter__task *ctx)
{
	struct scratch *s = scratch_get(SCRATCH_ITER);
	struct task_struct *t = ctx->task;
	u64 now = bpf_ktime_get_ns();
	struct span_key *asked, key;
	struct span_open *o;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu, zero = 0;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	asked = bpf_map_lookup_elem(&span_asked, &zero);
	if (!t || !s || !ctl || !asked || (u32)t->tgid != asked->tgid)
		return 0;
	key = *asked;
	bpf_seq_write(ctx->meta->seq, &key, sizeof(key));
	o = bpf_map_lookup_elem(&span_opens, &key);
	if (!o || o->announced)
		return 0;
	if (!span_same(t, o) || o->begin < ctl->live_since) {
		bpf_map_delete_elem(&span_opens, &key);
		return 0;
	}
	if (now <= o->begin)
		return 0;
	span_facts(s, t, &key, o->begin, now);
	s->facts.flags = WAIT_OPEN;
	judge_one(s, ctl, cpu, now, TRIGGER_SPAN, now - o->begin);
	if (trigger_run(SCRATCH_ITER))
		o->announced = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
