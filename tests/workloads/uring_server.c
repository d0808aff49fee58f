/* SPDX-License-Identifier: GPL-2.0 */
/* A server that does its I/O by io_uring alone, without liburing: it answers what begins with 's'
 * after a delay, all else at once. */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/mman.h>

#include "loopback.h"

#define ENTRIES 64u /* more than there are ever requests under way, one for each connection */
#define TEXT_MAX 256

static long port, delay = 500, run_ms;
static bool sqpoll, async;

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_flags, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int queued;
};

static char texts[1024][TEXT_MAX]; /* by descriptor */

static void *ring_map(int fd, size_t size, off_t what)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	die_if(p == MAP_FAILED, "mmap");
	return p;
}

static void ring_make(struct ring *r)
{
	struct io_uring_params p = { .flags = sqpoll ? IORING_SETUP_SQPOLL : 0,
				     .sq_thread_idle = 20 };
	char *sq, *cq;

	r->fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	die_if(r->fd < 0, "io_uring_setup");
	sq = ring_map(r->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	r->sqes = ring_map(r->fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_flags = (void *)(sq + p.sq_off.flags);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
}

static void ring_queue(struct ring *r, int op, int fd, void *bytes, unsigned int n)
{
	unsigned int tail = *r->sq_tail, i = tail & *r->sq_mask;

	r->sqes[i] = (struct io_uring_sqe){
		.opcode = op, .fd = fd, .addr = (uintptr_t)bytes, .len = n,
		.flags = async && op != IORING_OP_ACCEPT ? IOSQE_ASYNC : 0,
		.user_data = (uint64_t)op << 32 | (unsigned int)fd,
	};
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	r->queued++;
}

/* Hands over what is queued, and waits for one to be done. */
static void ring_enter(struct ring *r)
{
	unsigned int flags = IORING_ENTER_GETEVENTS;

	if (sqpoll && *(volatile unsigned int *)r->sq_flags & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, r->fd, r->queued, 1, flags, NULL, 0) < 0 && errno != EINTR)
		die(1, "io_uring_enter: %s", strerror(errno));
	r->queued = 0;
}

WORKLOAD_NAMED static void uring_handle_slow(void)
{
	sleep_ms(delay);
}

static void serve(struct ring *r, int op, int fd, int got)
{
	if (op == IORING_OP_ACCEPT) {
		ring_queue(r, IORING_OP_ACCEPT, fd, NULL, 0);
		fd = got;
		if (fd < 0)
			return;
	} else if (got <= 0) {
		close(fd);
		return;
	}
	if (fd >= (int)(sizeof(texts) / sizeof(texts[0])))
		die(1, "too many connections");
	if (op == IORING_OP_RECV && texts[fd][0] == 's')
		uring_handle_slow();
	if (op == IORING_OP_RECV)
		ring_queue(r, IORING_OP_SEND, fd, texts[fd], got);
	else
		ring_queue(r, IORING_OP_RECV, fd, texts[fd], TEXT_MAX);
}

static void *uring_loop(void *arg)
{
	struct ring r = { .queued = 0 };

	pthread_setname_np(pthread_self(), "uring-loop");
	ring_make(&r);
	ring_queue(&r, IORING_OP_ACCEPT, *(int *)arg, NULL, 0);
	for (;;) {
		unsigned int head = *r.cq_head;

		ring_enter(&r);
		for (; head != __atomic_load_n(r.cq_tail, __ATOMIC_ACQUIRE); head++) {
			struct io_uring_cqe *e = &r.cqes[head & *r.cq_mask];

			serve(&r, e->user_data >> 32, (int)e->user_data, e->res);
		}
		__atomic_store_n(r.cq_head, head, __ATOMIC_RELEASE);
	}
	return NULL;
}

static const struct option_row options[] = {
	{ "port", OPTION_NUMBER, &port, 0, 65535, "to listen on (default 0: a free one)" },
	{ "sqpoll", OPTION_FLAG, &sqpoll, 0, 0, "a thread of the kernel's takes what is queued" },
	{ "async", OPTION_FLAG, &async, 0, 0, "workers of the kernel's do it" },
	{ "delay", OPTION_MS, &delay, 0, 60000,
	  "before an answer to what begins with 's' (500ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long (default 0: SIGTERM)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	pthread_t thread;
	int listener;

	if (options_parse(argc, argv, "[options]", options))
		die(2, "want options only (see --help)");
	end_after(run_ms);
	listener = loopback_listen(port);
	die_if(pthread_create(&thread, NULL, uring_loop, &listener), "pthread_create");
	pthread_join(thread, NULL);
}
