/* SPDX-License-Identifier: GPL-2.0 */
/* Bytes of a hostile client: the first byte chooses how many descriptors come along. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../lib/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parse(const uint8_t *data, size_t size)
{
	json_t *message, *again;
	uint64_t number;
	const char *text;
	bool flag;
	char *dump;

	if (protocol_parse(data, size, &message))
		return;
	protocol_get_string(message, "command", &text);
	protocol_get_u64(message, "pid", &number);
	protocol_get_bool(message, "only", &flag);
	dump = json_dumps(message, JSON_COMPACT);
	assert(dump);
	assert(protocol_parse(dump, strlen(dump), &again) == 0);
	assert(json_equal(message, again));
	json_decref(again);
	json_decref(message);
	free(dump);
}

static void check_receive(const uint8_t *data, size_t size, unsigned int fds)
{
	union {
		char room[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	json_t *message;
	int pair[2], passed;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return;
	if (fds) {
		int pass[3] = { 0, 0, 0 };

		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), pass, fds * sizeof(int));
	}
	if (sendmsg(pair[0], &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 &&
	    protocol_receive(pair[1], PROTOCOL_REQUEST_MAX, &message, &passed) == 0) {
		assert(fds < 2);
		json_decref(message);
		if (passed >= 0)
			close(passed);
	}
	close(pair[0]);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	check_parse(data + 1, size - 1);
	check_receive(data + 1, size - 1, data[0] & 3);
	return 0;
}
