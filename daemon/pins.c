/* SPDX-License-Identifier: GPL-2.0 */
#define _GNU_SOURCE
#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

/* So long a child of one that was killed may still have the lock: it has not run since its fork. */
#define LOCK_TRIES 25
#define LOCK_PAUSE_US 20000

/* Says in the table of mounts, and as long as the mount lasts, who has made it. */
#define MOUNT_SOURCE "frecd"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static bool mounted_by_frecd(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool found = false;

	/* of several at one place the last one covers the others */
	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_dir, path))
			found = !strcmp(m->mnt_fsname, MOUNT_SOURCE) && !strcmp(m->mnt_type, "bpf");
	if (f)
		endmntent(f);
	return found;
}

static int mount_here(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (is_bpffs(path))
		return 0;
	/* a link would have us mount over a directory of somebody else's choice */
	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (mount(MOUNT_SOURCE, path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return -errno;
	return 0;
}

int pins_lock(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

static int lock_directory(const char *path, int *ret_fd)
{
	int err, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = pins_lock(fd);
	if (err == -EWOULDBLOCK)
		err = -EBUSY;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

/* ---- the unmounter: the daemon itself gives up the right to do it ---- */

/*
 * Waits for a byte, which is the order to unmount; without one the daemon has
 * died, and what it pinned stays for the next. Ends with errno as its status.
 */
static void become_unmounter(int fd, const char *path)
{
	char order;

	prctl(PR_SET_NAME, "frecd-unmount");
	if (dup2(fd, 0) < 0 || close_range(1, ~0u, 0) || chdir("/"))
		_exit(errno);
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN);
	if (capng_apply(CAPNG_SELECT_CAPS) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(EPERM);
	prctl(PR_SET_DUMPABLE, 0);
	if (read(0, &order, 1) != 1)
		_exit(0);
	/* the path leads through directories that the daemon's user may own */
	if (!mounted_by_frecd(path))
		_exit(EINVAL);
	_exit(umount2(path, UMOUNT_NOFOLLOW) ? errno : 0);
}

static int start_unmounter(struct pins *p, const char *path)
{
	int pipes[2], err = 0;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	p->unmounter = fork();
	if (!p->unmounter)
		become_unmounter(pipes[0], path);
	if (p->unmounter < 0)
		err = -errno;
	close(pipes[0]);
	if (err)
		close(pipes[1]);
	else
		p->unmounter_fd = pipes[1];
	return err;
}

static bool may_unmount(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

int pins_open(struct pins *p, const char *path, uid_t uid, gid_t gid)
{
	bool ours;
	int err = mount_here(path);

	if (!err)
		err = lock_directory(path, &p->fd);
	if (err)
		return err;
	ours = may_unmount() && mounted_by_frecd(path);
	if (ours && uid != (uid_t)-1 && fchown(p->fd, uid, gid))
		err = -errno;
	if (ours && !err)
		err = start_unmounter(p, path);
	return err;
}

int pins_close(struct pins *p, const char *path)
{
	int status = 0, err = 0;

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->unmounter_fd < 0)
		return 0;
	if (write(p->unmounter_fd, "", 1) < 0)
		err = -errno;
	close(p->unmounter_fd);
	p->unmounter_fd = -1;
	while (waitpid(p->unmounter, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!err)
		err = WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
	if (!err)
		rmdir(path);
	return err;
}
