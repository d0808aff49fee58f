/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_exits.c - ends of threads that the hot window tells, as the evidence
 * had no room for them in a storm of forks: they are turned into its records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

/* The HOT_EXIT at pos, if there is one and its second half is there. */
static bool is_exit(const struct capture_cpu *cpu, const struct hot_slot *h, uint64_t pos)
{
	return window_good(h, pos) == HOT_EXIT && pos + HOT_SLOT_SIZE < cpu->end &&
	       window_good(h + 1, pos + HOT_SLOT_SIZE) == HOT_SYS_ARGS;
}

static void make_exit(const struct capture_cpu *cpu, const struct hot_slot *h, struct ev_task *ret)
{
	*ret = (struct ev_task){
		.h = {.ts = h->ts, .kind = EV_TASK, .cpu = cpu->cpu, .len = sizeof(*ret)},
		.start = h->exit.start,
		.tid = h->exit.tid,
		.tgid = h->exit.tgid,
		.ppid = (uint32_t)h[1].ts,
		.ns_tid = h->exit.tid,
		.uid = h[1].ts >> 32,
		.event = TASK_EXIT,
		.exit_code = -1, /* not known */
		.flags = h->exit.tid == h->exit.tgid ? TASK_LEADER : 0,
		.cpu = cpu->cpu,
	};
	memcpy(ret->comm, h[1].args, COMM_LEN);
}

struct exits {
	struct ev_task *list;
	size_t n, size;
};

static int read_cpu(const struct worker *w, const struct capture_cpu *cpu, struct exits *e)
{
	const struct hot_slot *slots = capture_at(w->h, cpu->slots);
	uint64_t pos = cpu->good > cpu->begin ? cpu->good : cpu->begin;

	for (; pos < cpu->end; pos += HOT_SLOT_SIZE) {
		const struct hot_slot *h = &slots[(pos - cpu->begin) / HOT_SLOT_SIZE];
		struct ev_task *more;

		if (!is_exit(cpu, h, pos))
			continue;
		if (e->n == e->size) {
			e->size = e->size ? e->size * 2 : 64;
			more = reallocarray(e->list, e->size, sizeof(*more));
			if (!more)
				return -ENOMEM;
			e->list = more;
		}
		make_exit(cpu, h, &e->list[e->n++]);
	}
	return 0;
}

int worker_read_exits(const struct worker *w, struct ev_task **ret, size_t *ret_n)
{
	struct exits e = {.n = 0};
	int err = 0;

	for (uint32_t i = 0; i < w->h->n_cpus && !err; i++)
		err = read_cpu(w, &w->h->cpus[i], &e);
	if (err) {
		free(e.list);
		return err;
	}
	*ret = e.list;
	*ret_n = e.n;
	return 0;
}
