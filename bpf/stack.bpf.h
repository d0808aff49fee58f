/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stack.bpf.h - stacks of waits that were long; never of others.
 *
 * While a thread sleeps its stack does not change, so all is taken after the
 * wait is known to have been long: the kernel stack at the switch-in, the user
 * stack at the syscall's exit, the waker's while it wakes.
 */
#ifndef FREC_STACK_BPF_H
#define FREC_STACK_BPF_H

#include "maps.bpf.h"

#define HASH_PRIME 0x9e3779b97f4a7c15ull

static __always_inline u64 hash_add(u64 h, u64 word)
{
	h = (h ^ word) * HASH_PRIME;
	return h ^ h >> 29;
}

struct pcs_walk {
	struct stack_room *room;
	u64 hash;
};

static long hash_pcs_step(u32 i, struct pcs_walk *w)
{
	if (i >= w->room->frames.n || i >= STACK_FRAMES_MAX)
		return 1;
	w->hash = hash_add(w->hash, w->room->pcs[i]);
	return 0;
}

#define REFUSED_SALT 0x5a5a5a5a5a5a5a5aull

/* It cannot be afforded: nothing may refer to it, and it counts once as a stack of its own. */
static __noinline void stack_refuse(struct control *ctl, struct cpu_state *c,
				    const struct stack_key *key, u64 now)
{
	u64 id = key->id, mark = id ^ REFUSED_SALT;

	__sync_fetch_and_add(&c->refused_stacks, 1);
	if (!(key->flags & STACK_REFERENCE))
		bpf_map_delete_elem(&stacks_seen, &id);
	if (!evidence_known(ctl, mark, now))
		__sync_fetch_and_add(&c->refused_distinct, 1);
}

static __always_inline void stack_emit(struct control *ctl, struct cpu_state *c, u64 now,
				       struct ev_header *h, const struct stack_key *key, u32 kind,
				       u32 cpu, u32 len, enum budget_class class)
{
	h->ts = now;
	h->kind = kind;
	h->cpu = cpu;
	h->len = len;
	if (!evidence_afford(ctl, c, now, len, class, kind)) {
		stack_refuse(ctl, c, key, now);
		return;
	}
	evidence_count(c, bpf_ringbuf_output(&evidence, h, len, BPF_RB_NO_WAKEUP), len, kind);
}

/* Who waits for a lock or a disk is hardly ever idle. */
static __always_inline enum budget_class stack_class(const struct control *ctl,
						     const struct task_state *s, u64 lasted)
{
	/* not BUDGET_FIRES: a stack takes the room of a hundred waits */
	return budget_fires(ctl, lasted) || s->flags & WAIT_LOCK || s->state == TASK_REPORT_DISK
		       ? BUDGET_LONG
		       : BUDGET_STACK;
}

/* Frames that stand in room->pcs, n bytes of them; id 0: made from them. */
static __always_inline void stack_put_frames(struct control *ctl, struct cpu_state *c, u32 cpu,
					     u64 now, struct stack_room *room, long bytes, u64 id,
					     enum budget_class class)
{
	struct pcs_walk w = {.room = room, .hash = room->frames.key.tgid};
	u32 len = sizeof(room->frames);

	if (bytes <= 0)
		return;
	bytes &= 0x3f8; /* at most STACK_FRAMES_MAX words */
	room->frames.n = bytes / 8;
	if (!id) {
		bpf_loop(STACK_FRAMES_MAX, hash_pcs_step, &w, 0);
		id = w.hash;
		if (evidence_known(ctl, id, now))
			room->frames.key.flags |= STACK_REFERENCE;
	}
	room->frames.key.id = id;
	room->frames.pad = 0;
	if (room->frames.key.flags & STACK_REFERENCE)
		room->frames.n = 0;
	else
		len += bytes;
	stack_emit(ctl, c, now, &room->frames.h, &room->frames.key, EV_FRAMES, cpu, len, class);
}

static __always_inline void stack_key(struct stack_key *k, struct task_struct *t, u32 role,
				      u32 wait_tid, u64 wait_at)
{
	k->wait_at = wait_at;
	k->task_start = t->start_time;
	k->wait_tid = wait_tid;
	k->tid = t->pid;
	k->tgid = t->tgid;
	k->role = role;
	k->flags = 0;
}

/*
 * Of next, which slept from wait_at on and is being switched in: its kernel stack, or, after a
 * fault, of which no system call's exit will show the stack, where it was in its program. That
 * stands in its registers; its memory is not ours to read here.
 */
static __always_inline void stack_take_next(struct control *ctl, struct cpu_state *c, u32 cpu,
					    u64 now, struct task_struct *next, u64 wait_at,
					    u32 role, enum budget_class class)
{
	u32 which = STACK_ROOM_EXIT;
	struct stack_room *room = bpf_map_lookup_elem(&stack_rooms, &which);
	long bytes = sizeof(room->pcs[0]);

	if (!room)
		return;
	stack_key(&room->frames.key, next, role, next->pid, wait_at);
	if (role == STACK_KERNEL) {
		bytes = bpf_get_task_stack(next, room->pcs, STACK_FRAMES_MAX * 8, 0);
	} else {
		room->frames.key.flags = STACK_CUT;
		room->pcs[0] = regs_ip((void *)bpf_task_pt_regs(next));
	}
	stack_put_frames(ctl, c, cpu, now, room, bytes, 0, class);
}

/*
 * In stack.bpf.c: is the user stack of the current thread, or with SCRATCH_WALK of the one at
 * task_address there, nobody's business, as its process is not dumpable, or the configuration excludes
 * it? Counts it.
 */
extern int stack_excluded(u32 which);

/*
 * In stack.bpf.c: takes the user stack of the current thread: of the sleeper itself at the end of its
 * syscall, or of who wakes wait_tid. which: STACK_ROOM_*. Returns 0.
 */
extern int stack_user(u32 role, u32 wait_tid, u64 wait_at, u32 which, u32 class);

/* One after the other, as their frames on the stack would be too much for 6.1. */
static __always_inline void stack_take_user(u32 role, u32 wait_tid, u64 wait_at, u32 which,
					    u32 class)
{
	if (!stack_excluded(SCRATCH_STACK + which))
		stack_user(role, wait_tid, wait_at, which, class);
}

#endif
