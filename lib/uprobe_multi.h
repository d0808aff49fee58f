/* SPDX-License-Identifier: GPL-2.0 */
/*
 * uprobe_multi.h - links to many user probes at once, which Linux has since 6.6.
 *
 * They also want no more than CAP_BPF and CAP_PERFMON, where the older way, a perf event for each
 * place, has come to want CAP_SYS_ADMIN.
 */
#ifndef FREC_UPROBE_MULTI_H
#define FREC_UPROBE_MULTI_H

#include <stdbool.h>
#include <stdint.h>

#define UPROBE_MULTI_TYPE 48 /* BPF_TRACE_UPROBE_MULTI: of programs that are to be linked so */

/* A descriptor of the link to n places in the file, each with its cookie; or -errno. */
int uprobe_multi_link(int program, const char *path, bool returns, const uint64_t *offsets,
		      const uint64_t *cookies, uint32_t n);

/* Does the kernel have them? 1, 0, or -errno where no program can be loaded at all. */
int uprobe_multi_probe(void);

#endif
