/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_attach.c - which programs run when, their links and pins. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static int link_pin(struct recorder *r, const struct recorder_link *l)
{
	char path[PATH_MAX + 64];

	if (!r->pins[0])
		return 0;
	snprintf(path, sizeof(path), "%s/link_%s", r->pins, l->program->name);
	return bpf_link__pin(l->link, path);
}

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
	err = l->link ? link_pin(r, l) : -errno;
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
	char path[PATH_MAX + 64];
	void *p = MAP_FAILED;
	int fd, err = 0;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hot_window", 4, r->sizes.hot_cpu, 1, &opts);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, r->sizes.hot_cpu, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err = -errno;
	if (!err && r->pins[0]) {
		snprintf(path, sizeof(path), "%s/hot_window_%u", r->pins, cpu);
		unlink(path);
		if (bpf_obj_pin(fd, path))
			err = -errno;
	}
	if (!err && bpf_map_update_elem(outer, &cpu, &fd, BPF_ANY))
		err = -errno;
	close(fd); /* the outer map holds it */
	if (err) {
		if (p != MAP_FAILED)
			munmap(p, r->sizes.hot_cpu);
		return err;
	}
	madvise(p, r->sizes.hot_cpu, MADV_DONTFORK);
	r->hot[cpu] = p;
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

/* ---- start ---- */

static int pin_maps(struct recorder *r)
{
	char path[PATH_MAX + 64];
	struct bpf_map *m;

	bpf_object__for_each_map(m, r->object) {
		const char *name = bpf_map__name(m);

		if (bpf_map__fd(m) < 0 || strchr(name, '.'))
			continue;
		snprintf(path, sizeof(path), "%s/%s", r->pins, name);
		unlink(path); /* of another version, perhaps: not cleared before */
		if (bpf_obj_pin(bpf_map__fd(m), path))
			return -errno;
	}
	return 0;
}

/* The directory may be one that others pin in, too. */
static bool is_our_pin(const char *name)
{
	static const char *const maps[] = { "control",	     "cpus",
					    "evidence",	     "hot_windows",
					    "ns_tids",	     "scratches",
					    "stack_rooms",   "stacks_seen",
					    "dump_rooms",    "task_states",
					    "task_table",    "trigger_counts",
					    "trigger_ring",  "trigger_filters",
					    "process_notes", "requests",
					    "request_watch", "request_servers",
					    "deaths",	     "app_senders",
					    "app_flood",     "app_threads",
					    "span_opens",    "span_defs",
					    "span_asked",    "fired_for",
					    "call_ends",     "histograms",
					    "ended_threads", "near_states",
					    "near_requests" };

	if (!strncmp(name, "link_", 5) && recorder_program(name + 5))
		return true;
	if (!strncmp(name, "hot_window_", 11))
		return true;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (!strcmp(maps[i], name))
			return true;
	return false;
}

int recorder_clear_pins(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (is_our_pin(e->d_name) && !unlinkat(dirfd(d), e->d_name, 0))
			n++;
	if (d)
		closedir(d);
	return n;
}

void recorder_unpin(struct recorder *r)
{
	if (r->pins[0])
		recorder_clear_pins(r->pins);
	r->pins[0] = 0;
}

bool recorder_pinned(const struct recorder *r)
{
	return r->pins[0];
}

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

static void start_pinning(struct recorder *r, const char *directory,
			  char error[RECORDER_ERROR_MAX])
{
	int err;

	snprintf(r->pins, sizeof(r->pins), "%s", directory);
	err = pin_maps(r);
	if (!err)
		return;
	snprintf(error, RECORDER_ERROR_MAX, "cannot pin in %.300s: %s", directory, strerror(-err));
	recorder_unpin(r);
}

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

int recorder_start(struct recorder *r, const char *pin_directory, char error[RECORDER_ERROR_MAX])
{
	int err;

	if (pin_directory)
		start_pinning(r, pin_directory, error);
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
	r->started_at = r->control->live_since;
	return err;
}
