/* SPDX-License-Identifier: GPL-2.0 */
/* config_internal.h - what the files of the configuration reader share. */
#ifndef FREC_CONFIG_INTERNAL_H
#define FREC_CONFIG_INTERNAL_H

#include <stddef.h>

#include "config.h"

/* Bounds of the table's keys; the array of places in struct config_load needs it. */
#define CONFIG_KEYS_MAX 64

#define CONFIG_COOLDOWN (30 * 1000000000ull)
#define CONFIG_HOLD (2 * 1000000000ull)
#define CONFIG_POST (200 * 1000000ull)
#define CONFIG_POST_EXIT (50 * 1000000ull) /* the last second is before it */
#define CONFIG_PER_HOUR 20
/* A wait that lasts is found so long after its threshold at most: SCAN_GRACE_NS, and a scan. */
#define CONFIG_FOUND_MAX (500 * 1000000ull)

/* Mistakes that are told; what comes behind them is not checked. */
#define CONFIG_MISTAKES_MAX 100

/* Where something was said; line 0: nowhere. file belongs to the caller of the load. */
struct config_place {
	const char *file;
	unsigned int line;
	unsigned int nr; /* of the file, in the order of reading */
};

struct config_said {
	struct config_place place;
	char *text;
};

struct config_section {
	struct config_trigger trigger;
	struct config_place place;
	unsigned int lines[CONFIG_KEYS_MAX]; /* of its keys, in place.file; index as in the table */
};

/* One load, over one or several files. */
struct config_load {
	FILE *errors;
	struct config_said mistakes[CONFIG_MISTAKES_MAX]; /* see config_print_mistakes() */
	unsigned int n_mistakes;
	struct config_place here;

	struct config config; /* all but the triggers */
	struct config_place places[CONFIG_KEYS_MAX];

	const char *section;		/* in force, of the table; NULL: none or unknown */
	bool section_unknown;		/* already said: its keys are passed over */
	struct config_section *trigger; /* section in force where it is a trigger, else NULL */
	struct config_section triggers[TRIGGERS_MAX];
	unsigned int n_triggers;
	unsigned int histograms; /* that triggers want for themselves */
	struct config_section scratch; /* sections that will not count, still checked */
};

/*
 * A key of the table: its parser gets the struct (config or config_trigger)
 * that holds it. Returns 0; -errno: the caller says "want <key->want>"; 1: the
 * parser has said what is wrong.
 */
struct config_key {
	const char *section;
	const char *name;
	int (*parse)(struct config_load *l, const struct config_key *key, const char *value,
		     void *base);
	size_t offset;
	const char *want;
	uint64_t min, max; /* of numbers, both included … */
	const char *zero;  /* … and, where not NULL, this word, which stands for 0 */
};

/* config_keys.c */
extern const struct config_key config_keys[];
unsigned int config_keys_count(void);
/* Index of section's key, or -1. */
int config_keys_find(const char *section, const char *name);

/* config_trigger.c: parsers of [trigger NAME] for the table, and what is checked at the end */
typedef int config_parser(struct config_load *l, const struct config_key *key, const char *value,
			  void *base);
config_parser config_trigger_kind, config_trigger_comm, config_trigger_exe, config_trigger_unit,
	config_trigger_pid, config_trigger_port, config_trigger_uid, config_trigger_syscalls;
/* The word without blanks around it, inside of the same text. */
char *config_trim(char *word);
bool config_trigger_name_ok(const char *name);
void config_trigger_init(struct config_trigger *t, const char *name);
void config_trigger_defaults(struct config *config);
void config_trigger_check(struct config_load *l, struct config_section *s);
/* Where the section says key; nowhere: line 0. */
struct config_place config_trigger_place(const struct config_section *s, const char *key);
/*
 * Of the key that has its kind's name: no other kind has it, and this one has to. True: s is of that
 * kind.
 */
bool config_trigger_own_key(struct config_load *l, const struct config_section *s,
			    enum trigger_kind kind, const char *such_as);

/* Of [recorder]: a list of units, and of names behind "comm:". */
config_parser config_exclude;

/* config_ends.c: those of kind exit */
config_parser config_trigger_signals, config_trigger_exit_codes;
void config_ends_finish(struct config_trigger *t);
bool config_ends_any_code(const struct config_trigger *t);

/* config_pressure.c */
config_parser config_trigger_pressure;
void config_pressure_check(struct config_load *l, struct config_section *s);

/* config_span.c */
config_parser config_trigger_span, config_trigger_symbol;
void config_span_check(struct config_load *l, struct config_section *s);
/* config_percentile.c */
config_parser config_trigger_percentile;
void config_percentile_check(struct config_load *l, struct config_section *s);

/* config_parse.c: a line for l->errors, fit for a terminal */
void config_say(struct config_load *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Reads one file into l; mistakes are counted there; -errno: reading failed */
int config_parse_stream(struct config_load *l, FILE *in, const char *name);
/* A mistake at p: "file:line: key: got 'x', want …"; got NULL: "absent, want …". */
void config_mistake(struct config_load *l, const struct config_place *p, const char *key,
		    const char *got, const char *want, ...) __attribute__((format(printf, 5, 6)));
bool config_too_many(const struct config_load *l);
/* Says the mistakes in the order of files and lines, and forgets their texts. */
void config_print_mistakes(struct config_load *l);

#endif
