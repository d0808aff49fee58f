// SPDX-License-Identifier: GPL-2.0
/* maps.bpf.c - the one definition of the maps and constants that all programs share. */
#define FREC_MAPS_DEFINE
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";
