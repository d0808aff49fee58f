// SPDX-License-Identifier: GPL-2.0
/*
 * request.bpf.c - latency of requests to servers: from the first byte of a request that arrives on
 * a connection to the first call that sends an answer. Attached only while a trigger wants it.
 *
 * The bytes are not looked at. A request begins when data arrives on a connection that owes no
 * answer; data that comes before the answer, and was read by then, belongs to it. Data that nobody
 * had read yet when the answer was sent begins the next one.
 */
#include "path.bpf.h"
#include "wait.bpf.h"

#define MSG_PEEK_ 2
#define TCP_LISTEN_ 10
#define SOCK_STREAM_ 1
#define IPPROTO_TCP_ 6
#define RCV_SHUTDOWN_ 1

/* What is known of a connection; lives and dies with it. */
struct request_state {
	u64 arrived; /* first byte of the request under way; 0: none */
	u64 read;    /* first call that took some of it; 0: not yet */
	u64 next;    /* first byte that came after the last such call; 0: none */
	u64 bytes;   /* taken */
	u32 reader_tid, reader_tgid;
	u32 bank;  /* configuration that `role` was told under */
	u8 role;   /* enum request_role */
	u8 queued; /* it arrived before the connection was accepted */
	u8 pad[2];
};

enum request_role { REQUEST_UNKNOWN, REQUEST_SERVER, REQUEST_NONE };

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct request_state);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct request_watch);
} request_watch SEC(".maps");

/* ---- which connections ---- */

/*
 * Is this the server's end of a connection that a trigger may mean? A server's TCP port is its own;
 * the server's end of a UNIX connection has its listener's name, the client's hardly ever has one.
 * Where the trigger names a program only, it is the end that hears before it speaks.
 */
static __always_inline enum request_role request_role(const struct request_watch *w,
						      const struct sock *sk, bool hears)
{
	u16 family = sk->__sk_common.skc_family, port = sk->__sk_common.skc_num;

	if (sk->__sk_common.skc_state == TCP_LISTEN_ || sk->sk_type != SOCK_STREAM_)
		return REQUEST_NONE;
	if (family == AF_UNIX) {
		const struct unix_sock *u = (const void *)sk;

		return w->local && BPF_CORE_READ(u, addr) ? REQUEST_SERVER : REQUEST_NONE;
	}
	if ((family != AF_INET && family != AF_INET6) || sk->sk_protocol != IPPROTO_TCP_)
		return REQUEST_NONE;
	if (w->ports[port / 64 & (REQUEST_PORT_WORDS - 1)] >> (port & 63) & 1)
		return REQUEST_SERVER;
	return w->any && hears ? REQUEST_SERVER : REQUEST_NONE;
}

/* False: none of these sockets is wanted, and nothing need be kept of it. */
static __always_inline bool request_family(const struct request_watch *w, const struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family, port = sk->__sk_common.skc_num;

	if (family == AF_UNIX)
		return w->local;
	return w->any || w->ports[port / 64 & (REQUEST_PORT_WORDS - 1)] >> (port & 63) & 1;
}

static __always_inline struct request_state *request_get(struct control *ctl, struct sock *sk,
							 bool hears)
{
	u32 zero = 0;
	struct request_watch *w = bpf_map_lookup_elem(&request_watch, &zero);
	struct request_state *st;

	if (!w || !request_family(w, sk))
		return NULL;
	st = bpf_sk_storage_get(&requests, sk, 0,
				BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!st)
		return NULL;
	if (st->role == REQUEST_UNKNOWN || st->bank != ctl->bank) {
		/* who spoke first is known only once */
		if (st->role == REQUEST_UNKNOWN || !w->any)
			st->role = request_role(w, sk, hears);
		st->bank = ctl->bank;
	}
	return st->role == REQUEST_SERVER ? st : NULL;
}

/* Bytes that wait to be read; the end of the stream is none. */
static __always_inline bool request_unread(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	u32 bytes;

	if (sk->__sk_common.skc_family == AF_UNIX)
		return BPF_CORE_READ(sk, sk_receive_queue.qlen);
	bytes = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
	return sk->sk_shutdown & RCV_SHUTDOWN_ ? bytes > 1 : bytes;
}

/* ---- arrival ---- */

static __always_inline int request_arrives(struct sock *sk)
{
	u64 now = bpf_ktime_get_ns();
	struct request_state *st;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu;

	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	st = ctl ? request_get(ctl, sk, true) : NULL;
	if (!st || !request_unread(sk))
		return 0;
	if (st->arrived && st->arrived >= ctl->live_since) {
		if (st->read && !st->next)
			st->next = now;
		return 0;
	}
	st->arrived = now;
	st->read = 0;
	st->next = 0;
	st->bytes = 0;
	st->queued = !sk->sk_socket;
	return 0;
}

/* ---- reading ---- */

static __always_inline int request_is_read(struct sock *sk, int ret, int flags)
{
	u64 now = bpf_ktime_get_ns(), me = bpf_get_current_pid_tgid();
	struct request_state *st;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu;

	if (ret <= 0 || flags & MSG_PEEK_)
		return 0;
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	st = ctl ? request_get(ctl, sk, true) : NULL;
	if (!st || !st->arrived)
		return 0;
	if (!st->read) {
		st->read = now;
		st->reader_tid = me;
		st->reader_tgid = me >> 32;
	}
	st->bytes += ret;
	if (!request_unread(sk))
		st->next = 0;
	return 0;
}

/* ---- answering ---- */

/* An abstract name begins with NUL. What follows the name in the kernel's memory is not its. */
static __always_inline void request_path(struct ev_request *e, struct unix_sock *u)
{
	struct unix_address *addr = BPF_CORE_READ(u, addr);
	u64 len;

	if (!addr)
		return;
	len = (u32)BPF_CORE_READ(addr, len) - bpf_core_field_offset(struct sockaddr_un, sun_path);
	barrier_var(len);
	if (len > sizeof(e->path))
		return;
	bpf_probe_read_kernel(e->path, len,
			      (void *)addr + bpf_core_field_offset(struct unix_address, name) +
				      bpf_core_field_offset(struct sockaddr_un, sun_path));
	e->path_len = len;
}

static __always_inline void request_address(struct ev_request *e, struct sock *sk)
{
	e->family = sk->__sk_common.skc_family;
	if (e->family == AF_UNIX) {
		request_path(e, (void *)sk);
		return;
	}
	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (e->family == AF_INET) {
		*(u32 *)e->local = sk->__sk_common.skc_rcv_saddr;
		*(u32 *)e->remote = sk->__sk_common.skc_daddr;
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)e->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)e->remote, sk, __sk_common.skc_v6_daddr);
	}
}

/* Where the call began: known in mode all; a first sleep in it is nearer to that than its end is. */
static __always_inline u64 request_end(const struct request_state *st, const struct task_state *s,
				       u64 now, u16 *flags)
{
	u64 at = s ? (s->enter ? s->enter : s->first_out) : 0;

	if (s && s->enter && at >= st->read) {
		*flags |= REQUEST_SEND_START;
		return at;
	}
	return at >= st->read && at ? at : now;
}

static __always_inline void request_facts(struct wait_facts *w, const struct ev_request *e,
					  struct task_struct *t)
{
	__builtin_memset(w, 0, sizeof(*w));
	w->start = e->arrived;
	w->woken = e->read;
	w->in = e->end;
	w->end = e->end;
	w->task_start = t->start_time;
	w->tid = t->pid;
	w->tgid = t->tgid;
	w->nr = -1;
	bpf_probe_read_kernel(w->comm, sizeof(w->comm), t->comm);
}

static __always_inline void request_slow(struct control *ctl, struct cpu_state *c, u32 cpu,
					 struct sock *sk, const struct request_state *st, u64 now,
					 u64 end, u16 flags, u32 sent)
{
	struct scratch *scratch = scratch_get(SCRATCH_REQUEST);
	struct task_struct *t = bpf_get_current_task_btf();
	struct ev_request *e;

	if (!scratch)
		return;
	e = &scratch->request;
	__builtin_memset(e, 0, sizeof(*e));
	e->h.ts = now;
	e->h.kind = EV_REQUEST;
	e->h.cpu = cpu;
	e->h.len = sizeof(*e);
	e->arrived = st->arrived;
	e->read = st->read;
	e->end = end;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->reader_tid = st->reader_tid;
	e->reader_tgid = st->reader_tgid;
	e->bytes_in = st->bytes;
	e->bytes_out = sent;
	e->flags = flags | (st->queued ? REQUEST_QUEUED : 0);
	request_address(e, sk);
	evidence_output(ctl, c, now, BUDGET_FIRES, e, sizeof(*e));
	if (end - st->arrived < ctl->min_request_ns)
		return;
	request_facts(&scratch->facts, e, t);
	scratch->task_address = (u64)t;
	judge_one(scratch, ctl, cpu, now, TRIGGER_REQUEST, end - st->arrived);
	trigger_run(SCRATCH_REQUEST);
}

static __always_inline int request_answered(struct sock *sk, int ret)
{
	u64 now = bpf_ktime_get_ns(), end;
	struct request_state *st;
	struct control *ctl;
	struct cpu_state *c;
	u16 flags = 0;
	u32 cpu;

	if (ret <= 0)
		return 0;
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	st = ctl ? request_get(ctl, sk, false) : NULL;
	if (!st || !st->arrived || !st->read)
		return 0;
	if (st->arrived >= ctl->live_since) {
		end = request_end(st, task_state_get(bpf_get_current_task_btf()), now, &flags);
		if (end - st->arrived >= ctl->min_request_ns || end - st->arrived >= ctl->stacks_ns)
			request_slow(ctl, c, cpu, sk, st, now, end, flags, ret);
	}
	st->arrived = st->next;
	st->queued = 0;
	st->read = 0;
	st->next = 0;
	st->bytes = 0;
	return 0;
}

/* ---- since 6.3 the kernel has tracepoints for it ---- */

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_sk_data_ready, struct sock *sk)
{
	return request_arrives(sk);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_sock_recv_length, struct sock *sk, int ret, int flags)
{
	return request_is_read(sk, ret, flags);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_sock_send_length, struct sock *sk, int ret, int flags)
{
	return request_answered(sk, ret);
}

/* ---- before, functions: those that the compiler cannot inline, as they are called by pointer ---- */

SEC("fentry/sock_def_readable")
int BPF_PROG(on_sock_def_readable, struct sock *sk)
{
	return request_arrives(sk);
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(on_tcp_recvmsg, struct sock *sk, struct msghdr *msg, u64 len, int flags,
	     int *addr_len, int ret)
{
	return request_is_read(sk, ret, flags);
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(on_tcp_sendmsg, struct sock *sk, struct msghdr *msg, u64 size, int ret)
{
	return request_answered(sk, ret);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(on_unix_stream_recvmsg, struct socket *sock, struct msghdr *msg, u64 size,
	     int flags, int ret)
{
	struct sock *sk = sock->sk;

	return sk ? request_is_read(sk, ret, flags) : 0;
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(on_unix_stream_sendmsg, struct socket *sock, struct msghdr *msg, u64 len, int ret)
{
	struct sock *sk = sock->sk;

	return sk ? request_answered(sk, ret) : 0;
}

char LICENSE[] SEC("license") = "GPL";
