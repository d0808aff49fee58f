/* SPDX-License-Identifier: GPL-2.0 */
/* notes.c - processes that may be gone when a snapshot wants to unwind their stacks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "daemon.h"
#include "opener.h"

/* At each scan: a text of maps takes the opener some 0.1 ms. The others are for the next scan. */
#define NOTES_TAKE 64

void notes_take(struct daemon *d)
{
	const volatile struct process_notes *notes = recorder_notes(d->recorder);
	uint64_t monotonic = clock_monotonic();
	uint64_t offset = clock_read(CLOCK_BOOTTIME) - monotonic; /* in this order: not below 0 */
	uint64_t pos = __atomic_load_n(&notes->pos, __ATOMIC_ACQUIRE);

	if (pos - d->notes_taken > PROCESS_NOTES) /* overwritten */
		d->notes_taken = pos - PROCESS_NOTES;
	for (int i = 0; i < NOTES_TAKE && d->notes_taken != pos; i++, d->notes_taken++) {
		const volatile struct process_note *n =
			&notes->list[d->notes_taken % PROCESS_NOTES];

		if (d->opener_pid && n->seq == (uint32_t)(d->notes_taken + 1))
			opener_remember(d->opener_fd, n->tgid, n->start, offset);
	}
}

/* Two that die at the same time on different CPUs come mixed. */
#define DYING 4

struct dying {
	uint32_t pid;
	uint64_t start;
	size_t len;
	char text[OPENER_TOLD_MAX];
};

static struct dying *dying_of(const struct trigger_map *m)
{
	static struct dying list[DYING];
	static unsigned int next;
	struct dying *p;

	for (unsigned int i = 0; i < DYING; i++)
		if (list[i].pid == m->tgid && list[i].start == m->process_start)
			return &list[i];
	p = &list[next++ % DYING];
	p->pid = m->tgid;
	p->start = m->process_start;
	p->len = 0;
	return p;
}

/* As a line of /proc/PID/maps; one with a newline in it would be two. */
static void add_line(struct dying *p, const struct trigger_map *m)
{
	size_t room = sizeof(p->text) - p->len;
	int n;

	if (!memchr(m->path, 0, sizeof(m->path)) || strchr(m->path, '\n'))
		return;
	n = snprintf(p->text + p->len, room,
		     "%08" PRIx64 "-%08" PRIx64 " r-xp %08" PRIx64 " %02x:%02x %" PRIu64 " %s\n",
		     (uint64_t)m->start, (uint64_t)m->end, (uint64_t)m->offset, m->device >> 20,
		     m->device & 0xfffff, (uint64_t)m->inode, m->path);
	if (n > 0 && (size_t)n < room)
		p->len += n;
}

void notes_map(struct daemon *d, const struct trigger_map *m)
{
	struct dying *p = dying_of(m);

	if (m->path[0]) {
		add_line(p, m);
		return;
	}
	if (d->opener_pid && p->len)
		opener_tell(d->opener_fd, p->pid, p->start, m->mnt_ns, p->text, p->len);
	p->pid = 0;
}
