/* SPDX-License-Identifier: GPL-2.0 */
/* config.c - which files are read, built-in defaults, what is checked over all of them. */
#include "config_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../lib/units.h"

#define MAIN_FILE "/etc/frec/frec.conf"
#define DROPIN_DIRECTORY "/etc/frec/conf.d"

static void defaults_but_triggers(struct config *c)
{
	memset(c, 0, sizeof(*c));
	strcpy(c->run_directory, "/run/frec");
	strcpy(c->pin_directory, "/run/frec/bpf");
	c->window = 10 * NSEC_PER_SEC;
	c->syscalls = SYSCALLS_SLOW;
	c->slow_syscall = 1 * NSEC_PER_MSEC;
	c->stacks = 10 * NSEC_PER_MSEC;
	c->stack_dump = 16 << 10;
	c->overhead_budget = 0.01;
	strcpy(c->directory, "/var/lib/frec/snapshots");
	c->max_files = 100;
	c->max_bytes = 1ull << 30;
	c->min_free = 0.1;
}

void config_defaults(struct config *ret)
{
	defaults_but_triggers(ret);
	config_trigger_defaults(ret);
}

static struct config_load *load_new(FILE *errors)
{
	struct config_load *l = calloc(1, sizeof(*l));

	if (!l) {
		fprintf(errors, "the configuration cannot be read: %s\n", strerror(ENOMEM));
		return NULL;
	}
	l->errors = errors;
	defaults_but_triggers(&l->config);
	return l;
}

/* ---- what only the whole shows ---- */

static void warn_key(struct config_load *l, const char *section, const char *name, const char *text)
{
	const struct config_place *p = &l->places[config_keys_find(section, name)];

	config_say(l, "warning: %s:%u: %s: %s", p->file, p->line, name, text);
}

static bool lasts(enum trigger_kind kind)
{
	return (kind >= TRIGGER_LOCK && kind <= TRIGGER_IOWAIT) || kind == TRIGGER_REQUEST ||
	       kind == TRIGGER_SPAN;
}

/* s: where the file says it; NULL: a default. */
static void warn_trigger(struct config_load *l, const struct config_trigger *t,
			 const struct config_section *s)
{
	char window[UNITS_TEXT_MAX], threshold[UNITS_TEXT_MAX], where[PATH_MAX + 16] = "";

	if (s)
		snprintf(where, sizeof(where), "%s:%u: ", s->place.file, s->place.line);
	if (s && config_trigger_place(s, "hold").line && t->hold < CONFIG_FOUND_MAX &&
	    lasts(t->filter.kind))
		config_say(l,
			   "warning: %s[trigger %s]: what lasts is found 250 to 500 ms after the "
			   "threshold: a hold of %s brings no snapshot earlier",
			   where, t->name, units_format_duration(t->hold, window, sizeof(window)));
	if (t->filter.threshold > l->config.window / 2)
		config_say(l,
			   "warning: %s[trigger %s]: the window of %s is under twice the threshold "
			   "of %s",
			   where, t->name,
			   units_format_duration(l->config.window, window, sizeof(window)),
			   units_format_duration(t->filter.threshold, threshold,
						 sizeof(threshold)));
	if (t->filter.kind == TRIGGER_SYSCALL && l->config.syscalls == SYSCALLS_OFF)
		config_say(l, "warning: %s[trigger %s]: cannot fire while syscalls = off", where,
			   t->name);
}

static void warn_all(struct config_load *l)
{
	struct config *c = &l->config;

	if (c->on_snapshot[0])
		warn_key(l, "snapshots", "on_snapshot", "has no effect in this version yet");
	for (unsigned int i = 0; i < c->n_triggers; i++)
		warn_trigger(l, &c->triggers[i], l->n_triggers ? &l->triggers[i] : NULL);
}

/* The defaults have said nothing, so they give way to a small window. */
static void fit_default_triggers(struct config *c)
{
	for (unsigned int i = 0; i < c->n_triggers; i++) {
		struct config_trigger *t = &c->triggers[i];

		if (t->hold > c->window / 2)
			t->hold = c->window / 2;
		if (t->post > c->window)
			t->post = c->window;
	}
}

static int load_finish(struct config_load *l, struct config *ret)
{
	struct config *c = &l->config;

	for (unsigned int i = 0; i < l->n_triggers; i++) {
		config_trigger_check(l, &l->triggers[i]);
		c->triggers[i] = l->triggers[i].trigger;
	}
	if (l->n_mistakes)
		return -EINVAL;
	c->n_triggers = l->n_triggers;
	if (c->n_triggers == 0) {
		config_trigger_defaults(c);
		fit_default_triggers(c);
	}
	warn_all(l);
	*ret = *c;
	return 0;
}

int config_parse(FILE *in, const char *name, FILE *errors, struct config *ret)
{
	struct config_load *l = load_new(errors);
	int r;

	if (!l)
		return -ENOMEM;
	r = config_parse_stream(l, in, name);
	if (r < 0)
		config_say(l, "%s: cannot be read: %s", name, strerror(-r));
	else
		r = load_finish(l, ret);
	config_print_mistakes(l);
	free(l);
	return r;
}

/* ---- files ---- */

/*
 * Regular files (and /dev/null) only: the daemon reads them again at SIGHUP,
 * and a FIFO or a terminal would make it wait for ever. -ENOTSUP: neither.
 */
static int file_open(const char *path, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	struct stat st;
	FILE *f;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode) && !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
		r = -ENOTSUP;
	else
		r = 0;
	f = r == 0 ? fdopen(fd, "re") : NULL;
	if (!f) {
		r = r < 0 ? r : -errno;
		close(fd);
		return r;
	}
	*ret = f;
	return 0;
}

static int file_load(struct config_load *l, const char *path)
{
	FILE *f = NULL;
	int r = file_open(path, &f);

	if (r == 0) {
		r = config_parse_stream(l, f, path);
		fclose(f);
	}
	if (r == -ENOTSUP)
		config_say(l, "%s: cannot be read: not a regular file", path);
	else if (r < 0)
		config_say(l, "%s: cannot be read: %s", path, strerror(-r));
	return r;
}

/* Editors' and package managers' leavings end otherwise or are hidden. */
static int is_dropin(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* Not alphasort(): the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_regular(const char *path)
{
	struct stat st;

	/* What cannot be looked at is for file_load() to complain of. */
	return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

/* Paths of the drop-ins; they live as long as the load, whose places point at them. */
struct dropins {
	struct dirent **entries;
	char **paths;
	int n;
};

static int dropins_list(const char *directory, struct dropins *ret)
{
	size_t size = strlen(directory) + NAME_MAX + 2;

	ret->n = scandir(directory, &ret->entries, is_dropin, by_name);
	if (ret->n < 0) {
		ret->n = 0;
		return errno == ENOENT ? 0 : -errno;
	}
	ret->paths = calloc((size_t)ret->n + 1, sizeof(*ret->paths));
	if (!ret->paths)
		return -ENOMEM;
	for (int i = 0; i < ret->n; i++) {
		ret->paths[i] = malloc(size);
		if (!ret->paths[i])
			return -ENOMEM;
		snprintf(ret->paths[i], size, "%s/%s", directory, ret->entries[i]->d_name);
	}
	return 0;
}

static void dropins_free(struct dropins *d)
{
	for (int i = 0; i < d->n; i++) {
		free(d->paths ? d->paths[i] : NULL);
		free(d->entries[i]);
	}
	free(d->paths);
	free(d->entries);
}

/* All of them, also behind one that cannot be read; the first error counts. */
static int dropins_load(struct config_load *l, const char *directory, struct dropins *d)
{
	int first = dropins_list(directory, d), r;

	if (first < 0) {
		config_say(l, "%s: cannot be read: %s", directory, strerror(-first));
		return first;
	}
	for (int i = 0; i < d->n; i++) {
		r = is_regular(d->paths[i]) ? file_load(l, d->paths[i]) : 0;
		first = first < 0 ? first : r;
	}
	return first;
}

int config_load_from(const char *file, const char *directory, FILE *errors, struct config *ret)
{
	struct config_load *l = load_new(errors);
	struct dropins dropins = { 0 };
	int r = 0, r2 = 0;

	if (!l)
		return -ENOMEM;
	if (!directory || access(file, F_OK) == 0 || errno != ENOENT)
		r = file_load(l, file);
	if (directory)
		r2 = dropins_load(l, directory, &dropins);
	r = r < 0 ? r : r2;
	if (r == 0)
		r = load_finish(l, ret);
	config_print_mistakes(l);
	dropins_free(&dropins);
	free(l);
	return r;
}

int config_load(const char *file, FILE *errors, struct config *ret)
{
	if (file)
		return config_load_from(file, NULL, errors, ret);
	return config_load_from(MAIN_FILE, DROPIN_DIRECTORY, errors, ret);
}
