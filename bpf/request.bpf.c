// SPDX-License-Identifier: GPL-2.0
/*
 * request.bpf.c - latency of requests to servers: from the first byte of a request that arrives on
 * a connection to the first call that sends an answer. Attached only while a trigger wants it.
 *
 * The bytes are not looked at. A request begins when data arrives on a connection that owes no
 * answer; data that comes before the answer, and was read by then, belongs to it. Data that nobody
 * had read yet when the answer was sent begins the next one.
 */
#define FREC_REQUESTS_DEFINE
#include "histogram.bpf.h"
#include "request.bpf.h"

#define MSG_PEEK_ 2

/* ---- arrival ---- */

/*
 * More came after a silence long enough to matter, though all had been read and nothing answered:
 * what it follows was not a request, or its client did not wait for the answer. True once this
 * server has shown often enough that it is the former. What is too short for a trigger on single
 * requests is counted by itself: it takes from no such trigger what it may fire for.
 */
static __always_inline bool request_begins_anew(struct control *ctl, struct sock *sk,
						const struct request_state *st, u64 now)
{
	struct request_server *server;
	s32 *times;

	if (now - st->last < ctl->min_request_ns)
		return false;
	server = request_server(request_server_key(sk));
	if (!server)
		return false;
	times = now - st->last < ctl->hung_request_ns ? &server->notes : &server->loose;
	if (*times < REQUEST_LOOSE_MAX)
		__sync_fetch_and_add(times, REQUEST_SILENCE);
	return *times > REQUEST_LOOSE;
}

static __always_inline void request_begin(struct request_state *st, u64 arrived, bool queued)
{
	st->arrived = arrived;
	st->read = 0;
	st->next = 0;
	st->reset = 0;
	st->bytes = 0;
	st->judged = 0;
	st->queued = queued;
}

static __always_inline int request_arrives(struct sock *sk)
{
	struct request_watch *w = request_watched(sk);
	struct request_state *st;
	struct control *ctl;
	u32 cpu, come = 0, taken = 0;
	struct cpu_state *c;
	u64 now;

	if (!w)
		return 0;
	now = bpf_ktime_get_ns();
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl)
		return 0;
	st = request_find(w, sk);
	if (!st)
		st = request_make(w, sk);
	if (!st || !request_is_meant(ctl, w, sk, st))
		return 0;
	/* a server that has shut down its end cannot answer any more */
	if (!request_unread(sk, &come, &taken) || sk->sk_shutdown & SEND_SHUTDOWN_)
		return 0;
	if (!st->arrived || st->arrived < ctl->live_since) {
		request_begin(st, now, !sk->sk_socket);
		st->taken = taken;
	} else if (st->read && !st->next && request_begins_anew(ctl, sk, st, now)) {
		request_begin(st, now, false);
	} else if (st->read && !st->next) {
		st->next = now;
	}
	st->last = now;
	st->come = come;
	return 0;
}

/* ---- reading ---- */

static __always_inline int request_is_read(struct sock *sk, int ret, int flags)
{
	struct request_watch *w;
	struct request_state *st;
	struct task_struct *t;

	w = ret > 0 && !(flags & MSG_PEEK_) ? request_watched(sk) : NULL;
	st = w ? request_find(w, sk) : NULL;
	if (!st || !st->arrived)
		return 0;
	if (!st->read) {
		t = bpf_get_current_task_btf();
		st->read = bpf_ktime_get_ns();
		st->reader = (u64)t;
		st->reader_tid = t->pid;
		st->reader_tgid = t->tgid;
	}
	st->bytes += ret;
	st->taken += ret;
	if (st->next && !request_unread(sk, NULL, NULL))
		st->next = 0;
	return 0;
}

/* ---- answering ---- */

/* A call that did not sleep takes less than this. */
#define REQUEST_SEND_NS 100000ull

/*
 * Where the call began: known in mode all; a first sleep in it is nearer to that than its end is.
 * Looked up where it makes a difference.
 */
static __always_inline u64 request_end(const struct control *ctl, const struct request_state *st,
				       u64 now, u16 *flags)
{
	struct task_state *s;

	if (ctl->syscalls != SYSCALLS_ALL && now - st->read < REQUEST_SEND_NS)
		return now;
	s = task_state_get(bpf_get_current_task_btf());
	if (s && s->enter >= st->read) {
		*flags |= REQUEST_SEND_START;
		return s->enter;
	}
	/* not of a call before, whose end was not seen */
	if (s && !s->enter && s->first_out >= st->read &&
	    !call_left(ctl, bpf_get_current_task_btf()) &&
	    s->nr == regs_syscall((void *)bpf_task_pt_regs(bpf_get_current_task_btf())))
		return s->first_out;
	return now;
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
	request_fill(e, sk, st, now, flags);
	e->h.cpu = cpu;
	e->end = end;
	e->tid = t->pid;
	e->tgid = t->tgid;
	e->bytes_out = sent;
	evidence_output(ctl, c, now, BUDGET_FIRES, e, sizeof(*e));
	request_facts(scratch, t);
	judge_one(scratch, ctl, cpu, now, TRIGGER_REQUEST, end - st->arrived);
	if (st->announced == st->arrived)
		trigger_ended(SCRATCH_REQUEST, TRIGGER_REQUEST);
	else if (end - st->arrived >= ctl->min_request_ns)
		trigger_run(SCRATCH_REQUEST);
}

/* Of a connection, or of as many as count like one. */
static __always_inline bool request_is_first(struct request_state *st)
{
	return !(st->answers++ % REQUEST_ANSWERS);
}

/* Two at once may take one too many: below 0 is no harm. */
static __always_inline void request_forgive(s32 *times)
{
	if (*times > 0)
		__sync_fetch_and_add(times, -1);
}

static __always_inline void request_first_answer(struct sock *sk)
{
	struct request_server *server = request_server(request_server_key(sk));

	if (!server)
		return;
	if (!server->answers)
		server->answers = 1;
	request_forgive(&server->loose);
	request_forgive(&server->notes);
}

/* Bits of the histograms of triggers that mean this connection: asked again after a reload. */
static __always_inline u32 request_histograms(const struct control *ctl, struct sock *sk,
					      struct request_state *st)
{
	struct scratch *scratch;

	if (st->histograms_bank == ctl->bank)
		return st->histograms;
	scratch = scratch_get(SCRATCH_REQUEST);
	if (!scratch)
		return 0;
	__builtin_memset(&scratch->request, 0, sizeof(scratch->request));
	request_address(&scratch->request, sk);
	scratch->judge.bank = ctl->bank;
	st->histograms = histogram_match_connection(SCRATCH_REQUEST);
	st->histograms_bank = ctl->bank;
	return st->histograms;
}

/* In the histogram of all, and in those of triggers that mean the connection and who answers. */
static __always_inline void request_count(struct control *ctl, u32 cpu, struct sock *sk,
					  struct request_state *st, u64 now, u64 ns)
{
	struct histogram *h = histogram_at(cpu, HISTOGRAM_REQUEST);
	struct task_struct *t;
	struct task_state *s;

	if (h)
		histogram_add(h, NULL, now, st->arrived, ns, (u64)sk);
	if (!request_histograms(ctl, sk, st))
		return;
	t = bpf_get_current_task_btf();
	s = task_state_get(t);
	if (s)
		histogram_add_own(ctl, SCRATCH_REQUEST, cpu, t, s, st->histograms, now, st->arrived,
				  ns, (u64)sk);
}

/*
 * Since when the next request waits: one that nobody had read when the first was read may have come
 * with it. The usual one has been taken to its end, which is seen without asking the kernel.
 */
static __always_inline u64 request_next(struct sock *sk, const struct request_state *st)
{
	if (st->next)
		return st->next;
	if (st->come == st->taken && sk->__sk_common.skc_family != AF_UNIX)
		return 0;
	if (!request_unread(sk, NULL, NULL))
		return 0;
	/* no two have come at the same time: it is what tells one from the other */
	return st->last > st->arrived ? st->last : st->arrived + 1;
}

static __always_inline int request_answered(struct sock *sk, int ret)
{
	struct request_watch *w = ret > 0 ? request_watched(sk) : NULL;
	struct request_state *st;
	struct control *ctl;
	struct cpu_state *c;
	u16 flags = 0;
	u64 now, end;
	u32 cpu;

	/* an answer may take many calls, of which only the first matters */
	st = w ? request_find(w, sk) : NULL;
	if (!st || !st->arrived)
		return 0;
	now = bpf_ktime_get_ns();
	c = cpu_self(&cpu);
	ctl = c ? control_live(now, c) : NULL;
	if (!ctl || !request_is_meant(ctl, w, sk, st))
		return 0;
	if (!st->read) {
		if (!request_unread(sk, NULL, NULL))
			st->arrived = 0; /* taken another way: splice(2) */
		return 0;
	}
	if (request_is_first(st))
		request_first_answer(sk);
	if (st->arrived >= ctl->live_since) {
		end = request_end(ctl, st, now, &flags);
		request_count(ctl, cpu, sk, st, now, end - st->arrived);
		if (end - st->arrived >= ctl->min_request_ns ||
		    end - st->arrived >= ctl->stacks_ns || st->announced == st->arrived)
			request_slow(ctl, c, cpu, sk, st, now, end, flags, ret);
	}
	request_begin(st, request_next(sk, st), false);
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

/* sendfile(2) and splice(2) */
SEC("fexit/tcp_sendpage")
int BPF_PROG(on_tcp_sendpage, struct sock *sk, struct page *page, int offset, u64 size, int flags,
	     int ret)
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

SEC("fexit/unix_stream_sendpage")
int BPF_PROG(on_unix_stream_sendpage, struct socket *sock, struct page *page, int offset, u64 size,
	     int flags, int ret)
{
	struct sock *sk = sock->sk;

	return sk ? request_answered(sk, ret) : 0;
}

char LICENSE[] SEC("license") = "GPL";
