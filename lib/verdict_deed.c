/* SPDX-License-Identifier: GPL-2.0 */
/* verdict_deed.c - what whoever ended a wait did, from the functions that it was in. */
#include <stdio.h>
#include <string.h>

#include "verdict.h"

#define INNERMOST 4 /* functions that are looked at: the C library's own come first */

static const struct {
	const char *calls, *deed;
} deeds[] = {
	{ " write writev pwrite64 splice tee vmsplice sendfile ", "wrote" },
	{ " send sendto sendmsg sendmmsg ", "sent" },
	{ " close close_nocancel shutdown ", "closed" },
	{ " exit exit_group ", "ended" },
	{ " read readv recv recvfrom recvmsg recvmmsg ", "read" },
	{ " connect ", "connected" },
};

/* "__GI___libc_write" is write. */
static size_t skip_prefix(const char *function)
{
	size_t n = strspn(function, "_");

	if (strncmp(function + n, "GI_", 3) == 0)
		n += 3 + strspn(function + n + 3, "_");
	return strncmp(function + n, "libc_", 5) == 0 ? n + 5 : n;
}

static const char *deed_of(const char *function, size_t len)
{
	size_t skip = skip_prefix(function);
	char word[64];

	if (skip >= len)
		return NULL;
	snprintf(word, sizeof(word), " %.*s ", (int)(len - skip), function + skip);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strstr(deeds[i].calls, word))
			return deeds[i].deed;
	return NULL;
}

const char *verdict_deed(enum verdict_wait wait, const char *functions)
{
	const char *deed = NULL;

	if (wait == VERDICT_LOCK || wait == VERDICT_FILE_LOCK || wait == VERDICT_KERNEL_LOCK)
		return "let go";
	if (wait == VERDICT_CHILD)
		return "ended";
	for (int i = 0; wait != VERDICT_FUTEX && !deed && *functions && i < INNERMOST; i++) {
		size_t len = strcspn(functions, ";");

		deed = deed_of(functions, len);
		functions += len + (functions[len] == ';');
	}
	return deed ? deed : "woke it";
}
