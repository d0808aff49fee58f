/* SPDX-License-Identifier: GPL-2.0 */
/* message.h - what programs send to RUN/trigger.sock (include/frec/frec.h), checked. */
#ifndef FREC_MESSAGE_H
#define FREC_MESSAGE_H

#include "../include/frec/frec.h"

struct message {
	enum frec_kind kind;
	uint32_t tid; /* in the sender's pid namespace, and only as it says */
	uint64_t begin;
	char name[FREC_NAME_MAX + 1]; /* letters, digits, '.', '_', '-'; of a FREC_TRIGGER not empty */
	char text[FREC_TEXT_MAX + 1]; /* fit for a terminal */
};

/* -EBADMSG: this is no message, or one of another version. */
int message_parse(const void *bytes, size_t len, struct message *ret);

#endif
