/* SPDX-License-Identifier: GPL-2.0 */
/* signals.h - names of signals, and how a process ended in words. */
#ifndef FREC_SIGNALS_H
#define FREC_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of "SEGV", "SIGSEGV" or "11"; 0: none. */
int signal_number(const char *name);
/* "SIGSEGV", or "signal 40". */
const char *signal_name(int sig, char *buf, size_t size);
/* By default a process ignores it, or is stopped or continued by it. */
bool signal_ends_nothing(int sig);
/* What si_code says of a signal that the kernel raised: "address not mapped"; NULL: nothing more. */
const char *signal_reason(int sig, int code);

/* end: of struct ev_exit. "was killed by SIGSEGV", "was killed by the OOM killer", "exited with 3". */
const char *signal_end_text(uint32_t end, char *buf, size_t size);

#endif
