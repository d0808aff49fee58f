/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_read.c - the recorder's memory and counters. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../lib/preempt_count.h"
#include "clock.h"
#include "ledger.h"
#include "recorder_internal.h"
#include "window.h"

void recorder_heartbeat(struct recorder *r, uint64_t now)
{
	__atomic_store_n(&r->control->heartbeat, now, __ATOMIC_RELAXED);
}

void recorder_note(struct recorder *r, uint64_t evidence_since, uint64_t lost, uint64_t refused,
		   uint64_t refused_stacks)
{
	r->control->evidence_since = evidence_since;
	r->control->lost_before = lost;
	r->control->refused_before = refused;
	r->control->refused_stacks_before = refused_stacks;
	for (unsigned int i = 0; i < r->n_cpus; i++)
		if (r->cpus[i].full_since)
			r->cpus[i].full_since = 0;
}

bool recorder_paused(const struct recorder *r)
{
	return r->control->paused;
}

void recorder_seen(const struct recorder *r, uint64_t now, uint64_t *ret_from, uint64_t *ret_to)
{
	*ret_from = r->object ? r->control->live_since : r->live_since;
	*ret_to = recorder_paused(r) && r->paused_at < now ? r->paused_at : now;
}

int recorder_guard(const struct recorder *r, int fd)
{
	int program = bpf_program__fd(bpf_object__find_program_by_name(r->object, "app_intake"));

	if (program < 0)
		return program;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) ? -errno : 0;
}

int recorder_sender(const struct recorder *r, uint32_t pid, uint32_t own_tid,
		    struct app_sender *ret)
{
	int map = bpf_object__find_map_fd_by_name(r->object, "app_threads");
	uint64_t key = (uint64_t)pid << 32 | own_tid;

	return bpf_map_lookup_elem(map, &key, ret) ? -ENOENT : 0;
}

void recorder_flood(const struct recorder *r, struct app_flood *ret)
{
	int map = bpf_object__find_map_fd_by_name(r->object, "app_flood");
	uint32_t zero = 0;

	memset(ret, 0, sizeof(*ret));
	bpf_map_lookup_elem(map, &zero, ret);
}

int recorder_trigger_fd(const struct recorder *r)
{
	return ring_buffer__epoll_fd(r->triggers);
}

int recorder_take_triggers(struct recorder *r, recorder_trigger_fn fn, void *arg)
{
	int n;

	r->trigger_fn = fn;
	r->trigger_arg = arg;
	n = ring_buffer__consume(r->triggers);
	r->trigger_fn = NULL;
	return n;
}

uint32_t recorder_bank(const struct recorder *r)
{
	return r->control->bank;
}

struct trigger_count *recorder_trigger_count(struct recorder *r, unsigned int index)
{
	return &r->counts[(r->control->bank & 1) * TRIGGERS_MAX + index];
}

const struct recorder_sizes *recorder_sizes(const struct recorder *r)
{
	return &r->sizes;
}

const struct recorder_ring *recorder_evidence(const struct recorder *r)
{
	return &r->ring;
}

unsigned int recorder_cpus(const struct recorder *r)
{
	return r->n_cpus;
}

const struct hot_slot *recorder_hot(const struct recorder *r, unsigned int cpu)
{
	return cpu < r->n_cpus ? r->hot[cpu] : NULL;
}

uint64_t recorder_hot_since(const struct recorder *r, unsigned int cpu)
{
	uint64_t size = r->sizes.hot_cpu, pos = r->cpus[cpu].pos, at, end;

	if (!r->hot[cpu])
		return UINT64_MAX;
	if (pos <= size)
		return r->hot_since[cpu] ? r->hot_since[cpu] : r->started_at;
	/* the very oldest are being overwritten: ask a little further on */
	at = (pos - size + size / 64) & ~(uint64_t)(HOT_SLOT_SIZE - 1);
	for (end = at + size / 64; at < end; at += HOT_SLOT_SIZE) {
		struct hot_slot s = r->hot[cpu][(at & (size - 1)) / HOT_SLOT_SIZE];
		unsigned int kind = window_good(&s, at);

		if (kind && kind != HOT_SYS_ARGS)
			return s.ts;
	}
	return UINT64_MAX;
}

const volatile struct cpu_state *recorder_cpu(const struct recorder *r, unsigned int cpu)
{
	return &r->cpus[cpu];
}

const volatile struct process_notes *recorder_notes(const struct recorder *r)
{
	return r->notes;
}

const struct task_slot *recorder_tasks(const struct recorder *r, size_t *ret_n)
{
	*ret_n = TASK_TABLE_SIZE;
	return r->tasks;
}

uint64_t recorder_started(const struct recorder *r)
{
	return r->started_at;
}

const char *recorder_variant(const struct recorder *r)
{
	return r->variant;
}

bool recorder_realtime(void)
{
	const struct btf *kernel = recorder_kernel();

	return kernel && preempt_count_lacks_softirqs(kernel);
}

static uint64_t recursion_misses(const struct recorder *r)
{
	struct bpf_prog_info info;
	struct bpf_program *p;
	uint64_t sum = 0;
	uint32_t len;

	if (!r->object)
		return 0; /* nobody can be asked any more */
	bpf_object__for_each_program(p, r->object) {
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (bpf_program__fd(p) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

void recorder_totals(struct recorder *r, struct recorder_totals *ret)
{
	uint64_t wall = clock_monotonic() - r->started_at;
	struct evidence_count sum = {0};
	unsigned int online = 0;

	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < r->n_cpus; i++) {
		const struct cpu_state *c = &r->cpus[i];

		ret->hot += c->pos / HOT_SLOT_SIZE;
		for (unsigned int k = 0; k < EV_KINDS; k++)
			ledger_add(&sum, &c->evidence[k]);
		ret->lost_hot += c->lost_hot;
		ret->lost_trigger += c->lost_trigger;
		ret->lost_task += c->lost_task;
		ret->lost_slot += c->lost_slot;
		ret->refused_stacks += c->refused_stacks;
		ret->refused_distinct += c->refused_distinct;
		ret->excluded_stacks += c->excluded_stacks;
		online += !!r->hot[i];
	}
	ret->evidence = sum.written;
	ret->lost_evidence = sum.lost;
	ret->refused = sum.refused;
	ret->recursion = recursion_misses(r);
	ret->lost = ret->lost_hot + ret->lost_evidence + ret->lost_trigger + ret->lost_task +
		    ret->lost_slot + ret->recursion;
	ret->bpf_busy = recorder_cost_ns(r);
	if (wall && online)
		ret->bpf_share = ret->bpf_busy / wall / online;
}
