/* SPDX-License-Identifier: GPL-2.0 */
/* notes.c - processes that may be gone when a snapshot wants to unwind their stacks. */
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
		const volatile struct process_note *n = &notes->list[d->notes_taken % PROCESS_NOTES];

		if (d->opener_pid && n->seq == (uint32_t)(d->notes_taken + 1))
			opener_remember(d->opener_fd, n->tgid, n->start, offset);
	}
}
