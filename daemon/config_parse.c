/* SPDX-License-Identifier: GPL-2.0 */
/*
 * config_parse.c - one file, by libinih, into a struct config_load.
 *
 * Debian's libinih tells its handler no line numbers, cuts names of sections
 * at 49 bytes (two triggers would become one) and drops long lines without a
 * word. So it gets its lines from a reader of ours, which counts them, keeps
 * the section, and refuses what is no text.
 */
#define _GNU_SOURCE
#include "config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/text.h"

#define LINE_MAX_BYTES 8192
#define GOT_MAX 80

/* Others than Debian's have a limit set at build time instead; the reader heeds both. */
extern int ini_max_line __attribute__((weak));

struct reader {
	struct config_load *l;
	FILE *in;
	char pending[GOT_MAX + 8]; /* a line that libinih has, and has not made a key of yet */
	int error;
};

/* Printable ASCII only: the journal and terminals shall not obey a file. */
static const char *quote(const char *text, char buf[GOT_MAX + 16])
{
	size_t n = 0;

	for (; *text && n < GOT_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f)
			buf[n++] = (char)c;
		else
			n += (size_t)sprintf(buf + n, "\\x%02x", c);
	}
	strcpy(buf + n, *text ? "..." : "");
	return buf;
}

void config_say(struct config_load *l, const char *format, ...)
{
	char line[2 * PATH_MAX + 2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_clean(line); /* names of files are anybody's */
	fprintf(l->errors, "%s\n", line);
}

bool config_too_many(const struct config_load *l)
{
	return l->n_mistakes >= CONFIG_MISTAKES_MAX;
}

void config_mistake(struct config_load *l, const struct config_place *p, const char *key,
		    const char *got, const char *want, ...)
{
	char key_buf[GOT_MAX + 16], got_buf[GOT_MAX + 16], wanted[PATH_MAX + 1024], *text;
	va_list ap;

	if (config_too_many(l))
		return;
	va_start(ap, want);
	vsnprintf(wanted, sizeof(wanted), want, ap);
	va_end(ap);
	if (asprintf(&text, "%s:%u: %s: %s%s%s, want %s", p->file, p->line, quote(key, key_buf),
		     got ? "got '" : "absent", got ? quote(got, got_buf) : "", got ? "'" : "",
		     wanted) < 0)
		text = NULL;
	l->mistakes[l->n_mistakes++] = (struct config_said){ *p, text };
}

static int compare_places(const void *a, const void *b)
{
	const struct config_said *x = *(struct config_said *const *)a;
	const struct config_said *y = *(struct config_said *const *)b;

	if (x->place.nr != y->place.nr)
		return x->place.nr < y->place.nr ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return x < y ? -1 : x > y; /* as they were found */
}

/* Some are found only when all has been read. */
void config_print_mistakes(struct config_load *l)
{
	const struct config_said *order[CONFIG_MISTAKES_MAX];
	unsigned int n = l->n_mistakes;

	for (unsigned int i = 0; i < n; i++)
		order[i] = &l->mistakes[i];
	if (n)
		qsort(order, n, sizeof(*order), compare_places);
	for (unsigned int i = 0; i < n; i++) {
		config_say(l, "%s", order[i]->text ? order[i]->text : strerror(ENOMEM));
		free(order[i]->text);
	}
	if (config_too_many(l))
		config_say(l, "%s: %u mistakes, the rest is not checked", order[n - 1]->place.file,
			   n);
}

/* ---- sections ---- */

static struct config_section *trigger_find(struct config_load *l, const char *name)
{
	for (unsigned int i = 0; i < l->n_triggers; i++) {
		if (strcmp(l->triggers[i].trigger.name, name) == 0)
			return &l->triggers[i];
	}
	return NULL;
}

/* A section that cannot count goes to scratch, so that its keys are checked all the same. */
static void trigger_begin(struct config_load *l, const char *name)
{
	const struct config_section *same = trigger_find(l, name);
	struct config_section *s = &l->scratch;

	if (!config_trigger_name_ok(name))
		config_mistake(l, &l->here, "[trigger]", name,
			       "a name of 1 to %d letters, digits, '.', '_' and '-'",
			       CONFIG_NAME_MAX - 1);
	else if (same)
		config_mistake(l, &l->here, "[trigger]", name,
			       "another name: %s:%u has this one already", same->place.file,
			       same->place.line);
	else if (l->n_triggers == TRIGGERS_MAX)
		config_mistake(l, &l->here, "[trigger]", name, "at most %u triggers", TRIGGERS_MAX);
	else
		s = &l->triggers[l->n_triggers++];
	memset(s, 0, sizeof(*s));
	config_trigger_init(&s->trigger, name);
	s->place = l->here;
	l->trigger = s;
	l->section = "trigger";
}

static void section_begin(struct config_load *l, char *name)
{
	size_t word = strcspn(name, " \t");

	l->trigger = NULL;
	l->section = NULL;
	l->section_unknown = false;
	if (word == strlen("trigger") && strncmp(name, "trigger", word) == 0) {
		trigger_begin(l, name + word + strspn(name + word, " \t"));
		return;
	}
	for (unsigned int i = 0; i < config_keys_count(); i++) {
		const char *known = config_keys[i].section;

		if (strcmp(known, "trigger") != 0 && strcmp(known, name) == 0)
			l->section = known;
	}
	if (!l->section) {
		l->section_unknown = true;
		config_mistake(l, &l->here, "[section]", name,
			       "daemon, recorder, snapshots or trigger NAME");
	}
}

static void rstrip(char *s)
{
	size_t len = strlen(s);

	while (len && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
}

/* line begins with '['. */
static void section_line(struct config_load *l, char *line)
{
	char *name = line + 1, *end = strchr(name, ']'), *behind;

	behind = end ? end + 1 + strspn(end + 1, " \t\r\n\v\f") : NULL;
	if (!end || (*behind && *behind != ';' && *behind != '#')) {
		/* Which section the next keys are meant for is anybody's guess. */
		l->section = NULL;
		l->section_unknown = true;
		rstrip(line);
		config_mistake(l, &l->here, "[section]", line, "[NAME] alone in its line");
		return;
	}
	*end = '\0';
	name += strspn(name, " \t");
	rstrip(name);
	section_begin(l, name);
}

/* ---- keys ---- */

static void unknown_key(struct config_load *l, const char *name, const char *value)
{
	char list[512] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < config_keys_count(); i++) {
		if (strcmp(config_keys[i].section, l->section) == 0)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      config_keys[i].name);
		if (n >= sizeof(list))
			break;
	}
	config_mistake(l, &l->here, name, value, "a key of [%s]: %s", l->section, list);
}

/* False: this section of this file has the key already, in an earlier line. */
static bool key_first(struct config_load *l, int i)
{
	struct config_place *p = &l->places[i];
	unsigned int *line = l->trigger ? &l->trigger->lines[i] : &p->line;

	/* Between files, the later one wins. */
	if (*line && (l->trigger || p->file == l->here.file))
		return false;
	*line = l->here.line;
	if (!l->trigger)
		p->file = l->here.file;
	return true;
}

static void key_value(struct config_load *l, const char *name, const char *value)
{
	const struct config_key *key;
	int i, r;

	if (l->section_unknown)
		return;
	if (!l->section) {
		config_mistake(l, &l->here, name, value, "a [section] above it");
		return;
	}
	i = config_keys_find(l->section, name);
	if (i < 0) {
		unknown_key(l, name, value);
		return;
	}
	key = &config_keys[i];
	if (!key_first(l, i)) {
		config_mistake(l, &l->here, name, value, "it once: line %u has it already",
			       l->trigger ? l->trigger->lines[i] : l->places[i].line);
		return;
	}
	if (strstr(value, " #") || strstr(value, "\t#")) {
		config_mistake(l, &l->here, name, value,
			       "';' where the comment begins; where '#' is part of a name: '?' in "
			       "a glob, or a link without it for a path");
		return;
	}
	r = key->parse(l, key, value, l->trigger ? (void *)&l->trigger->trigger : &l->config);
	if (r < 0)
		config_mistake(l, &l->here, name, value, "%s", key->want);
}

static int ini_key(void *user, const char *section, const char *name, const char *value)
{
	struct reader *rd = user;

	(void)section;
	if (*name) {
		rd->pending[0] = '\0';
		key_value(rd->l, name, value);
	}
	return 1;
}

/* ---- lines ---- */

static void pending_flush(struct reader *rd)
{
	if (rd->pending[0])
		config_mistake(rd->l, &rd->l->here, "line", rd->pending,
			       "[section] or key = value");
	rd->pending[0] = '\0';
}

/* Reads one line whole, keeps what fits. False: end of file, or nothing that could be text. */
static bool line_read(struct reader *rd, char *line, size_t size)
{
	struct config_load *l = rd->l;
	size_t len = 0;
	int c;

	l->here.line++;
	while ((c = getc_unlocked(rd->in)) != EOF && c != '\n' && c != '\0') {
		if (len < size)
			line[len] = (char)c;
		len++;
	}
	if (c == EOF && ferror(rd->in)) {
		rd->error = -EIO;
		return false;
	}
	line[len < size ? len : size - 1] = '\0';
	if (c == '\0') {
		config_mistake(l, &l->here, "line", line, "text: there is a NUL byte behind this");
		return false;
	}
	if (len >= size) {
		config_mistake(l, &l->here, "line", line, "at most %zu bytes in one line",
			       size - 1);
		line[0] = '\0';
	}
	return len > 0 || c != EOF;
}

/* White space at the beginning goes: libinih would take it for a value's continuation. */
static void line_strip(char *line, bool first)
{
	const char *s = line;

	if (first && strncmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	while (isspace((unsigned char)*s))
		s++;
	memmove(line, s, strlen(s) + 1);
}

static char *ini_line(char *line, int size, void *stream)
{
	struct reader *rd = stream;

	pending_flush(rd);
	if (config_too_many(rd->l) || !line_read(rd, line, (size_t)size))
		return NULL;
	line_strip(line, rd->l->here.line == 1);
	if (line[0] == '[') {
		section_line(rd->l, line);
		line[0] = '\0';
	} else if (line[0] && line[0] != ';' && line[0] != '#') {
		/* Longer than quote() shows, so that it marks the cut. */
		snprintf(rd->pending, sizeof(rd->pending), "%s", line);
		rstrip(rd->pending);
	}
	return line;
}

int config_parse_stream(struct config_load *l, FILE *in, const char *name)
{
	struct reader rd = { .l = l, .in = in };

	if (&ini_max_line)
		ini_max_line = LINE_MAX_BYTES;
	l->here = (struct config_place){ .file = name, .nr = l->here.nr + 1 };
	l->section = NULL;
	l->section_unknown = false;
	l->trigger = NULL;
	if (ini_parse_stream(ini_line, &rd, ini_key, &rd) == -2)
		return -ENOMEM;
	pending_flush(&rd);
	return rd.error;
}
