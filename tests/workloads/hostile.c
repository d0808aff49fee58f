/* SPDX-License-Identifier: GPL-2.0 */
/* Does to itself what makes it hard to look at, and waits: its stack unmapped, names of control
 * characters, a command line that is one. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>

#include "threads.h"

#define STACK_SIZE 65536

static long ms = 200, run_ms = 60000;
static struct timespec wait_time;
static uint32_t word;

/*
 * From the munmap() on nothing may touch memory by the stack pointer, nor by the thread pointer,
 * which is that of the thread that cloned us.
 */
static int stackless_main(void *stack)
{
	syscall(SYS_prctl, PR_SET_NAME, "evil-stackless");
	__asm__ volatile(
		"syscall\n\t"
		"mov %[futex], %%eax\n\t"
		"mov %[word], %%rdi\n\t"
		"mov %[op], %%esi\n\t"
		"xor %%edx, %%edx\n\t"
		"mov %[time], %%r10\n\t"
		"syscall\n\t"
		"mov %[exit], %%eax\n\t"
		"xor %%edi, %%edi\n\t"
		"syscall"
		:
		: "a"(SYS_munmap), "D"(stack),
		  "S"(STACK_SIZE), [futex] "i"(SYS_futex), [word] "r"(&word),
		  [op] "i"(FUTEX_WAIT_PRIVATE), [time] "r"(&wait_time), [exit] "i"(SYS_exit)
		: "rcx", "r11", "rdx", "r10", "memory");
	__builtin_unreachable();
}

static void stackless_start(void)
{
	char *stack =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	die_if(stack == MAP_FAILED, "mmap");
	die_if(clone(stackless_main, stack + STACK_SIZE,
		     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			     CLONE_SYSVSEM,
		     stack) < 0,
	       "clone");
}

static void *named_main(void *name)
{
	prctl(PR_SET_NAME, name);
	sleep_ms(ms);
	/* once more, so that it waits under one name and ends under another one */
	prctl(PR_SET_NAME, "\r\n\033]0;gone");
	return NULL;
}

static const struct option_row options[] = {
	{ "ms", OPTION_MS, &ms, 1, 60000, "length of each wait (200ms)" },
	{ "seconds", OPTION_SECONDS, &run_ms, 0, 86400000, "end after so long at the latest (60)" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static char *const names[] = { "evil\033[2J\n\"\\", "evil\377\300\200",
				       "evil\342\200\256" };
	pthread_t threads[3];
	uint64_t begin = clock_ns();

	options_parse(argc < 4 ? argc : 4, argv, "[--ms MS [ANY…]]", options);
	end_after(run_ms);
	wait_time.tv_sec = ms / 1000;
	wait_time.tv_nsec = ms % 1000 * 1000000;
	for (int i = 0; i < 3; i++)
		thread_start(&threads[i], named_main, names[i]);
	stackless_start();
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	prctl(PR_SET_NAME, "evil\a\b\x7f");
	sleep_ms(ms);
	event_print("hostile", begin, clock_ns(), "\"ms\":%ld", ms);
	return 0;
}
