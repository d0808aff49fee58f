/* SPDX-License-Identifier: GPL-2.0 */
/* doctor.h - examinations of frecctl doctor. They probe, and never look at version numbers. */
#ifndef FRECCTL_DOCTOR_H
#define FRECCTL_DOCTOR_H

#include <bpf/btf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_MISSING };

#define FOUND_MAX 256

/* What the examinations share, and what the present one found. */
struct patient {
	const char *run_directory;
	struct btf *btf; /* the kernel's; NULL: not readable, btf_error says why */
	int btf_error;
	uint64_t capabilities; /* effective ones of this process */
	char found[FOUND_MAX];
	const char *advice; /* instead of the check's own; NULL: that */
};

/* Describes what was found, and returns the verdict. */
enum verdict __attribute__((format(printf, 3, 4)))
patient_found(struct patient *p, enum verdict verdict, const char *format, ...);

bool patient_can(const struct patient *p, unsigned int capability);

/* Without the right a probe says nothing about the kernel: the check of capabilities tells. */
bool patient_may_probe(const struct patient *p);

/* doctor_kernel.c: what the kernel offers */
enum verdict probe_kernel(struct patient *p);
enum verdict probe_btf(struct patient *p);
enum verdict probe_hot_window(struct patient *p);
enum verdict probe_ring(struct patient *p);
enum verdict probe_task_storage(struct patient *p);
enum verdict probe_programs(struct patient *p);
enum verdict probe_helpers(struct patient *p);
enum verdict probe_sched(struct patient *p);
enum verdict probe_tasks(struct patient *p);
enum verdict probe_exit_maps(struct patient *p);
enum verdict probe_syscalls(struct patient *p);
enum verdict probe_call_ends(struct patient *p);
enum verdict probe_signals(struct patient *p);
enum verdict probe_sockets(struct patient *p);
enum verdict probe_irq(struct patient *p);
enum verdict probe_iterator(struct patient *p);
enum verdict probe_user_probes(struct patient *p);
enum verdict probe_jit(struct patient *p);
enum verdict probe_lockdown(struct patient *p);

/* doctor_host.c: what the host and the caller bring along */
enum verdict probe_capabilities(struct patient *p);
enum verdict probe_pid_namespace(struct patient *p);
enum verdict probe_bpffs(struct patient *p);
enum verdict probe_tracefs(struct patient *p);
enum verdict probe_account(struct patient *p);
enum verdict probe_memory(struct patient *p);
enum verdict probe_recorder(struct patient *p);

#endif
