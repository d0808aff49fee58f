/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_attach.c - which programs run when, and their links. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../lib/exit_maps.h"
#include "clock.h"
#include "recorder_internal.h"

/* In the order of attaching: what ends a thing before what begins it. */
static const struct recorder_program programs[] = {
	{"on_sched_switch", PROGRAM_ALWAYS, NULL, 0},
	{"on_sched_waking", PROGRAM_KIND, NULL, RECORDER_WAKEUPS},
	{"on_sched_wakeup_new", PROGRAM_ALWAYS, NULL, 0},
	{"on_sched_process_exec", PROGRAM_ALWAYS, NULL, 0},
	{"on_task_rename", PROGRAM_ALWAYS, NULL, 0},
	{"on_sched_process_exit", PROGRAM_ALWAYS, NULL, 0},
	{"on_task_newtask", PROGRAM_ALWAYS, NULL, 0},
	{"on_sys_exit_slow", PROGRAM_SLOW, NULL, 0},
	{"on_rseq_update", PROGRAM_RETURN, "rseq_update", 0},
	{"on_sys_enter_all", PROGRAM_ALL, NULL, 0},
	{"on_sys_exit_all", PROGRAM_ALL, NULL, 0},
	{"on_sk_data_ready", PROGRAM_KIND, "sk_data_ready", TRIGGER_REQUEST},
	{"on_sock_recv_length", PROGRAM_KIND, "sock_recv_length", TRIGGER_REQUEST},
	{"on_sock_send_length", PROGRAM_KIND, "sock_send_length", TRIGGER_REQUEST},
	{"on_sock_def_readable", PROGRAM_KIND_OLD, "sk_data_ready", TRIGGER_REQUEST},
	{"on_tcp_recvmsg", PROGRAM_KIND_OLD, "sock_recv_length", TRIGGER_REQUEST},
	{"on_tcp_sendmsg", PROGRAM_KIND_OLD, "sock_send_length", TRIGGER_REQUEST},
	{"on_tcp_sendpage", PROGRAM_KIND_OLD, "sock_send_length", TRIGGER_REQUEST},
	{"on_unix_stream_recvmsg", PROGRAM_KIND_OLD, "sock_recv_length", TRIGGER_REQUEST},
	{"on_unix_stream_sendmsg", PROGRAM_KIND_OLD, "sock_send_length", TRIGGER_REQUEST},
	{"on_unix_stream_sendpage", PROGRAM_KIND_OLD, "sock_send_length", TRIGGER_REQUEST},
	{"on_inet_sock_set_state", PROGRAM_KIND, NULL, TRIGGER_REQUEST},
	{"on_signal_generate", PROGRAM_KIND, NULL, TRIGGER_EXIT},
	{"on_signal_deliver", PROGRAM_KIND, NULL, TRIGGER_EXIT},
	{"on_signal_mapped", PROGRAM_KIND, NULL, TRIGGER_EXIT}, /* behind it */
	{"on_process_end", PROGRAM_KIND, NULL, TRIGGER_EXIT},
	{"on_exit_mmap", PROGRAM_KIND, "exit_mmap", TRIGGER_EXIT},
	{"on_exit_mapped", PROGRAM_ALWAYS, NULL, 0},
	{"on_mm_release", PROGRAM_MM, NULL, 0},
	{"on_span_begin", PROGRAM_ITER, NULL, 0}, /* recorder_span.c */
	{"on_span_end", PROGRAM_ITER, NULL, 0},
	{"on_span_enter", PROGRAM_ITER, NULL, 0},
	{"on_span_leave", PROGRAM_ITER, NULL, 0},
	{"iter_span", PROGRAM_ITER, NULL, 0},
	{"iter_adopt", PROGRAM_ITER, NULL, 0},
	{"iter_call_end", PROGRAM_ITER, NULL, 0},
	{"on_call_end_probe", PROGRAM_ITER, NULL, 0}, /* recorder_call_end.c */
	{"on_calibrate", PROGRAM_ITER, NULL, 0}, /* recorder_cost.c */
	{"iter_tasks", PROGRAM_ITER, NULL, 0},
	{"iter_overdue", PROGRAM_ITER, NULL, 0},
	{"iter_sleeper", PROGRAM_ITER, NULL, 0},
	{"iter_ends", PROGRAM_ITER, NULL, 0},
	{"iter_requests_due", PROGRAM_ITER, NULL, 0},
	{"iter_request_owners", PROGRAM_ITER, NULL, 0},
	{"iter_requests", PROGRAM_ITER, NULL, 0},
	{"iter_requests_unwatched", PROGRAM_ITER, NULL, 0},
	{"app_intake", PROGRAM_ITER, NULL, 0}, /* recorder_guard() */
};
#define N_PROGRAMS (sizeof(programs) / sizeof(programs[0]))

const struct recorder_program *recorder_program(const char *name)
{
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (!strcmp(programs[i].name, name))
			return &programs[i];
	return NULL;
}

static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[128];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

static struct btf *kernel;

const struct btf *recorder_kernel(void)
{
	if (!kernel)
		kernel = btf__load_vmlinux_btf();
	return kernel;
}

void recorder_forget_kernel(void)
{
	btf__free(kernel);
	kernel = NULL;
}

bool recorder_program_wanted(const struct recorder_program *p)
{
	const struct btf *btf;

	if (!p->tracepoint && p->when != PROGRAM_MM)
		return true;
	btf = recorder_kernel();
	if (!btf)
		return false;
	if (p->when == PROGRAM_MM)
		return exit_maps_probe(btf) == EXIT_MAPS_FENTRY;
	if (p->when == PROGRAM_KIND_OLD)
		return !has_tracepoint(btf, p->tracepoint);
	return has_tracepoint(btf, p->tracepoint);
}

/* ---- links ---- */

static int link_add(struct recorder *r, const struct recorder_program *p,
		    char error[RECORDER_ERROR_MAX])
{
	struct bpf_program *prog = bpf_object__find_program_by_name(r->object, p->name);
	struct recorder_link *l = &r->links[r->n_links];
	int err;

	if (!prog || !bpf_program__autoload(prog))
		return 0;
	l->program = p;
	l->link = bpf_program__attach(prog);
	err = l->link ? recorder_pin_link(r, l) : -errno;
	if (err) {
		snprintf(error, RECORDER_ERROR_MAX, "cannot %s %s: %s",
			 l->link ? "pin" : "attach", p->name, strerror(-err));
		bpf_link__destroy(l->link);
		return err;
	}
	r->n_links++;
	return 0;
}

static void link_drop(struct recorder *r, unsigned int i)
{
	bpf_link__unpin(r->links[i].link); /* fails where it is not pinned: as good */
	bpf_link__destroy(r->links[i].link);
	r->links[i] = r->links[--r->n_links];
}

static bool is_optional(const struct recorder_program *p)
{
	return p->when == PROGRAM_SLOW || p->when == PROGRAM_RETURN || p->when == PROGRAM_ALL ||
	       p->kind;
}

static bool mode_wants(const struct recorder *r, int mode, uint32_t kinds,
		       const struct recorder_program *p)
{
	bool returns = r->control->returned_flag;

	return (p->when == PROGRAM_SLOW && mode == SYSCALLS_SLOW && !returns) ||
	       (p->when == PROGRAM_RETURN && mode == SYSCALLS_SLOW && returns && !r->all_asked) ||
	       (p->when == PROGRAM_ALL && mode == SYSCALLS_ALL) ||
	       (p->kind && kinds >> p->kind & 1);
}

static bool has_link(const struct recorder *r, const struct recorder_program *p)
{
	for (unsigned int i = 0; i < r->n_links; i++)
		if (r->links[i].program == p)
			return true;
	return false;
}

static void drop_unwanted(struct recorder *r)
{
	for (unsigned int i = r->n_links; i-- > 0;) {
		const struct recorder_program *p = r->links[i].program;

		if (is_optional(p) && !mode_wants(r, r->mode, r->kinds, p))
			link_drop(r, i);
	}
}

int recorder_attach_mode(struct recorder *r, enum syscall_mode mode, uint32_t kinds,
			 char error[RECORDER_ERROR_MAX])
{
	int err = 0;

	for (size_t i = 0; r->started && !err && i < N_PROGRAMS; i++)
		if (mode_wants(r, mode, kinds, &programs[i]) && !has_link(r, &programs[i]))
			err = link_add(r, &programs[i], error);
	if (!err) {
		r->mode = mode;
		r->kinds = kinds;
	}
	drop_unwanted(r); /* of the old mode or, after a failure, of the new */
	return err;
}

void recorder_detach(struct recorder *r)
{
	while (r->n_links)
		link_drop(r, r->n_links - 1);
}

/* ---- CPUs ---- */

int recorder_online(unsigned int *cpus, unsigned int max)
{
	FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int from, to, n = 0;
	char text[4096], *p = text, *end;

	if (!f)
		return -errno;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	while (*p >= '0' && *p <= '9') {
		from = to = strtoul(p, &end, 10);
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to; from++, n++)
			if (n < max)
				cpus[n] = from;
		p = *end == ',' ? end + 1 : end;
	}
	return n;
}

static int window_add(struct recorder *r, unsigned int cpu)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int outer = bpf_object__find_map_fd_by_name(r->object, "hot_windows");
	void *p = MAP_FAILED;
	int fd, err = 0;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hot_window", 4, r->sizes.hot_cpu, 1, &opts);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, r->sizes.hot_cpu, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err = -errno;
	if (!err && r->pins[0])
		err = recorder_pin_window(r, cpu, fd);
	if (!err && bpf_map_update_elem(outer, &cpu, &fd, BPF_ANY))
		err = -errno;
	if (err || r->pins[0])
		close(fd); /* the outer map holds it */
	if (err) {
		if (p != MAP_FAILED)
			munmap(p, r->sizes.hot_cpu);
		return err;
	}
	madvise(p, r->sizes.hot_cpu, MADV_DONTFORK);
	r->hot[cpu] = p;
	r->hot_fds[cpu] = r->pins[0] ? 0 : fd;
	if (r->started)
		r->hot_since[cpu] = clock_monotonic();
	r->sizes.hot = r->sizes.hot_cpu * ++r->n_windows;
	return 0;
}

int recorder_update_cpus(struct recorder *r)
{
	unsigned int cpus[4096];
	int err, added = 0, n = recorder_online(cpus, 4096);

	for (int i = 0; i < n && i < 4096; i++) {
		if (cpus[i] >= r->n_cpus || r->hot[cpus[i]])
			continue;
		err = window_add(r, cpus[i]);
		if (err)
			return err;
		added++;
	}
	return n < 0 ? n : added;
}

/* ---- pause ---- */

/*
 * Threads get their states before the programs record: a program that interrupts
 * the walk while it makes one could make none itself, and would count a loss.
 */
int recorder_pause(struct recorder *r, bool paused)
{
	int err;

	if (paused) {
		if (!r->control->paused)
			r->paused_at = clock_monotonic();
		__atomic_store_n(&r->control->paused, 1, __ATOMIC_RELAXED);
		return 0;
	}
	if (!r->control->paused)
		return 0;
	err = recorder_iterate(r, "iter_adopt", 0, NULL, NULL);
	if (err)
		return err;
	r->control->live_since = clock_monotonic();
	recorder_heartbeat(r, r->control->live_since);
	__atomic_store_n(&r->control->paused, 0, __ATOMIC_RELEASE);
	return 0;
}

/* ---- until every CPU records ---- */

#define SETTLE_NS 1000000000ull

static void *do_nothing(void *arg)
{
	return arg;
}

/* Has something happen there; where a real-time thread does not let it, never, and nobody waits for it. */
static void nudge(unsigned int cpu)
{
	size_t size = CPU_ALLOC_SIZE(cpu + 1);
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	pthread_attr_t attr;
	pthread_t thread;

	if (!set || pthread_attr_init(&attr)) {
		CPU_FREE(set);
		return;
	}
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 << 10);
	if (!pthread_attr_setaffinity_np(&attr, size, set))
		pthread_create(&thread, &attr, do_nothing, NULL);
	pthread_attr_destroy(&attr);
	CPU_FREE(set);
}

static unsigned int blind_cpus(const struct recorder *r, bool nudged)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_cpus; i++) {
		if (!r->hot[i] || !__atomic_load_n(&r->cpus[i].blind, __ATOMIC_RELAXED))
			continue;
		if (!nudged)
			nudge(i);
		n++;
	}
	return n;
}

void recorder_settle(struct recorder *r)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	uint64_t until = clock_monotonic() + SETTLE_NS;

	for (bool nudged = false; blind_cpus(r, nudged) && clock_monotonic() < until; nudged = true)
		nanosleep(&moment, NULL);
}

/* ---- start ---- */

static int attach_all(struct recorder *r, char error[RECORDER_ERROR_MAX])
{
	int err;

	recorder_calibrate(r);
	for (size_t i = 0; i < N_PROGRAMS; i++) {
		if (is_optional(&programs[i]) || programs[i].when == PROGRAM_ITER)
			continue;
		err = link_add(r, &programs[i], error);
		if (err)
			return err;
	}
	recorder_find_call_end(r);
	r->started = true;
	return recorder_attach_mode(r, r->mode, r->kinds, error);
}

int recorder_start(struct recorder *r, char error[RECORDER_ERROR_MAX])
{
	int err;

	err = recorder_update_cpus(r);
	if (err < 0) {
		snprintf(error, RECORDER_ERROR_MAX, "cannot make the windows: %s; lower `memory`",
			 strerror(-err));
		return err;
	}
	err = attach_all(r, error);
	if (err)
		return err;
	err = recorder_pause(r, false);
	if (err)
		snprintf(error, RECORDER_ERROR_MAX, "cannot walk the threads: %s", strerror(-err));
	r->started_at = r->control->started = r->control->evidence_since = r->control->live_since;
	return err;
}
