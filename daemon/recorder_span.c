/* SPDX-License-Identifier: GPL-2.0 */
/* recorder_span.c - probes of spans, and the spans under way. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/uprobe_multi.h"
#include "clock.h"
#include "recorder_internal.h"

#define BATCH 512u
#define DESCRIPTORS_LEFT 256 /* for all else: clients, snapshots, what comes online */

static int map_fd(struct recorder *r, const char *name)
{
	return bpf_object__find_map_fd_by_name(r->object, name);
}

int recorder_span_define(struct recorder *r, uint32_t def, const struct span_def *is)
{
	return bpf_map_update_elem(map_fd(r, "span_defs"), &def, is, BPF_ANY) ? -errno : 0;
}

/* ---- attaching ---- */

static bool has_multi(void)
{
	static int has = -1;

	if (has < 0)
		has = uprobe_multi_probe() == 1;
	return has;
}

static bool is_probe(const struct bpf_program *p)
{
	return !strncmp(bpf_program__name(p), "on_span_", strlen("on_span_"));
}

void recorder_span_prepare(struct bpf_program *p)
{
	if (is_probe(p) && bpf_program__autoload(p) && has_multi())
		bpf_program__set_expected_attach_type(p, UPROBE_MULTI_TYPE);
}

/* Before 6.6 a program takes up to SPAN_SITES_MAX of them, and there may be many. */
static int leave_descriptors(int link)
{
	struct rlimit l;

	if (link < 0 || getrlimit(RLIMIT_NOFILE, &l) ||
	    (rlim_t)link + DESCRIPTORS_LEFT < l.rlim_cur)
		return link;
	close(link);
	return -EMFILE;
}

static int uprobe_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -ENOENT;

	if (f && fscanf(f, "%d", &type) != 1)
		type = -ENOENT;
	if (f)
		fclose(f);
	return type;
}

static int attach_one(int prog, const char *path, bool returns, uint64_t offset, uint64_t def)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = def);
	int type = uprobe_type(), event, link, err;
	/* config: bit 0 of uprobe/format/retprobe */
	struct perf_event_attr attr = { .type = (uint32_t)type,
					.size = sizeof(attr),
					.config = returns,
					.config1 = (uintptr_t)path,
					.config2 = offset };

	if (type < 0)
		return type;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	link = bpf_link_create(prog, event, BPF_PERF_EVENT, &opts);
	err = -errno;
	if (link >= 0 && ioctl(event, PERF_EVENT_IOC_ENABLE, 0)) {
		err = -errno;
		close(link);
		link = -1;
	}
	close(event); /* the link holds it */
	return link < 0 ? err : link;
}

/* The kernel takes the path of a descriptor: the very file, whatever stands at its own path by now. */
int recorder_span_attach(struct recorder *r, int fd, enum span_what what, const uint64_t *offsets,
			 const uint64_t *defs, uint32_t n, int *ret)
{
	static const char *const programs[] = {
		[SPAN_BEGINS] = "on_span_begin", [SPAN_ENDS] = "on_span_end",
		[SPAN_ENTERS] = "on_span_enter", [SPAN_LEAVES] = "on_span_leave",
		[SPAN_RETURNS] = "on_span_leave",
	};
	int prog = bpf_program__fd(bpf_object__find_program_by_name(r->object, programs[what]));
	bool returns = what == SPAN_RETURNS;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!n)
		return 0;
	if (has_multi()) {
		ret[0] = leave_descriptors(uprobe_multi_link(prog, path, returns, offsets, defs, n));
		return ret[0] < 0 ? ret[0] : 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		int err = ret[i] =
			leave_descriptors(attach_one(prog, path, returns, offsets[i], defs[i]));

		while (err < 0 && i > 0)
			close(ret[--i]);
		if (err < 0)
			return err;
	}
	return (int)n;
}

int recorder_span_filter(struct recorder *r, unsigned int index, const struct trigger_filter *f)
{
	uint32_t key = (r->control->bank & 1) * TRIGGERS_MAX + index;

	return bpf_map_update_elem(map_fd(r, "trigger_filters"), &key, f, BPF_ANY) ? -errno : 0;
}

/* ---- spans under way ---- */

/* One batch into room behind *n. Returns 1 for more, 0 at the end, -errno. */
static int take_batch(int fd, uint64_t *at, bool first, struct recorder_span *list, size_t *n)
{
	static _Thread_local struct span_key keys[BATCH]; /* captures have a thread of their own */
	static _Thread_local struct span_open opens[BATCH];
	uint32_t count = BATCH;
	int err;

	err = bpf_map_lookup_batch(fd, first ? NULL : at, at, keys, opens, &count, NULL) ? -errno
											 : 0;
	if (err && err != -ENOENT)
		return err;
	for (uint32_t i = 0; i < count; i++)
		list[(*n)++] = (struct recorder_span){keys[i], opens[i]};
	return !err;
}

int recorder_spans(struct recorder *r, struct recorder_span **ret, size_t *ret_n)
{
	struct recorder_span *list = NULL, *more;
	int fd = map_fd(r, "span_opens"), err;
	size_t n = 0, size = 0;
	uint64_t at = 0;

	do {
		if (size - n < BATCH) {
			size = n + 4 * BATCH;
			more = realloc(list, size * sizeof(*list));
			if (!more) {
				free(list);
				return -ENOMEM;
			}
			list = more;
		}
		err = take_batch(fd, &at, !n && !at, list, &n);
	} while (err > 0);
	if (err) {
		free(list);
		return err;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int recorder_walk_spans(struct recorder *r, uint8_t **ret, size_t *ret_len)
{
	struct recorder_span *list;
	struct ev_span *spans;
	size_t n, len = 0;
	int fd, err;

	err = r->object ? recorder_spans(r, &list, &n) : -ENOENT;
	if (err)
		return err;
	fd = map_fd(r, "span_defs");
	spans = calloc(n + 1, sizeof(*spans));
	for (size_t i = 0; spans && i < n; i++) {
		const struct span_key *k = &list[i].key;
		struct ev_span *e = &spans[len];
		struct span_def def;

		if (bpf_map_lookup_elem(fd, &k->def, &def))
			continue;
		*e = (struct ev_span){
			.h = { clock_monotonic(), EV_SPAN, 0, sizeof(*e) },
			.begin = list[i].open.begin,
			.id = k->id,
			.tid = list[i].open.tid,
			.tgid = k->tgid,
			.begin_tid = list[i].open.tid,
			.flags = def.flags | SPAN_OPEN,
		};
		e->end = e->h.ts;
		memcpy(e->name, def.name, sizeof(e->name));
		len++;
	}
	free(list);
	*ret = (uint8_t *)spans;
	*ret_len = len * sizeof(*spans);
	return spans ? 0 : -ENOMEM;
}

/*
 * The thread that began it may have ended before it: then its process is asked, but of a function,
 * which no other thread will leave.
 */
int recorder_span_judge(struct recorder *r, const struct recorder_span *s)
{
	const uint32_t tids[] = {s->open.tid, s->key.tgid};
	uint32_t zero = 0;
	uint8_t *bytes;
	size_t len;
	int err;

	if (bpf_map_update_elem(map_fd(r, "span_asked"), &zero, &s->key, BPF_ANY))
		return -errno;
	for (int i = 0; i < (s->open.sp ? 1 : 2); i++) {
		err = recorder_iterate(r, "iter_span", tids[i], &bytes, &len);
		if (err && err != -ESRCH)
			return err;
		if (err)
			continue;
		free(bytes);
		if (len)
			return 0;
	}
	recorder_span_forget(r, &s->key);
	return 0;
}

void recorder_span_forget(struct recorder *r, const struct span_key *key)
{
	bpf_map_delete_elem(map_fd(r, "span_opens"), key);
}
