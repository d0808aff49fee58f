// SPDX-License-Identifier: GPL-2.0
/*
 * mapped.bpf.c - tells what a process has mapped for execution at the moment of its death, as it
 * will be gone before anybody can look into /proc: of one that a signal ends and a trigger wants,
 * and of one that a trigger has fired for.
 *
 * The kernel lends its own walk over mappings to no program that runs with interrupts off, as
 * signals are delivered. So this reads the maple tree, without its lock: other threads may change
 * it meanwhile. What comes of it is checked against the files, and is only to name functions.
 */
#include "path.bpf.h"

#define LEAVES_MAX 256
#define DEPTH_MAX 8
#define FILES_MAX 64
#define PAGE_SHIFT_ 12

/* Pointers to nodes have in their low bits that they are one, and of which type. */
#define NODE_MASK 255ul
#define NODE_TYPE(entry) ((entry) >> 3 & 15)
#define TYPE_LEAVES_END 2 /* maple_range_64 and those above are no leaves */
#define TYPE_ARANGE 3
#define IS_NODE(entry) (((entry)&3) == 2 && (entry) > 4096)

static __always_inline void node_read(struct scratch *s, u64 entry)
{
	struct maple_node *node = (void *)(entry & ~NODE_MASK);
	struct maple_range_64 *r = (void *)node + bpf_core_field_offset(struct maple_node, mr64);
	struct maple_arange_64 *a = (void *)node + bpf_core_field_offset(struct maple_node, ma64);

	__builtin_memset(&s->mapped.pivots, 0, sizeof(s->mapped.pivots));
	__builtin_memset(&s->mapped.slots, 0, sizeof(s->mapped.slots));
	if (NODE_TYPE(entry) == TYPE_ARANGE) {
		bpf_probe_read_kernel(s->mapped.pivots, sizeof(a->pivot),
				      (void *)a +
					      bpf_core_field_offset(struct maple_arange_64, pivot));
		bpf_probe_read_kernel(s->mapped.slots, sizeof(a->slot),
				      (void *)a +
					      bpf_core_field_offset(struct maple_arange_64, slot));
	} else {
		bpf_probe_read_kernel(s->mapped.pivots, sizeof(s->mapped.pivots),
				      (void *)r +
					      bpf_core_field_offset(struct maple_range_64, pivot));
		bpf_probe_read_kernel(s->mapped.slots, sizeof(s->mapped.slots),
				      (void *)r +
					      bpf_core_field_offset(struct maple_range_64, slot));
	}
}

/* The highest address of slot i; pivots that are not used are 0. */
static __always_inline u64 slot_end(const struct scratch *s, u32 i)
{
	u64 pivot = i < 15 ? s->mapped.pivots[i] : 0;

	return (pivot || !i) && pivot < s->mapped.max ? pivot : s->mapped.max;
}

static long down_step(u32 level, struct scratch **arg)
{
	struct scratch *s = *arg;
	u64 entry = s->mapped.node;

	node_read(s, entry);
	if (NODE_TYPE(entry) < TYPE_LEAVES_END) {
		s->mapped.node = 0;
		return 1;
	}
	for (u32 i = 0; i < 16; i++) {
		u64 end = slot_end(s, i);

		if (s->mapped.at > end)
			continue;
		s->mapped.max = end;
		s->mapped.node = s->mapped.slots[i];
		return !s->mapped.node;
	}
	return 1;
}

static __always_inline void map_send(struct cpu_state *c, struct trigger_map *m, u64 wakeup)
{
	if (bpf_ringbuf_output(&trigger_ring, m, sizeof(*m), wakeup))
		__sync_fetch_and_add(&c->lost_trigger, 1);
}

struct slot_walk {
	struct scratch *s;
	struct cpu_state *c;
	struct mm_struct *mm;
	u32 which;
};

static __always_inline void file_tell(struct slot_walk *w, struct vm_area_struct *vma,
				      struct file *file)
{
	struct scratch *s = w->s;
	struct trigger_map *m = &s->map;
	u32 pos, len;

	m->start = BPF_CORE_READ(vma, vm_start);
	m->end = BPF_CORE_READ(vma, vm_end);
	m->offset = BPF_CORE_READ(vma, vm_pgoff) << PAGE_SHIFT_;
	m->inode = BPF_CORE_READ(file, f_inode, i_ino);
	m->device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	s->file_address = (u64)file;
	pos = path_file(w->which);
	if (pos & PATH_CLIPPED)
		return;
	pos &= PATH_MAX_ - 1;
	len = PATH_MAX_ - pos;
	bpf_probe_read_kernel(m->path, len, &s->path[pos]);
	map_send(w->c, m, BPF_RB_NO_WAKEUP);
}

static long slot_step(u32 i, struct slot_walk *w)
{
	struct scratch *s = w->s;
	struct vm_area_struct *vma = (void *)s->mapped.slots[i & 15];
	struct file *file;

	if (vma && BPF_CORE_READ(vma, vm_flags) & VM_EXEC_) {
		file = BPF_CORE_READ(vma, vm_file);
		if (file && s->mapped.n++ < FILES_MAX)
			file_tell(w, vma, file);
	}
	return slot_end(s, i & 15) >= s->mapped.max;
}

/* The leaf that has s->mapped.at, and on to the address behind it. */
static long leaf_step(u32 n, struct slot_walk *w)
{
	struct scratch *s = w->s;
	struct mm_struct *mm = w->mm;
	u64 root = (u64)BPF_CORE_READ(mm, mm_mt.ma_root);

	if (!IS_NODE(root))
		return 1;
	s->mapped.node = root;
	s->mapped.max = ~0ull;
	bpf_loop(DEPTH_MAX, down_step, &s, 0);
	if (s->mapped.node)
		return 1;
	bpf_loop(16, slot_step, w, 0);
	s->mapped.at = s->mapped.max + 1;
	return !s->mapped.at;
}

static __always_inline void head_fill(struct trigger_map *m, struct task_struct *t)
{
	__builtin_memset(m, 0, sizeof(*m));
	m->h.len = sizeof(*m);
	m->index = TRIGGER_MAP;
	m->tgid = t->tgid;
	m->process_start = BPF_CORE_READ(t, group_leader, start_time);
	m->mnt_ns = BPF_CORE_READ(t, nsproxy, mnt_ns, ns.inum);
}

static __always_inline void maps_tell(struct slot_walk *w, struct task_struct *t)
{
	head_fill(&w->s->map, t);
	w->s->mapped.at = 0;
	w->s->mapped.n = 0;
	bpf_loop(LEAVES_MAX, leaf_step, w, 0);
	w->s->map.path[0] = 0;
	map_send(w->c, &w->s->map, BPF_RB_FORCE_WAKEUP);
}

/* Right behind on_signal_deliver, if that has fired a trigger. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal_mapped)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct slot_walk w = { .which = SCRATCH_EXIT };
	u32 cpu;

	w.c = cpu_self(&cpu);
	w.s = scratch_get(SCRATCH_EXIT);
	w.mm = BPF_CORE_READ(t, mm);
	if (w.c && w.s && w.s->ended == (u64)t)
		maps_tell(&w, t);
	return 0;
}

/*
 * Of a process whose last thread t ends. Each may be preempted by others that are at this, or at
 * spans: one that finds them there is told nothing.
 */
static __always_inline void end_tell(struct task_struct *t)
{
	struct slot_walk w = { .which = SCRATCH_SPAN };
	u32 tgid = t->tgid, cpu;

	w.mm = BPF_CORE_READ(t, mm);
	if (!w.mm || t->signal->live.counter > 0 || !bpf_map_lookup_elem(&fired_for, &tgid))
		return;
	bpf_map_delete_elem(&fired_for, &tgid);
	w.c = cpu_self(&cpu);
	w.s = scratch_get(SCRATCH_SPAN);
	if (!w.c || !w.s || __sync_val_compare_and_swap(&w.s->busy, 0, 1))
		return;
	maps_tell(&w, t);
	*(volatile u64 *)&w.s->busy = 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_mapped, struct task_struct *t)
{
	end_tell(t);
	return 0;
}

/* Before 6.16 the above comes when its memory is gone. */
SEC("fentry/exit_mm_release")
int BPF_PROG(on_mm_release, struct task_struct *t)
{
	end_tell(t);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
