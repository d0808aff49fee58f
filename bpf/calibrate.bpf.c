// SPDX-License-Identifier: GPL-2.0
/* calibrate.bpf.c - does nothing: what a run of it costs is what the way into any program costs. */
#include "compat.bpf.h"

SEC("tp_btf/task_rename")
int on_calibrate(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
