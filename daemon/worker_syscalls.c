/* SPDX-License-Identifier: GPL-2.0 */
/* worker_syscalls.c - names of syscalls, and how many of their registers mean anything. */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

/*
 * Those that threads wait in, by number of arguments (man 2 of each); the
 * others are shown with all registers. What a register holds that is no
 * argument would mislead, and does not compress.
 */
static const char *const by_count[] = {
	"getpid getppid gettid getuid geteuid getgid getegid pause sched_yield fork vfork sync "
	"restart_syscall rt_sigreturn munlockall setsid inotify_init",
	"close epoll_create1 eventfd fchdir exit exit_group brk dup fsync fdatasync pipe epoll_create chdir rmdir "
	"unlink umask alarm times sysinfo syncfs io_destroy mlockall umount set_tid_address "
	"chroot unshare",
	"nanosleep stat fstat lstat munmap access dup2 creat kill flock truncate ftruncate rename "
	"mkdir link symlink chmod listen shutdown gettimeofday settimeofday getrlimit setrlimit "
	"getrusage clock_gettime clock_settime clock_getres getitimer eventfd2 "
	"pipe2 timerfd_create timerfd_gettime fchmod sigaltstack rt_sigsuspend rt_sigpending "
	"swapon io_setup memfd_create utime umount2 sethostname getcwd setpgid arch_prctl",
	"membarrier mkdirat io_cancel read write open poll lseek mprotect ioctl readv writev mincore msync socket connect accept "
	"bind getsockname getpeername sendmsg recvmsg execve readlink fcntl getdents getdents64 "
	"chown fchown mknod madvise sched_setaffinity sched_getaffinity tgkill "
	"unlinkat dup3 mlock2 io_submit getrandom setitimer readahead inotify_add_watch "
	"signalfd faccessat close_range syslog shmat shmget semget semop sched_setscheduler",
	"wait4 pread64 pwrite64 rt_sigaction rt_sigprocmask rt_sigtimedwait sendfile socketpair "
	"accept4 epoll_wait epoll_ctl openat newfstatat sendmmsg msgsnd fallocate clock_nanosleep "
	"timerfd_settime signalfd4 semtimedop reboot renameat utimensat "
	"sync_file_range prlimit64 quotactl ptrace readlinkat faccessat2 openat2",
	"futex_waitv select ppoll recvmmsg getsockopt setsockopt mount prctl execveat waitid mremap preadv "
	"pwritev clone io_getevents renameat2 name_to_handle_at msgrcv statx linkat fchownat "
	"perf_event_open",
};

#define NUMBERS 512

unsigned int worker_syscall_args(int nr)
{
	static unsigned char counts[NUMBERS]; /* + 1; 0: not in the table */
	static bool filled;
	char name[64];
	int used, number;

	for (unsigned int n = 0; !filled && n < sizeof(by_count) / sizeof(by_count[0]); n++)
		for (const char *p = by_count[n]; sscanf(p, "%63s%n", name, &used) == 1;
		     p += used) {
			number = seccomp_syscall_resolve_name(name);
			if (number >= 0 && number < NUMBERS)
				counts[number] = n + 1;
		}
	filled = true;
	return nr >= 0 && nr < NUMBERS && counts[nr] ? counts[nr] - 1u : 6;
}

bool worker_syscall_returns(int nr)
{
	static int ends[2] = {-2, -2};

	if (ends[0] == -2) {
		ends[0] = seccomp_syscall_resolve_name("exit");
		ends[1] = seccomp_syscall_resolve_name("exit_group");
	}
	return nr != ends[0] && nr != ends[1];
}

/* Futex calls of Linux 6.7, which libseccomp came to know later. */
#define RECENT_FIRST 454
static const char *const recent[] = {"futex_wake", "futex_wait", "futex_requeue"};
#define RECENT_END (RECENT_FIRST + (int)(sizeof(recent) / sizeof(recent[0])))

const char *worker_syscall_name(int nr, bool compat, char *buf, size_t size)
{
	uint32_t arch = seccomp_arch_native();
	char *name;

	if (nr >= RECENT_FIRST && nr < RECENT_END)
		return recent[nr - RECENT_FIRST];

	if (compat && arch == SCMP_ARCH_X86_64)
		arch = SCMP_ARCH_X86;
	else if (compat && arch == SCMP_ARCH_AARCH64)
		arch = SCMP_ARCH_ARM;
	name = seccomp_syscall_resolve_num_arch(arch, nr);
	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "syscall %d", nr);
	free(name);
	return buf;
}
