/* SPDX-License-Identifier: GPL-2.0 */
#include "uprobe_multi.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/bpf.h, of later versions: what BPF_LINK_CREATE takes. */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t n, multi_flags, pid, pad;
};

#define MULTI_RETURN 1u

int uprobe_multi_link(int program, const char *path, bool returns, const uint64_t *offsets,
		      const uint64_t *cookies, uint32_t n)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)program, .attach_type = UPROBE_MULTI_TYPE,
		.path = (uintptr_t)path, .offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies, .n = n, .multi_flags = returns ? MULTI_RETURN : 0,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr) - sizeof(attr.pad));

	return fd < 0 ? -errno : fd;
}

/* A kernel that knows them finds that this is no file. */
int uprobe_multi_probe(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = UPROBE_MULTI_TYPE);
	uint64_t zero = 0;
	int program, link;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "frec_probe", "GPL", nothing, 2, &opts);
	if (program < 0)
		return program;
	link = uprobe_multi_link(program, "/", false, &zero, &zero, 1);
	close(program);
	if (link >= 0)
		close(link);
	return link == -EBADF;
}
