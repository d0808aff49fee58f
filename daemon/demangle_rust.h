/* SPDX-License-Identifier: GPL-2.0 */
/* demangle_rust.h - Rust's own mangling ("v0", names that begin with _R). */
#ifndef FREC_DEMANGLE_RUST_H
#define FREC_DEMANGLE_RUST_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the readable form into out (NUL-terminated); false: it is none, or does not fit. */
bool demangle_rust(const char *name, char *out, size_t size);

#endif
