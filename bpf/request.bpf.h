/* SPDX-License-Identifier: GPL-2.0 */
/* request.bpf.h - what is known of a connection to a server, and of the server. */
#ifndef FREC_REQUEST_BPF_H
#define FREC_REQUEST_BPF_H

#include "path.bpf.h"
#include "wait.bpf.h"

#define TCP_ESTABLISHED_ 1
#define TCP_FIN_WAIT1_ 4
#define TCP_CLOSE_ 7
#define TCP_CLOSE_WAIT_ 8
#define TCP_LAST_ACK_ 9
#define TCP_LISTEN_ 10
#define SOCK_STREAM_ 1
#define IPPROTO_TCP_ 6
#define SOCK_DONE_ 1 /* bit of skc_flags: the client has ended its stream */
#define SEND_SHUTDOWN_ 2

#ifdef FREC_REQUESTS_DEFINE
#define REQUESTS_MAP
#else
#define REQUESTS_MAP extern
#endif

/* What is known of a connection; lives and dies with it. What each call looks at comes first. */
struct request_state {
	u64 arrived;   /* first byte of the request under way; 0: none */
	u64 read;      /* first call that took some of it; 0: not yet */
	u64 next;      /* first byte that came after the last such call; 0: none */
	u64 last;      /* last byte that came */
	u32 come, taken; /* of TCP's stream, by then: sequence numbers */
	u32 bank;    /* configuration that `role` was told under */
	u8 role;    /* enum request_role */
	u8 queued;  /* it arrived before the connection was accepted */
	u8 answers; /* that the server has sent on this connection: see request_is_first() */
	u8 near;    /* in the storage of a socket: the state is in near_requests instead */
	u64 bytes;     /* taken */
	u64 reader;    /* task_struct that read it: see task_still() */
	u32 reader_tid, reader_tgid;
	u32 histograms;	     /* bit set: of a trigger that means this connection … */
	u32 histograms_bank; /* … of this configuration */
	u64 announced; /* `arrived` of one that a trigger was told of before it was answered */
	u64 judged;    /* so long it was the server's turn when triggers were asked last; 0: not yet */
	u64 reset;     /* its client gave up then, and whose it is has to be looked for; 0: not so */
};

enum request_role { REQUEST_UNKNOWN, REQUEST_SERVER, REQUEST_NONE };

REQUESTS_MAP struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct request_state);
} requests SEC(".maps");

/*
 * Where the states of most servers' TCP connections are: each call finds one here sooner than in the
 * storage of sockets. By the hash of the connection; it goes back to the storage when that closes.
 */
#define NEAR_REQUESTS (1u << 12)

struct near_request {
	u64 sk;	   /* struct sock; 0: free */
	u32 epoch; /* of request_watch; another one: free, too */
	u32 pad;
	struct request_state state;
	u64 pad2; /* two cache lines */
};
_Static_assert(sizeof(struct near_request) == 128, "near_request");

REQUESTS_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* elements begin at cache lines */
	__uint(max_entries, NEAR_REQUESTS);
	__type(key, u32);
	__type(value, struct near_request);
} near_requests SEC(".maps");

REQUESTS_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct request_watch);
} request_watch SEC(".maps");

/*
 * Of a server, by request_server_key(): does it answer at all? And of a server or of a connection
 * that nobody has read from, by the number of its socket: who has it?
 */
struct request_server {
	u64 task; /* task_struct, see task_still(); 0: none found */
	u32 tid;
	u32 asked;   /* scan that wanted to know who has it; 0: none */
	u32 answers; /* it has sent something on some connection */
	u32 silent;  /* times that a trigger fired though it has never answered */
	/* Of clients that sent more after a silence, without having been answered: see REQUEST_LOOSE. */
	s32 loose;
	s32 notes; /* likewise after one long enough to count among many, though not to fire alone */
};

REQUESTS_MAP struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct request_server);
} request_servers SEC(".maps");

/* From so many on a server that has never answered is taken for one that does not. */
#define REQUEST_PATIENCE 3

/*
 * A server that does not answer everything shows it again and again; of one that does, a client may
 * make it seem so, or a few that send slowly. So each such silence weighs as much as 16 connections
 * that are answered, or 1024 answers. Above REQUEST_LOOSE, from the third on, it is believed.
 */
#define REQUEST_SILENCE 16
#define REQUEST_LOOSE 32
#define REQUEST_LOOSE_MAX 200
#define REQUEST_ANSWERS 64 /* of a connection: take away as much as its first does */

/* ---- which connections ---- */

static __always_inline bool request_port(const struct request_watch *w, const struct sock *sk)
{
	u16 port = sk->__sk_common.skc_num;

	return w->ports[port / 64 & (REQUEST_PORT_WORDS - 1)] >> (port & 63) & 1;
}

/*
 * Part of an MPTCP connection: what it gets is read from, and answered on, another socket, which is
 * none of IPPROTO_TCP.
 */
static __always_inline bool request_is_mptcp(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

/*
 * Is this the server's end of a connection that a trigger may mean? A server's TCP port is its own,
 * and what a listener has made keeps its backlog, which who connects has none of; the server's end
 * of a UNIX connection has its listener's name, the client's hardly ever has one.
 */
static __always_inline enum request_role request_role(const struct request_watch *w,
						      struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;

	if (sk->__sk_common.skc_state == TCP_LISTEN_ || sk->sk_type != SOCK_STREAM_)
		return REQUEST_NONE;
	if (family == AF_UNIX) {
		const struct unix_sock *u = (const void *)sk;

		return w->local && BPF_CORE_READ(u, addr) ? REQUEST_SERVER : REQUEST_NONE;
	}
	if ((family != AF_INET && family != AF_INET6) || sk->sk_protocol != IPPROTO_TCP_)
		return REQUEST_NONE;
	if (!request_port(w, sk) && !(w->any && sk->sk_max_ack_backlog))
		return REQUEST_NONE;
	return request_is_mptcp(sk) ? REQUEST_NONE : REQUEST_SERVER;
}

/*
 * False: none of these sockets is wanted, and nothing need be kept of it. Asked before all else, as
 * it is what most sockets of the host are.
 */
static __always_inline bool request_wanted(const struct request_watch *w, const struct sock *sk)
{
	if (sk->__sk_common.skc_family == AF_UNIX)
		return w->local;
	return w->any || request_port(w, sk);
}

static __always_inline struct request_watch *request_watch_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&request_watch, &zero);
}

static __always_inline struct request_watch *request_watched(const struct sock *sk)
{
	struct request_watch *w = request_watch_get();

	return w && request_wanted(w, sk) ? w : NULL;
}

/* ---- their states ---- */

static __always_inline struct near_request *near_request_at(const struct sock *sk)
{
	u32 place = sk->__sk_common.skc_hash & (NEAR_REQUESTS - 1);

	return bpf_map_lookup_elem(&near_requests, &place);
}

static __always_inline struct request_state *near_request_of(const struct request_watch *w,
							     const struct sock *sk)
{
	struct near_request *n = near_request_at(sk);

	return n && n->sk == (u64)sk && n->epoch == w->epoch ? &n->state : NULL;
}

#define NEAR_CLAIMED 1 /* by another CPU, just now */

/* Of a connection that is not in its place; NULL where that is another's. */
static __always_inline struct request_state *near_request_claim(const struct request_watch *w,
								const struct sock *sk)
{
	struct near_request *n = near_request_at(sk);
	u64 owner = n ? *(volatile u64 *)&n->sk : 0;

	if (!n || owner == NEAR_CLAIMED || (owner && n->epoch == w->epoch) ||
	    __sync_val_compare_and_swap(&n->sk, owner, NEAR_CLAIMED) != owner)
		return NULL;
	__builtin_memset(&n->state, 0, sizeof(n->state));
	n->epoch = w->epoch;
	__sync_lock_test_and_set(&n->sk, (u64)sk); /* not before what it is about, on any CPU */
	return &n->state;
}

/* NULL: nothing is known of it yet. `kept`: what its storage has. */
static __always_inline struct request_state *request_state_in(const struct request_watch *w,
							      const struct sock *sk,
							      struct request_state *kept)
{
	return kept && kept->near ? near_request_of(w, sk) : kept;
}

static __always_inline struct request_state *request_find(const struct request_watch *w,
							  struct sock *sk)
{
	struct request_state *st = near_request_of(w, sk);

	return st ? st : request_state_in(w, sk, bpf_sk_storage_get(&requests, sk, 0, 0));
}

static __always_inline struct request_state *request_make(const struct request_watch *w,
							  struct sock *sk)
{
	struct request_state *kept, *st = NULL;

	kept = bpf_sk_storage_get(&requests, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!kept)
		return NULL;
	if (kept->near) /* in another epoch */
		__builtin_memset(kept, 0, sizeof(*kept));
	if (sk->__sk_common.skc_family != AF_UNIX && request_role(w, sk) == REQUEST_SERVER)
		st = near_request_claim(w, sk);
	kept->near = !!st;
	return st ? st : kept;
}

/*
 * The connection closes: from now on nobody would free its place. Or it begins: one whose end was
 * missed, as the program was under way on that CPU, has left its state to who has its memory now.
 */
static __always_inline void near_request_leave(const struct request_watch *w, struct sock *sk)
{
	struct request_state *st = near_request_of(w, sk), *kept;
	struct near_request *n = near_request_at(sk);

	if (!st || !n)
		return;
	kept = bpf_sk_storage_get(&requests, sk, 0, 0);
	if (kept)
		__builtin_memcpy(kept, st, sizeof(*kept));
	*(volatile u64 *)&n->sk = 0;
}

/* Is it the server's end of a connection that a trigger may mean? Asked again after a reload. */
static __always_inline bool request_is_meant(const struct control *ctl,
					     const struct request_watch *w, struct sock *sk,
					     struct request_state *st)
{
	if (st->role == REQUEST_UNKNOWN || st->bank != ctl->bank) {
		st->role = request_role(w, sk);
		st->bank = ctl->bank;
	}
	return st->role == REQUEST_SERVER;
}

/* ---- what is on its way ---- */

/*
 * Does anything wait to be read? The end of the stream is nothing. Of TCP also how far it has come
 * and was taken, where that is wanted.
 */
static __always_inline bool request_unread(struct sock *sk, u32 *ret_come, u32 *ret_taken)
{
	struct tcp_sock *tp;
	u32 come, taken;

	if (sk->__sk_common.skc_family == AF_UNIX)
		return sk->sk_receive_queue.qlen;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return false;
	come = tp->rcv_nxt;
	taken = tp->copied_seq;
	if (ret_come) {
		*ret_come = come;
		*ret_taken = taken;
	}
	return come - taken > (sk->__sk_common.skc_flags >> SOCK_DONE_ & 1);
}

/*
 * Since when it is the server's turn: of what nobody has read, since it came; else since the last
 * byte, as a server has nothing to answer while its client is still sending.
 */
static __always_inline u64 request_turn(const struct request_state *st)
{
	if (!st->read)
		return st->arrived;
	return st->next ? st->next : st->last;
}

/* ---- which server ---- */

/* Of TCP; a socket that was reset has no skc_num any more. */
static __always_inline u16 request_local_port(struct sock *sk)
{
	u16 port = sk->__sk_common.skc_num;

	return port ? port : bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

/* The same for a listener and for what it has made. */
static __always_inline u64 request_server_key(struct sock *sk)
{
	if (sk->__sk_common.skc_family == AF_UNIX)
		return (u64)BPF_CORE_READ((struct unix_sock *)sk, addr);
	return (u64)BPF_CORE_READ(sk, __sk_common.skc_net.net) ^
	       (u64)request_local_port(sk) << 48;
}

static __always_inline struct request_server *request_server(u64 key)
{
	struct request_server *server = bpf_map_lookup_elem(&request_servers, &key), none = {};

	if (server)
		return server;
	bpf_map_update_elem(&request_servers, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&request_servers, &key);
}

/* ---- what is told of a request ---- */

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
	e->local_port = request_local_port(sk);
	e->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (e->family == AF_INET) {
		*(u32 *)e->local = sk->__sk_common.skc_rcv_saddr;
		*(u32 *)e->remote = sk->__sk_common.skc_daddr;
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)e->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)e->remote, sk, __sk_common.skc_v6_daddr);
	}
}

/* Threads that do a program's I/O for it are known by its name. */
static __always_inline void request_comm(char *comm, struct task_struct *t)
{
	if (BPF_CORE_READ(t, flags) & (PF_IO_WORKER | PF_USER_WORKER))
		t = BPF_CORE_READ(t, group_leader);
	bpf_probe_read_kernel(comm, COMM_LEN, t->comm);
}

/* What triggers ask about: of this request, and t, which handled it, may be NULL. */
static __always_inline void request_facts(struct scratch *scratch, struct task_struct *t)
{
	const struct ev_request *e = &scratch->request;
	struct wait_facts *w = &scratch->facts;

	__builtin_memset(w, 0, sizeof(*w));
	w->start = e->arrived;
	w->woken = e->read;
	w->in = e->end;
	w->end = e->end;
	w->args[0] = e->connection;
	w->nr = -1;
	w->tid = e->tid;
	w->tgid = e->tgid;
	w->flags = e->flags & REQUEST_OPEN ? WAIT_OPEN : 0;
	scratch->task_address = (u64)t;
	if (!t)
		return;
	w->task_start = BPF_CORE_READ(t, start_time);
	request_comm(w->comm, t);
}

static __always_inline void request_fill(struct ev_request *e, struct sock *sk,
					 const struct request_state *st, u64 now, u16 flags)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->h.ts = now;
	e->h.kind = EV_REQUEST;
	e->h.len = sizeof(*e);
	e->connection = (u64)sk;
	e->arrived = st->arrived;
	e->read = st->read;
	e->end = now;
	e->reader_tid = st->read ? st->reader_tid : 0;
	e->reader_tgid = st->read ? st->reader_tgid : 0;
	e->bytes_in = st->bytes;
	e->flags = flags | (st->queued ? REQUEST_QUEUED : 0);
	request_address(e, sk);
}

#endif
