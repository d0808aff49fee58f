/* SPDX-License-Identifier: GPL-2.0 */
/*
 * log.h - one line for each thing worth saying, to stderr; below systemd with
 * the priority in front ("<4>…"), which the journal takes off again.
 */
#ifndef FREC_LOG_H
#define FREC_LOG_H

#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO */

void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)

#endif
