/* SPDX-License-Identifier: GPL-2.0 */
/* opener_internal.h - shared by the opener_*.c files alone. */
#ifndef FREC_OPENER_INTERNAL_H
#define FREC_OPENER_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "opener.h"

union control_buffer {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* 1, 0 for a packet that is no reply, or -errno. *ret_fd is -1 without descriptor. */
int opener_receive(int sock, struct opener_reply *reply, int *ret_fd);

/*
 * Opens a file for the worker: regular files only, and the one that is mapped.
 * proc: /proc/PID of the process. Returns a descriptor or -errno.
 */
int opener_open_mapped(int proc, const struct opener_request *r, const char *path);
int opener_open_perf_map(int proc, uint32_t ns_pid);
/* Of the host, as far as we see it: a service does not see all. */
int opener_open_program(const char *path);
/* A regular file of this path in our own mount namespace. */
int opener_open_host(const char *path, struct stat *st);
/* The same in another one, as any process that lives in it sees it; -ESRCH: there is none. */
int opener_open_elsewhere(uint64_t mnt_ns, const char *path, struct stat *st);
bool opener_is_overlay(int fd);
/* In the host's mount namespace, or in ours (a service has its own): its paths mean what they mean to us. */
bool opener_is_host(int proc);

/* ---- opener_memory.c: processes that may have gone since ---- */

#define OPENER_MEMORIES 1024 /* texts of maps that are kept */

/* Notes what the process has mapped; what was noted longest ago is forgotten. */
void opener_remember_maps(int proc, const struct opener_request *r);
/*
 * The same of one that dies, with the lines that the kernel told: of its code alone. They count only
 * where what was noted lacks some of them. r->inode: its mount namespace.
 */
void opener_remember_told(const struct opener_request *r, const char *text, size_t len);
/* Descriptors of that text, and of a file in it; -ESRCH if it is not known. */
int opener_recall_maps(const struct opener_request *r);
int opener_recall_mapped(const struct opener_request *r, const char *path);

#endif
