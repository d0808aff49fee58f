/* SPDX-License-Identifier: GPL-2.0 */
/* message.c - reads what programs send to the trigger socket; anybody may send anything. */
#include "message.h"

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

_Static_assert(sizeof(struct frec_message) == 344, "frec_message");
_Static_assert(offsetof(struct frec_message, bytes) == FREC_MESSAGE_HEAD, "frec_message");
_Static_assert(sizeof(struct frec_reply) == 256, "frec_reply");

static const char name_letters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool sizes_ok(const struct frec_message *m, size_t len)
{
	if (m->name_size > FREC_NAME_MAX || m->text_size > FREC_TEXT_MAX ||
	    len != FREC_MESSAGE_HEAD + (size_t)m->name_size + m->text_size)
		return false;
	return m->kind == FREC_TRIGGER ? m->name_size : !m->name_size && !m->text_size;
}

int message_parse(const void *bytes, size_t len, struct message *ret)
{
	struct frec_message m;

	if (len < FREC_MESSAGE_HEAD || len > sizeof(m))
		return -EBADMSG;
	memcpy(&m, bytes, len);
	if (m.magic != FREC_MAGIC || m.version != FREC_MESSAGE_VERSION ||
	    (m.kind != FREC_TRIGGER && m.kind != FREC_SNAPSHOT) || !sizes_ok(&m, len) || !m.tid ||
	    m.tid > INT32_MAX || memchr(m.bytes, 0, (size_t)m.name_size + m.text_size))
		return -EBADMSG;
	ret->kind = m.kind;
	ret->tid = m.tid;
	ret->begin = m.begin;
	memcpy(ret->name, m.bytes, m.name_size);
	ret->name[m.name_size] = '\0';
	memcpy(ret->text, m.bytes + m.name_size, m.text_size);
	ret->text[m.text_size] = '\0';
	text_clean(ret->text);
	return strspn(ret->name, name_letters) == m.name_size ? 0 : -EBADMSG;
}
