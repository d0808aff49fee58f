// SPDX-License-Identifier: GPL-2.0
/*
 * app.bpf.c - the filter of the trigger socket. It runs in whoever sends, before the message takes a
 * place in the queue: who sends too many pays for it alone, and keeps nobody else's out. It notes who
 * that is, as the daemon may look when they have gone.
 */
#include "life.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);   /* uid */
	__type(value, u64); /* when all its messages will have been earned */
} app_senders SEC(".maps");

/* Who has sent: what is read of a process later may be another, or nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64); /* tgid << 32 | tid in the thread's own pid namespace */
	__type(value, struct app_sender);
} app_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64); /* messages that were dropped */
} app_flood SEC(".maps");

/* So many at once, and one more each time so much has passed. */
#define BURST 16
#define GAP_NS 100000000ull

struct __sk_buff {
	u32 len;
};

/* Two that send at the same time for one user may pass for one. */
static __always_inline bool earned(u64 *until, u64 now)
{
	u64 old = *until, since = old > now ? old : now;

	if (since - now > (BURST - 1) * GAP_NS)
		return false;
	__sync_val_compare_and_swap(until, old, since + GAP_NS);
	return true;
}

static __always_inline void note_sender(struct task_struct *t, u64 now)
{
	struct app_sender s = {.at = now,
			       .start = BPF_CORE_READ(t, start_time),
			       .tid = BPF_CORE_READ(t, pid),
			       .tgid = BPF_CORE_READ(t, tgid)};
	u64 key, own;

	BPF_CORE_READ_STR_INTO(&s.comm, t, comm);
	own = ns_tid_key(t, &own) ? (u32)own : s.tid;
	key = (u64)s.tgid << 32 | own;
	bpf_map_update_elem(&app_threads, &key, &s, BPF_ANY);
}

SEC("socket")
int app_intake(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	/* not the socket's: in here that is the receiver's */
	u32 uid = BPF_CORE_READ(t, real_cred, uid.val), zero = 0;
	u64 none = 0, now = bpf_ktime_get_ns(), *until, *dropped;

	until = bpf_map_lookup_elem(&app_senders, &uid);
	if (!until) {
		bpf_map_update_elem(&app_senders, &uid, &none, BPF_NOEXIST);
		until = bpf_map_lookup_elem(&app_senders, &uid);
	}
	if (until && earned(until, now)) {
		note_sender(t, now);
		return skb->len;
	}
	dropped = bpf_map_lookup_elem(&app_flood, &zero);
	if (dropped)
		__sync_fetch_and_add(dropped, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
