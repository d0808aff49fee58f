/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ground truth for 32-bit system calls: cc -m32 -static builds it; in 64 bit only the calls through
 * `int $0x80` are 32-bit ones (x86: a 64-bit program may do that too, with numbers of the 32-bit
 * table).
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "workload.h"

static long count = 1, ms = 50, run_ms = 60000;
static uint32_t *word;
static long preempted; /* before the call */

#define BITS ((int)sizeof(long) * 8)

static void call_print(const char *what, uint64_t begin, const char *name, bool compat)
{
	uint64_t end = clock_ns();

	event_print(what, begin, end,
		    "\"syscall\":\"%s\",\"bits\":%d,\"compat\":%s,\"preempted\":%ld", name, BITS,
		    compat || BITS == 32 ? "true" : "false", preemptions() - preempted);
}

/* libc picks the call: clock_nanosleep, 267 in 32 bit, 230 in 64 bit. */
static void sleep_run(void)
{
	uint64_t begin = clock_ns();

	sleep_ms(ms);
	call_print("sleep", begin, "clock_nanosleep", false);
}

static void pipe_run(void)
{
	uint64_t begin;
	int fds[2];
	pid_t child;
	char byte;

	die_if(pipe(fds), "pipe");
	child = fork_bound();
	if (child == 0) {
		sleep_ms(ms);
		_exit(write(fds[1], "x", 1) != 1);
	}
	begin = clock_ns();
	die_if(read(fds[0], &byte, 1) != 1, "read");
	call_print("pipe", begin, "read", false);
	waitpid(child, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

static void futex_run(void)
{
	uint64_t begin;
	pid_t child;

	*word = 7;
	child = fork_bound();
	if (child == 0) {
		sleep_ms(ms);
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		_exit(0);
	}
	begin = clock_ns();
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 7)
		syscall(SYS_futex, word, FUTEX_WAIT, 7, NULL, NULL, 0);
	call_print("futex", begin, "futex", false);
	waitpid(child, NULL, 0);
}

#if defined(__i386__) || defined(__x86_64__)
/* The oldest way in, nanosleep with its 32-bit number 162; the request must lie below 4 GiB. */
static void int80_run(void)
{
	uint32_t *request = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result = 162;
	uint64_t begin;

	die_if(request == MAP_FAILED, "mmap");
	request[0] = ms / 1000;
	request[1] = ms % 1000 * 1000000;
	begin = clock_ns();
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(request), "c"(0l)
			 : "memory", "cc"
#ifdef __x86_64__
			   ,
			   "r8", "r9", "r10", "r11"
#endif
	);
	if ((int)result)
		die(1, "int 0x80: %s", strerror(-(int)result));
	call_print("int80", begin, "nanosleep", true);
	munmap(request, 4096);
}
#endif

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "sleep", sleep_run },
	{ "pipe", pipe_run },
	{ "futex", futex_run },
#if defined(__i386__) || defined(__x86_64__)
	{ "int80", int80_run },
#endif
};

static const struct option_row options[] = {
	{ "count", OPTION_NUMBER, &count, 1, 1000000, "how often (1)" },
	{ "ms", OPTION_MS, &ms, 0, 60000, "length of each wait (50ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000,
	  "end after so long at the latest (60; 0: no limit)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *mode = options_parse(
		argc, argv, "[sleep|pipe|futex|int80] [options], no mode: all", options);
	bool found = false;

	end_after(run_ms);
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	die_if(word == MAP_FAILED, "mmap");
	for (long n = 0; n < count; n++) {
		for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
			if (mode && strcmp(mode, modes[i].name))
				continue;
			preempted = preemptions();
			modes[i].run();
			found = true;
		}
		if (!found)
			die(2, "got mode '%s' (see --help)", mode);
	}
	return 0;
}
