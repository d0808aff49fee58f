/* SPDX-License-Identifier: MIT */
/*
 * frec.h - tells the frec recorder of this host that something took too long. C99, C++11; no library.
 *
 *	uint64_t begin = frec_now();
 *	…
 *	if (frec_now() - begin > 100000000)
 *		frec_trigger_since("slow-order", begin, "order %d", order);
 *
 * and in the recorder's configuration
 *
 *	[trigger slow-order]
 *	kind = app
 *
 * writes a snapshot of the last seconds of the whole host, which explains those of this thread.
 * Nothing here blocks but frec_snapshot*(), needs initialisation, or changes errno. Where no
 * recorder runs, nothing happens. All of it may be called from any thread and after fork().
 *
 * The recorder is the one at $FREC_RUN_DIRECTORY or, without it and for programs that run with
 * other privileges than their caller's, the one at /run/frec.
 */
#ifndef FREC_FREC_H
#define FREC_FREC_H

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is sent: one datagram to RUN/trigger.sock, native byte order ---- */

#define FREC_RUN_DIRECTORY "/run/frec"
#define FREC_SOCKET "trigger.sock"
#define FREC_MAGIC 0x63657266u
#define FREC_MESSAGE_VERSION 1
#define FREC_NAME_MAX 63
#define FREC_TEXT_MAX 255

enum frec_kind {
	FREC_TRIGGER = 1,
	FREC_SNAPSHOT = 2 /* no name, no text; with descriptors: see frec_snapshot() */
};

struct frec_message {
	uint32_t magic;
	uint16_t version;
	uint16_t kind;
	uint64_t begin; /* CLOCK_MONOTONIC ns since when it took too long; 0: not said */
	uint32_t tid;	/* of the calling thread, as it knows itself */
	uint16_t name_size;
	uint16_t text_size;
	char bytes[FREC_NAME_MAX + FREC_TEXT_MAX]; /* the name, then the text; no NUL, no padding */
};
#define FREC_MESSAGE_HEAD 24u

/* What a FREC_SNAPSHOT is answered with; then come `bytes` bytes of a Perfetto trace. */
struct frec_reply {
	uint32_t magic;
	int32_t error;	/* 0, or -errno and why in text */
	uint64_t bytes;
	char text[240]; /* ends with a NUL */
};

/* ---- what is not for callers ---- */

/*
 * One for each program or library. Descriptors that a program closes without knowing them may be
 * others' by now: MSG_FASTOPEN makes a send to a connection fail instead of writing into it, and
 * means nothing to a datagram socket.
 */
__attribute__((weak, visibility("hidden"))) int frec_socket_ = -1;
__attribute__((weak, visibility("hidden"))) uint32_t frec_looked_; /* s << 1 | there is one */

#define FREC_SEND_FLAGS_ (MSG_DONTWAIT | MSG_NOSIGNAL | 0x20000000 /* MSG_FASTOPEN */)
#define FREC_SNAPSHOT_TIMEOUT_MS_ 60000

#ifndef __cplusplus
extern long syscall(long number, ...); /* not declared to strict C99 */
#endif

static inline int frec_address_(struct sockaddr_un *ret)
{
	const char *directory = getauxval(AT_SECURE) ? NULL : getenv("FREC_RUN_DIRECTORY");
	size_t size;

	if (!directory || !*directory)
		directory = FREC_RUN_DIRECTORY;
	size = strlen(directory);
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (size + sizeof("/" FREC_SOCKET) > sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, directory, size);
	memcpy(ret->sun_path + size, "/" FREC_SOCKET, sizeof("/" FREC_SOCKET));
	return 0;
}

static inline int frec_open_(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The socket that is kept, made if there is none; -1. */
static inline int frec_get_(void)
{
	int kept = __atomic_load_n(&frec_socket_, __ATOMIC_RELAXED), fd;

	if (kept >= 0)
		return kept;
	fd = frec_open_();
	if (fd >= 0 && !__atomic_compare_exchange_n(&frec_socket_, &kept, fd, 0, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED)) {
		close(fd); /* another thread was faster */
		fd = kept;
	}
	return fd;
}

/* These our own socket never gives: somebody has closed it, and it may be another file by now. */
static inline int frec_is_lost_(int error)
{
	return error == EBADF || error == ENOTSOCK || error == EISCONN || error == EOPNOTSUPP ||
	       error == EAFNOSUPPORT || error == EINVAL || error == EDESTADDRREQ ||
	       error == ENOTCONN || error == EPIPE || error == EPROTOTYPE;
}

static inline int frec_send_(const struct frec_message *m, size_t size)
{
	struct sockaddr_un address;
	int error = frec_address_(&address), fd;

	for (int attempts = 0; !error && attempts < 2; attempts++) {
		fd = frec_get_();
		if (fd < 0)
			return -errno;
		if (sendto(fd, m, size, FREC_SEND_FLAGS_, (const struct sockaddr *)&address,
			   sizeof(address)) >= 0)
			return 0;
		if (!frec_is_lost_(errno))
			return -errno;
		__atomic_compare_exchange_n(&frec_socket_, &fd, -1, 0, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
	return error ? error : -EBADF;
}

static inline void frec_fill_(struct frec_message *m, enum frec_kind kind, uint64_t begin)
{
	memset(m, 0, FREC_MESSAGE_HEAD);
	m->magic = FREC_MAGIC;
	m->version = FREC_MESSAGE_VERSION;
	m->kind = (uint16_t)kind;
	m->begin = begin;
	m->tid = (uint32_t)syscall(SYS_gettid);
}

/* ---- triggers ---- */

/* CLOCK_MONOTONIC, ns. */
static inline uint64_t frec_now(void)
{
#ifdef CLOCK_MONOTONIC
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#else
	long t[2] = { 0, 0 };

	syscall(SYS_clock_gettime, 1L, t);
	return (uint64_t)t[0] * 1000000000u + (uint64_t)t[1];
#endif
}

/*
 * Does a recorder run? What was found out is believed for a second, so in between this costs no
 * more than frec_now(). For texts that are dear to make: frec_trigger() itself needs no such test.
 */
static inline int frec_enabled(void)
{
	uint32_t second = (uint32_t)(frec_now() / 1000000000u) & 0x7fffffffu;
	uint32_t looked = __atomic_load_n(&frec_looked_, __ATOMIC_RELAXED);
	struct sockaddr_un address;
	int fd, saved = errno, there = 0;

	if (looked >> 1 == second && looked)
		return looked & 1;
	fd = frec_address_(&address) ? -1 : frec_open_();
	if (fd >= 0) {
		there = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
		close(fd);
	}
	__atomic_store_n(&frec_looked_, second << 1 | (uint32_t)there, __ATOMIC_RELAXED);
	errno = saved;
	return there;
}

/*
 * Fires the recorder's trigger of this name and kind app, about the calling thread from begin (of
 * frec_now(); 0: its worst wait within the window) until now. The text, which may be NULL, is
 * kept in the snapshot. One sendto(2); safe in signal handlers.
 */
static inline void frec_trigger_text(const char *name, uint64_t begin, const char *text)
{
	size_t name_size = strlen(name), text_size = text ? strlen(text) : 0;
	struct frec_message m;
	int saved = errno;

	if (name_size > FREC_NAME_MAX)
		return;
	if (text_size > FREC_TEXT_MAX)
		text_size = FREC_TEXT_MAX;
	frec_fill_(&m, FREC_TRIGGER, begin);
	m.name_size = (uint16_t)name_size;
	m.text_size = (uint16_t)text_size;
	memcpy(m.bytes, name, name_size);
	if (text_size)
		memcpy(m.bytes + name_size, text, text_size);
	frec_send_(&m, FREC_MESSAGE_HEAD + name_size + text_size);
	errno = saved;
}

/* The same with a text as of printf(3), which is what signal handlers must not call. */
__attribute__((format(printf, 3, 4))) static inline void
frec_trigger_since(const char *name, uint64_t begin, const char *format, ...)
{
	char text[FREC_TEXT_MAX + 1];
	va_list ap;
	int saved = errno;

	va_start(ap, format);
	if (vsnprintf(text, sizeof(text), format, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	frec_trigger_text(name, begin, text);
	errno = saved;
}

__attribute__((format(printf, 2, 3))) static inline void frec_trigger(const char *name,
								       const char *format, ...)
{
	char text[FREC_TEXT_MAX + 1];
	va_list ap;
	int saved = errno;

	va_start(ap, format);
	if (vsnprintf(text, sizeof(text), format, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	frec_trigger_text(name, 0, text);
	errno = saved;
}

/* ---- snapshots of one's own ---- */

/* Sends m, and with it n descriptors, at most two. */
static inline int frec_pass_(const struct frec_message *m, const int *fds, size_t n)
{
	union {
		char room[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct sockaddr_un address;
	struct iovec iov;
	struct msghdr msg;
	struct cmsghdr *c;
	int error = frec_address_(&address), fd;

	if (error)
		return error;
	memset(&control, 0, sizeof(control));
	memset(&msg, 0, sizeof(msg));
	iov.iov_base = (void *)(uintptr_t)m;
	iov.iov_len = FREC_MESSAGE_HEAD;
	msg.msg_name = &address;
	msg.msg_namelen = sizeof(address);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.room;
	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	fd = frec_open_();
	if (fd < 0)
		return -errno;
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		error = -errno;
	close(fd);
	return error;
}

static inline int frec_wait_(int fd, short events, uint64_t until)
{
	struct pollfd p;
	uint64_t now = frec_now();
	int n;

	p.fd = fd;
	p.events = events;
	p.revents = 0;
	n = poll(&p, 1, now < until ? (int)((until - now) / 1000000u) + 1 : 0);
	if (n < 0 && errno != EINTR)
		return -errno;
	return n || now < until ? 0 : -ETIMEDOUT;
}

/* Some bytes, at most size; 0: the end. */
static inline ssize_t frec_read_(int fd, void *bytes, size_t size, uint64_t until)
{
	for (;;) {
		ssize_t n = recv(fd, bytes, size, MSG_DONTWAIT);
		int error;

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		error = frec_wait_(fd, POLLIN, until);
		if (error)
			return error;
	}
}

static inline int frec_write_(int fd, const char *bytes, size_t size, uint64_t until)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);
		int error = n < 0 && errno != EINTR ? -errno : 0;

		if (error == -EAGAIN)
			error = frec_wait_(fd, POLLOUT, until);
		if (error)
			return error;
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static inline int frec_read_reply_(int fd, struct frec_reply *reply, uint64_t until)
{
	size_t got = 0;

	while (got < sizeof(*reply)) {
		ssize_t n = frec_read_(fd, (char *)reply + got, sizeof(*reply) - got, until);

		if (n <= 0)
			return n ? (int)n : -EAGAIN; /* it had no time for us, or ended */
		got += (size_t)n;
	}
	if (reply->magic != FREC_MAGIC || reply->error > 0)
		return -EPROTO;
	reply->text[sizeof(reply->text) - 1] = '\0';
	return 0;
}

/* The answer, and what comes behind it, into out. */
static inline int frec_copy_(int fd, int out, struct frec_reply *reply)
{
	uint64_t until = frec_now() + FREC_SNAPSHOT_TIMEOUT_MS_ * 1000000ull;
	int error = frec_read_reply_(fd, reply, until);
	uint64_t left = error || reply->error ? 0 : reply->bytes;
	char bytes[4096];

	while (!error && left) {
		ssize_t n =
			frec_read_(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), until);

		if (n <= 0)
			return n ? (int)n : -EPIPE;
		error = frec_write_(out, bytes, (size_t)n, until);
		left -= (uint64_t)n;
	}
	return error ? error : reply->error;
}

/*
 * A snapshot of process pid (0: of this one) into fd, from where it stands. Only of a process that
 * the caller could trace, and unless the caller is root only where the recorder's configuration
 * says user_snapshots = yes. All other processes are in it as "other". Returns 0 or -errno; why
 * (where not NULL, size bytes) becomes what the recorder says about a failure. Snapshots of triggers
 * go first, also that of a frec_trigger() just before, and this one then shows how it is afterwards:
 * -EBUSY if it was not its turn within half a minute, if another one of this user's is under way, or
 * after too many. Waits for a minute at most; what is in fd after a failure is incomplete.
 */
static inline int frec_snapshot(pid_t pid, int fd, char *why, size_t size)
{
	struct frec_message m;
	struct frec_reply reply;
	int fds[2], pair[2], error, saved = errno;
	size_t n = 1;

	memset(&reply, 0, sizeof(reply));
	if (why && size)
		why[0] = '\0';
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fds[0] = pair[1];
	fds[1] = -1;
	error = 0;
	if (pid) {
		fds[1] = (int)syscall(434L /* pidfd_open */, (long)pid, 0L);
		error = fds[1] < 0 ? -errno : 0;
		n = 2;
	}
	frec_fill_(&m, FREC_SNAPSHOT, 0);
	if (!error)
		error = frec_pass_(&m, fds, n);
	close(pair[1]);
	if (fds[1] >= 0)
		close(fds[1]);
	if (!error)
		error = frec_copy_(pair[0], fd, &reply);
	close(pair[0]);
	if (why && size)
		snprintf(why, size, "%s", reply.text);
	errno = saved;
	return error;
}

/* A snapshot of this process into fd. */
static inline int frec_snapshot_fd(int fd)
{
	return frec_snapshot(0, fd, NULL, 0);
}

#ifdef __cplusplus
}
#endif

/* ---- spans: from here to there, by whichever threads ---- */

/*
 *	FREC_SPAN_BEGIN(order, id);
 *	…
 *	FREC_SPAN_END(order, id);
 *
 * and in the recorder's configuration
 *
 *	[trigger slow-order]
 *	kind = span
 *	exe = /usr/sbin/shop
 *	span = order
 *	threshold = 100ms
 *
 * Those of one process, name and id belong together, whichever threads they are in; one that begins
 * again before it has ended begins anew. The name is letters, digits, '_', '.', ':' and '-', with
 * quotes around it or, if it is an identifier, without; id is an integer. Each is a nop, and the
 * evaluation of id, while nobody listens: a USDT probe of provider frec_begin or frec_end, as
 * <sys/sdt.h> would make it, which bpftrace and perf know, too. Elsewhere than on x86-64 and 64-bit
 * ARM they are nothing.
 */
#define FREC_SPAN_BEGIN(name, id) FREC_PROBE_("frec_begin", #name, id)
#define FREC_SPAN_END(name, id) FREC_PROBE_("frec_end", #name, id)

/*
 * The id is in one register wherever a probe is, so that who listens has nothing to interpret. "?":
 * a note goes with the function that it is about where the linker drops one of several. An argument
 * of an assembler's macro loses its quotes.
 */
#define FREC_NOTE_(provider, name, argument)                                     \
	"990:	nop\n"                                                             \
	"	.pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
	"	.balign 4\n"                                                           \
	"	.4byte 992f-991f, 994f-993f, 3\n"                                      \
	"991:	.asciz \"stapsdt\"\n"                                              \
	"992:	.balign 4\n"                                                       \
	"993:	.8byte 990b\n"                                                     \
	"	.8byte _.stapsdt.base\n"                                               \
	"	.8byte 0\n"                                                            \
	"	.asciz \"" provider "\"\n"                                       \
	"	.macro frec_name_ text\n"                                              \
	"	.asciz \"\\text\"\n"                                                   \
	"	.endm\n"                                                               \
	"	frec_name_ " name "\n"                                           \
	"	.purgem frec_name_\n"                                                  \
	"	.asciz \"" argument "\"\n"                                       \
	"994:	.balign 4\n"                                                       \
	"	.popsection\n"                                                         \
	"	.ifndef _.stapsdt.base\n"                                              \
	"	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
	"	.weak _.stapsdt.base\n"                                                \
	"	.hidden _.stapsdt.base\n"                                              \
	"_.stapsdt.base:	.space 1\n"                                             \
	"	.size _.stapsdt.base, 1\n"                                             \
	"	.popsection\n"                                                         \
	"	.endif\n"

#if defined(__x86_64__)
#define FREC_PROBE_(provider, name, id)                                                            \
	do {                                                                                       \
		uint64_t frec_id_ = (uint64_t)(id);                                                \
		__asm__ __volatile__(FREC_NOTE_(provider, name, "8@%%rdi")                         \
				     :                                                             \
				     : "D"(frec_id_)                                               \
				     : "memory");                                                  \
	} while (0)
#elif defined(__aarch64__)
#define FREC_PROBE_(provider, name, id)                                                            \
	do {                                                                                       \
		uint64_t frec_value_ = (uint64_t)(id);                                             \
		register uint64_t frec_id_ __asm__("x0") = frec_value_;                            \
		__asm__ __volatile__(FREC_NOTE_(provider, name, "8@x0")                            \
				     :                                                             \
				     : "r"(frec_id_)                                               \
				     : "memory");                                                  \
	} while (0)
#else
#define FREC_PROBE_(provider, name, id) ((void)(id))
#endif

#endif
