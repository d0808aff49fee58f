/* SPDX-License-Identifier: GPL-2.0 */
/* spooler_process.c - the spooler itself: one request after the other, each may take its time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>

#include "../lib/protocol.h"
#include "spooler_internal.h"

/* Of the reply to `list`, which must stay below PROTOCOL_REPLY_MAX. */
#define LIST_BYTES (PROTOCOL_REPLY_MAX - 16 * 1024)
/* A little that is always there to write, when it is asked how things stand. */
#define EXPECTED_BYTES (512u << 10)

struct server {
	int sock;
	uid_t uid;
	gid_t gid;
	struct spool *spool; /* NULL: could not be opened */
	char directory[PATH_MAX];
};

/* The directory that the request names; never that of the one before. */
static int open_spool(struct server *v, const struct spooler_request *q)
{
	if (v->spool && !strcmp(v->directory, q->directory))
		return 0;
	spool_free(v->spool);
	v->spool = NULL;
	memcpy(v->directory, q->directory, sizeof(v->directory));
	return spool_open(v->directory, v->uid, v->gid, &v->spool);
}

/* ---- store ---- */

static int copy_all(int from, int to, off_t size)
{
	off_t at = 0;

	while (at < size) {
		ssize_t n = sendfile(to, from, &at, size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

static int store(struct server *v, const struct spooler_request *q, int fd,
		 struct spooler_reply *reply)
{
	struct spool_naming n = {.realtime = q->realtime,
				 .trigger = q->trigger[0] ? q->trigger : NULL,
				 .comm = q->comm[0] ? q->comm : NULL,
				 .pid = q->pid};
	struct spool_file file = SPOOL_FILE_NONE;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	err = open_spool(v, q);
	if (!err)
		err = spool_create_temp(v->spool, &n, &q->limits, st.st_size, &file,
					&reply->removed);
	if (err)
		return err;
	reply->created = 1;
	err = copy_all(fd, file.fd, st.st_size);
	if (err)
		spool_abort(&file);
	else
		err = spool_commit(&file, &q->limits, reply->name, &reply->removed);
	return err;
}

/* ---- list ---- */

static json_t *list_json(const struct server *v, const struct spool_entry *list, size_t n)
{
	/* each has its name twice; the newest are what is asked for */
	size_t max = LIST_BYTES / (strlen(v->directory) + 2 * SPOOL_NAME_MAX + 80);
	size_t first = n > max ? n - max : 0;
	json_t *array = json_array();

	for (size_t i = first; i < n; i++) {
		char path[PATH_MAX + SPOOL_NAME_MAX + 1];

		snprintf(path, sizeof(path), "%s/%s", v->directory, list[i].name);
		json_array_append_new(array,
				      json_pack("{s:s,s:s,s:I,s:I}", "name", list[i].name, "path",
						path, "bytes", (json_int_t)list[i].bytes, "time_ns",
						(json_int_t)list[i].mtime));
	}
	return json_pack("{s:b,s:s,s:o,s:I}", "ok", 1, "directory", v->directory, "snapshots",
			 array, "omitted", (json_int_t)first);
}

static void list(struct server *v, const struct spooler_request *q, int client)
{
	struct spool_entry *entries = NULL;
	json_t *answer;
	size_t n = 0;
	int err = open_spool(v, q);

	if (!err)
		err = spool_list(v->spool, &entries, &n);
	answer = err ? protocol_error("cannot read %s: %s", v->directory, strerror(-err))
		     : list_json(v, entries, n);
	/* a client that does not read its answer is not waited for */
	if (answer)
		protocol_send(client, answer, -1);
	json_decref(answer);
	free(entries);
}

/* ---- one after the other ---- */

static void serve(struct server *v, struct spooler_request *q, int fd)
{
	struct spooler_reply reply = {.op = q->op, .tag = q->tag};
	int err;

	q->directory[PATH_MAX - 1] = 0;
	if (q->op == SPOOLER_STORE)
		reply.error = store(v, q, fd, &reply);
	else if (q->op == SPOOLER_LIST)
		list(v, q, fd);
	err = open_spool(v, q);
	if (err)
		reply.state.error = err;
	else
		spool_state(v->spool, &q->limits, EXPECTED_BYTES, &reply.state);
	send(v->sock, &reply, sizeof(reply), MSG_NOSIGNAL);
}

static void give_up_privileges(void)
{
	static const capng_type_t types = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	/* of root's: the directory may be somebody else's */
	static const unsigned int kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER};
	bool have[3];

	capng_get_caps_process();
	for (int i = 0; i < 3; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_BOTH);
	for (int i = 0; i < 3; i++)
		if (have[i])
			capng_update(CAPNG_ADD, types, kept[i]);
	if (capng_apply(CAPNG_SELECT_CAPS) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(1);
}

void spooler_main(int sock, uid_t uid, gid_t gid)
{
	static struct spooler_request q;
	static struct server v;
	union spooler_control control;
	int null;

	prctl(PR_SET_NAME, "frecd-spooler");
	v = (struct server){.sock = 3, .uid = uid, .gid = gid};
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++) /* who reads our stderr must not wait for us */
		if (dup2(null, i) < 0)
			_exit(1);
	if (sock != 3 && dup2(sock, 3) < 0)
		_exit(1);
	close_range(4, ~0u, 0);
	give_up_privileges();
	prctl(PR_SET_DUMPABLE, 0);
	for (;;) {
		struct iovec iov = {&q, sizeof(q)};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.bytes,
				     .msg_controllen = sizeof(control.bytes)};
		ssize_t n = recvmsg(v.sock, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
		int fd = -1;

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(q))
			_exit(0);
		if (c && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		serve(&v, &q, fd);
		if (fd >= 0)
			close(fd);
	}
}
