/* SPDX-License-Identifier: GPL-2.0 */
/*
 * path.bpf.h - paths of cgroups and executables, and globs over them.
 *
 * Global functions, each verified once and on its own: inlined into the hot
 * programs their loops cost the verifier minutes. They take their input in the
 * scratch of the caller (an index, SCRATCH_*), its field `task` included.
 */
#ifndef FREC_PATH_BPF_H
#define FREC_PATH_BPF_H

#include "maps.bpf.h"

#define PATH_MAX_ 256u
#define NAME_MAX_ 256u

#define PATH_CLIPPED 0x10000

/* Build into path[] of the scratch; return the start in it, PATH_CLIPPED added where it is cut. */
extern int path_cgroup(u32 which); /* cgroup v2: "/a.slice/b.service/" */
/* Of the file at file_address, in its mount namespace; " (deleted)", "[eventpoll]" as in /proc. */
extern int path_file(u32 which);
extern int path_exe(u32 which);	   /* executable, in its mount namespace */

/*
 * Does path[] of the scratch, from `start` on, match the glob of a trigger
 * (FILTER_COMM, FILTER_EXE or FILTER_UNIT of filter number `key`)? '*' is any
 * run of characters, '/' included, '?' any one.
 */
extern int path_match(u32 which, u32 start, u32 key, u32 filter);

#endif
