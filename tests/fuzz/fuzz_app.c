/* SPDX-License-Identifier: GPL-2.0 */
/* Messages to the trigger socket, which anybody may send. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/message.h"
#include "../../lib/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max)
{
	bool fit;

	assert(strlen(text) <= max);
	for (; *text; text += text_next(text, &fit)) {
		text_next(text, &fit);
		assert(fit);
	}
}

/* What is a message stays one when it is sent by the header itself. */
static void check_again(const struct message *m)
{
	struct frec_message raw;
	struct message again;
	size_t name = strlen(m->name), text = strlen(m->text);

	frec_fill_(&raw, m->kind, m->begin);
	raw.name_size = (uint16_t)name;
	raw.text_size = (uint16_t)text;
	memcpy(raw.bytes, m->name, name);
	memcpy(raw.bytes + name, m->text, text);
	assert(message_parse(&raw, FREC_MESSAGE_HEAD + name + text, &again) == 0);
	assert(again.kind == m->kind && again.begin == m->begin);
	assert(!strcmp(again.name, m->name) && !strcmp(again.text, m->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1); /* so that one byte too far is seen */
	struct message m;

	if (!exact)
		return 0;
	memcpy(exact, data, size);
	if (message_parse(exact, size, &m) == 0) {
		assert(m.kind == FREC_SNAPSHOT || *m.name);
		check_text(m.name, FREC_NAME_MAX);
		check_text(m.text, FREC_TEXT_MAX);
		check_again(&m);
	}
	free(exact);
	return 0;
}
