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
	__type(key, u32);   /* uid, see sender_uid() */
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
	__type(value, struct app_flood);
} app_flood SEC(".maps");

/* So many at once, and one more each time so much has passed: of one user; of all who are not calm. */
#define BURST 16
#define GAP_NS 100000000ull
#define GAP_ALL_NS 5000000ull
/* Who has sent nothing for so long after that is calm. */
#define CALM_NS 10000000000ull

#define USER_NS_DEPTH 33

/* What programs of this type see of a message. */
struct __sk_buff {
	u32 len;
	u32 others[41];
	struct bpf_sock *sk; /* the receiver's */
};

/*
 * Whose message it is. A user namespace has as many user ids as were mapped to it: they count as the
 * user who made the outermost one; root makes them for others, who stay apart.
 */
static __always_inline u32 sender_uid(struct task_struct *t)
{
	/* not the socket's: in here that is the receiver's */
	const struct cred *cred = BPF_CORE_READ(t, real_cred);
	struct user_namespace *ns = BPF_CORE_READ(cred, user_ns);
	u32 uid = BPF_CORE_READ(cred, uid.val), owner;
	int level = BPF_CORE_READ(ns, level);

	if (!level)
		return uid;
	for (int i = 1; i < USER_NS_DEPTH && level > 1; i++, level--)
		ns = BPF_CORE_READ(ns, parent);
	owner = BPF_CORE_READ(ns, owner.val);
	return owner ? owner : uid;
}

/* Two that send at the same time for one user may pass for one. */
static __always_inline bool earned(u64 *until, u64 now, u64 gap)
{
	u64 old = *until, since = old > now ? old : now;

	if (since - now > (BURST - 1) * gap)
		return false;
	__sync_val_compare_and_swap(until, old, since + gap);
	return true;
}

/* Who sends seldom has the whole queue, all others half of it. */
static __always_inline bool has_room(struct __sk_buff *skb, bool calm)
{
	struct bpf_sock *bare = skb->sk;
	struct sock *sk = bare ? (void *)bpf_skc_to_unix_sock(bare) : NULL;
	u32 queued;

	if (!sk)
		return false;
	queued = sk->sk_receive_queue.qlen;
	return calm ? queued <= sk->sk_max_ack_backlog : queued <= sk->sk_max_ack_backlog / 2;
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
	u64 none = 0, now = bpf_ktime_get_ns(), *until;
	u32 uid = sender_uid(t), zero = 0;
	struct app_flood *flood;
	bool calm;

	flood = bpf_map_lookup_elem(&app_flood, &zero);
	until = bpf_map_lookup_elem(&app_senders, &uid);
	if (!until) {
		bpf_map_update_elem(&app_senders, &uid, &none, BPF_NOEXIST);
		until = bpf_map_lookup_elem(&app_senders, &uid);
	}
	if (!until || !flood)
		return 0;
	calm = !*until || *until + CALM_NS < now;
	if (!earned(until, now, GAP_NS)) {
		__sync_fetch_and_add(&flood->one, 1);
		return 0;
	}
	if (!has_room(skb, calm) || (!calm && !earned(&flood->until, now, GAP_ALL_NS))) {
		__sync_fetch_and_add(&flood->many, 1);
		return 0;
	}
	note_sender(t, now);
	return skb->len;
}

char LICENSE[] SEC("license") = "GPL";
