/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recorder_pins.c - what outlives the daemon, by name, in a bpffs.
 *
 * `control` is the last that is pinned and the first that is removed: where it is, all else is.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "recorder_internal.h"

#define LINK_PIN "link_on_" /* all programs that are attached are called on_… */

extern const uint8_t object_located_start[], object_located_end[];

/* What one build writes no other one need understand: a hash (FNV-1a) of the programs. */
uint64_t recorder_layout(void)
{
	static const struct {
		const uint8_t *start, *end;
	} object = {object_located_start, object_located_end};
	static uint64_t hash;

	if (hash)
		return hash;
	hash = 0xcbf29ce484222325ull;
	for (const uint8_t *p = object.start; p < object.end; p++)
		hash = (hash ^ *p) * 0x100000001b3ull;
	return hash |= 1;
}

static int pin(const struct recorder *r, int fd, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", r->pins, name);
	unlink(path); /* of another version, perhaps: not cleared before */
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int recorder_pin_link(const struct recorder *r, const struct recorder_link *l)
{
	char path[PATH_MAX + 64];

	if (!r->pins[0])
		return 0;
	snprintf(path, sizeof(path), "%s/link_%s", r->pins, l->program->name);
	return bpf_link__pin(l->link, path);
}

int recorder_pin_window(const struct recorder *r, unsigned int cpu, int fd)
{
	char name[32];

	snprintf(name, sizeof(name), WINDOW_PIN "%u", cpu);
	return pin(r, fd, name);
}

static int pin_windows(struct recorder *r)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < r->n_cpus; i++)
		if (r->hot_fds[i])
			err = recorder_pin_window(r, i, r->hot_fds[i]);
	return err;
}

static int pin_maps(struct recorder *r)
{
	struct bpf_map *m;
	int err = 0;

	bpf_object__for_each_map(m, r->object) {
		const char *name = bpf_map__name(m);

		if (!err && bpf_map__fd(m) >= 0 && !strchr(name, '.') && strcmp(name, CONTROL_PIN))
			err = pin(r, bpf_map__fd(m), name);
	}
	return err;
}

/* With it the threads can be asked what a daemon that died knew of them. */
static int pin_walker(struct recorder *r)
{
	return pin(r, bpf_program__fd(bpf_object__find_program_by_name(r->object, "iter_tasks")),
		   WALKER_PIN);
}

static void forget_windows(struct recorder *r)
{
	for (unsigned int i = 0; i < r->n_cpus; i++) {
		if (r->hot_fds[i])
			close(r->hot_fds[i]);
		r->hot_fds[i] = 0;
	}
}

int recorder_pin(struct recorder *r, const char *directory, char error[RECORDER_ERROR_MAX])
{
	int err;

	snprintf(r->pins, sizeof(r->pins), "%s", directory);
	err = pin_windows(r);
	for (unsigned int i = 0; !err && i < r->n_links; i++)
		err = recorder_pin_link(r, &r->links[i]);
	if (!err)
		err = pin_walker(r);
	if (!err)
		err = pin_maps(r);
	r->control->pid = getpid();
	r->control->layout = recorder_layout();
	if (!err)
		err = pin(r, bpf_object__find_map_fd_by_name(r->object, CONTROL_PIN), CONTROL_PIN);
	if (err) {
		snprintf(error, RECORDER_ERROR_MAX, "cannot pin in %.300s: %s", directory,
			 strerror(-err));
		recorder_unpin(r);
		return err;
	}
	forget_windows(r); /* the outer map and the pins hold them */
	return 0;
}

/* The directory may be one that others pin in, too. */
static bool is_our_pin(const char *name)
{
	static const char *const maps[] = { CONTROL_PIN,	     "cpus",
					    "evidence",	     "hot_windows",
					    "ns_tids",	     "scratches",
					    "stack_rooms",   "stacks_seen",
					    "dump_rooms",    "task_states",
					    "task_table",    "trigger_counts",
					    "trigger_ring",  "trigger_filters",
					    "process_notes", "requests",
					    "request_watch", "request_servers",
					    "deaths",	     "app_senders",
					    "app_flood",     "app_threads",
					    "span_opens",    "span_defs",
					    "span_asked",    "fired_for",
					    "call_ends",     "histograms",
					    "ended_threads", "near_states",
					    "near_requests" };

	if (!strncmp(name, LINK_PIN, strlen(LINK_PIN))) /* of whatever version */
		return true;
	if (!strcmp(name, WALKER_PIN))
		return true;
	if (!strncmp(name, WINDOW_PIN, strlen(WINDOW_PIN)))
		return true;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (!strcmp(maps[i], name))
			return true;
	return false;
}

int recorder_clear_pins(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	int n = 0;

	if (!d)
		return 0;
	n += !unlinkat(dirfd(d), CONTROL_PIN, 0);
	while ((e = readdir(d)))
		if (is_our_pin(e->d_name) && !unlinkat(dirfd(d), e->d_name, 0))
			n++;
	closedir(d);
	return n;
}

void recorder_unpin(struct recorder *r)
{
	if (r->pins[0])
		recorder_clear_pins(r->pins);
	r->pins[0] = 0;
}

bool recorder_pinned(const struct recorder *r)
{
	return r->pins[0];
}
