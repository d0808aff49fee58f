/* SPDX-License-Identifier: GPL-2.0 */
/* units.h - times, sizes and shares as people write and read them. */
#ifndef FREC_UNITS_H
#define FREC_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull

/* Enough for every text that units_format_x() makes. */
#define UNITS_TEXT_MAX 32

/*
 * All parsers take the whole text, without white space around it or inside;
 * -EINVAL: it is not of this form; -ERANGE: it does not fit. *ret is written
 * only on success.
 */

/* "10s", "1.5ms", "200us", "50ns", "2m", "1h", "0"; other bare numbers are -EINVAL. */
int units_parse_duration(const char *text, uint64_t *ret_ns);

/* "16M", "1.5G", "4K", "1T", "512": powers of 1024; no suffix: bytes. */
int units_parse_size(const char *text, uint64_t *ret_bytes);

/* "1%", "0.5%" as a share, "1%" being 0.01; at most "100%". */
int units_parse_percent(const char *text, double *ret_share);

/* Decimal digits only. */
int units_parse_count(const char *text, uint64_t *ret);

/* "950 ns", "1.2 us", "150 ms", "10 s", "1 min 30 s", "2 h"; returns buf. */
char *units_format_duration(uint64_t ns, char *buf, size_t size);

/* "512 B", "16.0 MiB"; returns buf. */
char *units_format_size(uint64_t bytes, char *buf, size_t size);

#endif
