/* SPDX-License-Identifier: GPL-2.0 */
#include "recorder.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/preempt_count.h"
#include "clock.h"
#include "recorder_internal.h"

extern const uint8_t object_located_start[], object_located_end[];
extern const uint8_t object_preempt_count_start[], object_preempt_count_end[];
extern const uint8_t object_pcpu_hot_start[], object_pcpu_hot_end[];

static const struct {
	const char *name;
	const char *symbol; /* that the kernel must let us read */
	const uint8_t *start, *end;
} variants[] = {
	{"preempt_count", "__preempt_count", object_preempt_count_start, object_preempt_count_end},
	{"pcpu_hot", "pcpu_hot", object_pcpu_hot_start, object_pcpu_hot_end},
	{"located", NULL, object_located_start, object_located_end},
};

#define N_VARIANTS (sizeof(variants) / sizeof(variants[0]))

/* ---- libbpf's own words, kept for the error line ---- */

static char libbpf_said[RECORDER_ERROR_MAX];

static int libbpf_print(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[RECORDER_ERROR_MAX];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = 0;
	if (!libbpf_said[0] && !strstr(line, "Retrying without BTF"))
		memcpy(libbpf_said, line, sizeof(line));
	return 0;
}

/* ---- sizes ---- */

static uint64_t power_of_two_floor(uint64_t n)
{
	uint64_t p = 1;

	while (p <= n / 2)
		p *= 2;
	return p;
}

static void sizes_choose(const struct config *c, unsigned int online, struct recorder_sizes *ret)
{
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t memory = c->memory, evidence = c->evidence;

	if (!memory) {
		memory = (uint64_t)online * (16 << 20);
		if (memory > ram / 100)
			memory = ram / 100;
	}
	ret->hot_cpu = power_of_two_floor(memory / online);
	if (ret->hot_cpu < 64 << 10)
		ret->hot_cpu = 64 << 10;
	if (ret->hot_cpu > 1 << 30)
		ret->hot_cpu = 1 << 30;
	ret->hot = ret->hot_cpu * online;
	if (!evidence) {
		evidence = ret->hot / 4;
		if (evidence < 16 << 20)
			evidence = 16 << 20;
	}
	ret->evidence = power_of_two_floor(evidence);
}

/* ---- loading ---- */

/* "address type name\n" or "address type name\t[module]\n" */
static void find_variant(const char *line, bool found[N_VARIANTS])
{
	const char *name = strchr(line, ' ');
	size_t len;

	name = name ? strchr(name + 1, ' ') : NULL;
	if (!name)
		return;
	name++;
	len = strcspn(name, "\t\n");
	for (size_t i = 0; i < N_VARIANTS; i++)
		if (variants[i].symbol && strlen(variants[i].symbol) == len &&
		    !memcmp(variants[i].symbol, name, len))
			found[i] = true;
}

/* Which variants this kernel can run: it takes longest of all at the start, so once. */
static void find_variants(bool found[N_VARIANTS])
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];

	for (size_t i = 0; i < N_VARIANTS; i++)
		found[i] = !variants[i].symbol;
	if (!f)
		return;
	setvbuf(f, NULL, _IOFBF, 64 << 10);
	while (fgets(line, sizeof(line), f))
		find_variant(line, found);
	fclose(f);
}

static int set_constants(struct recorder *r)
{
	struct bpf_map *m;
	const struct btf *btf = bpf_object__btf(r->object), *kernel = recorder_kernel();
	const struct btf_type *sec, *var;
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	uint8_t *data;
	size_t size;

	m = bpf_object__find_map_by_name(r->object, ".rodata");
	data = m ? (uint8_t *)bpf_map__initial_value(m, &size) : NULL;
	if (!data || id < 0)
		return -ENOENT;
	sec = btf__type_by_id(btf, id);
	for (int i = 0; i < btf_vlen(sec); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(sec) + i;
		const char *name;

		var = btf__type_by_id(btf, v->type);
		name = btf__name_by_offset(btf, var->name_off);
		if (!strcmp(name, "hot_mask"))
			*(uint64_t *)(data + v->offset) = r->sizes.hot_cpu - HOT_SLOT_SIZE;
		if (!strcmp(name, "task_mask"))
			*(uint32_t *)(data + v->offset) = TASK_TABLE_SIZE - 1;
		if (!strcmp(name, "preempt_count_offset") &&
		    (!kernel || preempt_count_offset(kernel, (int64_t *)(data + v->offset))))
			r->variant = RECORDER_NO_INTERRUPTS;
	}
	return 0;
}

static int set_sizes(struct recorder *r)
{
	struct bpf_map *m = bpf_object__find_map_by_name(r->object, "hot_windows");
	const struct {
		const char *name;
		uint32_t max_entries;
	} sizes[] = {
		{"hot_windows", r->n_cpus},
		{"cpus", r->n_cpus},
		{"evidence", r->sizes.evidence},
		{"task_table", TASK_TABLE_SIZE},
		{"dump_rooms", 2 * r->n_cpus + 1},
		{"histograms", HISTOGRAMS_MAX * r->n_cpus},
		{"call_ends", TASK_TABLE_SIZE},
	};

	if (!m)
		return -ENOENT;
	if (bpf_map__set_value_size(bpf_map__inner_map(m), r->sizes.hot_cpu))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		m = bpf_object__find_map_by_name(r->object, sizes[i].name);
		if (!m)
			return -ENOENT;
		if (bpf_map__set_max_entries(m, sizes[i].max_entries))
			return -EINVAL;
	}
	return set_constants(r);
}

/* sleepers: with iter_sleeper, which a kernel may not take. */
static int load_variant(struct recorder *r, size_t i, bool sleepers)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "frec");
	struct bpf_program *p;
	int err;

	r->object = bpf_object__open_mem(variants[i].start, variants[i].end - variants[i].start,
					 &opts);
	if (!r->object)
		return -errno;
	r->variant = variants[i].name;
	err = set_sizes(r);
	bpf_object__for_each_program(p, r->object) {
		const struct recorder_program *known = recorder_program(bpf_program__name(p));

		bpf_program__set_autoload(
			p, known && recorder_program_wanted(known) &&
				   (sleepers || strcmp(known->name, "iter_sleeper")));
		recorder_span_prepare(p);
	}
	if (!err)
		err = bpf_object__load(r->object);
	if (err) {
		bpf_object__close(r->object);
		r->object = NULL;
	}
	return err;
}

/* What is most likely to be done about a load that failed. */
static const char *load_advice(int err)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return "the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y";
	if (err == -EPERM || err == -EACCES)
		return "not permitted: run as root, or with CAP_BPF and CAP_PERFMON";
	if (err == -ENOMEM || err == -E2BIG)
		return "not enough memory: lower `memory` and `evidence` in [recorder]";
	return "see `frecctl doctor` for what this kernel lacks";
}

static int load_any(struct recorder *r, char error[RECORDER_ERROR_MAX])
{
	bool found[N_VARIANTS];
	int err = -ENOENT;

	libbpf_set_print(libbpf_print);
	find_variants(found);
	for (size_t i = 0; i < N_VARIANTS; i++) {
		if (!found[i])
			continue;
		libbpf_said[0] = 0;
		err = load_variant(r, i, true);
		/* without it sleeping threads have no user stacks, all else is there */
		if (err && strstr(libbpf_said, "iter_sleeper")) {
			libbpf_said[0] = 0;
			err = load_variant(r, i, false);
		}
		if (!err)
			return 0;
	}
	snprintf(error, RECORDER_ERROR_MAX, "cannot load the BPF programs: %s (%s%s%s)",
		 load_advice(err), strerror(-err), libbpf_said[0] ? "; " : "", libbpf_said);
	return err;
}

void *recorder_map_memory(int fd, size_t size, off_t offset, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTFORK); /* the worker needs none of it */
	return p;
}

static void *map_memory(struct recorder *r, const char *name, size_t size)
{
	return recorder_map_memory(bpf_object__find_map_fd_by_name(r->object, name), size, 0,
				   PROT_READ | PROT_WRITE);
}

int recorder_map_evidence(struct recorder *r, int fd)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p;

	r->ring.consumer = recorder_map_memory(fd, page, 0, PROT_READ | PROT_WRITE);
	if (!r->ring.consumer)
		return -errno;
	p = recorder_map_memory(fd, page + 2 * r->sizes.evidence, page, PROT_READ);
	if (!p)
		return -errno;
	r->ring.producer = (void *)p;
	r->ring.data = p + page;
	r->ring.size = r->sizes.evidence;
	return 0;
}

/* ring_buffer__new() wants a callback now; records are only taken inside recorder_take_triggers(). */
static int on_trigger(void *ctx, void *data, size_t size)
{
	struct recorder *r = ctx;

	if (size >= sizeof(struct trigger_record) && r->trigger_fn)
		r->trigger_fn(r->trigger_arg, data);
	return 0;
}

static int map_all(struct recorder *r)
{
	int err;

	r->cpus = map_memory(r, "cpus", r->n_cpus * sizeof(struct cpu_state));
	r->control = map_memory(r, "control", sizeof(struct control));
	r->counts =
		map_memory(r, "trigger_counts", 2 * TRIGGERS_MAX * sizeof(struct trigger_count));
	r->tasks = map_memory(r, "task_table", TASK_TABLE_SIZE * sizeof(struct task_slot));
	r->notes = map_memory(r, "process_notes", sizeof(struct process_notes));
	r->requests = map_memory(r, "request_watch", sizeof(struct request_watch));
	r->histograms = map_memory(r, "histograms",
				   r->n_cpus * HISTOGRAMS_MAX * sizeof(struct histogram));
	if (!r->cpus || !r->control || !r->counts || !r->tasks || !r->notes || !r->requests ||
	    !r->histograms)
		return -errno;
	err = recorder_map_evidence(r, bpf_object__find_map_fd_by_name(r->object, "evidence"));
	if (err)
		return err;
	r->triggers = ring_buffer__new(bpf_object__find_map_fd_by_name(r->object, "trigger_ring"),
				       on_trigger, r, NULL);
	return r->triggers ? 0 : -errno;
}

/*
 * What is kept (a window and a quarter) and what may come while the daemon is
 * stopped for a whole window fit the ring: 5/16 + 4/16, and the savings.
 */
static uint64_t budget_rate(const struct recorder *r, const struct config *c)
{
	return r->sizes.evidence / 4 / (c->window / 1e9);
}

static void control_init(struct recorder *r)
{
	struct control *ctl = r->control;

	ctl->budget_cap = r->sizes.evidence / 4;
	ctl->budget_tokens = ctl->budget_cap;
	ctl->sleeper_room = 2 * r->n_cpus;
	recorder_name_descriptors(r);
	ctl->heartbeat = clock_monotonic();
	ctl->paused = 1; /* until recorder_start() */
}

int recorder_load(const struct config *c, struct recorder **ret, char error[RECORDER_ERROR_MAX])
{
	struct recorder *r = calloc(1, sizeof(*r));
	int err, online;

	if (!r)
		return -ENOMEM;
	online = recorder_online(NULL, 0);
	r->n_cpus = libbpf_num_possible_cpus();
	if (online < 1 || (int)r->n_cpus < 1) {
		snprintf(error, RECORDER_ERROR_MAX, "cannot read /sys/devices/system/cpu/online");
		free(r);
		return -EIO;
	}
	r->hot = calloc(r->n_cpus, sizeof(*r->hot));
	r->hot_since = calloc(r->n_cpus, sizeof(*r->hot_since));
	r->hot_fds = calloc(r->n_cpus, sizeof(*r->hot_fds));
	sizes_choose(c, online, &r->sizes);
	err = r->hot && r->hot_since && r->hot_fds ? load_any(r, error) : -ENOMEM;
	if (!err) {
		err = map_all(r);
		if (err)
			snprintf(error, RECORDER_ERROR_MAX, "cannot map the recorder's memory: %s",
				 strerror(-err));
	}
	if (!err) {
		control_init(r);
		err = recorder_configure(r, c, error);
	}
	if (err) {
		recorder_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

/* ---- what is in force ---- */

static bool is_of_requests(const struct trigger_filter *f)
{
	return f->kind == TRIGGER_REQUEST ||
	       (f->kind == TRIGGER_PERCENTILE && f->of == TRIGGER_REQUEST);
}

/* The kinds of records that this trigger takes. */
static uint32_t kinds_taken(const struct trigger_filter *f)
{
	return 1u << f->kind | (is_of_requests(f) ? 1u << TRIGGER_REQUEST : 0);
}

static uint64_t smallest(const struct config *c, unsigned int kinds)
{
	uint64_t min = UINT64_MAX;

	for (unsigned int i = 0; i < c->n_triggers; i++) {
		const struct trigger_filter *f = &c->triggers[i].filter;

		if (kinds & kinds_taken(f) && f->threshold && f->threshold < min)
			min = f->threshold;
	}
	return min;
}

/* Of one kind alone: what takes its records as well has thresholds that mean something else. */
static uint64_t smallest_own(const struct config *c, enum trigger_kind kind)
{
	uint64_t min = UINT64_MAX;

	for (unsigned int i = 0; i < c->n_triggers; i++)
		if (c->triggers[i].filter.kind == kind && c->triggers[i].filter.threshold < min)
			min = c->triggers[i].filter.threshold;
	return min;
}

static uint32_t kinds_of(const struct config *c)
{
	uint32_t kinds = c->no_wakeups ? 0 : 1u << RECORDER_WAKEUPS;

	for (unsigned int i = 0; i < c->n_triggers; i++)
		kinds |= kinds_taken(&c->triggers[i].filter);
	return kinds;
}

/* Bits of the histograms of waits in the run queue that anybody wants: one costs a switch 12 ns. */
static uint32_t queue_histograms(const struct config *c)
{
	uint32_t bits = 0;

	for (unsigned int i = 0; i < c->n_triggers; i++) {
		const struct trigger_filter *f = &c->triggers[i].filter;

		if (f->kind == TRIGGER_PERCENTILE && f->of == TRIGGER_RUNQUEUE)
			bits |= 1u << f->histogram;
	}
	return bits;
}

/* Which connections the kernel looks at; while this changes it may miss a request. */
static void watch_requests(struct recorder *r, const struct config *c)
{
	struct request_watch w = {.scan = r->requests->scan, .epoch = r->requests->epoch};
	bool any = false;

	for (unsigned int i = 0; i < c->n_triggers; i++) {
		const struct trigger_filter *f = &c->triggers[i].filter;

		if (!is_of_requests(f))
			continue;
		if (f->filters & FILTER_PORT)
			w.ports[f->port / 64] |= 1ull << (f->port % 64);
		else if (!(f->filters & FILTER_SOCKET))
			w.any = 1;
		if (!(f->filters & FILTER_PORT))
			w.local = 1;
		any = true;
	}
	w.epoch += !any;
	*r->requests = w;
	recorder_forget_requests(r);
}

/* How processes may end so that the kernel need not tell. */
static void watch_ends(struct recorder *r, const struct config *c)
{
	uint64_t ends[SYSCALL_WORDS] = {0};

	for (unsigned int i = 0; i < c->n_triggers; i++)
		for (unsigned int k = 0; k < SYSCALL_WORDS; k++)
			ends[k] |= c->triggers[i].ends[k];
	memcpy(r->control->exit_ends, ends, sizeof(ends));
}

int recorder_configure(struct recorder *r, const struct config *c, char error[RECORDER_ERROR_MAX])
{
	int fd = bpf_object__find_map_fd_by_name(r->object, "trigger_filters");
	uint32_t bank = r->control->bank + 1;
	struct trigger_filter none = {0};
	int err;

	/* the half that is not in force is filled, then made the one in force */
	for (unsigned int i = 0; i < TRIGGERS_MAX; i++) {
		uint32_t key = (bank & 1) * TRIGGERS_MAX + i;

		if (bpf_map_update_elem(fd, &key,
					i < c->n_triggers ? &c->triggers[i].filter : &none,
					BPF_ANY)) {
			err = -errno;
			snprintf(error, RECORDER_ERROR_MAX, "cannot set the triggers: %s",
				 strerror(-err));
			return err;
		}
		memset(&r->counts[key], 0, sizeof(r->counts[key]));
	}
	for (uint32_t i = 0; i < EXCLUDES_MAX; i++) {
		uint32_t key = EXCLUDES_AT(bank) + i;

		if (bpf_map_update_elem(fd, &key, i < c->n_exclude ? &c->exclude[i] : &none,
					BPF_ANY))
			return -errno;
	}
	err = recorder_attach_mode(r, c->syscalls, kinds_of(c), error);
	if (err)
		return err;
	watch_requests(r, c);
	watch_ends(r, c);
	r->control->budget_rate = budget_rate(r, c);
	r->control->syscalls = c->syscalls;
	r->control->slow_ns = c->slow_syscall;
	r->control->stacks_ns = c->stacks;
	r->control->stack_dump = c->stack_dump;
	r->control->crash_dump = c->crash_dump;
	r->control->stack_memory_ns = c->window / 4;
	r->control->min_sleep_ns = smallest(c, 1 << TRIGGER_LOCK | 1 << TRIGGER_FUTEX |
						       1 << TRIGGER_OFFCPU | 1 << TRIGGER_IOWAIT);
	r->control->min_runqueue_ns = smallest(c, 1 << TRIGGER_RUNQUEUE);
	r->control->min_syscall_ns = smallest(c, 1 << TRIGGER_SYSCALL);
	r->control->min_request_ns = smallest(c, 1 << TRIGGER_REQUEST);
	r->control->hung_request_ns = smallest_own(c, TRIGGER_REQUEST);
	r->control->fires_ns = smallest(c, ~0u) / 2;
	if (r->control->fires_ns < c->stacks)
		r->control->fires_ns = c->stacks;
	r->control->queue_histograms = queue_histograms(c);
	__atomic_store_n(&r->control->bank, bank, __ATOMIC_RELEASE);
	return 0;
}

void recorder_free(struct recorder *r)
{
	size_t page = sysconf(_SC_PAGESIZE);

	if (!r)
		return;
	recorder_unpin(r);
	recorder_detach(r);
	for (unsigned int i = 0; r->hot && i < r->n_cpus; i++)
		if (r->hot[i])
			munmap(r->hot[i], r->sizes.hot_cpu);
	for (unsigned int i = 0; r->hot_fds && i < r->n_cpus; i++)
		if (r->hot_fds[i])
			close(r->hot_fds[i]);
	if (r->walker)
		close(r->walker);
	free(r->hot);
	free(r->hot_fds);
	free(r->hot_since);
	ring_buffer__free(r->triggers);
	if (r->ring.data)
		munmap((void *)r->ring.producer, page + 2 * r->sizes.evidence);
	if (r->ring.consumer)
		munmap((void *)r->ring.consumer, page);
	if (r->cpus)
		munmap(r->cpus, r->n_cpus * sizeof(struct cpu_state));
	if (r->control)
		munmap(r->control, sizeof(struct control));
	if (r->counts)
		munmap(r->counts, 2 * TRIGGERS_MAX * sizeof(struct trigger_count));
	if (r->requests)
		munmap(r->requests, sizeof(struct request_watch));
	if (r->histograms)
		munmap(r->histograms, r->n_cpus * HISTOGRAMS_MAX * sizeof(struct histogram));
	if (r->notes)
		munmap(r->notes, sizeof(struct process_notes));
	if (r->tasks)
		munmap(r->tasks, TASK_TABLE_SIZE * sizeof(struct task_slot));
	bpf_object__close(r->object);
	free(r);
}
