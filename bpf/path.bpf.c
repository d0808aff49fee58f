// SPDX-License-Identifier: GPL-2.0
/* path.bpf.c - see path.bpf.h */
#include "path.bpf.h"

/*
 * s->path[0 … PATH_MAX_) holds the path, its last byte the NUL. Puts "/name"
 * before pos and returns the new start, or pos where it does not fit.
 */
static __always_inline u32 path_prepend(struct scratch *s, u32 pos, const void *name)
{
	long len = bpf_probe_read_kernel_str(s->name, NAME_MAX_, name);
	u32 n;

	if (len <= 1)
		return pos;
	n = len - 1;
	if (n > NAME_MAX_ - 1 || n + 1 > pos)
		return pos;
	pos -= n + 1;
	bpf_probe_read_kernel(&s->path[(pos + 1) & (PATH_MAX_ - 1)], n & (NAME_MAX_ - 1), s->name);
	s->path[pos & (PATH_MAX_ - 1)] = '/';
	return pos;
}

/*
 * A walk from a leaf to the root. Where it stands is in the scratch (path_at,
 * path_done): what is loaded from a map is unknown to the verifier, which so
 * need not follow every value that it can have.
 */
struct path_walk {
	struct scratch *s;
	void *node;  /* kernfs_node or dentry */
	void *mount; /* vfsmount of a dentry */
};

static long cgroup_step(u32 i, struct path_walk *w)
{
	struct kernfs_node *parent, *kn = w->node;
	u32 before = w->s->path_at;

	parent = kernfs_parent(kn);
	if (!parent) { /* the root: its name is no part of the path */
		w->s->path_done = 1;
		return 1;
	}
	w->s->path_at = path_prepend(w->s, before, BPF_CORE_READ(kn, name));
	w->node = parent;
	return w->s->path_at == before;
}

__noinline int path_cgroup(u32 which)
{
	struct scratch *s = scratch_get(which);
	struct path_walk w = {.s = s};
	struct task_struct *t;

	if (!s)
		return 0;
	t = (void *)s->task_address;
	s->path[PATH_MAX_ - 1] = 0;
	s->path[PATH_MAX_ - 2] = '/';
	s->path_at = PATH_MAX_ - 2;
	s->path_done = 0;
	w.node = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn);
	bpf_loop(64, cgroup_step, &w, 0);
	return s->path_at | (s->path_done ? 0 : PATH_CLIPPED);
}

static long exe_step(u32 i, struct path_walk *w)
{
	struct dentry *d = w->node, *parent = BPF_CORE_READ(d, d_parent);
	struct vfsmount *vfs = w->mount;
	struct mount *m, *up;

	if (d != BPF_CORE_READ(vfs, mnt_root) && d != parent) {
		u32 before = w->s->path_at;

		w->s->path_at = path_prepend(w->s, before, BPF_CORE_READ(d, d_name.name));
		w->node = parent;
		return w->s->path_at == before;
	}
	m = (void *)vfs - bpf_core_field_offset(struct mount, mnt);
	up = BPF_CORE_READ(m, mnt_parent);
	if (!up || up == m) {
		w->s->path_done = 1;
		return 1;
	}
	w->node = BPF_CORE_READ(m, mnt_mountpoint);
	w->mount = (void *)up + bpf_core_field_offset(struct mount, mnt);
	return 0;
}

/* Inlined twice: frames of the stack are scarce below path_exe(), and 6.1 rounds them up. */
static __always_inline int walk_file(struct scratch *s, u32 end)
{
	struct path_walk w = {.s = s};
	struct file *file = (void *)s->file_address;

	s->path[PATH_MAX_ - 1] = 0;
	s->path_at = end;
	s->path_done = 0;
	w.node = BPF_CORE_READ(file, f_path.dentry);
	w.mount = BPF_CORE_READ(file, f_path.mnt);
	if (w.node && w.mount)
		bpf_loop(128, exe_step, &w, 0);
	return s->path_at | (s->path_done ? 0 : PATH_CLIPPED);
}

__noinline int path_file(u32 which)
{
	struct scratch *s = scratch_get(which);
	const char mark[] = " (deleted)";
	u32 end = PATH_MAX_ - 1, at;
	struct file *file;

	if (!s)
		return 0;
	file = (void *)s->file_address;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG &&
	    !BPF_CORE_READ(file, f_inode, i_nlink)) {
		end -= sizeof(mark) - 1;
		__builtin_memcpy(&s->path[end], mark, sizeof(mark));
	}
	at = walk_file(s, end);
	if (at != end)
		return at;
	/* in no directory: its name is all that it has */
	at = path_prepend(s, end, BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return at < end ? at + 1 : end;
}

__noinline int path_exe(u32 which)
{
	struct scratch *s = scratch_get(which);
	struct task_struct *t;
	struct mm_struct *mm;

	if (!s)
		return 0;
	t = (void *)s->task_address;
	mm = BPF_CORE_READ(t, mm);
	if (!mm)
		mm = (void *)s->mm_address;
	s->file_address = (u64)BPF_CORE_READ(mm, exe_file);
	return walk_file(s, PATH_MAX_ - 1);
}

/* ---- globs ---- */

struct glob {
	const char *pattern; /* mask + 1 bytes, a power of two */
	const char *text;    /* PATH_MAX_ bytes */
	u32 mask;
	u32 p, t;
	u32 star_p, star_t; /* where to go on after a mismatch; star_p 0: nowhere */
	s32 result;
};

static long glob_step(u32 i, struct glob *g)
{
	char p = g->pattern[g->p & g->mask & (GLOB_PATH_MAX - 1)];
	char t = g->text[g->t & (PATH_MAX_ - 1)];

	if (p == '*') {
		g->star_p = g->p + 1;
		g->star_t = g->t;
		g->p++;
		return 0;
	}
	if (!t) {
		g->result = p == 0;
		return 1;
	}
	if (p == t || p == '?') {
		g->p++;
		g->t++;
		return 0;
	}
	if (!g->star_p)
		return 1;
	g->p = g->star_p;
	g->t = ++g->star_t;
	return 0;
}

__noinline int path_match(u32 which, u32 start, u32 key, u32 filter)
{
	struct trigger_filter *f = bpf_map_lookup_elem(&trigger_filters, &key);
	struct scratch *s = scratch_get(which);
	struct glob g = {.t = start, .mask = GLOB_PATH_MAX - 1};

	if (!f || !s)
		return 0;
	g.text = s->path;
	g.pattern = filter == FILTER_EXE ? f->exe : f->unit;
	if (filter == FILTER_COMM) {
		g.pattern = f->comm;
		g.mask = GLOB_COMM_MAX - 1;
	}
	/* a path that lacks its beginning must not look like one from the root */
	if (start & PATH_CLIPPED) {
		g.t = (start & (PATH_MAX_ - 1)) ? start - 1 : start;
		s->path[g.t & (PATH_MAX_ - 1)] = '?';
	}
	/* bounded: a pattern that would take longer does not match */
	bpf_loop(8192, glob_step, &g, 0);
	return g.result;
}

char LICENSE[] SEC("license") = "GPL";
