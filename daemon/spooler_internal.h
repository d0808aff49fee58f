/* SPDX-License-Identifier: GPL-2.0 */
/* spooler_internal.h - shared by the spooler*.c files alone. */
#ifndef FREC_SPOOLER_INTERNAL_H
#define FREC_SPOOLER_INTERNAL_H

#include <sys/socket.h>

#include "spooler.h"

union spooler_control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Life of the process; does not return. */
void spooler_main(int sock, uid_t uid, gid_t gid) __attribute__((noreturn));

#endif
