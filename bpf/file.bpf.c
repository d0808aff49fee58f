// SPDX-License-Identifier: GPL-2.0
/* file.bpf.c - see file.bpf.h */
#include "file.bpf.h"
#include "inet.bpf.h"

/* Names that are in no directory begin with NUL, and have a length in place of one at their end. */
static __always_inline void look_abstract(struct scratch *s, struct unix_address *addr)
{
	u64 len = BPF_CORE_READ(addr, len) - bpf_core_field_offset(struct sockaddr_un, sun_path);

	if (len < 2 || len > 108)
		return;
	barrier_var(len);
	len &= 127;
	bpf_probe_read_kernel(s->file_path, len,
			      (void *)addr + bpf_core_field_offset(struct unix_address, name) +
				      bpf_core_field_offset(struct sockaddr_un, sun_path));
	s->file_path[0] = '@';
	s->file_path[len] = 0;
	s->file.path_len = len + 1;
}

static __always_inline void look_unix(struct scratch *s, struct sock *sk)
{
	struct unix_sock *u = (void *)sk;
	struct unix_address *addr = BPF_CORE_READ(u, addr);
	struct sock *peer = BPF_CORE_READ(u, peer);
	struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);
	long len;

	if (!addr && peer) { /* the other end has the name: the server's */
		u = (void *)peer;
		addr = BPF_CORE_READ(u, addr);
	}
	if (pid)
		s->file.peer_pid = BPF_CORE_READ(pid, numbers[0].nr);
	if (!addr)
		return;
	len = bpf_probe_read_kernel_str(
		s->file_path, 108,
		(void *)addr + bpf_core_field_offset(struct unix_address, name) +
			bpf_core_field_offset(struct sockaddr_un, sun_path));
	if (len > 1)
		s->file.path_len = len;
	else
		look_abstract(s, addr);
}

static __always_inline void look_socket(struct scratch *s, struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	struct ev_file *e = &s->file;

	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (e->family == AF_UNIX) {
		look_unix(s, sk);
		return;
	}
	if (e->family != AF_INET && e->family != AF_INET6)
		return;
	READ_INET(e, sk);
}

static __always_inline void look_path(struct scratch *s, u32 which)
{
	u32 start, pos, len;

	start = path_file(which);
	pos = start & (PATH_MAX_ - 1);
	if (start & PATH_CLIPPED) { /* without its beginning it must not look like a whole one */
		pos = pos > 3 ? pos - 3 : 0;
		barrier_var(pos);
		pos &= PATH_MAX_ - 1;
		s->path[pos] = s->path[pos + 1] = s->path[pos + 2] = '.';
	}
	len = PATH_MAX_ - pos;
	bpf_probe_read_kernel(s->file_path, len, &s->path[pos]);
	s->file.path_len = len;
}

static __always_inline struct file *file_of(struct task_struct *t, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct file **files, *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

__noinline int file_look(u32 which, u32 fd)
{
	struct scratch *s = scratch_get(which);
	struct task_struct *t;
	struct file *file;

	if (!s)
		return 0;
	t = (void *)s->task_address;
	file = file_of(t, fd);
	if (!file)
		return 0;
	__builtin_memset(&s->file, 0, sizeof(s->file));
	s->file_address = (u64)file;
	s->file.fd = fd;
	s->file.mode = BPF_CORE_READ(file, f_inode, i_mode);
	s->file.inode = BPF_CORE_READ(file, f_inode, i_ino);
	s->file.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	s->file.writes = !!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE_);
	s->file.h.kind = EV_FILE;
	if ((s->file.mode & S_IFMT) == S_IFSOCK)
		look_socket(s, file);
	else
		look_path(s, which);
	return s->file.h.len = (sizeof(s->file) + s->file.path_len + 7) & ~7u;
}

/* 127.0.0.0/8, or an address of this host's own, from which it then comes, too. */
static __always_inline int sends_to(struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u64 from[2], to[2];

	if (!BPF_CORE_READ(sk, __sk_common.skc_dport))
		return SENDS_UNKNOWN;
	if (family == AF_INET) {
		u32 daddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);

		return (daddr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000) ||
				       daddr == BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr)
			       ? SENDS_HERE
			       : SENDS_AWAY;
	}
	if (family != AF_INET6)
		return SENDS_UNKNOWN;
	BPF_CORE_READ_INTO((struct in6_addr *)from, sk, __sk_common.skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO((struct in6_addr *)to, sk, __sk_common.skc_v6_daddr);
	return from[0] == to[0] && from[1] == to[1] ? SENDS_HERE : SENDS_AWAY;
}

__noinline int file_sends_to(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct socket *socket;
	struct file *file;
	u64 args[6];

	regs_args((void *)bpf_task_pt_regs(t), false, args);
	file = file_of(t, args[0]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return SENDS_UNKNOWN;
	socket = BPF_CORE_READ(file, private_data);
	return sends_to(BPF_CORE_READ(socket, sk));
}

char LICENSE[] SEC("license") = "GPL";
