/* SPDX-License-Identifier: GPL-2.0 */
#include "exit_maps.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <stdbool.h>
#include <unistd.h>

/* Since 6.16 the tracepoint comes before the memory is gone; it has group_dead since then. */
static bool exits_early(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "btf_trace_sched_process_exit", BTF_KIND_TYPEDEF);
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_typedef(t) || btf_is_ptr(t)))
		t = btf__type_by_id(btf, t->type);
	return t && btf_is_func_proto(t) && btf_vlen(t) > 2; /* behind a void * and the task */
}

/* Not all kernels that know such programs load and attach them. */
static bool may_enter(const struct btf *btf, const char *function)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC), prog, link;

	if (id <= 0)
		return false;
	opts.attach_btf_id = (uint32_t)id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "frec_probe", "GPL", nothing, 2, &opts);
	link = prog < 0 ? prog : bpf_raw_tracepoint_open(NULL, prog);
	if (prog >= 0)
		close(prog);
	if (link >= 0)
		close(link);
	return link >= 0;
}

enum exit_maps exit_maps_probe(const struct btf *kernel)
{
	if (exits_early(kernel))
		return EXIT_MAPS_TRACEPOINT;
	return may_enter(kernel, "exit_mm_release") ? EXIT_MAPS_FENTRY : EXIT_MAPS_NONE;
}
