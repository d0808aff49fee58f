/* SPDX-License-Identifier: GPL-2.0 */
/* worker_images.h - memory images of recorded processes, opened when a stack needs them. */
#ifndef FREC_WORKER_IMAGES_H
#define FREC_WORKER_IMAGES_H

#include "image.h"
#include "worker_internal.h"

struct images;

int images_open(struct worker *w, struct images **ret);
void images_close(struct images *s);
/* Closes all; names that frames have stay until images_close(). */
void images_forget(struct images *s);
/* See image_files_lines(). */
void images_lines(struct images *s, uint64_t until, bool unpack);

/*
 * The image that process had at that time; NULL: what it had mapped cannot be had any more. It
 * stays until some other ones have been asked for: go through stacks by process.
 */
struct image *images_find(struct images *s, uint32_t tgid, uint64_t when);

/* What it had mapped at that time; *ret stays empty where that cannot be had any more. */
void images_maps(struct worker *w, const struct task *leader, uint64_t when, struct proc_maps *ret);

/* All of a file into memory of the caller's; closes fd. NULL: no memory. */
char *images_text(int fd, size_t *ret_len);

#endif
