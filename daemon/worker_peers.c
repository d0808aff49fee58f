/* SPDX-License-Identifier: GPL-2.0 */
/* worker_peers.c - which process has the other end, or the lock, that a thread waits for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker_internal.h"

/* Names an end the way the one who waits at it sees it; compared as bytes. */
struct end_key {
	uint64_t inode; /* pipe: of both ends; UNIX socket: of the one waited at; file */
	uint64_t net;
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint16_t family;
	uint16_t writes; /* pipe: who waits has the end to write to */
	uint32_t regular; /* a file */
	uint32_t device; /* of a pipe or file */
};

struct peer {
	struct end_key key;
	const struct ev_file *file;
	uint32_t waiter; /* its process: it may have inherited both ends, but has the other one
			  * only if nobody else does */
	uint32_t pid; /* 0: nobody has it */
	bool several; /* processes; then it is none of them */
	bool own;     /* the waiter has it, too */
	uint32_t listener; /* whose it will be when it is accepted */
	bool listeners;	   /* several */
};

static bool is_inet(uint16_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static struct end_key key_of_file(const struct ev_file *f)
{
	struct end_key k = {0};

	if (S_ISREG(f->mode)) {
		k.inode = f->inode;
		k.device = f->device;
		k.regular = 1;
		return k;
	}
	if (S_ISFIFO(f->mode)) {
		k.inode = f->inode;
		k.device = f->device;
		k.writes = f->writes;
		return k;
	}
	k.family = f->family;
	if (!is_inet(f->family)) {
		k.inode = f->inode;
		return k;
	}
	k.net = f->net;
	memcpy(k.local, f->local, sizeof(k.local));
	memcpy(k.remote, f->remote, sizeof(k.remote));
	k.local_port = f->local_port;
	k.remote_port = f->remote_port;
	return k;
}

/* Of the one who would wait for this end. */
static struct end_key key_of_end(const struct peer_end *e)
{
	struct end_key k = {0};

	if (S_ISREG(e->mode)) {
		k.inode = e->inode;
		k.device = e->device;
		k.regular = 1;
		return k;
	}
	if (S_ISFIFO(e->mode)) {
		k.inode = e->inode;
		k.device = e->device;
		k.writes = !e->writes;
		return k;
	}
	k.family = e->family;
	if (!is_inet(e->family)) {
		k.inode = e->peer_inode;
		return k;
	}
	k.net = e->net;
	memcpy(k.local, e->remote, sizeof(k.local));
	memcpy(k.remote, e->local, sizeof(k.remote));
	k.local_port = e->remote_port;
	k.remote_port = e->local_port;
	return k;
}

static int compare_peers(const void *a, const void *b)
{
	return memcmp(&((const struct peer *)a)->key, &((const struct peer *)b)->key,
		      sizeof(struct end_key));
}

/* ---- locks of files ---- */

/* A process that waits for a lock of a file, and the one that has it. */
struct lock_wait {
	uint64_t inode;
	uint32_t pid, holder;
	bool has_file; /* the holder, still */
};

/*
 * The format is of fs/locks.c: "7: FLOCK  ADVISORY  WRITE 1234 fe:01:131 0 EOF",
 * and behind it, with an arrow after the same number, those that wait for it.
 */
void worker_find_locks(struct worker *w, int fd)
{
	FILE *file = fdopen(fd, "r");
	char line[256];
	uint64_t number = 0;
	int holder = 0;

	while (file && fgets(line, sizeof(line), file)) {
		struct lock_wait *more;
		unsigned long long id, inode;
		int n = 0, pid;
		bool waits;

		if (sscanf(line, "%llu: %n", &id, &n) != 1 || !n)
			continue;
		waits = strncmp(line + n, "->", 2) == 0;
		if (sscanf(line + n + (waits ? 2 : 0), "%*s %*s %*s %d %*x:%*x:%llu", &pid,
			   &inode) != 2)
			continue;
		if (!waits) {
			number = id;
			holder = pid;
		} else if (id == number && holder > 0 && pid > 0) {
			more = reallocarray(w->locks, w->n_locks + 1, sizeof(*more));
			if (!more)
				break;
			w->locks = more;
			w->locks[w->n_locks++] = (struct lock_wait){inode, pid, holder, false};
		}
	}
	if (file)
		fclose(file);
}

static const struct lock_wait *waits_for_lock(const struct worker *w, uint32_t pid, uint64_t inode)
{
	for (size_t i = 0; i < w->n_locks; i++)
		if (w->locks[i].pid == pid && w->locks[i].inode == inode)
			return &w->locks[i];
	return NULL;
}

/*
 * Who has the lock that this wait is for; 0: not who took it. Its lock goes on with a file that others
 * inherited, when it has gone or closed its own.
 */
static uint32_t lock_holder(struct worker *w, const struct ev_file *file)
{
	const struct task *t = worker_task(w, file->wait_tid, file->h.ts), *holder;
	const struct lock_wait *lock = t ? waits_for_lock(w, t->tgid, file->inode) : NULL;

	holder = lock && lock->has_file ? worker_task(w, lock->holder, w->h->clocks.monotonic)
					: NULL;
	return holder && !holder->exited ? lock->holder : 0;
}

/* ---- ends ---- */

/* Is this an address of the host itself, whatever it is translated to on the way? */
static bool is_own_address(const struct end_key *k)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return memcmp(k->local, k->remote, sizeof(k->local)) == 0 ||
	       (k->family == AF_INET ? k->remote[0] == 127
				     : memcmp(k->remote, loopback6, sizeof(loopback6)) == 0);
}

/* A socket that listens: connections to it that nobody has accepted have no other end yet. */
static void note_listener(struct worker *w, const struct peer_end *e)
{
	static const uint8_t any[16];
	bool to_any = memcmp(e->local, any, sizeof(any)) == 0;

	for (size_t i = 0; i < w->n_peers; i++) {
		struct peer *p = &w->peers[i];
		const struct end_key *k = &p->key;

		if (!is_inet(k->family) || k->net != e->net || k->remote_port != e->local_port ||
		    !is_own_address(k))
			continue;
		if (to_any ? k->family != e->family && e->family != AF_INET6
			   : k->family != e->family ||
				     memcmp(k->remote, e->local, sizeof(any)) != 0)
			continue;
		if (e->pid == p->waiter)
			continue;
		p->listeners |= p->listener && p->listener != e->pid;
		p->listener = e->pid;
	}
}

/* Several waits at one end stand side by side: all learn of it. */
static void note_end(struct worker *w, const struct peer_end *e)
{
	struct peer key = {.key = key_of_end(e)}, *p, *end = w->peers + w->n_peers;

	for (size_t i = 0; S_ISREG(e->mode) && i < w->n_locks; i++)
		if (w->locks[i].holder == e->pid && w->locks[i].inode == e->inode)
			w->locks[i].has_file = true;
	if (S_ISREG(e->mode) && waits_for_lock(w, e->pid, e->inode))
		return; /* it has the file, but not the lock */
	if (is_inet(e->family) && !e->remote_port) {
		note_listener(w, e);
		return;
	}
	p = bsearch(&key, w->peers, w->n_peers, sizeof(key), compare_peers);
	while (p && p > w->peers && compare_peers(p - 1, &key) == 0)
		p--;
	for (; p && p < end && compare_peers(p, &key) == 0; p++) {
		if (e->pid == p->waiter) {
			p->own = true;
			continue;
		}
		p->several |= p->pid && p->pid != e->pid;
		p->pid = e->pid;
	}
}

/* Records are written whole: a rest that is none is the end. */
static void read_ends(struct worker *w, int fd)
{
	struct peer_end ends[256];
	ssize_t n;

	do {
		n = read(fd, ends, sizeof(ends));
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(*ends); i++)
			note_end(w, &ends[i]);
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
}

static int by_file(const void *a, const void *b)
{
	const struct ev_file *x = ((const struct peer *)a)->file,
			     *y = ((const struct peer *)b)->file;

	return x < y ? -1 : x > y;
}

/* Of a file, all that have it matter. */
static uint32_t waiter_of(struct worker *w, const struct ev_file *f)
{
	const struct task *t = S_ISREG(f->mode) ? NULL : worker_task(w, f->wait_tid, f->h.ts);

	return t ? t->tgid : 0;
}

int worker_find_peers(struct worker *w, int fd)
{
	if (!w->n_files)
		return 0;
	w->peers = calloc(w->n_files, sizeof(*w->peers));
	if (!w->peers)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_files; i++) {
		const struct ev_file *f = w->files[i];
		bool connected = S_ISSOCK(f->mode) && (!is_inet(f->family) || f->remote_port);

		if (connected || S_ISFIFO(f->mode) || (S_ISREG(f->mode) && w->n_locks))
			w->peers[w->n_peers++] = (struct peer){.key = key_of_file(f), .file = f,
							       .waiter = waiter_of(w, f)};
	}
	qsort(w->peers, w->n_peers, sizeof(*w->peers), compare_peers);
	if (w->n_peers)
		read_ends(w, fd);
	qsort(w->peers, w->n_peers, sizeof(*w->peers), by_file);
	return 0;
}

/* Nobody has the other end: who has not accepted the connection yet. */
static uint32_t listener_of(const struct wait_facts *f, const struct peer *p)
{
	if (!(f->flags & WAIT_OPEN))
		return 0;
	if (p->file->family == AF_UNIX)
		return p->file->peer_pid != f->tgid ? p->file->peer_pid : 0;
	return p->listeners ? 0 : p->listener;
}

uint32_t worker_peer(struct worker *w, const struct wait_facts *f, const struct ev_file *file)
{
	struct peer key = {.file = file}, *p;
	uint32_t holder;

	p = w->n_peers ? bsearch(&key, w->peers, w->n_peers, sizeof(key), by_file) : NULL;
	if (!S_ISREG(file->mode))
		return !p || p->several ? 0
		       : p->pid		? p->pid
		       : p->own		? p->waiter
					: listener_of(f, p);
	if (!(f->flags & WAIT_OPEN) || !waits_for_lock(w, f->tgid, file->inode))
		return 0;
	holder = lock_holder(w, file);
	/* else the lock is that of whoever still has the file open */
	return holder || !p || p->several ? holder : p->pid;
}
