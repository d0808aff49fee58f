/* SPDX-License-Identifier: GPL-2.0 */
#include "worker_processes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "names.h"
#include "unwind.h"
#include "worker_images.h"

/* So long after the deadline addresses are still told by file. */
#define MAPS_NS 300000000ull

#define KEPT_MAX (16u << 20) /* bytes of frames and what they point to */

struct processes {
	const struct worker *w;
	struct images *images;
	struct name_set kept;
};

int processes_open(struct worker *w, struct processes **ret)
{
	struct processes *p = calloc(1, sizeof(*p));

	if (!p || images_open(w, &p->images)) {
		free(p);
		return -ENOMEM;
	}
	p->w = w;
	p->kept.arena.max = KEPT_MAX;
	*ret = p;
	return 0;
}

void processes_forget(struct processes *p)
{
	images_forget(p->images);
}

void processes_lines(struct processes *p, uint64_t until, bool unpack)
{
	images_lines(p->images, until, unpack);
}

const void *processes_keep(struct processes *p, const void *bytes, size_t len)
{
	return names_keep(&p->kept, bytes, len);
}

void processes_close(struct processes *p)
{
	if (!p)
		return;
	images_close(p->images);
	names_free(&p->kept);
	free(p);
}

#if defined(__x86_64__)
static void take_registers(const struct ev_dump *d, struct unwind_regs *r)
{
	memcpy(r->reg, d->registers, 16 * sizeof(r->reg[0]));
	r->sp = d->registers[7];
	r->pc = d->registers[16];
	/* all but rax, rcx and r11, which a syscall spoils: vfork(3) keeps its caller in rdi */
	r->valid = 0xffffu & ~(1u << 0 | 1u << 2 | 1u << 7 | 1u << 11);
}
#elif defined(__aarch64__)
static void take_registers(const struct ev_dump *d, struct unwind_regs *r)
{
	memcpy(r->reg, d->registers, 31 * sizeof(r->reg[0]));
	r->sp = d->registers[31];
	r->pc = d->registers[32];
	r->valid = 0x7ff80000u; /* x19 … x30 */
}
#endif

static const struct trace_mapping *mapping_of(struct processes *p, const struct image_frame *f)
{
	struct trace_mapping m = {.load_bias = f->load_bias};
	const char *path;

	if (!f->mapping || !f->mapping->path[0])
		return NULL;
	path = worker_shown_path(p->w, f->mapping->path);
	m.path = processes_keep(p, path, strlen(path));
	m.offset = f->mapping->offset;
	if (f->build_id_len) {
		m.build_id = processes_keep(p, f->build_id, f->build_id_len);
		m.build_id_len = m.build_id ? f->build_id_len : 0;
	}
	return m.path ? processes_keep(p, &m, sizeof(m)) : NULL;
}

static size_t convert(struct processes *p, const struct image_frame *from, size_t n,
		      struct trace_frame *to, size_t max)
{
	size_t i;

	for (i = 0; i < n && i < max; i++)
		to[i] = (struct trace_frame){ .function = from[i].function,
					      .mapping = mapping_of(p, &from[i]),
					      .rel_pc = from[i].rel_pc,
					      .file = from[i].file ? worker_shown_path(p->w, from[i].file)
								   : NULL,
					      .line = from[i].line,
					      .kind = from[i].jit ? TRACE_FRAME_JIT
								  : TRACE_FRAME_NATIVE };
	return i;
}

static enum processes_end end_of(enum unwind_end end)
{
	if (end == UNWIND_COMPLETE)
		return PROCESSES_COMPLETE;
	if (end == UNWIND_LATE)
		return PROCESSES_LATE;
	return end == UNWIND_CUT || end == UNWIND_LONG ? PROCESSES_CUT : PROCESSES_BROKEN;
}

/* Addresses alone, where the process's maps cannot be had. */
static size_t bare(const struct ev_frames *pcs, struct trace_frame *frames, size_t max)
{
	size_t n = 0;

	for (; pcs && n < pcs->n && n < max; n++)
		frames[n] = (struct trace_frame){.kind = TRACE_FRAME_NATIVE};
	return n;
}

size_t processes_unwind(struct processes *p, uint32_t tgid, uint64_t when,
			const struct ev_dump *dump, const struct ev_frames *pcs, uint64_t deadline,
			struct trace_frame *frames, size_t max, enum processes_end *ret_end)
{
	static struct image_frame by_dwarf[UNWIND_FRAMES_MAX], by_pcs[UNWIND_FRAMES_MAX];
	enum unwind_end dwarf_end = UNWIND_BROKEN, pcs_end = UNWIND_BROKEN;
	size_t n_dwarf = 0, n_pcs = 0;
	struct unwind_regs regs = {0};
	/* to read what a process has mapped takes time, too */
	bool late = deadline && clock_monotonic() > deadline + MAPS_NS;
	struct image *image = late ? NULL : images_find(p->images, tgid, when);

	*ret_end = late ? PROCESSES_LATE : PROCESSES_GONE;
	if (!image)
		return bare(pcs, frames, max);
	if (dump) {
		take_registers(dump, &regs);
		n_dwarf = unwind_dwarf(image, &regs, dump + 1, dump->len, deadline, by_dwarf,
				       UNWIND_FRAMES_MAX, &dwarf_end);
	}
	if (pcs && dwarf_end != UNWIND_COMPLETE)
		n_pcs = unwind_pcs(image, (const uint64_t *)(pcs + 1), pcs->n, deadline, by_pcs,
				   UNWIND_FRAMES_MAX, &pcs_end);
	if (dwarf_end == UNWIND_COMPLETE || (pcs_end != UNWIND_COMPLETE && n_dwarf >= n_pcs)) {
		*ret_end = end_of(dwarf_end);
		return convert(p, by_dwarf, n_dwarf, frames, max);
	}
	*ret_end =
		end_of(pcs_end == UNWIND_BROKEN && dwarf_end == UNWIND_CUT ? dwarf_end : pcs_end);
	return convert(p, by_pcs, n_pcs, frames, max);
}

const char *processes_variable(struct processes *p, uint32_t tgid, uint64_t when, uint64_t address,
			       uint64_t deadline)
{
	bool late = deadline && clock_monotonic() > deadline;
	struct image *image = late ? NULL : images_find(p->images, tgid, when);
	uint64_t offset = 0;
	const char *name = image ? image_variable(image, address, deadline, &offset) : NULL;
	char buf[256];
	int n;

	if (!name)
		return NULL;
	if (offset)
		n = snprintf(buf, sizeof(buf), "%.200s+0x%llx", name, (unsigned long long)offset);
	else
		n = snprintf(buf, sizeof(buf), "%.200s", name);
	return processes_keep(p, buf, n);
}
