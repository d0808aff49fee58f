/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recorder_former.c - what a recorder that died has left: its memory, to capture from, and its walk
 * over the threads, which alone knows since when each of them waits.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder_internal.h"
#include "window.h"

struct wanted_map {
	const char *name;
	enum bpf_map_type type;
	uint32_t value_size, n; /* 0: any */
};

/* Its descriptor, or -errno; value_size and max_entries as it has them. */
static int open_map(const char *directory, const struct wanted_map *w, struct bpf_map_info *ret)
{
	char path[PATH_MAX + 64];
	uint32_t len = sizeof(*ret);
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", directory, w->name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	if (bpf_obj_get_info_by_fd(fd, ret, &len))
		err = -errno;
	else if (ret->type != w->type || (w->value_size && ret->value_size != w->value_size) ||
		 (w->n && ret->max_entries != w->n))
		err = -ESTALE;
	if (err)
		close(fd);
	return err ? err : fd;
}

static int map_array(const char *directory, const char *name, uint32_t value_size, uint32_t n,
		     void *ret)
{
	const struct wanted_map w = {name, BPF_MAP_TYPE_ARRAY, value_size, n};
	struct bpf_map_info info = {0};
	int fd = open_map(directory, &w, &info), err = 0;
	void *p;

	if (fd < 0)
		return fd;
	p = recorder_map_memory(fd, (size_t)value_size * n, 0, PROT_READ | PROT_WRITE);
	if (p)
		*(void **)ret = p;
	else
		err = -errno;
	close(fd);
	return err;
}

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static int map_ring(struct recorder *r, const char *directory)
{
	const struct wanted_map w = {"evidence", BPF_MAP_TYPE_RINGBUF, 0, 0};
	struct bpf_map_info info = {0};
	int fd = open_map(directory, &w, &info), err;

	if (fd < 0)
		return fd;
	r->sizes.evidence = info.max_entries;
	err = power_of_two(r->sizes.evidence) ? recorder_map_evidence(r, fd) : -ESTALE;
	close(fd);
	return err;
}

static int map_window(struct recorder *r, const char *directory, unsigned int cpu)
{
	char name[32];
	const struct wanted_map w = {name, BPF_MAP_TYPE_ARRAY, r->sizes.hot_cpu, 1};
	struct bpf_map_info info = {0};
	int fd, err = 0;

	snprintf(name, sizeof(name), WINDOW_PIN "%u", cpu);
	fd = open_map(directory, &w, &info);
	if (fd < 0)
		return fd;
	r->sizes.hot_cpu = info.value_size;
	if (power_of_two(info.value_size) && info.value_size >= sysconf(_SC_PAGESIZE))
		r->hot[cpu] = recorder_map_memory(fd, info.value_size, 0, PROT_READ);
	else
		err = -ESTALE;
	if (!err && !r->hot[cpu])
		err = -errno;
	close(fd);
	if (!err)
		r->sizes.hot = r->sizes.hot_cpu * ++r->n_windows;
	return err;
}

/* Those of CPUs that were never online are not there. */
static int map_windows(struct recorder *r, const char *directory)
{
	for (unsigned int i = 0; i < r->n_cpus; i++) {
		int err = map_window(r, directory, i);

		if (err && err != -ENOENT)
			return err;
	}
	return r->n_windows ? 0 : -ENOENT;
}

static int open_all(struct recorder *r, const char *directory)
{
	char path[PATH_MAX + 64];
	int err;

	err = map_array(directory, CONTROL_PIN, sizeof(struct control), 1, &r->control);
	if (!err && r->control->layout != recorder_layout())
		err = -ESTALE;
	if (!err)
		err = map_array(directory, "cpus", sizeof(struct cpu_state), r->n_cpus, &r->cpus);
	if (!err)
		err = map_array(directory, "task_table", sizeof(struct task_slot), TASK_TABLE_SIZE,
				&r->tasks);
	if (!err)
		err = map_ring(r, directory);
	if (!err)
		err = map_windows(r, directory);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/" WALKER_PIN, directory);
	r->walker = bpf_obj_get(path);
	if (r->walker < 0) {
		err = -errno;
		r->walker = 0;
	}
	return err;
}

int recorder_open_former(const char *directory, struct recorder **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int cpus = libbpf_num_possible_cpus(), err;

	if (!r || cpus < 1) {
		free(r);
		return cpus < 1 ? cpus : -ENOMEM;
	}
	r->n_cpus = cpus;
	r->hot = calloc(cpus, sizeof(*r->hot));
	r->hot_since = calloc(cpus, sizeof(*r->hot_since));
	err = r->hot && r->hot_since ? open_all(r, directory) : -ENOMEM;
	if (err) {
		recorder_free(r);
		return err;
	}
	r->started_at = r->control->started;
	*ret = r;
	return 0;
}

/* ---- its end ---- */

/* Of the newest slot. */
static uint64_t last_event(const struct recorder *r, unsigned int cpu)
{
	uint64_t size = r->sizes.hot_cpu, end = r->cpus[cpu].pos & ~(uint64_t)(HOT_SLOT_SIZE - 1);

	for (uint64_t at = end; r->hot[cpu] && at > window_begin(size, end);) {
		const struct hot_slot *s;
		unsigned int kind;

		at -= HOT_SLOT_SIZE;
		s = &r->hot[cpu][(at & (size - 1)) / HOT_SLOT_SIZE];
		kind = window_good(s, at);
		if (kind && kind != HOT_SYS_ARGS)
			return s->ts;
	}
	return 0;
}

void recorder_freeze(struct recorder *former, uint64_t now)
{
	struct control *ctl = former->control;
	uint64_t blind = ctl->heartbeat + HEARTBEAT_MAX_NS;
	bool was_paused = ctl->paused;

	__atomic_store_n(&ctl->paused, 1, __ATOMIC_RELAXED);
	former->paused_at = now < blind ? now : blind;
	/* now the walk believes of a wait only what it can see: that the thread has not run since */
	former->live_since = ctl->live_since;
	ctl->live_since = now;
	if (!was_paused)
		return;
	/* when it was nobody knows any more, but what was recorded last */
	former->paused_at = former->started_at;
	for (unsigned int i = 0; i < former->n_cpus; i++) {
		uint64_t last = last_event(former, i);

		if (last > former->paused_at && last < now)
			former->paused_at = last;
	}
}

void recorder_former(const struct recorder *former, struct recorder_former *ret)
{
	const struct control *ctl = former->control;

	*ret = (struct recorder_former){
		.heartbeat = ctl->heartbeat,
		.until = former->paused_at,
		.evidence_since = ctl->evidence_since,
		.evidence_until = former->paused_at,
		.lost_before = ctl->lost_before,
		.refused_before = ctl->refused_before,
		.refused_stacks_before = ctl->refused_stacks_before,
		.window = ctl->stack_memory_ns * 4,
		.slow_ns = ctl->slow_ns,
		.stacks_ns = ctl->stacks_ns,
		.syscalls = ctl->syscalls,
		.pid = ctl->pid,
	};
	for (unsigned int i = 0; i < former->n_cpus; i++) {
		uint64_t full = former->cpus[i].full_since;

		if (full && full < ret->evidence_until)
			ret->evidence_until = full;
	}
}
