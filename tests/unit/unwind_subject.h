/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unwind_subject.h - a process to unwind: this very program, started again.
 * Its thread sleeps in a mutex below handle_guess(); what a recorder would
 * have of it (registers, stack bytes, maps) is read by ptrace.
 */
#ifndef UNWIND_SUBJECT_H
#define UNWIND_SUBJECT_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/unwind.h"

#define SEC 1000000000ull
#define WAIT_NS (10 * SEC)
#define SUBJECT_ARGUMENT "--subject"
#define STACK_BYTES (16u << 10)
#define FRAMES 600

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

/* ---- in the subject ---- */

/* as programs are built: no frame pointers, and calls that stay calls */
#define PLAIN __attribute__((noinline, noclone, optimize("omit-frame-pointer")))
#define STAY() __asm__ volatile("" ::: "memory")

static pthread_mutex_t subject_turn = PTHREAD_MUTEX_INITIALIZER;

static inline __attribute__((always_inline)) void take_turn(void)
{
	pthread_mutex_lock(&subject_turn); /* take_turn's line */
	STAY();
}
enum { TAKE_TURN_LINE = __LINE__ - 3 };

void handle_guess(int depth);
PLAIN void handle_guess(int depth)
{
	if (depth > 0)
		handle_guess(depth - 1);
	else
		take_turn();
	STAY();
}

void play_round(int depth);
PLAIN void play_round(int depth)
{
	handle_guess(depth);
	STAY();
}

static void on_signal(int number)
{
	(void)number;
	play_round(0);
	STAY();
}

static void *subject_thread(void *depth)
{
	play_round(*(int *)depth);
	STAY();
	return NULL;
}

/* The handler gets a stack of its own, far from the thread's. */
static void use_signal_stack(void)
{
	static uint8_t bytes[256 << 10];
	const stack_t stack = { .ss_sp = bytes, .ss_size = sizeof(bytes) };
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

/* "main", "thread", "signal" or "signal-stack", then the depth; says its tid on stdout and sleeps for ever. */
static int subject_main(const char *where, int depth)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, on_signal);
	pthread_mutex_lock(&subject_turn);
	if (write(STDOUT_FILENO, "r", 1) != 1)
		return 1;
	if (!strcmp(where, "thread")) {
		if (pthread_create(&thread, NULL, subject_thread, &depth))
			return 1;
		pthread_join(thread, NULL);
	} else if (!strncmp(where, "signal", 6)) {
		if (where[6])
			use_signal_stack();
		raise(SIGUSR1);
	} else {
		play_round(depth);
	}
	STAY();
	return 0;
}

/* ---- in the test ---- */

struct subject {
	pid_t pid, tid;
	char *maps;
	size_t maps_len;
	struct unwind_regs regs;
	uint8_t stack[STACK_BYTES];
	size_t len;
};

static char *slurp(const char *path, size_t *ret_len)
{
	size_t len = 0, size = 1 << 16;
	char *text = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0 && text);
	while ((n = read(fd, text + len, size - len)) > 0) {
		len += n;
		if (len == size)
			text = realloc(text, size *= 2);
		assert_non_null(text);
	}
	close(fd);
	*ret_len = len;
	return text;
}

/* The thread that sleeps in the mutex: the last one of the subject. */
static pid_t sleeper(pid_t pid, bool thread)
{
	uint64_t end = now() + WAIT_NS;
	char path[64], text[64];

	while (now() < end) {
		for (pid_t tid = pid + thread; tid < pid + (thread ? 1000 : 1); tid++) {
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
			f = fopen(path, "re");
			if (!f)
				continue;
			if (!fgets(text, sizeof(text), f))
				text[0] = '\0';
			fclose(f);
			if (atoi(text) == SYS_futex && text[0] != 'r')
				return tid;
		}
		usleep(1000);
	}
	return -1;
}

static void read_registers(struct subject *s)
{
	struct iovec iov;
#ifdef __x86_64__
	struct user_regs_struct r;

	iov = (struct iovec){ &r, sizeof(r) };
	assert_int_equal(ptrace(PTRACE_GETREGSET, s->tid, (void *)NT_PRSTATUS, &iov), 0);
	s->regs = (struct unwind_regs){ .pc = r.rip, .sp = r.rsp };
	s->regs.reg[UNWIND_X86_RBX] = r.rbx;
	s->regs.reg[UNWIND_X86_RBP] = r.rbp;
	s->regs.reg[UNWIND_X86_R12] = r.r12;
	s->regs.reg[UNWIND_X86_R12 + 1] = r.r13;
	s->regs.reg[UNWIND_X86_R12 + 2] = r.r14;
	s->regs.reg[UNWIND_X86_R12 + 3] = r.r15;
	s->regs.valid = 1u << UNWIND_X86_RBX | 1u << UNWIND_X86_RBP | 0xfu << UNWIND_X86_R12;
#else
	struct user_regs_struct r;

	iov = (struct iovec){ &r, sizeof(r) };
	assert_int_equal(ptrace(PTRACE_GETREGSET, s->tid, (void *)NT_PRSTATUS, &iov), 0);
	s->regs = (struct unwind_regs){ .pc = r.pc, .sp = r.sp };
	for (int i = UNWIND_ARM64_X19; i <= UNWIND_ARM64_LR; i++) {
		s->regs.reg[i] = r.regs[i];
		s->regs.valid |= 1u << i;
	}
#endif
}

/* Page by page: the stack may end before STACK_BYTES do. */
static void read_stack(struct subject *s)
{
	while (s->len < STACK_BYTES) {
		uint64_t at = s->regs.sp + s->len;
		size_t n = 4096 - at % 4096;
		struct iovec to = { s->stack + s->len, n }, from = { (void *)at, n };

		if (n > STACK_BYTES - s->len)
			to.iov_len = from.iov_len = STACK_BYTES - s->len;
		if (process_vm_readv(s->pid, &to, 1, &from, 1, 0) != (ssize_t)from.iov_len)
			break;
		s->len += from.iov_len;
	}
}

static void subject_stop(struct subject *s)
{
	if (!s)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	free(s->maps);
	free(s);
}

/* NULL: ptrace is not allowed here. */
static struct subject *subject_start(const char *where, int depth)
{
	struct subject *s = calloc(1, sizeof(*s));
	char path[64], number[16], ready;
	int out[2], status;

	assert_non_null(s);
	assert_int_equal(pipe(out), 0);
	snprintf(number, sizeof(number), "%d", depth);
	s->pid = fork();
	if (!s->pid) {
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "subject", SUBJECT_ARGUMENT, where, number, NULL);
		_exit(127);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &ready, 1), 1);
	close(out[0]);
	s->tid = sleeper(s->pid, !strcmp(where, "thread"));
	assert_true(s->tid > 0);
	if (ptrace(PTRACE_SEIZE, s->tid, NULL, NULL)) {
		assert_int_equal(errno, EPERM);
		subject_stop(s);
		return NULL;
	}
	assert_int_equal(ptrace(PTRACE_INTERRUPT, s->tid, NULL, NULL), 0);
	assert_int_equal(waitpid(s->tid, &status, __WALL), s->tid);
	read_registers(s);
	read_stack(s);
	snprintf(path, sizeof(path), "/proc/%d/maps", s->pid);
	s->maps = slurp(path, &s->maps_len);
	/* a thread that is traced would have to be waited for before its process */
	assert_int_equal(ptrace(PTRACE_DETACH, s->tid, NULL, NULL), 0);
	return s;
}

/* ---- callbacks ---- */

static int opened, debug_wanted;

static int open_path(void *arg, const struct proc_mapping *m)
{
	int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)arg;
	opened++;
	return fd < 0 ? -errno : fd;
}

static inline int open_build_id(void *arg, const uint8_t *id, size_t len)
{
	char path[256] = "/usr/lib/debug/.build-id/";
	size_t n = strlen(path);
	int fd;

	(void)arg;
	debug_wanted++;
	for (size_t i = 0; i < len && n < sizeof(path) - 16; i++)
		n += sprintf(path + n, i ? "%02x" : "%02x/", id[i]);
	strcpy(path + n, ".debug");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static const struct image_callbacks by_path = { .open_file = open_path };

static inline int find(const struct image_frame *frames, size_t n, const char *function)
{
	for (size_t i = 0; i < n; i++) {
		if (frames[i].function && !strcmp(frames[i].function, function))
			return i;
	}
	return -1;
}

static inline void print_frames(const struct image_frame *frames, size_t n, enum unwind_end end)
{
	static const char *const ends[] = { "complete", "cut", "broken", "long", "late" };

	for (size_t i = 0; i < n; i++)
		printf("  #%zu %llx %s+0x%llx %s:%u%s\n", i, (unsigned long long)frames[i].pc,
		       frames[i].function ? frames[i].function : "?",
		       (unsigned long long)frames[i].function_offset,
		       frames[i].file ? frames[i].file : "?", frames[i].line,
		       frames[i].inlined ? " (inlined)" : "");
	printf("  %s\n", ends[end]);
}

#endif
