/* SPDX-License-Identifier: GPL-2.0 */
/* frecctl.h - what the verbs of frecctl share. */
#ifndef FRECCTL_H
#define FRECCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

#define RUN_DIRECTORY "/run/frec"
#define RECORDER_GROUP "frec"

/* The command line; nothing here is owned. */
struct arguments {
	const char *run_directory;
	const char *operand; /* NAME or FILE; NULL: none */
	const char *text;    /* of fire; NULL: none */
	const char *output;  /* -o; NULL: none */
	const char *format;  /* NULL: none */
	const char *unit;    /* NULL: none */
	const char *config;  /* NULL: none */
	uint64_t last_ns;    /* 0: none */
	uint32_t pid;	     /* 0: none */
	bool json;
	bool only;
};

/* Each prints its result and returns an EXIT_*; a failure is one line on stderr. */
int verb_status(const struct arguments *args);
int verb_snapshot(const struct arguments *args);
int verb_list(const struct arguments *args);
int verb_triggers(const struct arguments *args);
int verb_fire(const struct arguments *args);
int verb_pause(const struct arguments *args);
int verb_resume(const struct arguments *args);
int verb_doctor(const struct arguments *args);
int verb_why(const struct arguments *args);
int verb_rescue(const struct arguments *args);
int verb_explain(const struct arguments *args);
int verb_export(const struct arguments *args);

/* ---- client.c ---- */

#define TIMEOUT_QUICK_S 5
#define TIMEOUT_SNAPSHOT_S 90

struct request {
	json_t *message; /* consumed by client_call() */
	int pass;	 /* descriptor for the recorder, -1: none */
	int timeout_s;
	const char *progress; /* shown on a terminal while we wait; NULL: nothing */
	/* NULL, or CLIENT_TEXT_MAX bytes: not on stderr, but here, why the spool alone failed; "" */
	char *not_kept;
};
#define CLIENT_TEXT_MAX 1024

/* EXIT_DONE and a reply with "ok":true, to be freed; else it has said why on stderr. */
int client_call(const struct arguments *args, const struct request *request, json_t **ret);

/* {"command":name} with the quick time-out. */
int client_command(const struct arguments *args, const char *name, json_t **ret);

/* From now on signals that end a program end a client_call() instead: its caller can clean up. */
void client_catch_signals(void);

/* Path of the recorder's newest snapshot, to be freed. */
int client_newest(const struct arguments *args, char **ret);

/* Path that a snapshot of this name has, or would have, in the recorder's spool, to be freed. */
int client_spooled(const struct arguments *args, const char *name, char **ret);

/* ---- output.c ---- */

/* One line "frecctl: …" on stderr; returns EXIT_FAILED. */
int output_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text from elsewhere: control characters, which could steer a terminal, become '?'. */
void output_text(FILE *file, const char *text);

/* JSON of a result, indented, and a newline. */
int output_json(const json_t *value);

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_YELLOW, COLOUR_GREEN, COLOUR_DIM };

/* Escape sequences, or "" where stdout is no terminal or NO_COLOR is set. */
const char *output_colour(enum colour colour);
const char *output_plain(void);

/* "1,234,567"; buf takes OUTPUT_COUNT_MAX bytes; returns buf. */
#define OUTPUT_COUNT_MAX 32
char *output_count(uint64_t n, char *buf);

/* Local time, "2026-11-22 06:17:03"; "-" for 0. */
char *output_time(uint64_t realtime_ns, char *buf, size_t size);

/* Cells are copied. Columns whose heading begins with '>' are flush right. */
#define TABLE_COLUMNS_MAX 8
struct table;
struct table *table_new(unsigned int columns, const char *const *headings);
void table_cell(struct table *t, const char *text);
void table_number(struct table *t, uint64_t n);
void table_print(const struct table *t);
void table_free(struct table *t);

#endif
