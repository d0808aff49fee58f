/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spans.c - a program with spans. Does what the lines of its standard input say, one after the other,
 * and says "done" after each; "ready" with its pid first.
 *
 *	fast		a span "order" of no time
 *	locked MS	one that waits for a lock which another thread, "holder", has
 *	relay MS	one that the main thread begins, and "ender" ends, who is woken for that and sleeps
 *	nested		"part.outer" with id 1 around "part.inner" with 1 and 2, which overlap
 *	stuck		an "order" that never ends
 *	leaves		one of a thread that ends 100 ms later
 *	sleeper MS	"order" around a sleep
 *	other MS	"other" around a sleep
 *	function MS	function work_begin(), a sleep, work_end()
 *	forgets		function work_begin() alone
 *	returns MS	function work_all(), which sleeps in a call of itself, and then once more
 *	reused MS	work_begin() of a thread that ends, then function, of one with the same number
 *	jump		work_all() left by longjmp() from deep within
 *	loop N		N spans "order", prints what each took
 *	dies		a thread that ends within work_all()
 *	leak N		N spans "order" that never end
 *	threads N	N threads with a thousand spans "order" each
 *	exec		begins "order" with id 77, then executes itself
 */
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../include/frec/frec.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t held, go, gone;
static long amount;
static uint64_t orders;
static jmp_buf outside;

static void nap(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void *holder(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "holder");
	pthread_mutex_lock(&lock);
	sem_post(&held);
	nap(amount);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void do_locked(void)
{
	pthread_t t;

	pthread_create(&t, NULL, holder, NULL);
	sem_wait(&held);
	FREC_SPAN_BEGIN(order, ++orders);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	FREC_SPAN_END(order, orders);
	pthread_join(t, NULL);
}

static void *ender(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "ender");
	sem_wait(&go);
	nap(amount);
	FREC_SPAN_END("order", orders);
	sem_post(&gone);
	return NULL;
}

static void do_relay(void)
{
	pthread_t t;

	pthread_create(&t, NULL, ender, NULL);
	nap(20); /* it waits by now */
	FREC_SPAN_BEGIN("order", ++orders);
	sem_post(&go);
	sem_wait(&gone);
	pthread_join(t, NULL);
}

static void do_nested(void)
{
	FREC_SPAN_BEGIN("part.outer", 1);
	FREC_SPAN_BEGIN("part.inner", 1);
	nap(30);
	FREC_SPAN_BEGIN("part.inner", 2);
	nap(30);
	FREC_SPAN_END("part.inner", 1);
	nap(30);
	FREC_SPAN_END("part.inner", 2);
	FREC_SPAN_END("part.outer", 1);
}

void __attribute__((noinline)) work_begin(void)
{
	__asm__ __volatile__("" ::: "memory");
}

void __attribute__((noinline)) work_end(void)
{
	__asm__ __volatile__("" ::: "memory");
}

int __attribute__((noinline)) work_all(int depth)
{
	int n = depth ? work_all(depth - 1) : 0;

	if (!depth && amount == -1)
		longjmp(outside, 1);
	if (!depth && amount == -2)
		syscall(SYS_exit, 0);
	if (!depth || depth == 3)
		nap(amount);
	__asm__ __volatile__("" ::: "memory");
	return n + 1;
}

static void *dier(void *arg)
{
	amount = -2;
	work_all(3);
	return arg;
}

static void *leaver(void *arg)
{
	prctl(PR_SET_NAME, "leaver");
	FREC_SPAN_BEGIN(order, 4712);
	nap(100);
	return arg;
}

static void do_leaves(void)
{
	pthread_t t;

	pthread_create(&t, NULL, leaver, NULL);
	pthread_join(t, NULL);
}

static void do_dies(void)
{
	pthread_t t;

	pthread_create(&t, NULL, dier, NULL);
	pthread_join(t, NULL);
}

static void reuser(long ms)
{
	work_begin();
	if (ms)
		nap(ms);
	if (ms)
		work_end();
}

/* Runs reuser(ms) in a thread with this number, 0: any, on this stack, and waits for it. Its number. */
static pid_t run_reuser(pid_t tid, long ms, char *stack, size_t size)
{
	static volatile pid_t gone_when_0;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
		.child_tid = (uintptr_t)&gone_when_0,
		.stack = (uintptr_t)stack,
		.stack_size = size,
		.set_tid = tid ? (uintptr_t)&tid : 0,
		.set_tid_size = tid != 0,
	};
	register void (*what)(long) __asm__("r8") = reuser;
	register long how __asm__("r9") = ms;
	long ret;

	do { /* until its number is free */
		gone_when_0 = 1;
		__asm__ __volatile__("syscall\n"
				     "test %%rax, %%rax\n"
				     "jnz 1f\n"
				     "mov %%r9, %%rdi\n"
				     "call *%%r8\n"
				     "mov %[exit], %%eax\n"
				     "xor %%edi, %%edi\n"
				     "syscall\n"
				     "1:"
				     : "=a"(ret)
				     : "a"(SYS_clone3), "D"(&args), "S"(sizeof(args)), "r"(what),
				       "r"(how), [exit] "i"(SYS_exit)
				     : "rcx", "r11", "memory");
	} while (ret == -EEXIST);
	while (ret > 0 && gone_when_0)
		nap(1);
	return (pid_t)ret;
}

/* The second is deeper, were they the same. */
static void do_reused(void)
{
	static char stacks[2][65536] __attribute__((aligned(16)));
	pid_t tid = run_reuser(0, 0, stacks[1], sizeof(stacks[1]));

	run_reuser(tid, amount, stacks[0], sizeof(stacks[0]));
}

static void *many(void *arg)
{
	uint64_t id = (uint64_t)(uintptr_t)arg << 32;

	for (int i = 0; i < 1000; i++, id++) {
		FREC_SPAN_BEGIN(order, id);
		FREC_SPAN_END(order, id);
	}
	return NULL;
}

static void do_threads(void)
{
	pthread_t t[64];
	long n = amount < 64 ? amount : 64;

	for (long i = 0; i < n; i++)
		pthread_create(&t[i], NULL, many, (void *)(uintptr_t)(i + 1));
	for (long i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/* What a span adds: N times nothing, between probes or not. */
static void do_loop(void)
{
	uint64_t begin = frec_now(), bare, probed;

	for (long i = 0; i < amount; i++)
		__asm__ __volatile__("" ::"r"(i));
	bare = frec_now() - begin;
	begin = frec_now();
	for (long i = 0; i < amount; i++) {
		FREC_SPAN_BEGIN(order, i);
		FREC_SPAN_END(order, i);
	}
	probed = frec_now() - begin;
	printf("%.2f ns\n", ((double)probed - bare) / amount);
}

static void obey(const char *what)
{
	if (!strcmp(what, "fast")) {
		FREC_SPAN_BEGIN(order, ++orders);
		FREC_SPAN_END(order, orders);
	} else if (!strcmp(what, "locked")) {
		do_locked();
	} else if (!strcmp(what, "relay")) {
		do_relay();
	} else if (!strcmp(what, "nested")) {
		do_nested();
	} else if (!strcmp(what, "stuck")) {
		FREC_SPAN_BEGIN(order, 4711);
	} else if (!strcmp(what, "sleeper")) {
		FREC_SPAN_BEGIN(order, ++orders);
		nap(amount);
		FREC_SPAN_END(order, orders);
	} else if (!strcmp(what, "other")) {
		FREC_SPAN_BEGIN(other, 1);
		nap(amount);
		FREC_SPAN_END(other, 1);
	} else if (!strcmp(what, "function")) {
		work_begin();
		nap(amount);
		work_end();
	} else if (!strcmp(what, "forgets")) {
		work_begin();
	} else if (!strcmp(what, "returns")) {
		work_all(3);
	} else if (!strcmp(what, "jump")) {
		amount = -1;
		if (!setjmp(outside))
			work_all(3);
	} else if (!strcmp(what, "loop")) {
		do_loop();
	} else if (!strcmp(what, "reused")) {
		do_reused();
	} else if (!strcmp(what, "leaves")) {
		do_leaves();
	} else if (!strcmp(what, "dies")) {
		do_dies();
	} else if (!strcmp(what, "leak")) {
		for (uint64_t id = 1ull << 40; amount > 0; amount--, id++)
			FREC_SPAN_BEGIN(order, id);
	} else if (!strcmp(what, "threads")) {
		do_threads();
	} else if (!strcmp(what, "exec")) {
		FREC_SPAN_BEGIN(order, 77);
		execl("/proc/self/exe", "spans", NULL);
	}
}

int main(void)
{
	char line[64], what[32];

	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&gone, 0, 0);
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		amount = 0;
		if (sscanf(line, "%31s %ld", what, &amount) < 1)
			continue;
		obey(what);
		printf("done\n");
		fflush(stdout);
	}
	return 0;
}
