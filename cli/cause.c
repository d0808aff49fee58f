/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cause.c - the cause that a recorder has written into a snapshot, without reading all of it: the
 * attributes are in the last blocks, and one can hop from block to block to them.
 */
#include "cause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/text.h"
#include "../lib/trace_read.h"

#define PACKET_TAG 0x0a
#define BLOCKS_MAX 4096u /* of 768 KiB before deflation; foreign traces may have millions of packets */
#define PREFIX "frec.verdict."

/* Where the block behind the one at `at` begins; -errno. */
static off_t next_block(int fd, off_t at)
{
	uint8_t head[6];
	ssize_t n = pread(fd, head, sizeof(head), at);
	uint64_t length = 0;

	if (n < 2 || head[0] != PACKET_TAG)
		return -EBADMSG;
	for (ssize_t i = 1; i < n; i++) {
		length |= (uint64_t)(head[i] & 0x7f) << (7 * (i - 1));
		if (!(head[i] & 0x80))
			return at + i + 1 + (off_t)length;
	}
	return -EBADMSG;
}

/* The last two blocks: a packet may have begun a new one. */
static int read_tail(int fd, uint8_t **ret, size_t *ret_size)
{
	off_t before = 0, last = 0, next;
	unsigned int n = 0;
	struct stat st;
	size_t size;
	uint8_t *bytes;

	if (fstat(fd, &st))
		return -errno;
	for (off_t at = 0; at < st.st_size; at = next) {
		next = next_block(fd, at);
		if (next < 0 || next > st.st_size || ++n > BLOCKS_MAX)
			return -EBADMSG;
		before = last;
		last = at;
	}
	size = st.st_size - before;
	if (!size || size > 2 * (size_t)TRACE_READ_MAX)
		return -EBADMSG;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	if (pread(fd, bytes, size, before) != (ssize_t)size) {
		free(bytes);
		return -EBADMSG;
	}
	*ret = bytes;
	*ret_size = size;
	return 0;
}

static void add(json_t *cause, const struct trace_attribute *a)
{
	const char *key = a->key ? a->key : "";
	char text[1024];

	if (strcmp(key, "frec.trigger.also") == 0)
		key = "also";
	else if (strcmp(key, "frec.rescue.pid") == 0)
		key = "died";
	else if (strncmp(key, PREFIX, strlen(PREFIX)) == 0)
		key += strlen(PREFIX);
	else
		return;
	snprintf(text, sizeof(text), "%s", a->string ? a->string : "");
	text_clean(text);
	json_object_set_new(cause, key,
			    a->string ? json_string(text) : json_integer(a->number));
}

/* What else is in there refers to names that were not read; all that matters is the attributes. */
static json_t *read_cause(const uint8_t *bytes, size_t size)
{
	json_t *cause = json_object();
	struct trace_reader *reader;
	struct trace_event event;

	if (!cause || trace_reader_open_memory(bytes, size, &reader))
		return cause;
	while (trace_reader_event(reader, &event) > 0)
		if (event.kind == TRACE_EVENT_ATTRIBUTE)
			add(cause, &event.attribute);
	trace_reader_close(reader);
	return cause;
}

json_t *cause_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	json_t *cause = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;

	if (fd >= 0 && !read_tail(fd, &bytes, &size)) {
		cause = read_cause(bytes, size);
		free(bytes);
	}
	if (fd >= 0)
		close(fd);
	if (cause && json_object_size(cause))
		return cause;
	json_decref(cause);
	return json_null();
}
