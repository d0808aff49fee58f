// SPDX-License-Identifier: GPL-2.0
/* stack.bpf.c - the user stack of a thread, as it stands in its registers and its memory. */
#include "stack_dump.bpf.h"
#include "path.bpf.h"

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
	struct dump_walk w = {.room = room, .want = key->role == STACK_EXIT ? ctl->crash_dump :
								 ctl->stack_dump};
	struct hash_walk hash = {.hash = key->tgid};
	u64 top;

	if (!room || !w.want)
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

/* ---- what its process has mapped ---- */

#define NOTE_AGAIN_NS 30000000000ull

/* What t's process has mapped will be wanted when it is gone; again when there is more code. */
static __noinline void process_note(struct task_struct *t, u64 now)
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

/* ---- whose stacks are not to be looked at ---- */

static __always_inline bool exclude_matches(const struct trigger_filter *f, u32 key,
					    struct scratch *s, u32 which)
{
	struct task_struct *leader, *t = (void *)s->task_address;

	if (f->filters != FILTER_COMM)
		return path_match(which, path_cgroup(which), key, FILTER_UNIT);
	leader = BPF_CORE_READ(t, group_leader);
	bpf_probe_read_kernel_str(s->path, COMM_LEN, &leader->comm);
	return path_match(which, 0, key, FILTER_COMM);
}

/* No bpf_loop(), whose callback would take more of the stack than 6.1 has left here. */
static __always_inline bool is_excluded(struct scratch *s, u32 which)
{
	struct task_struct *t = (void *)s->task_address;
	struct mm_struct *mm = BPF_CORE_READ(t, mm);
	struct trigger_filter *f;
	struct control *ctl;
	u32 key = 0;

	if (mm && !mm_dumpable(mm))
		return true;
	ctl = bpf_map_lookup_elem(&control, &key);
	if (!ctl)
		return true;
	key = EXCLUDES_AT(ctl->bank);
	for (u32 i = 0; i < EXCLUDES_MAX; i++, key++) {
		f = bpf_map_lookup_elem(&trigger_filters, &key);
		if (!f || !f->filters)
			return false;
		if (exclude_matches(f, key, s, which))
			return true;
	}
	return false;
}

__noinline int stack_excluded(u32 which)
{
	struct scratch *s = scratch_get(which);
	struct cpu_state *c;
	u32 cpu;

	if (!s)
		return 1;
	if (which != SCRATCH_WALK)
		s->task_address = (u64)bpf_get_current_task_btf();
	if (!is_excluded(s, which))
		return 0;
	c = cpu_self(&cpu);
	if (c)
		__sync_fetch_and_add(&c->excluded_stacks, 1);
	return 1;
}

int stack_user(u32 role, u32 wait_tid, u64 wait_at, u32 which, u32 class)
{
	struct stack_room *room = bpf_map_lookup_elem(&stack_rooms, &which);
	struct task_struct *t = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_ns(), id = 0;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu, zero = 0;

	if (!room || which > STACK_ROOM_WAKING)
		return 0;
	/* first, so that its parts need no room on the stack: 6.1 adds up those of all who call each other */
	stack_key(&room->frames.key, t, role, wait_tid, wait_at);
	c = cpu_self(&cpu);
	ctl = bpf_map_lookup_elem(&control, &zero);
	if (!c || !ctl)
		return 0;
	process_note(t, now);
	id = stack_take_dump(ctl, c, cpu, now, t, &room->frames.key, which, class);
	stack_put_frames(ctl, c, cpu, now, room,
			 bpf_get_task_stack(t, room->pcs, STACK_FRAMES_MAX * 8, BPF_F_USER_STACK),
			 id, class);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
