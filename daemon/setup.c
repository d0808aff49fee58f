/* SPDX-License-Identifier: GPL-2.0 */
/* setup.c - directories, locks, bpffs, helpers and privileges. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>

#include "../lib/protocol.h"
#include "daemon.h"
#include "log.h"
#include "opener.h"

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

/* Who else may write into it could put what he likes in the place of our files. */
static const char *directory_flaw(const struct daemon *d, const struct stat *st)
{
	if (st->st_uid && st->st_uid != geteuid() && st->st_uid != d->uid)
		return "it belongs to another user";
	if (st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid && st->st_gid != d->gid))
		return "others may write into it";
	return NULL;
}

static int make_run_directory(const struct daemon *d)
{
	const char *path = d->config.run_directory, *flaw;
	int made = mkdir(path, 0755) ? -errno : 0, fd, err = 0;
	struct stat st;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err = made && made != -EEXIST ? made : -errno;
		log_error("cannot use %s as run_directory: %s", path, strerror(-err));
		return err;
	}
	if (fstat(fd, &st))
		err = -errno;
	flaw = err ? NULL : directory_flaw(d, &st);
	if (flaw)
		err = -EPERM;
	else if (!err &&
		 ((!made && fchmod(fd, 0755)) ||
		  (d->uid != (uid_t)-1 && st.st_uid != d->uid && fchown(fd, d->uid, d->gid))))
		err = -errno;
	close(fd);
	if (err)
		log_error("cannot use %s as run_directory: %s", path, flaw ? flaw : strerror(-err));
	return err;
}

/* Of a recorder that died; perhaps of another user's, so that it could not be asked. */
static void remove_stale_socket(const struct daemon *d)
{
	char path[PATH_MAX + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" PROTOCOL_SOCKET, d->config.run_directory);
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
}

static int lock_run(struct daemon *d)
{
	char path[PATH_MAX + 16];
	int err;

	snprintf(path, sizeof(path), "%s/frecd.lock", d->config.run_directory);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* its user may start it next time; one that was there is not ours to give away */
	if (d->lock_fd >= 0 && d->uid != (uid_t)-1 && fchown(d->lock_fd, d->uid, d->gid))
		log_warning("cannot set the owner of %s: %s", path, strerror(errno));
	if (d->lock_fd < 0 && errno == EEXIST)
		d->lock_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (d->lock_fd < 0) {
		err = -errno;
		log_error("cannot open %s: %s", path, strerror(errno));
		return err;
	}
	/* the file is never removed: a lock on one that has lost its name would bar nobody */
	err = pins_lock(d->lock_fd);
	if (!err) {
		remove_stale_socket(d);
		return 0;
	}
	close(d->lock_fd);
	d->lock_fd = -1;
	if (err == -EWOULDBLOCK && d->rescue.only)
		log_error("nothing to rescue: a frecd runs in %s", d->config.run_directory);
	else if (err == -EWOULDBLOCK)
		log_error(
			"another frecd runs in %s: stop it, or give this one its own run_directory",
			d->config.run_directory);
	else
		log_error("cannot lock %s: %s", path, strerror(-err));
	return err;
}

/* ---- bpffs ---- */

static const char *pins_reason(int err)
{
	switch (err) {
	case -EBUSY:
		return "another frecd uses it: set pin_directory to one of its own";
	case -ENOENT:
		return "the directory that it should be in is not there: make that, or set "
		       "pin_directory";
	default:
		return strerror(-err);
	}
}

/* Nothing of this is needed to record. */
static void open_pins(struct daemon *d)
{
	const char *path = d->config.pin_directory;
	int err = pins_open(&d->pins, path, d->uid, d->gid);

	if (err) {
		log_warning("cannot use %s as pin_directory: %s%s", path, pins_reason(err),
			    d->rescue.only ? "" : "; what is recorded ends with this process");
		return;
	}
	d->pinned = true;
	rescue_find(d);
}

/* ---- helpers ---- */

/*
 * Parent of the default spool: without a service manager nobody else makes it.
 * Where another one's parent is missing, somebody has forgotten to mount it.
 */
static int make_state_directory(const struct daemon *d)
{
	static const char parent[] = "/var/lib/frec";

	if (strcmp(d->config.directory, "/var/lib/frec/snapshots"))
		return 0;
	if (mkdir(parent, 0750))
		return errno == EEXIST ? 0 : -errno;
	return chmod(parent, 0750) || lchown(parent, d->uid, d->gid) ? -errno : 0;
}

/*
 * While we may still create it for the user that we become. All else is the
 * spooler's: even a mkdir() of what is there waits for a disk that does not answer.
 */
static int make_spool(struct daemon *d)
{
	struct spool *s;
	struct stat st;
	int err;

	if (!stat(d->config.directory, &st))
		return 0;
	err = make_state_directory(d);

	if (!err)
		err = spool_open(d->config.directory, d->uid, d->gid, &s);
	if (!err)
		spool_free(s);
	return err;
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

void setup_forget_kernel(void)
{
	capng_get_caps_process();
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, CAP_SYSLOG, -1);
	if (capng_apply(CAPNG_SELECT_CAPS))
		log_warning("cannot give up CAP_SYSLOG");
}

static bool may_record(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) ||
	       (capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF) &&
		capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON));
}

int setup_host(struct daemon *d)
{
	int err;

	if (!may_record()) {
		log_error("not permitted: run as root, or with CAP_BPF and CAP_PERFMON");
		return -EPERM;
	}
	choose_identity(d);
	/* while we may: who opens it decides whether addresses are shown */
	d->worker.kallsyms = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	d->worker.program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (d->worker.program < 0) {
		log_error("cannot open /proc/self/exe: %s", strerror(errno));
		return -errno;
	}
	err = make_run_directory(d);
	if (!err)
		err = lock_run(d);
	if (err)
		return err;
	open_pins(d);
	d->store.state.error = make_spool(d);
	if (d->store.state.error)
		log_error(
			"cannot use %s for snapshots: %s%s", d->config.directory,
			store_reason(d->store.state.error),
			d->rescue.only ? ""
				       : "; recording goes on, triggers cannot write until that is "
					 "mended");
	setup_opener(d);
	err = drop_privileges(d);
	if (!err)
		err = spooler_start(&d->spooler, d->uid, d->gid);
	return err;
}

void setup_undo(struct daemon *d)
{
	int err = d->rescue.pinned ? 0 : pins_close(&d->pins, d->config.pin_directory);

	if (err)
		log_warning("cannot unmount %s: %s", d->config.pin_directory, strerror(-err));
}
