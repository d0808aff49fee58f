// SPDX-License-Identifier: GPL-2.0
/* peer.bpf.c - who has the ends of pipes and connections, and files that were locked, for a snapshot. */
#include "inet.bpf.h"
#include "record.h"

#define TCP_LISTEN_ 10

static __always_inline u64 inode_of(struct sock *sk)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	struct inode *inode =
		(void *)socket + bpf_core_field_offset(struct socket_alloc, vfs_inode);

	return socket ? BPF_CORE_READ(inode, i_ino) : 0;
}

/* Is it an end of something whose other end somebody may wait at? */
static __always_inline bool end_of_socket(struct peer_end *e, struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk), *peer;

	if (!sk)
		return false;
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (e->family == AF_INET || e->family == AF_INET6) {
		READ_INET(e, sk);
		/* who listens will have the other end of what waits to be accepted */
		return e->remote_port || BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN_;
	}
	if (e->family != AF_UNIX)
		return false;
	peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	e->peer_inode = peer ? inode_of(peer) : 0;
	return e->peer_inode;
}

SEC("iter/task_file")
int iter_ends(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *file = ctx->file;
	struct peer_end e = {};

	if (!t || !file)
		return 0;
	e.mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (e.mode == S_IFREG ? !BPF_CORE_READ(file, f_inode, i_flctx)
			      : e.mode != S_IFIFO && e.mode != S_IFSOCK)
		return 0;
	e.inode = BPF_CORE_READ(file, f_inode, i_ino);
	e.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	e.pid = t->tgid;
	e.fd = ctx->fd;
	e.writes = !!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE_);
	if (e.mode == S_IFSOCK && !end_of_socket(&e, file))
		return 0;
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
