/* SPDX-License-Identifier: GPL-2.0 */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_at(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		err = -errno;
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return err;
}

/* ---- which process ---- */

int access_pid_of(int pidfd)
{
	char path[40], text[512], *line;
	int err, pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	err = read_at(AT_FDCWD, path, text, sizeof(text));
	if (err)
		return err;
	line = strstr(text, "\nPid:");
	if (!line || sscanf(line, "\nPid: %d", &pid) != 1)
		return -EBADF;
	return pid > 0 ? pid : -ESRCH;
}

int access_open(pid_t pid, int pidfd)
{
	char path[32];
	int proc;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	/* it had the pid before and after: so what was opened in between is it */
	if (pidfd < 0 || access_pid_of(pidfd) == pid)
		return proc;
	close(proc);
	return -ESRCH;
}

/* ---- what it is ---- */

static bool parse_ids(const char *status, const char *key, uint32_t ret[3])
{
	const char *line = strstr(status, key);

	return line && sscanf(line + strlen(key), "%" SCNu32 " %" SCNu32 " %" SCNu32, &ret[0],
			      &ret[1], &ret[2]) == 3;
}

int access_parse(const char *status, struct access_facts *ret)
{
	static const char key[] = "\nCapPrm:";
	const char *line = strstr(status, key);

	/* the name comes first, its control characters escaped */
	if (!parse_ids(status, "\nUid:", ret->uid) || !parse_ids(status, "\nGid:", ret->gid) ||
	    !line || sscanf(line + strlen(key), "%" SCNx64, &ret->permitted) != 1)
		return -EBADMSG;
	return 0;
}

static bool is_here(int proc)
{
	char its[4096], ours[4096];

	return !read_at(proc, "uid_map", its, sizeof(its)) &&
	       !read_at(AT_FDCWD, "/proc/self/uid_map", ours, sizeof(ours)) && !strcmp(its, ours);
}

int access_read(int proc, struct access_facts *ret)
{
	struct access_facts f = {.dumpable = false};
	char status[8192];
	struct stat st;
	int err = read_at(proc, "status", status, sizeof(status));

	if (!err)
		err = access_parse(status, &f);
	/* files of who is not dumpable belong to root */
	if (!err && fstatat(proc, "environ", &st, AT_SYMLINK_NOFOLLOW))
		err = errno == ENOENT ? -ESRCH : -errno;
	if (err)
		return err;
	f.dumpable = st.st_uid == f.uid[1] && st.st_gid == f.gid[1];
	f.here = is_here(proc);
	*ret = f;
	return 0;
}

/* ---- the rule ---- */

static bool all_are(const uint32_t ids[3], uint32_t id)
{
	return ids[0] == id && ids[1] == id && ids[2] == id;
}

const char *access_flaw(const struct access_facts *caller, const struct access_facts *target,
			bool same)
{
	if (!all_are(target->uid, caller->uid[0]) || !all_are(target->gid, caller->gid[0]))
		return same ? "the process runs with other rights than its user's"
			    : "the process is another user's, or runs with other rights";
	if (!target->dumpable)
		return "the process may not be looked into (it is not dumpable)";
	if (!same && (!caller->here || !target->here))
		return "the process is in another user namespace";
	if (target->permitted & ~caller->permitted)
		return "the process has capabilities that the caller lacks";
	return NULL;
}
