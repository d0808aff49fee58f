// SPDX-License-Identifier: GPL-2.0
/*
 * request_open.bpf.c - requests that nobody has answered: while they last, and when their
 * connection ends. The daemon looks a few times a second, at all connections that are watched, or
 * more seldom where they are so many that it would take too long.
 */
#include "request.bpf.h"

/* One that is answered so soon after it passed a threshold is told of then, and only then. */
#define REQUEST_GRACE_NS 250000000ull

/* The task that was at this address and had this tid, if it lives; else the memory is another's. */
static __always_inline struct task_struct *task_still(u64 address, u32 tid)
{
	struct task_struct *t = (void *)address;

	if (!t || BPF_CORE_READ(t, pid) != (pid_t)tid || BPF_CORE_READ(t, flags) & PF_EXITING)
		return NULL;
	return t;
}

/* ---- who has it ---- */

/* Another socket may come to be where one was, but not with its number. */
static __always_inline u64 request_socket_key(struct socket *socket)
{
	return BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_ino);
}

/* Nobody has read from it: who has its socket or, before it is accepted, the listener's. */
static __always_inline u64 request_owner_key(struct sock *sk)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);

	return socket ? request_socket_key(socket) : request_server_key(sk);
}

/* A reader of whom nothing is left is as none. */
static __always_inline struct task_struct *request_hand(struct sock *sk,
							const struct request_state *st)
{
	struct task_struct *t = st->read ? task_still(st->reader, st->reader_tid) : NULL;
	struct request_server *server = t ? NULL : request_server(request_owner_key(sk));

	return server ? task_still(server->task, server->tid) : t;
}

/*
 * True: who has it was not looked for yet, or has gone; iter_request_owners is to look. Of one
 * server many may be due: all that come in this scan wait for what the first has asked for.
 */
static __always_inline bool request_ask(const struct request_watch *w, struct sock *sk)
{
	struct request_server *server = request_server(request_owner_key(sk));

	if (!server)
		return false;
	if (server->asked == w->scan)
		return true;
	if (server->asked && !server->task)
		return false;
	server->task = 0;
	server->asked = w->scan;
	return true;
}

static __always_inline void request_whose(struct ev_request *e, struct task_struct *t)
{
	if (!t)
		return;
	e->tid = BPF_CORE_READ(t, pid);
	e->tgid = BPF_CORE_READ(t, tgid);
}

SEC("iter/task_file")
int iter_request_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *file = ctx->file;
	struct request_server *server;
	struct socket *socket;
	struct sock *sk;
	u64 key;

	if (!t || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk)
		return 0;
	key = sk->__sk_common.skc_state == TCP_LISTEN_ ? request_server_key(sk) :
							 request_socket_key(socket);
	server = bpf_map_lookup_elem(&request_servers, &key);
	if (!server || !server->asked)
		return 0;
	/* the last that has it: those that serve come after those that only hold the listener */
	server->tid = t->pid;
	server->task = (u64)t;
	return 0;
}

/* ---- which of them count ---- */

/*
 * What nobody reads waits for the server, whatever is said there. What was read may need no answer:
 * on a server that has never answered anybody, or to whom clients go on talking unanswered.
 */
static __always_inline bool request_may_fire(struct sock *sk, const struct request_state *st)
{
	struct request_server *server;

	if (!st->read || st->next)
		return true;
	server = request_server(request_server_key(sk));
	return server && server->loose <= REQUEST_LOOSE &&
	       (server->answers || server->silent < REQUEST_PATIENCE);
}

static __always_inline void request_fired(struct sock *sk, struct request_state *st)
{
	struct request_server *server;

	st->announced = st->arrived;
	if (!st->read || st->next)
		return;
	server = request_server(request_server_key(sk));
	if (server && !server->answers)
		__sync_fetch_and_add(&server->silent, 1);
}

/* Is one under way, which the recording has seen from its beginning? */
static __always_inline bool request_is_open(const struct control *ctl, struct sock *sk,
					    const struct request_state *st)
{
	if (st->role != REQUEST_SERVER || !st->arrived || st->arrived < ctl->live_since)
		return false;
	return st->read || request_unread(sk, NULL, NULL); /* else it went another way: splice(2) */
}

/* ---- while they last ---- */

/*
 * Tells triggers of those that they were not told of yet; writes something if an owner is wanted. Of
 * those, too, whose client gave up when no thread was known that has them.
 */
SEC("iter/bpf_sk_storage_map")
int iter_requests_due(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct request_watch *w = request_watch_get();
	struct request_state *st = ctx->value;
	struct sock *sk = ctx->sk;
	struct scratch *scratch;
	struct task_struct *t;
	struct control *ctl;
	struct cpu_state *c;
	u32 cpu;
	u64 now, turn, lasted;
	u8 wanted = 1;
	bool fires;

	/* there may be thousands, and nearly all have none under way */
	st = sk && w ? request_state_in(w, sk, st) : NULL;
	if (!st || !st->arrived || st->announced == st->arrived)
		return 0;
	now = bpf_ktime_get_ns();
	scratch = scratch_get(SCRATCH_ITER);
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!scratch || !ctl || !request_is_open(ctl, sk, st))
		return 0;
	turn = request_turn(st) + REQUEST_GRACE_NS;
	if (now < turn || now - turn < ctl->hung_request_ns || !request_may_fire(sk, st))
		return 0;
	t = request_hand(sk, st);
	if (!t && request_ask(w, sk)) {
		bpf_seq_write(ctx->meta->seq, &wanted, sizeof(wanted));
		return 0;
	}
	lasted = st->reset ? st->reset - request_turn(st) : now - turn;
	request_fill(&scratch->request, sk, st, now,
		     st->reset ? REQUEST_CLOSED | REQUEST_LEFT : REQUEST_OPEN);
	if (st->reset)
		scratch->request.end = st->reset;
	request_whose(&scratch->request, t);
	request_facts(scratch, t);
	judge_one(scratch, ctl, cpu, now, TRIGGER_REQUEST, lasted);
	scratch->judge.before = st->judged;
	st->judged = lasted;
	fires = trigger_run(SCRATCH_ITER);
	if (fires)
		request_fired(sk, st);
	if (st->reset)
		st->arrived = 0;
	if (!fires)
		return 0;
	scratch->request.h.cpu = cpu;
	evidence_output(ctl, c, now, BUDGET_FIRES, &scratch->request, sizeof(scratch->request));
	return 0;
}

/* For a snapshot: those that have lasted for long. */
SEC("iter/bpf_sk_storage_map")
int iter_requests(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct scratch *scratch = scratch_get(SCRATCH_WALK);
	struct request_watch *w = request_watch_get();
	struct request_state *st = ctx->value;
	u64 now = bpf_ktime_get_ns();
	struct sock *sk = ctx->sk;
	struct control *ctl;
	u32 zero = 0;

	ctl = bpf_map_lookup_elem(&control, &zero);
	st = sk && w ? request_state_in(w, sk, st) : NULL;
	if (!st || !scratch || !ctl || st->reset || !request_is_open(ctl, sk, st) ||
	    now < st->arrived || now - st->arrived < ctl->stacks_ns)
		return 0;
	request_fill(&scratch->request, sk, st, now, REQUEST_OPEN);
	request_whose(&scratch->request, request_hand(sk, st));
	bpf_seq_write(ctx->meta->seq, &scratch->request, sizeof(scratch->request));
	return 0;
}

/* ---- when no trigger means them any more ---- */

/* What becomes of those is not seen: if one is looked at again, it may have been answered long ago. */
SEC("iter/bpf_sk_storage_map")
int iter_requests_unwatched(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct request_watch *w = request_watch_get();
	struct request_state *st = ctx->value;
	struct sock *sk = ctx->sk;

	st = sk && w ? request_state_in(w, sk, st) : NULL;
	if (st && request_role(w, sk) != REQUEST_SERVER)
		st->arrived = 0;
	return 0;
}

/* ---- when the connection ends ---- */

/* The server's own call is no interrupt: then, and only then, it has shut down its end before. */
static __always_inline void request_ends(struct control *ctl, struct cpu_state *c, u32 cpu,
					 struct sock *sk, struct request_state *st, u64 now,
					 bool left)
{
	bool own = sk->sk_shutdown & SEND_SHUTDOWN_;
	u32 which = own ? SCRATCH_REQUEST : SCRATCH_RESET;
	struct task_struct *t = task_still(st->reader, st->reader_tid);
	struct scratch *scratch = scratch_get(which);

	if (!scratch)
		return;
	if (!st->read || !t)
		t = own ? bpf_get_current_task_btf() : request_hand(sk, st);
	if (!t && !own && st->announced != st->arrived && sk->sk_socket) {
		st->reset = now; /* iter_requests_due looks for who has the socket still */
		return;
	}
	request_fill(&scratch->request, sk, st, now,
		     REQUEST_CLOSED | (left || !own ? REQUEST_LEFT : 0));
	request_whose(&scratch->request, t);
	scratch->request.h.cpu = cpu;
	evidence_output(ctl, c, now, BUDGET_FIRES, &scratch->request, sizeof(scratch->request));
	request_facts(scratch, t);
	judge_one(scratch, ctl, cpu, now, TRIGGER_REQUEST, now - request_turn(st));
	if (st->announced == st->arrived)
		trigger_ended(which, TRIGGER_REQUEST);
	else if (request_may_fire(sk, st) && trigger_run(which))
		request_fired(sk, st);
}

/* Of TCP; a UNIX socket ends without a word. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_inet_sock_set_state, struct sock *sk, int before, int state)
{
	struct request_watch *w = request_watch_get();
	struct request_state *st;
	struct control *ctl;
	struct cpu_state *c;
	u64 now;
	u32 cpu;

	if (w && (state == TCP_CLOSE_ || state == TCP_ESTABLISHED_))
		near_request_leave(w, sk);
	if (!w || (state != TCP_FIN_WAIT1_ && state != TCP_LAST_ACK_ && state != TCP_CLOSE_))
		return 0;
	st = request_find(w, sk);
	if (!st || !st->arrived)
		return 0;
	now = bpf_ktime_get_ns();
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (ctl && request_is_open(ctl, sk, st) &&
	    (st->announced == st->arrived || now - request_turn(st) >= ctl->hung_request_ns))
		request_ends(ctl, c, cpu, sk, st, now, before == TCP_CLOSE_WAIT_);
	if (!st->reset)
		st->arrived = 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
