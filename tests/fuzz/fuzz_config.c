/* SPDX-License-Identifier: GPL-2.0 */
/* Any bytes as a configuration: an answer, no crash, and *ret only on success. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static FILE *errors;
	FILE *in;
	int r;

	if (!errors)
		errors = fopen("/dev/null", "we");
	/* fmemopen() refuses a size of 0. */
	if (!errors || size == 0)
		return 0;
	in = fmemopen((void *)(uintptr_t)data, size, "r");
	if (!in)
		return 0;
	config.window = 0;
	r = config_parse(in, "fuzz", errors, &config);
	fclose(in);
	assert(r <= 0);
	assert((r == 0) == (config.window != 0));
	if (r == 0)
		assert(config.n_triggers > 0 && config.n_triggers <= TRIGGERS_MAX);
	return 0;
}
