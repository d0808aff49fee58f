/* SPDX-License-Identifier: GPL-2.0 */
/*
 * worker_redact.c - `redact`: what was copied loses its command lines and paths before anything is
 * written, so that no part of the file, verdict included, can have them.
 */
#include <stdint.h>
#include <string.h>

#include "worker_internal.h"

/* The copy is the worker's own. */
#define OURS(type, record) ((type *)(uintptr_t)(record))

void worker_redact(struct worker *w)
{
	for (size_t i = 0; i < w->n_lives; i++)
		OURS(struct ev_task, w->lives[i])->cmdline_len = 0;
	for (size_t i = 0; i < w->n_files; i++)
		OURS(struct ev_file, w->files[i])->path_len = 0;
	for (size_t i = 0; i < w->n_requests; i++)
		memset(OURS(struct ev_request, w->requests[i])->path, 0, SOCKET_PATH_MAX);
}

const char *worker_shown_path(const struct worker *w, const char *path)
{
	const char *slash = w->h->redact ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}
