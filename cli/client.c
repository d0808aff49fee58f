/* SPDX-License-Identifier: GPL-2.0 */
/* client.c - one question to the recorder and its answer. */
#include "frecctl.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/protocol.h"
#include "../lib/units.h"

/* While it waits the client looks up this often: for signals and to show that it is alive. */
#define TICK_MS 200

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
	caught = signal;
}

void client_catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction old;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* nohup(1) asked that SIGHUP be ignored: so it stays */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Who may talk to the recorder: the group of its socket, or of the directory that hides it. */
static int fail_access(const char *dir)
{
	char path[4096];
	struct group *group;
	struct stat st;

	snprintf(path, sizeof(path), "%s/" PROTOCOL_SOCKET, dir);
	if (stat(path, &st) < 0 && stat(dir, &st) < 0)
		return output_fail("may not talk to the recorder at %s: permission denied; "
				   "run it as root",
				   dir);
	group = st.st_gid ? getgrgid(st.st_gid) : NULL;
	if (!group)
		return output_fail("may not talk to the recorder at %s: permission denied; run it "
				   "as root, or give its socket to a group '" RECORDER_GROUP "'",
				   dir);
	return output_fail("may not talk to the recorder at %s: permission denied; run it as root "
			   "or as a member of the group '%s'",
			   dir, group->gr_name);
}

/* wants_files: of those that are there already, a recorder only says where. */
static int fail_connect(const char *dir, int err, bool wants_files)
{
	if (err == -EACCES || err == -EPERM)
		return fail_access(dir);
	if (err == -EAGAIN)
		return output_fail(
			"the recorder at %s accepts no connections; it hangs or is busy: "
			"see 'journalctl -u frecd'",
			dir);
	if (err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR)
		return output_fail(
			"no recorder at %s: %s; start it with 'systemctl start frecd' or 'frecd', "
			"or name another with --run-directory%s",
			dir, err == -ECONNREFUSED ? "connection refused" : "no control socket there",
			wants_files ? "; what it has written is read without it by its path: "
				      "frecctl explain FILE"
				    : "");
	return output_fail("cannot reach the recorder at %s: %s", dir, strerror(-err));
}

static void show_progress(const struct request *request, uint64_t waited_ns)
{
	/* What takes less than this is over before anybody wonders. */
	if (request->progress && waited_ns > 300 * NSEC_PER_MSEC && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s %.1f s\033[K", request->progress,
			(double)waited_ns / NSEC_PER_SEC);
}

static void hide_progress(const struct request *request)
{
	if (request->progress && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* -ETIMEDOUT, -EINTR after a signal that was caught, or an error of the protocol. */
static int wait_reply(int fd, const struct request *request, json_t **ret)
{
	uint64_t begin = now_ns(), limit = (uint64_t)request->timeout_s * NSEC_PER_SEC;
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	uint64_t waited = 0;
	int err;

	while (waited < limit) {
		if (poll(&poller, 1, TICK_MS) < 0 && errno != EINTR)
			return -errno;
		err = protocol_receive(fd, PROTOCOL_REPLY_MAX, ret, NULL);
		if (err != -EAGAIN)
			return err;
		if (caught)
			return -EINTR;
		waited = now_ns() - begin;
		show_progress(request, waited);
	}
	return -ETIMEDOUT;
}

static int fail_reply(const char *dir, const struct request *request, int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return output_fail("the recorder at %s did not answer within %d s", dir,
				   request->timeout_s);
	case -EINTR:
		return output_fail("interrupted");
	case -ECONNRESET:
	case -EPIPE:
		return output_fail("the recorder at %s closed the connection without an answer",
				   dir);
	case -EBADMSG:
	case -EMSGSIZE:
		return output_fail("the recorder at %s sent an answer that this frecctl does not "
				   "understand; are both of one version?",
				   dir);
	default:
		return output_fail("no answer from the recorder at %s: %s", dir, strerror(-err));
	}
}

static int check_reply(const char *dir, const struct request *request, json_t *reply)
{
	const char *text = "it did not say why";
	bool ok = false, not_kept = false;

	if (protocol_get_bool(reply, "ok", &ok))
		return fail_reply(dir, NULL, -EBADMSG);
	if (ok)
		return EXIT_DONE;
	protocol_get_string(reply, "error", &text);
	protocol_get_bool(reply, "not_kept", &not_kept);
	if (not_kept && request->not_kept) {
		snprintf(request->not_kept, CLIENT_TEXT_MAX, "%s", text);
		return EXIT_FAILED;
	}
	return output_fail("%s", text);
}

int client_call(const struct arguments *args, const struct request *request, json_t **ret)
{
	const char *dir = args->run_directory, *command = "";
	json_t *reply = NULL;
	int fd = -1, err, status;
	bool list;

	if (request->not_kept)
		request->not_kept[0] = '\0';
	if (!request->message)
		return output_fail("out of memory");
	protocol_get_string(request->message, "command", &command);
	list = strcmp(command, "list") == 0;
	err = protocol_connect(dir, &fd);
	if (err) {
		json_decref(request->message);
		return fail_connect(dir, err, list);
	}
	err = protocol_send(fd, request->message, request->pass);
	json_decref(request->message);
	if (!err)
		err = wait_reply(fd, request, &reply);
	close(fd);
	hide_progress(request);
	if (err)
		return fail_reply(dir, request, err);
	status = check_reply(dir, request, reply);
	if (status != EXIT_DONE)
		json_decref(reply);
	else
		*ret = reply;
	return status;
}

int client_command(const struct arguments *args, const char *name, json_t **ret)
{
	const struct request request = {
		.message = json_pack("{s:s}", "command", name),
		.pass = -1,
		.timeout_s = TIMEOUT_QUICK_S,
	};

	return client_call(args, &request, ret);
}

int client_newest(const struct arguments *args, char **ret)
{
	const char *path, *newest = NULL;
	uint64_t time, newest_time = 0;
	json_t *reply = NULL, *snapshot;
	size_t i;
	int status;

	status = client_command(args, "list", &reply);
	if (status != EXIT_DONE)
		return status;
	json_array_foreach(json_object_get(reply, "snapshots"), i, snapshot) {
		if (protocol_get_string(snapshot, "path", &path) ||
		    protocol_get_u64(snapshot, "time_ns", &time))
			continue;
		if (!newest || time > newest_time) {
			newest = path;
			newest_time = time;
		}
	}
	if (!newest)
		status = output_fail("the recorder at %s has no snapshots yet; write one with "
				     "'frecctl snapshot', or name a FILE",
				     args->run_directory);
	else if (!(*ret = strdup(newest)))
		status = output_fail("out of memory");
	json_decref(reply);
	return status;
}

int client_spooled(const struct arguments *args, const char *name, char **ret)
{
	const char *directory = NULL;
	json_t *reply = NULL;
	int status = client_command(args, "list", &reply);

	if (status != EXIT_DONE)
		return status;
	if (protocol_get_string(reply, "directory", &directory))
		status = output_fail("the recorder did not say where its snapshots are");
	else if (asprintf(ret, "%s/%s", directory, name) < 0)
		status = output_fail("out of memory");
	json_decref(reply);
	return status;
}
