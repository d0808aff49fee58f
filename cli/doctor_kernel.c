/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_kernel.c - probes what the kernel offers to the recorder. */
#include "doctor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../lib/exit_maps.h"
#include "../lib/preempt_count.h"
#include "../lib/uprobe_multi.h"

enum verdict probe_kernel(struct patient *p)
{
	struct utsname name;

	if (uname(&name) < 0)
		return patient_found(p, VERDICT_WARNING, "unknown: %s", strerror(errno));
	return patient_found(p, VERDICT_OK, "%s %s %s", name.sysname, name.release, name.machine);
}

enum verdict probe_btf(struct patient *p)
{
	if (!p->btf)
		return patient_found(p, VERDICT_MISSING, "/sys/kernel/btf/vmlinux: %s",
				     strerror(p->btf_error));
	return patient_found(p, VERDICT_OK, "/sys/kernel/btf/vmlinux, %u types",
			     btf__type_cnt(p->btf));
}

static enum verdict not_probed(struct patient *p)
{
	p->advice = "run frecctl doctor as root";
	return patient_found(p, VERDICT_WARNING, "cannot be probed without capabilities");
}

static int create_array_of_arrays(int inner, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = inner, .map_flags = flags);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "doctor_outer", 4, 4, 1, &opts);
}

enum verdict probe_hot_window(struct patient *p)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	const size_t page = sysconf(_SC_PAGESIZE);
	int inner, outer, err;
	void *map;

	if (!patient_may_probe(p))
		return not_probed(p);
	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "doctor_inner", 4, 32, page / 32, &opts);
	if (inner < 0)
		return patient_found(p, VERDICT_MISSING, "no mmapable array: %s", strerror(errno));
	map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, inner, 0);
	err = errno;
	outer = create_array_of_arrays(inner, 0);
	if (outer >= 0)
		close(outer);
	close(inner);
	if (map == MAP_FAILED)
		return patient_found(p, VERDICT_MISSING, "array cannot be mapped: %s",
				     strerror(err));
	munmap(map, page);
	if (outer < 0)
		return patient_found(p, VERDICT_MISSING, "no arrays of arrays: %s",
				     strerror(-outer));
	return patient_found(p, VERDICT_OK, "mmapable arrays, and arrays of them");
}

static enum verdict probe_map(struct patient *p, enum bpf_map_type type, const char *name)
{
	int found;

	if (!patient_may_probe(p))
		return not_probed(p);
	found = libbpf_probe_bpf_map_type(type, NULL);
	if (found < 0)
		return patient_found(p, VERDICT_WARNING, "%s: cannot be probed: %s", name,
				     strerror(-found));
	return patient_found(p, found ? VERDICT_OK : VERDICT_MISSING, "%s%s", found ? "" : "no ",
			     name);
}

enum verdict probe_ring(struct patient *p)
{
	return probe_map(p, BPF_MAP_TYPE_RINGBUF, "BPF ring buffer");
}

enum verdict probe_task_storage(struct patient *p)
{
	return probe_map(p, BPF_MAP_TYPE_TASK_STORAGE, "BPF task storage");
}

/*
 * libbpf's own probe loads an fentry program, which some kernels refuse that
 * take these. So one that does nothing is loaded, attached and removed.
 */
enum verdict probe_programs(struct patient *p)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP);
	int program, link, id;

	if (!patient_may_probe(p))
		return not_probed(p);
	id = p->btf ? btf__find_by_name_kind(p->btf, "btf_trace_sched_process_exec",
					     BTF_KIND_TYPEDEF)
		    : -ENOENT;
	if (id <= 0)
		return patient_found(p, VERDICT_WARNING, "cannot be probed without BTF");
	opts.attach_btf_id = id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "doctor", "GPL", nothing, 2, &opts);
	if (program < 0)
		return patient_found(p, VERDICT_MISSING, "loading one: %s", strerror(-program));
	link = bpf_raw_tracepoint_open(NULL, program);
	close(program);
	if (link < 0)
		return patient_found(p, VERDICT_MISSING, "attaching one: %s", strerror(-link));
	close(link);
	return patient_found(p, VERDICT_OK, "one was loaded and attached");
}

/*
 * libbpf cannot probe helpers of tracing programs; raw tracepoints are offered
 * the same ones as far as they are used here.
 */
enum verdict probe_helpers(struct patient *p)
{
	static const struct {
		enum bpf_func_id id;
		const char *name;
	} helpers[] = {
		{ BPF_FUNC_get_current_task_btf, "get_current_task_btf" },
		{ BPF_FUNC_task_pt_regs, "task_pt_regs" },
		{ BPF_FUNC_get_task_stack, "get_task_stack" },
		{ BPF_FUNC_probe_read_user, "probe_read_user" },
		{ BPF_FUNC_ringbuf_reserve, "ringbuf_reserve" },
		{ BPF_FUNC_task_storage_get, "task_storage_get" },
		{ BPF_FUNC_loop, "loop" },
	};
	const size_t n = sizeof(helpers) / sizeof(helpers[0]);
	size_t found = 0;

	if (!patient_may_probe(p))
		return not_probed(p);
	for (size_t i = 0; i < n; i++) {
		int r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, helpers[i].id, NULL);

		if (r == 0)
			return patient_found(p, VERDICT_MISSING, "no bpf_%s", helpers[i].name);
		found += r == 1;
	}
	if (found < n)
		return patient_found(p, VERDICT_WARNING, "%zu of %zu could not be probed",
				     n - found, n);
	return patient_found(p, VERDICT_OK, "all %zu that the programs call", n);
}

static bool has_tracepoint(const struct patient *p, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return p->btf && btf__find_by_name_kind(p->btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* names ends with NULL; bad: the verdict where one is not there. */
static enum verdict probe_tracepoints(struct patient *p, const char *const *names, enum verdict bad)
{
	char missing[FOUND_MAX] = "", there[FOUND_MAX] = "";

	if (!p->btf)
		return patient_found(p, VERDICT_WARNING, "cannot be probed without BTF");
	for (; *names; names++) {
		char *list = has_tracepoint(p, *names) ? there : missing;
		size_t len = strlen(list);

		snprintf(list + len, FOUND_MAX - len, "%s%s", len ? ", " : "", *names);
	}
	if (missing[0])
		return patient_found(p, bad, "no %s", missing);
	return patient_found(p, VERDICT_OK, "%s", there);
}

enum verdict probe_sched(struct patient *p)
{
	static const char *const names[] = { "sched_switch", "sched_waking", "sched_wakeup_new",
					     NULL };

	return probe_tracepoints(p, names, VERDICT_MISSING);
}

enum verdict probe_tasks(struct patient *p)
{
	static const char *const names[] = {
		"task_newtask", "task_rename", "sched_process_exec", "sched_process_exit", NULL,
	};
	static const char *const older[] = {
		"sched_process_fork", "task_rename", "sched_process_exec",
		"sched_process_exit", NULL,
	};

	return probe_tracepoints(p, has_tracepoint(p, "task_newtask") ? names : older,
				 VERDICT_MISSING);
}

enum verdict probe_exit_maps(struct patient *p)
{
	enum exit_maps how;

	if (!p->btf)
		return patient_found(p, VERDICT_WARNING, "cannot be probed without BTF");
	how = exit_maps_probe(p->btf);
	if (how == EXIT_MAPS_TRACEPOINT)
		return patient_found(p, VERDICT_OK, "sched_process_exit comes in time");
	if (how == EXIT_MAPS_FENTRY)
		return patient_found(p, VERDICT_OK, "by fentry: sched_process_exit comes in time "
						    "since Linux 6.16 only");
	if (!patient_may_probe(p))
		return not_probed(p);
	return patient_found(p, VERDICT_WARNING, "sched_process_exit comes too late, and no fentry");
}

enum verdict probe_syscalls(struct patient *p)
{
	static const char *const names[] = { "sys_enter", "sys_exit", NULL };

	return probe_tracepoints(p, names, VERDICT_WARNING);
}

enum verdict probe_call_ends(struct patient *p)
{
	static const char kfunc[] = "bpf_task_work_schedule_resume_impl";

	if (!p->btf)
		return patient_found(p, VERDICT_WARNING, "cannot be probed without BTF");
	if (btf__find_by_name_kind(p->btf, kfunc, BTF_KIND_FUNC) < 0)
		return patient_found(p, VERDICT_OK,
				     "by tracepoint: no %s, which came with Linux 6.18", kfunc);
	return patient_found(p, VERDICT_OK, "by thread");
}

enum verdict probe_signals(struct patient *p)
{
	static const char *const names[] = { "signal_generate", "signal_deliver", NULL };

	return probe_tracepoints(p, names, VERDICT_WARNING);
}

enum verdict probe_sockets(struct patient *p)
{
	static const char *const names[] = { "sk_data_ready", "sock_recv_length",
					     "sock_send_length", "inet_sock_set_state", NULL };

	if (p->btf && !has_tracepoint(p, names[0]))
		return patient_found(p, VERDICT_OK, "by fentry: no %s, which came with Linux 6.3",
				     names[0]);
	return probe_tracepoints(p, names, VERDICT_WARNING);
}

static bool kernel_symbol(const char *name)
{
	char line[512], symbol[256];
	bool found = false;
	FILE *f;

	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*c %255s", symbol) == 1 && strcmp(symbol, name) == 0;
	fclose(f);
	return found;
}

enum verdict probe_irq(struct patient *p)
{
	static const char *const names[] = { "__preempt_count", "pcpu_hot" };
	int64_t offset;

	if (p->btf && preempt_count_lacks_softirqs(p->btf)) {
		p->advice = "boot a kernel without PREEMPT_RT, or take wakers for what served one";
		return patient_found(p, VERDICT_WARNING,
				     "hard interrupts only: threads serve soft ones (PREEMPT_RT)");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (kernel_symbol(names[i]))
			return patient_found(p, VERDICT_OK, "%s tells it", names[i]);
	if (p->btf && !preempt_count_offset(p->btf, &offset))
		return offset ? patient_found(p, VERDICT_OK,
					      "the preempt count tells it, %+" PRId64
					      " from the run queue",
					      offset)
			      : patient_found(p, VERDICT_OK, "thread_info.preempt_count tells it");
	return patient_found(p, VERDICT_WARNING, "the preempt count is not to be found");
}

enum verdict probe_iterator(struct patient *p)
{
	if (!p->btf)
		return patient_found(p, VERDICT_WARNING, "cannot be probed without BTF");
	if (btf__find_by_name_kind(p->btf, "bpf_iter__task", BTF_KIND_STRUCT) <= 0)
		return patient_found(p, VERDICT_MISSING, "no BPF iterator over tasks");
	return patient_found(p, VERDICT_OK, "BPF iterator over tasks");
}

enum verdict probe_user_probes(struct patient *p)
{
	int found;

	if (!patient_may_probe(p))
		return not_probed(p);
	found = uprobe_multi_probe();
	if (found < 0)
		return patient_found(p, VERDICT_WARNING, "loading one: %s", strerror(-found));
	if (found)
		return patient_found(p, VERDICT_OK, "links to many of them");
	if (access("/sys/bus/event_source/devices/uprobe/type", R_OK))
		return patient_found(p, VERDICT_WARNING, "none (CONFIG_UPROBE_EVENTS)");
	return patient_found(p, VERDICT_WARNING,
			     "by perf events, which take CAP_SYS_ADMIN: more than the service has");
}

/* First line of a file, without its end. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(line, size, f) != NULL;
	fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

enum verdict probe_jit(struct patient *p)
{
	char line[64];

	if (!read_line("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)))
		return patient_found(p, VERDICT_WARNING, "cannot read net.core.bpf_jit_enable: %s",
				     strerror(errno));
	if (strcmp(line, "0") == 0)
		return patient_found(p, VERDICT_WARNING, "net.core.bpf_jit_enable = 0");
	return patient_found(p, VERDICT_OK, "net.core.bpf_jit_enable = %s", line);
}

enum verdict probe_lockdown(struct patient *p)
{
	char line[64];

	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line)))
		return patient_found(p, VERDICT_OK, "not in force (no lockdown file)");
	if (strstr(line, "[confidentiality]"))
		return patient_found(p, VERDICT_MISSING, "kernel is locked down: %s", line);
	return patient_found(p, VERDICT_OK, "%s", line);
}
