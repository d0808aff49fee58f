/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_cost.c - what the programs cost, without bpf_stats, which would cost as much again. */
#include <bpf/libbpf.h>
#include <sys/prctl.h>

#include "clock.h"
#include "recorder_internal.h"

#define BATCHES 20
#define BATCH 200

/* ns of a call that passes the tracepoint task_rename: of the fastest batch, as others only slow it down. */
static double rename_ns(void)
{
	char name[COMM_LEN];
	uint64_t best = ~0ull;

	prctl(PR_GET_NAME, name);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t from = clock_monotonic(), took;

		for (int k = 0; k < BATCH; k++)
			prctl(PR_SET_NAME, name);
		took = clock_monotonic() - from;
		if (took < best)
			best = took;
	}
	return (double)best / BATCH;
}

void recorder_calibrate(struct recorder *r)
{
	struct bpf_program *p = bpf_object__find_program_by_name(r->object, "on_calibrate");
	double without = rename_ns(), with;
	struct bpf_link *link = p ? bpf_program__attach(p) : NULL;

	if (!link)
		return;
	with = rename_ns();
	bpf_link__destroy(link);
	r->entry_ns = with > without ? with - without : 0;
}

double recorder_cost_ns(const struct recorder *r)
{
	double ns = 0;

	for (unsigned int i = 0; i < r->n_cpus; i++) {
		ns += r->cpus[i].cost_ns;
		for (unsigned int k = 0; k <= HOT_KIND_MAX; k++)
			ns += r->cpus[i].runs[k] * r->entry_ns;
	}
	return ns;
}
