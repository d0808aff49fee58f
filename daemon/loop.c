/* SPDX-License-Identifier: GPL-2.0 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "clock.h"
#include "log.h"

#define TICK_NS 50000000ull /* while something is under way; else a tick is a scan */
#define SECOND_NS 1000000000ull
#define SCAN_NS 250000000ull
#define EARLY_NS (TICK_NS / 2) /* a tick that is a little early is the one that is meant */
#define REQUESTS_PART 400
#define REQUESTS_PAUSE_MAX_NS 2000000000ull
#define SCAN_MAX 256 /* threads judged at one scan: each costs some 20 µs */
#define OPENER_DEATHS_MAX 5

int loop_add(struct daemon *d, int fd, unsigned int source)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};

	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

void loop_publish(struct daemon *d)
{
	uint64_t now = clock_monotonic();

	for (unsigned int i = 0; i < d->policy.n_triggers; i++)
		recorder_trigger_count(d->recorder, i)->quiet_until =
			policy_quiet_until(&d->policy, i, now);
}

/* ---- what is done at each tick, and once a second ---- */

static void note_offset(struct daemon *d, uint64_t now)
{
	uint64_t offset = clock_read(CLOCK_BOOTTIME) - clock_monotonic();
	struct capture_offset *last = d->n_offsets ? &d->offsets[d->n_offsets - 1] : NULL;

	/* the two clocks are read one after the other: less than this is no suspend */
	if (last && offset - last->offset + 10000000 < 20000000)
		return;
	if (d->n_offsets == CAPTURE_OFFSETS_MAX) {
		memmove(d->offsets, d->offsets + 1, sizeof(d->offsets) - sizeof(d->offsets[0]));
		d->n_offsets--;
	}
	d->offsets[d->n_offsets++] = (struct capture_offset){now, offset};
}

static void report_losses(struct daemon *d, const struct recorder_totals *t)
{
	if (t->lost <= d->lost_said)
		return;
	log_warning("%llu events lost since the start (window %llu, evidence %llu, triggers %llu, "
		    "threads %llu, table %llu, recursion %llu)",
		    (unsigned long long)t->lost, (unsigned long long)t->lost_hot,
		    (unsigned long long)t->lost_evidence, (unsigned long long)t->lost_trigger,
		    (unsigned long long)t->lost_task, (unsigned long long)t->lost_slot,
		    (unsigned long long)t->recursion);
	d->lost_said = t->lost * 2; /* one line for each doubling, not for each loss */
}

static void opener_died(struct daemon *d)
{
	close(d->opener_fd);
	d->opener_fd = -1;
	d->opener_pid = 0;
	if (++d->opener_deaths == OPENER_DEATHS_MAX) {
		log_warning("the opener has died %d times: snapshots will lack command lines",
			    OPENER_DEATHS_MAX);
		return;
	}
	if (!setup_opener(d))
		log_warning("the opener has died; another one was started");
}

/* Workers, above all: nobody waits for any of them. */
static void reap(struct daemon *d)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		app_reaped(&d->app, pid);
		if (pid == d->opener_pid)
			opener_died(d);
	}
}

static void add_cpus(struct daemon *d)
{
	int added = recorder_update_cpus(d->recorder);

	if (added > 0)
		log_notice("%d more CPUs are recorded", added);
}

static void every_second(struct daemon *d, uint64_t now)
{
	struct recorder_totals totals;

	if (now + EARLY_NS < d->next_second)
		return;
	d->next_second = now + SECOND_NS;
	note_offset(d, now);
	add_cpus(d);
	recorder_totals(d->recorder, &totals);
	report_losses(d, &totals);
	reap(d);
	store_watch(d, now);
	warnings_log(d, now);
	status_note_cost(d, now);
	status_note_losses(d, now, &totals);
	status_watch_ledger(d, now, &totals);
	recorder_note(d->recorder, d->window.held_since, d->losses[0].lost, d->losses[0].refused,
		      d->losses[0].refused_stacks);
	recorder_weigh_call_ends(d->recorder, &totals);
	reload_governed(d, now);
	control_expire(d, now);
	app_check(d);
	user_expire(d, now);
	sd_notify(0, "WATCHDOG=1");
}

/* All connections that are watched are looked at: of many more seldom, to take but a part of a CPU. */
static void judge_requests(struct daemon *d, uint64_t now)
{
	uint64_t before, pause;

	if (now < d->next_requests)
		return;
	before = clock_read(CLOCK_THREAD_CPUTIME_ID);
	recorder_judge_requests(d->recorder);
	pause = (clock_read(CLOCK_THREAD_CPUTIME_ID) - before) * REQUESTS_PART;
	d->next_requests = now + (pause < REQUESTS_PAUSE_MAX_NS ? pause : REQUESTS_PAUSE_MAX_NS);
}

/* Waits that still last: which of them the kernel should judge. */
static void scan(struct daemon *d, uint64_t now)
{
	const struct task_slot *slots;
	uint32_t tids[SCAN_MAX];
	size_t n_slots, n;

	if (now + EARLY_NS < d->next_scan || recorder_paused(d->recorder))
		return;
	d->next_scan = now + SCAN_NS;
	slots = recorder_tasks(d->recorder, &n_slots);
	n = scan_find(&d->scan, slots, n_slots, now, tids, SCAN_MAX);
	for (size_t i = 0; i < n; i++)
		recorder_judge(d->recorder, tids[i]);
	judge_requests(d, now);
	span_scan(d, now);
	notes_take(d);
}

static void drain_evidence(struct daemon *d, uint64_t now)
{
	const struct recorder_ring *ring = recorder_evidence(d->recorder);
	unsigned long at;

	if (d->capture) /* it is being copied */
		return;
	at = window_sample(&d->window, now, __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE),
			   *ring->consumer);
	__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
}

static void tick(struct daemon *d)
{
	uint64_t now = clock_monotonic(), expired;

	if (read(d->timer_fd, &expired, sizeof(expired)) < 0)
		return;
	recorder_heartbeat(d->recorder, now);
	drain_evidence(d, now);
	scan(d, now);
	pressure_tick(d, now);
	span_tick(d, now);
	percentile_tick(d, now);
	snapshot_watch(&d->snapshot, now);
	shoot_due(d, now);
	every_second(d, now);
}

/* ---- triggers ---- */

static void log_open(const struct policy_hit *hit)
{
	const struct wait_facts *w = &hit->record.w;
	unsigned long long ms = hit->record.duration / 1000000;
	char server[POLICY_TEXT_MAX];

	if (hit->kind == TRIGGER_REQUEST)
		log_notice("trigger %s: a request to %s has not been answered for %llu ms",
			   hit->name, policy_server(w, server, sizeof(server)), ms);
	else if (hit->kind == TRIGGER_SPAN)
		log_notice(
			"trigger %s: %.16s (tid %u, pid %u) has been in a span for %llu ms and still is",
			hit->name, w->comm, w->tid, w->tgid, ms);
	else
		log_notice("trigger %s: %.16s (tid %u, pid %u) has waited %llu ms and still does",
			   hit->name, w->comm, w->tid, w->tgid, ms);
}

static void on_trigger(void *arg, const struct trigger_record *t)
{
	struct daemon *d = arg;
	uint64_t now = clock_monotonic();

	if (t->index == TRIGGER_CPU)
		add_cpus(d);
	else if (t->index == TRIGGER_MAP)
		notes_map(d, (const void *)t);
	else if (t->index == TRIGGER_ENDED)
		policy_ended(&d->policy, now, t);
	else if (policy_trigger(&d->policy, now, t) != POLICY_SUPPRESSED &&
		 (t->w.flags & WAIT_OPEN))
		log_open(&d->policy.next.hits[d->policy.next.n_hits - 1]);
}

static void take_triggers(struct daemon *d)
{
	recorder_take_triggers(d->recorder, on_trigger, d);
	notes_take(d); /* at once: who dies does not wait */
	loop_publish(d);
	shoot_due(d, clock_monotonic());
}

/* ---- signals ---- */

static void take_signal(struct daemon *d)
{
	struct signalfd_siginfo s;

	if (read(d->signal_fd, &s, sizeof(s)) != sizeof(s))
		return;
	if (s.ssi_signo == SIGHUP) {
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			   (unsigned long long)clock_monotonic() / 1000);
		reload_config(d);
		sd_notify(0, "READY=1");
	} else if (s.ssi_signo == SIGCHLD) {
		reap(d);
	} else {
		d->stopping = true;
	}
}

/* ---- the loop ---- */

void loop_block_signals(sigset_t *ret)
{
	static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};

	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(ret, taken[i]);
	sigprocmask(SIG_BLOCK, ret, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Looks that a trigger takes more often than the scan. */
static bool has_short_looks(const struct config_trigger *t)
{
	return (t->filter.kind == TRIGGER_PRESSURE &&
		t->pressure_window < SCAN_NS * PRESSURE_LOOKS) ||
	       (t->filter.kind == TRIGGER_PERCENTILE &&
		t->percentile_interval < SCAN_NS * PERCENTILE_LOOKS);
}

/*
 * Each tick is a wake-up of a recorder that shall not be felt, and a cold cache: some 0.1 ms of CPU.
 * So while nothing is under way, none but those for the scans.
 */
static uint64_t tick_wanted(const struct daemon *d)
{
	if (d->snapshot.pid || d->spans.at || policy_next_due(&d->policy) != POLICY_NEVER)
		return TICK_NS;
	for (unsigned int i = 0; i < d->config.n_triggers; i++)
		if (has_short_looks(&d->config.triggers[i]))
			return TICK_NS;
	return SCAN_NS;
}

static int pace(struct daemon *d)
{
	uint64_t wanted = tick_wanted(d);
	struct itimerspec it = {{0, (long)wanted}, {0, (long)wanted}};

	if (wanted == d->tick)
		return 0;
	if (timerfd_settime(d->timer_fd, 0, &it, NULL))
		return -errno;
	d->tick = wanted;
	return 0;
}

static int open_sources(struct daemon *d)
{
	sigset_t set;
	int err;

	loop_block_signals(&set);
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->epoll_fd < 0 || d->signal_fd < 0 || d->timer_fd < 0)
		return -errno;
	err = pace(d);
	if (!err)
		err = loop_add(d, d->signal_fd, LOOP_SIGNAL);
	if (!err)
		err = loop_add(d, d->timer_fd, LOOP_TIMER);
	if (!err)
		err = loop_add(d, recorder_trigger_fd(d->recorder), LOOP_TRIGGERS);
	if (!err)
		err = loop_add(d, d->spooler.fd, LOOP_SPOOLER);
	if (!err && d->app.fd >= 0)
		err = loop_add(d, d->app.fd, LOOP_APP);
	return err ? err : loop_add(d, d->listen_fd, LOOP_LISTEN);
}

static void dispatch(struct daemon *d, unsigned int source)
{
	switch (source) {
	case LOOP_SIGNAL:
		take_signal(d);
		break;
	case LOOP_TIMER:
		tick(d);
		break;
	case LOOP_TRIGGERS:
		take_triggers(d);
		break;
	case LOOP_LISTEN:
		control_accept(d);
		break;
	case LOOP_CAPTURE:
		shoot_captured(d);
		break;
	case LOOP_WORKER:
		shoot_finish(d);
		break;
	case LOOP_SPOOLER:
		store_readable(d);
		break;
	case LOOP_APP:
		app_readable(d);
		break;
	case LOOP_USER ... LOOP_CLIENT - 1:
		user_ready(d, source - LOOP_USER);
		break;
	default:
		control_readable(d, source - LOOP_CLIENT);
	}
}

int loop_rescue(struct daemon *d)
{
	struct epoll_event events[16];
	int err, n;

	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = d->epoll_fd < 0 ? -errno : loop_add(d, d->spooler.fd, LOOP_SPOOLER);
	shoot_due(d, clock_monotonic());
	while (!err && (d->capture || d->snapshot.pid || d->store.busy)) {
		n = epoll_wait(d->epoll_fd, events, 16, TICK_NS / 1000000);
		for (int i = 0; i < n; i++)
			dispatch(d, events[i].data.u32);
		snapshot_watch(&d->snapshot, clock_monotonic());
	}
	return err;
}

int loop_run(struct daemon *d)
{
	struct epoll_event events[16];
	int err = open_sources(d), n;

	if (err) {
		log_error("cannot set up the main loop: %s", strerror(-err));
		return err;
	}
	store_watch(d, clock_monotonic());
	pressure_configure(d);
	span_configure(d);
	percentile_configure(d, &d->config);
	subject_configure(d);
	sd_notify(0, "READY=1");
	while (!d->stopping) {
		n = epoll_wait(d->epoll_fd, events, 16, -1);
		for (int i = 0; i < n; i++)
			dispatch(d, events[i].data.u32);
		shoot_due(d, clock_monotonic());
		pace(d);
	}
	sd_notify(0, "STOPPING=1");
	return 0;
}
