/* SPDX-License-Identifier: GPL-2.0 */
/* worker_images.h - memory images of recorded processes, opened when a stack needs them. */
#ifndef FREC_WORKER_IMAGES_H
#define FREC_WORKER_IMAGES_H

#include "image.h"
#include "worker_internal.h"

struct images;

int images_open(struct worker *w, struct images **ret);
void images_close(struct images *s);

/* The image that process had at that time; NULL: what it had mapped cannot be had any more. */
struct image *images_find(struct images *s, uint32_t tgid, uint64_t when);

#endif
