/* SPDX-License-Identifier: GPL-2.0 */
/* sandbox.h - system calls of the processes that parse hostile files: worker and finder. */
#ifndef FREC_SANDBOX_H
#define FREC_SANDBOX_H

/*
 * From here on this process computes, reads and writes the descriptors that it has, takes and sends
 * messages by those of them that are sockets, and no more: no path, no new socket or program, no
 * other process, no memory to be executed. For good. 0 or -errno, of a kernel without seccomp among them.
 */
int sandbox_enter(void);

#endif
