/* SPDX-License-Identifier: GPL-2.0 */
/* frecd.c - the recorder's daemon: arguments, start, end. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"
#include "span_find.h"
#include "worker.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
	"usage: frecd [--config FILE] [--check-config] [--dry-run] [--rescue]\n"
	"\n"
	"Records what every thread of this host does and waits for, in the foreground,\n"
	"until SIGTERM. SIGHUP reads the configuration anew.\n"
	"\n"
	"  --config FILE    read FILE alone, not /etc/frec/frec.conf and /etc/frec/conf.d\n"
	"  --check-config   read the configuration, say what is wrong with it, and end\n"
	"  --dry-run        also load the programs into the kernel, record nothing, and end\n"
	"  --rescue         write the window of a recorder that died to a snapshot, and end\n"
	"  --version, --help\n";

struct options {
	const char *config;
	bool check, dry, rescue;
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
		{"dry-run", no_argument, NULL, 'n'},	  {"rescue", no_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'v'},	  {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'n':
			o->dry = true;
			break;
		case 'r':
			o->rescue = true;
			break;
		case 'v':
			printf("frecd %s\n", FREC_VERSION);
			return EXIT_DONE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "frecd: got '%s', want no arguments\n%s", argv[optind], usage);
	return EXIT_USAGE;
}

/* There are several descriptors for each CPU; the soft limit is often 1024, for select()'s sake. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l))
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

static void warn_of_kernel(const struct recorder *r)
{
	if (!strcmp(recorder_variant(r), RECORDER_NO_INTERRUPTS))
		log_warning("this kernel does not show what a CPU is interrupted by: whom an "
			    "interrupt wakes is told as woken by the thread that it interrupted");
	if (recorder_realtime())
		log_warning("this is a PREEMPT_RT kernel: whom a soft interrupt wakes is told as "
			    "woken by the thread that serves it, and triggers and ends of calls "
			    "may come late");
}

static int start_recording(struct daemon *d)
{
	char error[RECORDER_ERROR_MAX] = "";
	uint64_t began = clock_monotonic();
	int err;

	percentile_place(NULL, &d->config);
	err = recorder_load(&d->config, &d->recorder, error);
	d->cpu_before = status_cpu_used();
	if (!err)
		err = ledger_init(&d->ledger, recorder_cpus(d->recorder));
	if (!err)
		err = recorder_start(d->recorder, error);
	if (err) {
		log_error("%s", error[0] ? error : strerror(-err));
		return err;
	}
	rescue_freeze(d);
	if (d->pinned && recorder_pin(d->recorder, d->config.pin_directory, error)) {
		log_warning("%s; what is recorded ends with this process", error);
		d->pinned = false;
	}
	warn_of_kernel(d->recorder);
	recorder_forget_kernel();
	setup_forget_kernel();
	scan_configure(&d->scan, &d->config);
	window_init(&d->window, evidence_span(&d->config), recorder_sizes(d->recorder)->evidence,
		    recorder_started(d->recorder));
	d->window_since = recorder_started(d->recorder);
	policy_init(&d->policy, &d->config, recorder_bank(d->recorder));
	loop_publish(d);
	log_notice("recording: window %.1f s in %llu MiB, %u trigger%s, started in %llu ms",
		   d->config.window / 1e9,
		   (unsigned long long)recorder_sizes(d->recorder)->hot >> 20, d->config.n_triggers,
		   d->config.n_triggers == 1 ? "" : "s",
		   (unsigned long long)(clock_monotonic() - began) / 1000000);
	return 0;
}

/* Killed, it is gone at once, unless it writes for a client to a disk that does not answer. */
static void end_worker(struct daemon *d)
{
	pid_t pid = d->snapshot.pid;
	int fd;

	if (!pid && !d->capture)
		return;
	log_notice("stopped: the snapshot that was being written is dropped");
	if (d->capture && !capture_end(d->capture, &fd))
		close(fd);
	d->capture = NULL;
	snapshot_abort(&d->snapshot);
	for (int i = 0; pid && i < 200 && !waitpid(pid, NULL, WNOHANG); i++)
		usleep(5000);
}

static int run(struct daemon *d)
{
	sigset_t blocked;
	int err;

	loop_block_signals(&blocked);
	setpriority(PRIO_PROCESS, 0, SNAPSHOT_NICE); /* as far as that is allowed; the helpers inherit it */
	err = setup_host(d);
	if (!err)
		err = start_recording(d);
	if (!err) {
		err = control_open(d);
		if (err)
			log_error("cannot listen in %s: %s", d->config.run_directory,
				  strerror(-err));
	}
	if (!err && app_open(d))
		log_warning("there is no trigger socket: programs cannot fire triggers");
	if (!err)
		err = loop_run(d);
	end_worker(d);
	store_end(d);
	control_close_all(d);
	app_close(d);
	user_close_all(d);
	span_close_all(d);
	rescue_drop(d);
	recorder_free(d->recorder);
	ledger_free(&d->ledger);
	setup_undo(d);
	return err ? EXIT_FAILED : EXIT_DONE;
}

/* What a snapshot took for a moment goes back at once, whatever lies behind it. */
static void spare_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

/* A signal may end it, whose disk may not answer: what it has not written stays. */
static int rescue(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	return rescue_run(d) ? EXIT_FAILED : EXIT_DONE;
}

static int dry_run(struct daemon *d)
{
	char error[RECORDER_ERROR_MAX] = "";
	int err = recorder_load(&d->config, &d->recorder, error);

	if (err)
		log_error("%s", error[0] ? error : strerror(-err));
	else
		printf("the programs load on this kernel (interrupts: %s)\n",
		       recorder_variant(d->recorder));
	recorder_free(d->recorder);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	static struct daemon d = { .lock_fd = -1,
				   .pins = PINS_NONE,
				   .listen_fd = -1,
				   .opener_fd = -1,
				   .epoll_fd = -1,
				   .app = { .fd = -1 },
				   .snapshot = { .result_fd = -1 },
				   .store = { .fd = -1 },
				   .spooler = { .fd = -1 },
				   .spans = { .child.result_fd = -1 } };
	struct options o = {0};
	int status, err;

	if (argc && !strcmp(argv[0], WORKER_ARGV0))
		return worker_main(argc > 1 && !strcmp(argv[1], WORKER_PLAIN));
	if (argc && !strcmp(argv[0], SPAN_FIND_ARGV0))
		return span_find_main(argc, argv);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		d.clients[i] = (struct client){.fd = -1, .output = -1};
	status = parse_options(argc, argv, &o);
	if (status >= 0)
		return status;
	d.config_file = o.config;
	err = config_load(o.config, stderr, &d.config);
	if (err && (!o.rescue || o.config))
		return EXIT_USAGE;
	if (err) /* a mistake that keeps it from being started again must not keep this */
		config_defaults(&d.config);
	if (o.check) {
		printf("the configuration is good: %u trigger%s\n", d.config.n_triggers,
		       d.config.n_triggers == 1 ? "" : "s");
		return EXIT_DONE;
	}
	d.asked = d.config;
	governor_shape(&d.config, GOVERNOR_ALL);
	raise_descriptors();
	spare_memory();
	return o.rescue ? rescue(&d) : o.dry ? dry_run(&d) : run(&d);
}
