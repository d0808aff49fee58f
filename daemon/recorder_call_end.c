/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_call_end.c - how the end of a syscall becomes known: see bpf/call_end.bpf.h. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <time.h>
#include <unistd.h>

#include "recorder_internal.h"

#define PROBES 3
#define ROUNDS 20
/* What an architecture has for itself begins here, since all share the flags below (6.18). */
#define ARCH_FLAGS (~0ull << 16)

void recorder_find_call_end(struct recorder *r)
{
	struct bpf_program *p = bpf_object__find_program_by_name(r->object, "on_call_end_probe");
	const struct timespec moment = { .tv_nsec = 50000 };
	const struct btf *kernel = recorder_kernel();
	struct control *ctl = r->control;
	struct bpf_link *link;
	uint64_t flags = 0;

	if (!p || !kernel ||
	    btf__find_by_name_kind(kernel, "bpf_task_work_schedule_resume_impl", BTF_KIND_FUNC) < 0 ||
	    recorder_iterate(r, "iter_call_end", gettid(), NULL, NULL))
		return;
	link = bpf_program__attach(p);
	if (!link)
		return;
	for (int i = 0; i < ROUNDS && __atomic_load_n(&ctl->probes, __ATOMIC_RELAXED) < PROBES; i++)
		nanosleep(&moment, NULL);
	bpf_link__destroy(link);
	if (ctl->probes >= PROBES)
		flags = ctl->returned_flag & ARCH_FLAGS;
	ctl->probe = 0;
	ctl->returned_flag = flags ? 1ull << (63 - __builtin_clzll(flags)) : 0;
	ctl->ends_pass = 1;
}

void recorder_weigh_call_ends(struct recorder *r, const struct recorder_totals *t)
{
	uint64_t long_ends = 0;
	char error[RECORDER_ERROR_MAX];
	bool changed;

	if (!r->control->returned_flag)
		return;
	for (unsigned int i = 0; i < r->n_cpus; i++)
		long_ends += r->cpus[i].long_ends;
	changed = call_ends_weigh(&r->call_ends, t->hot, long_ends);
	if (!changed && r->call_ends.asked == r->all_asked)
		return;
	if (r->call_ends.asked) {
		/* who was to pass has done so within the second */
		r->all_asked = !changed;
		r->control->ends_pass = 0;
	} else {
		r->all_asked = false;
	}
	if (!recorder_attach_mode(r, r->mode, r->kinds, error) && !r->call_ends.asked)
		r->control->ends_pass = 1;
}

const char *recorder_call_ends(const struct recorder *r)
{
	if (!r->control->returned_flag)
		return "tracepoint";
	return r->control->ends_pass ? "thread" : "asked";
}
