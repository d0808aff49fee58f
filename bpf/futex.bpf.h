/* SPDX-License-Identifier: GPL-2.0 */
/* futex.bpf.h - futex waits: for what address, and who owns the lock that stands there. */
#ifndef FREC_FUTEX_BPF_H
#define FREC_FUTEX_BPF_H

#include "life.bpf.h"

#define FUTEX_CMD(op) ((op) & 0x7f)
#define FUTEX_PRIVATE 128u
#define FUTEX_WAIT 0
#define FUTEX_LOCK_PI 6
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2 13
#define FUTEX_TID 0x3fffffffu
#define FUTEX_WAITERS_ 0x80000000u
#define FUTEX2_SIZE_MASK_ 3u
#define FUTEX2_SIZE_U32_ 2u

/* A futex wait as the arguments of its syscall say. */
struct futex_call {
	u64 address; /* 0: in user memory, see futex_first() */
	u32 val;
	enum { FUTEX_OWNERLESS, FUTEX_MAYBE_MUTEX, FUTEX_PI } kind;
	bool shared;
};

static __always_inline void futex2_call(struct futex_call *f, u64 address, u64 val, u32 flags)
{
	f->address = address;
	f->val = val;
	f->kind = (flags & FUTEX2_SIZE_MASK_) == FUTEX2_SIZE_U32_ ? FUTEX_MAYBE_MUTEX
								  : FUTEX_OWNERLESS;
	f->shared = !(flags & FUTEX_PRIVATE);
}

static __always_inline bool futex_is_wait(int nr, bool compat)
{
	if (nr == NR_FUTEX_WAIT || nr == NR_FUTEX_WAITV)
		return true;
	return compat ? nr == NR_FUTEX_32 || nr == NR_FUTEX_TIME64_32 : nr == NR_FUTEX;
}

/* False: no wait. */
static __always_inline bool futex_call(int nr, const u64 args[6], struct futex_call *f)
{
	u32 op = FUTEX_CMD((u32)args[1]);

	if (nr == NR_FUTEX_WAIT) {
		futex2_call(f, args[0], args[1], args[3]);
		return true;
	}
	f->address = nr == NR_FUTEX_WAITV ? 0 : args[0];
	f->val = args[2];
	f->kind = FUTEX_OWNERLESS;
	f->shared = !((u32)args[1] & FUTEX_PRIVATE);
	if (nr == NR_FUTEX_WAITV)
		return true;
	if (op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2)
		f->kind = FUTEX_PI;
	else if (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET)
		f->kind = FUTEX_MAYBE_MUTEX;
	else
		return op == FUTEX_WAIT_REQUEUE_PI;
	return true;
}

struct futex_waitv {
	u64 val, address;
	u32 flags, reserved;
};

/* futex_waitv of the current thread: the first of its futexes; of several, who owns none. */
static __always_inline void futex_first(const u64 args[6], struct futex_call *f)
{
	struct futex_waitv v = {};

	if (bpf_probe_read_user(&v, sizeof(v), (void *)args[0]))
		return;
	futex2_call(f, v.address, v.val, v.flags);
	if ((u32)args[1] != 1)
		f->kind = FUTEX_OWNERLESS;
}

/* ---- owners ---- */

#define MUTEX_ROBUST 16u
#define MUTEX_KINDS (3u | MUTEX_ROBUST | 32u | 64u | 128u | 256u | 512u)
#define MUTEX_TYPE 3u
#define MUTEX_RECURSIVE 1u
#define MUTEX_USERS_MAX (1u << 22)

/*
 * struct __pthread_mutex_s of glibc: nptl/bits/struct_mutex.h. On 64 bit
 * { lock, count, owner, nusers, kind }, on 32 bit { lock, count, owner, kind }.
 */
struct mutex_words {
	u32 lock, count, owner, word3, word4;
};

/*
 * Does m look like a mutex with an owner? Other locks wait with value 2, too,
 * and have something where the owner would be: a flag (malloc's arenas), a
 * pointer (stdio's), anything. Only a mutex has users while it is owned.
 */
static __always_inline bool mutex_plausible(const struct mutex_words *m, bool compat)
{
	u32 kind = compat ? m->word3 : m->word4, users = compat ? m->word4 : m->word3;

	return !(kind & ~MUTEX_KINDS) && users - 1 < MUTEX_USERS_MAX &&
	       ((kind & MUTEX_TYPE) == MUTEX_RECURSIVE || !m->count);
}

/* The tid in the lock, as the thread's pid namespace has it; 0: no lock, or nobody's. */
static __always_inline u32 mutex_owner(const struct futex_call *f, bool compat)
{
	struct mutex_words m = {};
	u32 kind;

	if (f->val != 2 && !(f->val & FUTEX_WAITERS_))
		return 0;
	if (bpf_probe_read_user(&m, sizeof(m), (void *)f->address))
		return 0;
	kind = compat ? m.word3 : m.word4;
	if (f->val == 2)
		return mutex_plausible(&m, compat) ? m.owner : 0;
	/* the word itself is the owner */
	return !(kind & ~MUTEX_KINDS) && kind & MUTEX_ROBUST ? f->val & FUTEX_TID : 0;
}

static __always_inline u32 pi_owner(const struct futex_call *f)
{
	u32 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)f->address);
	return word & FUTEX_TID;
}

/*
 * The thread of this process (or, for a shared futex, of any) that the tid in
 * a lock word means: a tid of the waiter's pid namespace. 0: no such thread.
 */
static __always_inline u32 lock_owner(struct task_struct *t, u32 tid, bool shared)
{
	struct task_slot *e;
	u32 *outer;
	u64 key;

	if (ns_tid_key(t, &key)) {
		key = (key & ~0xffffffffull) | tid;
		outer = bpf_map_lookup_elem(&ns_tids, &key);
		if (!outer)
			return 0;
		tid = *outer;
	}
	e = task_slot_find(tid);
	if (!e || (!shared && e->tgid != (u32)t->tgid))
		return 0;
	/* waits for what it has itself; where it is shared, that may be a namesake elsewhere */
	if (tid == (u32)t->pid && shared)
		return 0;
	return tid;
}

/* t, which is current, goes to sleep in a call that futex_is_wait(): what for? */
static __always_inline void futex_look(struct task_struct *t, struct task_state *s, bool compat)
{
	u64 args[6], key;
	struct futex_call f;
	u32 owner = 0;

	regs_args((void *)bpf_task_pt_regs(t), compat, args);
	if (!futex_call(s->nr, args, &f))
		return;
	if (s->nr == NR_FUTEX_WAITV)
		futex_first(args, &f);
	s->flags |= WAIT_FUTEX;
	s->futex = f.address;
	if (f.kind == FUTEX_PI)
		owner = pi_owner(&f);
	else if (f.kind == FUTEX_MAYBE_MUTEX)
		owner = mutex_owner(&f, compat);
	if (!owner)
		return;
	s->owner = lock_owner(t, owner, f.shared);
	if (s->owner) {
		s->flags |= WAIT_LOCK | (f.kind == FUTEX_PI ? WAIT_OWNER_WORD : 0);
	} else if (!f.shared) {
		s->owner = owner; /* no lock, or of a thread that ended long ago: the worker may know */
		key = thread_ended_key(t, owner);
		if (bpf_map_lookup_elem(&ended_threads, &key))
			s->flags |= WAIT_LOCK;
	}
}

#endif
