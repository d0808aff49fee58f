/* SPDX-License-Identifier: GPL-2.0 */
/* cgroup.h - finds the cgroup (v2) that a filter `unit` means. */
#ifndef FREC_CGROUP_H
#define FREC_CGROUP_H

#include <stddef.h>

/*
 * The directory of the cgroup that the glob matches, of several one that is nearest to the root;
 * *ret_root is the length of the mount point's path. Returns 0, -ENOENT or -ENAMETOOLONG.
 */
int cgroup_find(const char *glob, char *buf, size_t size, size_t *ret_root);

#endif
