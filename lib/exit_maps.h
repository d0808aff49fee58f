/* SPDX-License-Identifier: GPL-2.0 */
/* exit_maps.h - where a process that ends can still be asked what it has mapped. */
#ifndef FREC_EXIT_MAPS_H
#define FREC_EXIT_MAPS_H

struct btf;

enum exit_maps {
	EXIT_MAPS_NONE,
	EXIT_MAPS_TRACEPOINT, /* at sched_process_exit, since 6.16 */
	EXIT_MAPS_FENTRY,     /* on the way into exit_mm_release(), where programs may be there */
};

/* Of the running kernel, whose types these are; not by fentry without the rights to load programs. */
enum exit_maps exit_maps_probe(const struct btf *kernel);

#endif
