/* SPDX-License-Identifier: GPL-2.0 */
#include "worker_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "unwind.h"

#define IMAGES_MAX 256
#define TEXT_MAX (32u << 20) /* of maps, and of perf maps */

/* Of one process in one life, until it execs: its maps are those of now. */
struct entry {
	struct entry *next;
	struct processes *owner;
	uint32_t tgid;
	uint64_t start;
	struct image *image; /* NULL: its maps cannot be had any more */
	struct symbol_table *perf_map;
};

struct processes {
	struct worker *w;
	uint64_t deadline;
	struct entry *list;
	unsigned int n;
};

int processes_open(struct worker *w, uint64_t deadline, struct processes **ret)
{
	struct processes *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->w = w;
	p->deadline = deadline;
	*ret = p;
	return 0;
}

void processes_close(struct processes *p)
{
	struct entry *e, *next;

	for (e = p ? p->list : NULL; e; e = next) {
		next = e->next;
		image_close(e->image);
		symbols_free(e->perf_map);
		free(e);
	}
	free(p);
}

/* ---- opening ---- */

static uint64_t boot_offset(const struct worker *w)
{
	return w->h->clocks.boottime - w->h->clocks.monotonic;
}

/* All of a file into memory of the caller's; closes fd. */
static char *read_text(int fd, size_t *ret_len)
{
	size_t len = 0, size = 64 << 10;
	char *buf = malloc(size), *more;
	ssize_t n = -1;

	while (buf && len < TEXT_MAX && (n = read(fd, buf + len, size - len)) > 0) {
		len += n;
		if (len < size)
			continue;
		more = realloc(buf, size * 2);
		if (!more)
			break;
		buf = more;
		size *= 2;
	}
	close(fd);
	*ret_len = len;
	return buf;
}

static int open_file(void *arg, const struct proc_mapping *m)
{
	const struct entry *e = arg;
	struct worker *w = e->owner->w;
	int fd, err;

	err = opener_mapped(&w->opener, e->tgid, e->start, boot_offset(w), m->start, m->end, m->inode,
			    m->path, &fd);
	return err ? err : fd;
}

static int open_debug(void *arg, const uint8_t *id, size_t len)
{
	char path[256] = "/usr/lib/debug/.build-id/";
	size_t used = strlen(path);
	int fd;

	(void)arg;
	if (len < 2 || len > 64)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		used += snprintf(path + used, sizeof(path) - used, "%02x%s", id[i], i ? "" : "/");
	snprintf(path + used, sizeof(path) - used, ".debug");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static void load_perf_map(struct entry *e, uint32_t ns_pid)
{
	struct worker *w = e->owner->w;
	size_t len;
	char *text;
	int fd;

	if (opener_perf_map(&w->opener, e->tgid, e->start, boot_offset(w), ns_pid, &fd))
		return;
	text = read_text(fd, &len);
	if (text && !symbols_perf_map(text, len, &e->perf_map))
		image_set_perf_map(e->image, e->perf_map);
	free(text);
}

static void load(struct entry *e, const struct task *leader)
{
	struct image_callbacks callbacks = {.open_file = open_file, .open_debug = open_debug, .arg = e};
	struct worker *w = e->owner->w;
	size_t len;
	char *text;
	int fd;

	if (opener_maps(&w->opener, e->tgid, e->start, boot_offset(w), &fd))
		return;
	text = read_text(fd, &len);
	if (text && !image_open(text, len, &callbacks, &e->image))
		load_perf_map(e, leader->last->ns_tid);
	free(text);
}

static struct image *image_of(struct processes *p, const struct stack_key *key, uint64_t when)
{
	struct task *leader = worker_task(p->w, key->tgid, when);
	struct entry *e;

	/* an exec since then: the maps of now are another program's */
	if (!leader || (leader->exec && leader->exec->h.ts > when))
		return NULL;
	for (e = p->list; e; e = e->next)
		if (e->tgid == key->tgid && e->start == leader->start)
			return e->image;
	if (p->n >= IMAGES_MAX)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->owner = p;
	e->tgid = key->tgid;
	e->start = leader->start;
	e->next = p->list;
	p->list = e;
	p->n++;
	load(e, leader);
	return e->image;
}

/* ---- unwinding ---- */

#if defined(__x86_64__)
static void take_registers(const struct ev_dump *d, struct unwind_regs *r)
{
	memcpy(r->reg, d->registers, 16 * sizeof(r->reg[0]));
	r->sp = d->registers[7];
	r->pc = d->registers[16];
	r->valid = 1u << UNWIND_X86_RBX | 1u << UNWIND_X86_RBP | 0xfu << UNWIND_X86_R12;
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

static const struct trace_mapping *mapping_of(const struct image_frame *f)
{
	struct trace_mapping *m;

	if (!f->mapping || !f->mapping->path[0])
		return NULL;
	m = calloc(1, sizeof(*m)); /* the writer keeps equal ones once; ours go with the process */
	if (!m)
		return NULL;
	m->path = f->mapping->path;
	m->offset = f->mapping->offset;
	m->load_bias = f->load_bias;
	if (f->module && f->module->build_id_len) {
		m->build_id = f->module->build_id;
		m->build_id_len = f->module->build_id_len;
	}
	return m;
}

static size_t convert(const struct image_frame *from, size_t n, struct trace_frame *to, size_t max)
{
	size_t i;

	for (i = 0; i < n && i < max; i++)
		to[i] = (struct trace_frame){.function = from[i].function,
					     .mapping = mapping_of(&from[i]),
					     .rel_pc = from[i].rel_pc,
					     .file = from[i].file,
					     .line = from[i].line,
					     .kind = from[i].jit ? TRACE_FRAME_JIT : TRACE_FRAME_NATIVE};
	return i;
}

static enum processes_end end_of(enum unwind_end end)
{
	if (end == UNWIND_COMPLETE)
		return PROCESSES_COMPLETE;
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

size_t processes_unwind(struct processes *p, const struct stack_key *key, const struct ev_dump *dump,
			const struct ev_frames *pcs, struct trace_frame *frames, size_t max,
			enum processes_end *ret_end)
{
	static struct image_frame by_dwarf[UNWIND_FRAMES_MAX], by_pcs[UNWIND_FRAMES_MAX];
	enum unwind_end dwarf_end = UNWIND_BROKEN, pcs_end = UNWIND_BROKEN;
	size_t n_dwarf = 0, n_pcs = 0;
	struct unwind_regs regs = {0};
	struct image *image = image_of(p, key, key->wait_at);

	*ret_end = PROCESSES_BROKEN;
	if (!image)
		return bare(pcs, frames, max);
	if (dump) {
		take_registers(dump, &regs);
		n_dwarf = unwind_dwarf(image, &regs, dump + 1, dump->len, p->deadline, by_dwarf,
				       UNWIND_FRAMES_MAX, &dwarf_end);
	}
	if (pcs && dwarf_end != UNWIND_COMPLETE)
		n_pcs = unwind_pcs(image, (const uint64_t *)(pcs + 1), pcs->n, p->deadline, by_pcs,
				   UNWIND_FRAMES_MAX, &pcs_end);
	if (dwarf_end == UNWIND_COMPLETE || (pcs_end != UNWIND_COMPLETE && n_dwarf >= n_pcs)) {
		*ret_end = end_of(dwarf_end);
		return convert(by_dwarf, n_dwarf, frames, max);
	}
	*ret_end = end_of(pcs_end);
	return convert(by_pcs, n_pcs, frames, max);
}
