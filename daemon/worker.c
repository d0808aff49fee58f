/* SPDX-License-Identifier: GPL-2.0 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "image.h"
#include "sandbox.h"
#include "worker_internal.h"
#include "worker_stacks.h"

static int write_all(struct worker *w)
{
	int err = 0;

	worker_check_owners(w);
	if (!w->h->anonymous) {
		worker_find_locks(w, WORKER_FD_LOCKS);
		err = worker_find_peers(w, WORKER_FD_ENDS);
	}
	if (!err)
		err = worker_mark_details(w);
	if (!err)
		err = worker_plan(w);
	if (err)
		return err;
	worker_write_head(w);
	worker_write_tasks(w);
	err = worker_write_cpus(w);
	worker_write_waits(w);
	worker_write_ends(w);
	worker_judge(w);
	worker_write_triggers(w);
	worker_write_requests(w);
	worker_write_spans(w);
	worker_write_summary(w);
	return err;
}

static int run(struct worker *w, bool plain, struct worker_result *result)
{
	const struct trace_counters *counters;
	int err, end;

	err = capture_map(WORKER_FD_CAPTURE, &w->h);
	if (err)
		return err;
	err = worker_read(w);
	if (err)
		return err;
	if (w->h->anonymous)
		err = worker_hide_others(w);
	if (err)
		return err;
	if (w->h->redact)
		worker_redact(w);
	if (plain)
		w->n_stacks = 0;
	err = stacks_open(w, plain ? -1 : WORKER_FD_KALLSYMS, &w->stack_index);
	if (err)
		return err;
	err = trace_writer_open(WORKER_FD_OUTPUT, &w->out);
	if (err)
		return err;
	err = write_all(w);
	end = trace_writer_flush(w->out);
	/* here, not in the daemon: a slow disk holds up nobody else */
	if (!end && fsync(WORKER_FD_OUTPUT) && errno != EINVAL && errno != EROFS)
		end = -errno;
	counters = trace_writer_counters(w->out);
	result->events = counters->events;
	result->switches = counters->switches;
	result->bytes = counters->file_bytes;
	result->torn = w->torn;
	result->held = w->h->clocks.monotonic -
		       (w->h->held_since > w->h->from ? w->h->held_since : w->h->from);
	result->verdict = w->verdict;
	trace_writer_close(w->out);
	return err ? err : end;
}

int worker_main(bool plain)
{
	struct worker_result result = {.magic = WORKER_MAGIC};
	static struct worker w;
	const uint8_t *p = (const uint8_t *)&result;
	size_t left = sizeof(result);

	prctl(PR_SET_NAME, WORKER_ARGV0);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN); /* a client that hung up is an error, not a death */
	opener_client_init(&w.opener, WORKER_FD_OPENER);
	image_survive_truncation();
	w.cpus = sysconf(_SC_NPROCESSORS_CONF); /* looks into /sys */
	if (sandbox_enter()) /* then no file of others is parsed */
		plain = true;
	if (plain)
		w.opener.error = -ENOTSUP; /* nothing is asked of it */
	result.error = run(&w, plain, &result);
	result.opener = plain ? 0 : w.opener.error;
	while (left) {
		ssize_t n = write(WORKER_FD_RESULT, p, left);

		if (n <= 0)
			break;
		p += n;
		left -= n;
	}
	return result.error || left ? EXIT_FAILURE : EXIT_SUCCESS;
}
