/* SPDX-License-Identifier: GPL-2.0 */
/* setup.c - directories, locks, bpffs, helpers and privileges. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cap-ng.h>

#include "daemon.h"
#include "log.h"
#include "opener.h"

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

/* ---- who we are ---- */

/*
 * Started by root: as user frec where the host has one, else as root, with the
 * worker and the opener as nobody. Started by anybody else: as that.
 */
static void choose_identity(struct daemon *d)
{
	const struct passwd *pw = getpwnam("frec");
	const struct group *gr = getgrnam("frec");

	d->uid = d->worker.uid = (uid_t)-1;
	d->gid = d->worker.gid = (gid_t)-1;
	if (geteuid()) {
		if (gr && getegid() == gr->gr_gid)
			d->gid = gr->gr_gid;
		return;
	}
	if (pw && gr) {
		d->uid = d->worker.uid = pw->pw_uid;
		d->gid = d->worker.gid = gr->gr_gid;
		return;
	}
	pw = getpwnam("nobody");
	d->worker.uid = pw ? pw->pw_uid : 65534;
	d->worker.gid = pw ? pw->pw_gid : 65534;
	log_warning("no user and group 'frec' on this host: running as root, the worker as nobody");
}

/* ---- run directory ---- */

static int make_directory(const struct daemon *d, const char *path, mode_t mode)
{
	if (mkdir(path, mode)) {
		if (errno == EEXIST)
			return 0;
		log_error("cannot create %s: %s", path, strerror(errno));
		return -errno;
	}
	if (chmod(path, mode) || (d->uid != (uid_t)-1 && chown(path, d->uid, d->gid))) {
		log_error("cannot set the owner of %s: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int lock_run(struct daemon *d)
{
	char path[PATH_MAX + 16];
	int err;

	snprintf(path, sizeof(path), "%s/frecd.lock", d->config.run_directory);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock_fd < 0) {
		err = -errno;
		log_error("cannot open %s: %s", path, strerror(errno));
		return err;
	}
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		log_error("another frecd runs in %s: stop it, or give this one its own run_directory",
			  d->config.run_directory);
		return err;
	}
	return 0;
}

/* ---- bpffs ---- */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static int open_pins(struct daemon *d)
{
	const char *path = d->config.pin_directory;

	if (mkdir(path, 0700) && errno != EEXIST) {
		log_warning("cannot create %s: %s; what is recorded ends with this process", path,
			    strerror(errno));
		return 0;
	}
	if (!is_bpffs(path)) {
		if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
			log_warning("cannot mount a bpffs at %s: %s; what is recorded ends with this "
				    "process",
				    path, strerror(errno));
			return 0;
		}
		d->mounted = true;
		if (d->uid != (uid_t)-1 && chown(path, d->uid, d->gid))
			log_warning("cannot set the owner of %s: %s", path, strerror(errno));
	}
	if (recorder_clear_pins(path) > 0)
		log_notice("removed what a recorder that died had left in %s", path);
	d->pinned = true;
	return 0;
}

/* ---- helpers ---- */

int setup_spool(struct daemon *d)
{
	struct spool *s;
	int err = spool_open(d->config.directory, d->uid, d->gid, &s);

	if (err)
		return err;
	spool_free(d->spool);
	d->spool = s;
	return 0;
}

int setup_opener(struct daemon *d)
{
	int err = opener_start(d->worker.uid, d->worker.gid, &d->opener_fd, &d->opener_pid);

	if (err) {
		d->opener_fd = -1;
		d->opener_pid = 0;
		log_warning("cannot start the opener: %s; snapshots will lack command lines",
			    strerror(-err));
	}
	return err;
}

/* ---- privileges ---- */

static int drop_privileges(struct daemon *d)
{
	int err = 0;

	capng_get_caps_process();
	if (d->uid != (uid_t)-1 && !geteuid()) {
		capng_clear(CAPNG_SELECT_BOTH);
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_PERFMON,
			      CAP_SYSLOG, CAP_SYS_NICE, -1);
		err = capng_change_id(d->uid, d->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	} else {
		capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE,
			      CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, -1);
		err = capng_apply(CAPNG_SELECT_CAPS);
	}
	if (err) {
		log_error("cannot give up privileges (libcap-ng error %d)", err);
		return -EPERM;
	}
	/* the worker is killed, not left over, when we die; nobody may look into us */
	prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

int setup_host(struct daemon *d)
{
	int err;

	choose_identity(d);
	d->worker.program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (d->worker.program < 0) {
		log_error("cannot open /proc/self/exe: %s", strerror(errno));
		return -errno;
	}
	err = make_directory(d, d->config.run_directory, 0755);
	if (!err)
		err = lock_run(d);
	if (!err)
		err = open_pins(d);
	if (err)
		return err;
	err = setup_spool(d);
	if (err)
		log_error("cannot use %s for snapshots: %s; recording goes on, triggers cannot write "
			  "until that is mended",
			  d->config.directory, strerror(-err));
	setup_opener(d);
	return drop_privileges(d);
}

void setup_undo(struct daemon *d)
{
	char path[PATH_MAX + 16];

	if (d->mounted) {
		if (umount2(d->config.pin_directory, 0))
			log_warning("cannot unmount %s: %s", d->config.pin_directory, strerror(errno));
		else
			rmdir(d->config.pin_directory);
	}
	snprintf(path, sizeof(path), "%s/frecd.lock", d->config.run_directory);
	if (d->lock_fd >= 0)
		unlink(path);
	spool_free(d->spool);
}
