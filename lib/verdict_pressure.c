/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_pressure.c - a host under pressure: nobody is the subject, the worst waits are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

int verdict_pressure(const struct story *s, const char *text, struct verdict *ret)
{
	int err = verdict_worst(s, 0, NULL, ret);
	char *worst = err ? NULL : strdup(ret->text);

	if (worst)
		snprintf(ret->text, sizeof(ret->text), "%.256s; %.4000s", text,
			 *worst ? worst : "nothing in this snapshot waited in a way that hurts");
	free(worst);
	return err;
}
