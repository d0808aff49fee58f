/* SPDX-License-Identifier: GPL-2.0 */
/* text.h - what others chose the bytes of, made fit for a terminal, a log, JSON. */
#ifndef FREC_TEXT_H
#define FREC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at text, and its number; 0: there is none. */
size_t text_decode(const char *text, uint32_t *ret);

/* This character does something to a terminal, besides or instead of showing. */
bool text_acts(uint32_t c);

/*
 * Bytes of the UTF-8 character at text, which must not be at its end; 1 where
 * there is none. *ret_fit: it is one, and does nothing to a terminal but show.
 */
size_t text_next(const char *text, bool *ret_fit);

/* '*' is any run of characters, '?' any one, as the kernel side matches. */
bool text_glob(const char *glob, const char *text);

/* Puts a '?' in the place of each character, or stray byte, that is not fit. */
void text_clean(char *text);

#endif
