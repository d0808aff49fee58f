/* SPDX-License-Identifier: GPL-2.0 */
/* doctor.c - what this kernel offers, what is missing and why it matters. */
#include "doctor.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "frecctl.h"

static const struct check {
	const char *name;
	bool required; /* without it nothing can be recorded */
	enum verdict (*probe)(struct patient *p);
	const char *why;
	const char *advice;
} checks[] = {
	{ "kernel", false, probe_kernel, "which one this is; its features are probed one by one",
	  "" },
	{ "BTF", true, probe_btf, "the recorder learns the layout of kernel structures from it",
	  "boot a kernel with CONFIG_DEBUG_INFO_BTF=y" },
	{ "capabilities", true, probe_capabilities,
	  "loading BPF programs that look into the kernel",
	  "run as root; frecd.service has what it needs" },
	{ "pid namespace", false, probe_pid_namespace,
	  "programs and names are looked up in /proc by the numbers that the host gives",
	  "start frecd on the host, or the container with --pid=host" },
	{ "lockdown", true, probe_lockdown,
	  "confidentiality mode forbids BPF to read kernel memory",
	  "boot with lockdown=integrity or none" },
	{ "hot window", true, probe_hot_window,
	  "switches and wake-ups go to mmapable per-CPU arrays", "boot a newer kernel" },
	{ "ring buffer", true, probe_ring, "waits, stacks and task life go through it",
	  "boot a newer kernel" },
	{ "task storage", true, probe_task_storage, "remembers for each thread since when it waits",
	  "boot a newer kernel, with CONFIG_BPF_SYSCALL=y" },
	{ "BTF tracepoints", true, probe_programs, "the programs are of this type",
	  "boot a kernel with CONFIG_BPF_EVENTS=y" },
	{ "helpers", true, probe_helpers, "syscall numbers, arguments and stacks of waits",
	  "boot a newer kernel" },
	{ "sched events", true, probe_sched, "switches and wake-ups are what is recorded",
	  "boot a kernel with CONFIG_TRACEPOINTS=y" },
	{ "task events", true, probe_tasks,
	  "names of threads that end or change inside of the window",
	  "boot a kernel with CONFIG_TRACEPOINTS=y" },
	{ "dying processes", false, probe_exit_maps,
	  "stacks of one that ends at once after its wait have the names of its functions",
	  "boot Linux 6.16 or later, or one with CONFIG_FUNCTION_TRACER=y" },
	{ "syscall events", false, probe_syscalls,
	  "duration, arguments and results of slow syscalls, and their user stacks",
	  "boot a kernel with CONFIG_HAVE_SYSCALL_TRACEPOINTS=y, or set syscalls = off" },
	{ "call ends", false, probe_call_ends,
	  "by thread, syscalls that do not sleep cost nothing in mode slow", "" },
	{ "signal events", false, probe_signals, "processes that crash, for triggers of kind exit",
	  "boot a kernel with CONFIG_TRACEPOINTS=y" },
	{ "socket events", false, probe_sockets,
	  "requests to servers, for triggers of kind request and percentile",
	  "boot a kernel with CONFIG_NET=y and CONFIG_TRACEPOINTS=y" },
	{ "irq context", false, probe_irq,
	  "a thread that an interrupt borrowed must not be accused",
	  "boot a kernel with CONFIG_KALLSYMS_ALL=y or CONFIG_FAIR_GROUP_SCHED=y, or do not trust "
	  "wakers" },
	{ "task iterator", false, probe_iterator,
	  "a snapshot asks for threads that waited since before the window",
	  "boot a newer kernel" },
	{ "user probes", false, probe_user_probes, "spans of programs, for triggers of kind span",
	  "boot Linux 6.6 or later with CONFIG_UPROBE_EVENTS=y, or run frecd as root" },
	{ "JIT", false, probe_jit, "without it every recorded event costs many times as much",
	  "sysctl net.core.bpf_jit_enable=1" },
	{ "bpffs", false, probe_bpffs, "keeps the window when frecd dies; pinned objects are there",
	  "mount -t bpf bpf at the pin directory, or start frecd through its unit" },
	{ "tracefs", false, probe_tracefs, "frec does not use it", "" },
	{ "account", false, probe_account,
	  "files and socket belong to it; the snapshot worker runs as it",
	  "systemd-sysusers, or useradd --system frec" },
	{ "memory", false, probe_memory, "decides how many seconds the window holds",
	  "set memory and evidence in frec.conf" },
	{ "recorder", false, probe_recorder, "frecctl talks to it", "systemctl start frecd" },
};
#define N_CHECKS (sizeof(checks) / sizeof(checks[0]))

enum verdict patient_found(struct patient *p, enum verdict verdict, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->found, sizeof(p->found), format, ap);
	va_end(ap);
	return verdict;
}

bool patient_can(const struct patient *p, unsigned int capability)
{
	return p->capabilities >> capability & 1;
}

bool patient_may_probe(const struct patient *p)
{
	return patient_can(p, CAP_SYS_ADMIN) ||
	       (patient_can(p, CAP_BPF) && patient_can(p, CAP_PERFMON));
}

static const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "ok", "warning", "missing" };

	return names[verdict];
}

static const char *advice_for(const struct check *check, const struct patient *p)
{
	return p->advice ? p->advice : check->advice;
}

static void print_check(const struct check *check, enum verdict verdict, const struct patient *p)
{
	static const enum colour colours[] = { COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED };

	printf("%s%-8s%s %-16s ", output_colour(colours[verdict]), verdict_name(verdict),
	       output_plain(), check->name);
	output_text(stdout, p->found);
	putchar('\n');
	if (verdict == VERDICT_OK)
		printf("%25s %s%s%s\n", "", output_colour(COLOUR_DIM), check->why, output_plain());
	else
		printf("%25s why: %s\n%25s do:  %s\n", "", check->why, "", advice_for(check, p));
}

static json_t *check_json(const struct check *check, enum verdict verdict, const struct patient *p)
{
	return json_pack("{s:s,s:s,s:b,s:s,s:s,s:s}", "name", check->name, "verdict",
			 verdict_name(verdict), "required", check->required, "found", p->found,
			 "why", check->why, "do",
			 verdict == VERDICT_OK ? "" : advice_for(check, p));
}

static uint64_t read_capabilities(void)
{
	unsigned long long value = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &value) == 1)
			break;
	fclose(f);
	return value;
}

static void print_result(const struct patient *p, bool possible)
{
	if (possible)
		printf("\n%srecording is possible%s\n", output_colour(COLOUR_GREEN),
		       output_plain());
	else
		printf("\n%srecording is not possible%s: %s\n", output_colour(COLOUR_RED),
		       output_plain(),
		       patient_may_probe(p)
			       ? "see what is missing above"
			       : "not with the rights of this caller, ask again as root");
}

static bool examine(struct patient *p, bool json, json_t *list)
{
	bool possible = true;

	for (size_t i = 0; i < N_CHECKS; i++) {
		enum verdict verdict;

		p->found[0] = '\0';
		p->advice = NULL;
		verdict = checks[i].probe(p);
		if (verdict == VERDICT_MISSING && checks[i].required)
			possible = false;
		if (json)
			json_array_append_new(list, check_json(&checks[i], verdict, p));
		else
			print_check(&checks[i], verdict, p);
	}
	return possible;
}

int verb_doctor(const struct arguments *args)
{
	struct patient p = { .run_directory = args->run_directory };
	json_t *list = args->json ? json_array() : NULL;
	bool possible;

	/* our own words are clearer than libbpf's */
	libbpf_set_print(NULL);
	p.capabilities = read_capabilities();
	p.btf = btf__load_vmlinux_btf();
	if (!p.btf)
		p.btf_error = errno;
	possible = examine(&p, args->json, list);
	btf__free(p.btf);
	if (args->json) {
		json_t *all = json_pack("{s:b,s:o}", "possible", possible, "checks", list);

		output_json(all);
		json_decref(all);
	} else {
		print_result(&p, possible);
	}
	return possible ? EXIT_DONE : EXIT_FAILED;
}
