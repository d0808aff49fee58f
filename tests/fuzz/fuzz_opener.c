/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a worker that was taken over may ask of the opener, what processes that died have told it of
 * their memory, and any bytes as its answers. Steps of a letter, a length of two bytes, and bytes: 't'
 * tells a text, 'a' asks, 'r' is an answer to the worker.
 */
#include "../../daemon/opener_memory.c"

#include "../../daemon/opener.c"

#include <assert.h>

#define GONE (1u << 30) /* no process has such a pid */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sock[2];

static void tell(const uint8_t *bytes, size_t len)
{
	struct opener_request r = {.op = OPENER_TOLD};
	char text[OPENER_TOLD_MAX + 1];

	if (!len)
		return;
	r.pid = GONE | (bytes[0] & 1);
	r.inode = bytes[0] & 2 ? mnt_ns_of(AT_FDCWD) : 0;
	len--;
	memcpy(text, bytes + 1, len);
	text[len] = '\0'; /* as serve() has it */
	opener_remember_told(&r, text, len);
}

/* There is an answer, with a descriptor or a reason. */
static void check_answer(const struct opener_request *r)
{
	struct opener_reply reply;
	int fd = -1;

	assert(opener_receive(sock[1], &reply, &fd) == 1);
	assert(reply.id == r->id);
	assert(fd < 0 || !reply.error);
	if (fd >= 0)
		close(fd);
}

static void ask(const uint8_t *bytes, size_t len)
{
	struct opener_request r;
	char path[OPENER_TOLD_MAX + 1];

	if (len < sizeof(r))
		return;
	memcpy(&r, bytes, sizeof(r));
	r.pid = r.pid & 2 ? (uint32_t)getpid() : GONE | (r.pid & 1);
	r.start = 0;
	memcpy(path, bytes + sizeof(r), len - sizeof(r));
	path[len - sizeof(r)] = '\0';
	if (r.op == OPENER_REMEMBER) {
		remember(&r);
		return;
	}
	answer(sock[0], &r, path);
	check_answer(&r);
}

static void receive(const uint8_t *bytes, size_t len)
{
	struct opener_reply reply;
	int fd = -1;

	if (!len || send(sock[0], bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
	if (opener_receive(sock[1], &reply, &fd) == 1)
		assert(reply.error <= 0 && reply.len <= sizeof(reply.text));
	assert(fd < 0);
}

static void forget(void)
{
	while (memories)
		drop(&memories);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	assert(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock));
	while (end - data >= 3) {
		size_t len = data[1] | data[2] << 8;
		uint8_t what = data[0];

		data += 3;
		if (len > (size_t)(end - data))
			len = end - data;
		if (what == 't')
			tell(data, len);
		else if (what == 'a')
			ask(data, len);
		else
			receive(data, len);
		data += len;
	}
	forget();
	close(sock[0]);
	close(sock[1]);
	return 0;
}
