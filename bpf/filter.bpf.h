/* SPDX-License-Identifier: GPL-2.0 */
/* filter.bpf.h - which threads, and which connections, a trigger means. */
#ifndef FREC_FILTER_BPF_H
#define FREC_FILTER_BPF_H

#include "path.bpf.h"

/* Of the thread at task_address of this scratch, may be NULL, with facts.tgid and facts.comm. */
static __always_inline bool filter_thread(const struct trigger_filter *f, u32 key,
					  struct scratch *s, u32 which)
{
	struct task_struct *t = (void *)s->task_address;

	if ((f->filters & FILTER_PID) && f->pid != s->facts.tgid)
		return false;
	if ((f->filters & FILTER_UID) && (!t || f->uid != BPF_CORE_READ(t, real_cred, uid.val)))
		return false;
	if (f->filters & FILTER_COMM) {
		bpf_probe_read_kernel(s->path, COMM_LEN, s->facts.comm);
		s->path[COMM_LEN] = 0;
		if (!path_match(which, 0, key, FILTER_COMM))
			return false;
	}
	if ((f->filters & FILTER_EXE) && !path_match(which, path_exe(which), key, FILTER_EXE))
		return false;
	return !(f->filters & FILTER_UNIT) ||
	       path_match(which, path_cgroup(which), key, FILTER_UNIT);
}

static __always_inline bool filter_socket(const struct trigger_filter *f,
					  const struct ev_request *e)
{
	if (e->family != AF_UNIX)
		return false;
	for (u32 i = 0; i < SOCKET_PATH_MAX / 4; i++)
		if (((const u32 *)f->socket)[i] != ((const u32 *)e->path)[i])
			return false;
	return true;
}

/* Of the server's end of a connection. */
static __always_inline bool filter_connection(const struct trigger_filter *f,
					      const struct ev_request *e)
{
	if ((f->filters & FILTER_PORT) && f->port != e->local_port)
		return false;
	return !(f->filters & FILTER_SOCKET) || filter_socket(f, e);
}

#endif
