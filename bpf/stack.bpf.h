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

struct hash_walk {
	const u8 *bytes;
	u64 hash;
	u32 len;
};

/* 64 bytes a step; what is behind len is not part of it. */
static long hash_step(u32 i, struct hash_walk *w)
{
	const u64 *p;
	u32 at = i * 64;

	if (at >= w->len || at > STACK_DUMP_MAX - 64)
		return 1;
	p = (const u64 *)(w->bytes + at);
	for (int k = 0; k < 8; k++)
		if (at + k * 8 < w->len)
			w->hash = hash_add(w->hash, p[k]);
	return 0;
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
static __always_inline void stack_refuse(struct control *ctl, struct cpu_state *c,
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
	if (!evidence_afford(ctl, c, now, len, class)) {
		stack_refuse(ctl, c, key, now);
		return;
	}
	evidence_count(c, bpf_ringbuf_output(&evidence, h, len, BPF_RB_NO_WAKEUP), len);
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

struct dump_walk {
	struct dump_room *room;
	struct task_struct *t;
	u64 sp;
	u32 want;
	u32 len;
};

/* Bytes to copy next: a copy is all or nothing, and the next page may not be there. 0: that is all. */
static __always_inline u64 dump_span(const struct dump_walk *w)
{
	u64 at = w->len, n; /* 64 bits: 6.1 does not carry bounds over from 32 */

	if (at >= w->want)
		return 0;
	n = 4096 - ((w->sp + at) & 4095);
	if (n > w->want - at)
		n = w->want - at;
	barrier_var(n);
	return n;
}

static long dump_page(u32 i, struct dump_walk *w)
{
	u64 at = w->len, n = dump_span(w);

	if (!n || n > 4096 || at >= STACK_DUMP_MAX ||
	    bpf_probe_read_user(&w->room->bytes[at], n, (void *)(w->sp + at)))
		return 1;
	w->len = at + n;
	return 0;
}

/* Registers and the top of the stack of the current thread; returns the stack's id. */
static __always_inline u64 stack_take_dump(struct control *ctl, struct cpu_state *c, u32 cpu,
					   u64 now, struct task_struct *t, struct stack_key *key,
					   u32 which, enum budget_class class)
{
	u32 index = cpu * 2 + which, len;
	struct dump_room *room = bpf_map_lookup_elem(&dump_rooms, &index);
	struct dump_walk w = {.room = room, .want = ctl->stack_dump};
	struct hash_walk hash = {.hash = key->tgid};
	u64 top;

	if (!room)
		return 0;
	w.sp = room->e.sp = regs_copy((void *)bpf_task_pt_regs(t), &room->e);
	top = stack_top(t, w.sp);
	if (top - w.sp <= w.want)
		w.want = top - w.sp;
	else
		key->flags |= STACK_CUT; /* maybe: what is not needed is not missed */
	bpf_loop(STACK_DUMP_MAX / 4096 + 2, dump_page, &w, 0);
	len = w.len & ~7u;
	hash.bytes = room->bytes;
	hash.len = len;
	hash.hash = hash_add(hash_add(hash.hash, w.sp),
			     room->e.registers[room->e.n_registers - 1 & 31]);
	bpf_loop(STACK_DUMP_MAX / 64, hash_step, &hash, 0);
	key->id = hash.hash;
	if (evidence_known(ctl, key->id, now)) {
		key->flags |= STACK_REFERENCE;
		len = 0;
	}
	room->e.key = *key;
	room->e.len = len;
	if (len > STACK_DUMP_MAX)
		return key->id;
	stack_emit(ctl, c, now, &room->e.h, &room->e.key, EV_DUMP, cpu, sizeof(room->e) + len,
		   class);
	return key->id;
}

#define NOTE_AGAIN_NS 30000000000ull

/* What t's process has mapped will be wanted when it is gone; again when there is more code. */
static __always_inline void process_note(struct task_struct *t, u64 now)
{
	struct task_struct *leader = t->group_leader;
	struct mm_struct *mm = t->mm;
	struct process_notes *notes;
	struct process_note *note;
	u64 id = 0, pos, *seen;
	u32 zero = 0;

	/* as a number: the verifier allows no sums with a pointer */
	if (!mm || bpf_probe_read_kernel(&id, sizeof(id), &t->mm))
		return;
	id = hash_add(hash_add(id, leader->start_time), mm->exec_vm);
	seen = bpf_map_lookup_elem(&stacks_seen, &id);
	if (seen && now - *seen < NOTE_AGAIN_NS)
		return;
	notes = bpf_map_lookup_elem(&process_notes, &zero);
	if (!notes || bpf_map_update_elem(&stacks_seen, &id, &now, BPF_ANY))
		return;
	pos = __sync_fetch_and_add(&notes->pos, 1);
	note = &notes->list[pos & (PROCESS_NOTES - 1)];
	note->start = leader->start_time;
	note->tgid = t->tgid;
	barrier();
	*(volatile u32 *)&note->seq = pos + 1;
}

/*
 * User stack of the current thread t: of the sleeper itself at the end of its
 * syscall, or of who wakes wait_tid. ctx: of a tp_btf program.
 */
static __always_inline void stack_take_user(void *ctx, struct control *ctl, struct cpu_state *c,
					    u32 cpu, u64 now, struct task_struct *t, u32 role,
					    u32 wait_tid, u64 wait_at, u32 which,
					    enum budget_class class)
{
	struct stack_room *room = bpf_map_lookup_elem(&stack_rooms, &which);
	u64 id = 0;

	if (!room)
		return;
	process_note(t, now);
	stack_key(&room->frames.key, t, role, wait_tid, wait_at);
	if (ctl->stack_dump)
		id = stack_take_dump(ctl, c, cpu, now, t, &room->frames.key, which, class);
	stack_put_frames(ctl, c, cpu, now, room,
			 bpf_get_stack(ctx, room->pcs, STACK_FRAMES_MAX * 8, BPF_F_USER_STACK), id,
			 class);
}

#endif
