/* SPDX-License-Identifier: GPL-2.0 */
/*
 * opener_files.c - files of recorded processes, which may be hostile: regular
 * files only, never waited for, never outside of the process's root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "opener_internal.h"

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

/*
 * Takes over `path`, an O_PATH descriptor: opening a device or a pipe for
 * reading could do something, looking at it cannot.
 */
static int reopen_regular(int path, struct stat *st)
{
	char self[32];
	int fd, err = 0;

	if (path < 0)
		return -errno;
	if (fstat(path, st))
		err = -errno;
	else if (!S_ISREG(st->st_mode))
		err = -EACCES;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path);
	fd = err ? -1 : open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (!err && fd < 0)
		err = -errno;
	close(path);
	return err ? err : fd;
}

/* Below root, whatever links and dots the path has. */
static int open_path(int root, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};

	return syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Takes root. */
static int open_below(int root, const char *path, uint64_t resolve)
{
	int fd, err;

	if (root < 0)
		return -1;
	fd = open_path(root, path, resolve);
	err = errno;
	close(root);
	errno = err;
	return fd;
}

static int open_in_root(int proc, const char *path, uint64_t resolve)
{
	return open_below(openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), path, resolve);
}

int opener_open_host(const char *path, struct stat *st)
{
	return reopen_regular(open_below(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), path, 0), st);
}

/* /proc/PID of the process, if it is in that mount namespace; else -1. */
static int open_member(uint32_t pid, uint64_t mnt_ns)
{
	char path[32];
	struct stat st;
	int proc;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || (!fstatat(proc, "ns/mnt", &st, 0) && st.st_ino == mnt_ns))
		return proc;
	close(proc);
	return -1;
}

static int find_member(uint64_t mnt_ns)
{
	static uint32_t last; /* many files of one namespace are asked for */
	int proc = last ? open_member(last, mnt_ns) : -1;
	DIR *d = proc < 0 ? opendir("/proc") : NULL;
	struct dirent *e;

	while (d && proc < 0 && (e = readdir(d))) {
		last = strtoul(e->d_name, NULL, 10);
		proc = last ? open_member(last, mnt_ns) : -1;
	}
	if (d)
		closedir(d);
	return proc;
}

int opener_open_elsewhere(uint64_t mnt_ns, const char *path, struct stat *st)
{
	int proc = find_member(mnt_ns), fd;

	if (proc < 0)
		return -ESRCH;
	fd = reopen_regular(open_in_root(proc, path, 0), st);
	close(proc);
	return fd;
}

bool opener_is_overlay(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* An overlay shows the mapped file by the inode below it: nothing to compare there. */
static int check_inode(int fd, const struct stat *st, uint64_t inode)
{
	if (st->st_ino == inode || opener_is_overlay(fd))
		return fd;
	close(fd);
	return -ESTALE;
}

/*
 * The kernel shows us paths as far as we can see: of a process below a chroot from our root on,
 * and what it had mapped before that lies outside of its own.
 */
static int open_at_path(int proc, const struct opener_request *r, const char *path)
{
	struct stat st;
	int fd = -ENOENT;

	if (opener_is_host(proc))
		fd = opener_open_host(path, &st);
	if (fd >= 0)
		fd = check_inode(fd, &st, r->inode);
	if (fd >= 0)
		return fd;
	fd = reopen_regular(open_in_root(proc, path, 0), &st);
	return fd < 0 ? fd : check_inode(fd, &st, r->inode);
}

int opener_open_mapped(int proc, const struct opener_request *r, const char *path)
{
	char name[64];
	struct stat st;
	int fd;

	/* the very file, even if it is deleted; needs CAP_CHECKPOINT_RESTORE */
	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)r->map_start,
		 (unsigned long long)r->map_end);
	fd = reopen_regular(openat(proc, name, O_PATH | O_CLOEXEC), &st);
	if (fd >= 0)
		return fd;
	fd = open_at_path(proc, r, path);
	if (fd >= 0)
		return fd;
	/* replaced or deleted: at least the program itself can still be had */
	fd = reopen_regular(openat(proc, "exe", O_PATH | O_CLOEXEC), &st);
	return fd < 0 ? fd : check_inode(fd, &st, r->inode);
}

/* No other file is handed out by its name alone: who asks has parsed hostile files. */
static int check_elf(int fd)
{
	char magic[4];

	if (fd < 0 || (pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
		       !memcmp(magic, "\177ELF", sizeof(magic))))
		return fd;
	close(fd);
	return -ENOEXEC;
}

int opener_open_program(const char *path)
{
	struct stat st;
	int fd = opener_open_host(path, &st), init, there;

	if (fd != -ENOENT && fd != -EACCES)
		return check_elf(fd);
	/* hidden from us by ProtectHome=, PrivateTmp= and the like: not from the host's first process */
	init = open("/proc/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (init < 0)
		return fd;
	there = reopen_regular(open_in_root(init, path, 0), &st);
	close(init);
	return there < 0 ? fd : check_elf(there);
}

int opener_open_perf_map(int proc, uint32_t ns_pid)
{
	struct stat st, owner;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/perf-%u.map", ns_pid);
	fd = reopen_regular(open_in_root(proc, name, RESOLVE_NO_SYMLINKS), &st);
	if (fd < 0)
		return fd;
	if (!fstat(proc, &owner) && owner.st_uid == st.st_uid)
		return fd;
	close(fd);
	return -EACCES;
}
