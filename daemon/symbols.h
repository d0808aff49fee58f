/* SPDX-License-Identifier: GPL-2.0 */
/*
 * symbols.h - names of addresses: sorted tables, and what fills them: the
 * kernel's list, the maps that just-in-time compilers write, ELF files
 * (symbols_elf.c).
 */
#ifndef FREC_SYMBOLS_H
#define FREC_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

#define SYMBOLS_MAX (4u << 20) /* in one table; what comes later is dropped and counted */
#define SYMBOL_NAME_MAX 4096   /* longer names are cut */

struct symbol {
	uint64_t start, end; /* end is outside */
	const char *name;    /* as it was found: C++ and Rust mangled */
	uint32_t rank;	     /* of two that begin together the higher one stays */
	bool pretty;	     /* name has been demangled */
};

struct symbol_table {
	struct symbol *list; /* by start once finished; ranges may nest */
	size_t n, size;
	size_t dropped;	 /* lines that are none, and symbols beyond SYMBOLS_MAX */
	uint64_t widest; /* no symbol is longer, bytes */
	bool by_rank; /* of those that hold an address the highest rank is meant, not the innermost */
	struct arena strings;
};

/*
 * The table under construction. size 0: up to the next symbol. The name is
 * not copied (arena_strndup(&table->strings, …) does). 0 or -ENOMEM.
 */
int symbols_add(struct symbol_table *t, const struct symbol *s, uint64_t size);
/* Sorts; the table can be searched from here on. end: that of the last symbol without size. */
void symbols_finish(struct symbol_table *t, uint64_t end);
void symbols_free(struct symbol_table *t);

/* Among names of one address, how much people want to see this one. */
uint32_t symbols_rank(const char *name, bool function, bool global);

/* Of the symbols that hold the address the one that begins last (or see by_rank), or NULL. */
struct symbol *symbols_find(struct symbol_table *t, uint64_t address);

/*
 * The text of /tmp/perf-PID.map: lines "START SIZE name", hexadecimal. Lines
 * that are none are counted; of methods that overlap the later one is meant.
 * 0 or -ENOMEM; *ret is untouched then.
 */
int symbols_perf_map(const char *text, size_t len, struct symbol_table **ret);

/*
 * From the text of /proc/kallsyms the functions that hold these addresses, of which it is told in
 * ascending order: all that are there, a hundred thousand, would take longer than all else that a
 * snapshot says of the kernel. -EPERM: the kernel hides addresses from who opened the file
 * (kernel.kptr_restrict); -ENODATA: there are none; -ENOMEM.
 */
int kernel_symbols(const char *text, size_t len, const uint64_t *wanted, size_t n,
		   struct symbol_table **ret);

#endif
