/* SPDX-License-Identifier: GPL-2.0 */
/* Any bytes as the ELF file of a program in which spans and functions are looked for. */
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/span_find.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(int fd, const char *span, const char *begin, const char *end)
{
	static struct span_found found;

	span_find(fd, span, begin, end, &found);
	assert(found.flaw < SPAN_FLAWS && found.n <= SPAN_SITES_MAX);
	for (uint32_t i = 0; i < found.n; i++) {
		assert(found.sites[i].what <= SPAN_RETURNS);
		assert(memchr(found.sites[i].name, '\0', SPAN_NAME_MAX));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	look(fd, "*", "", "");
	look(fd, "", "work", "");
	look(fd, "", "work", "done");
	close(fd);
	return 0;
}
