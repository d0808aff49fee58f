/* SPDX-License-Identifier: GPL-2.0 */
/* config_trigger.c - sections [trigger NAME]: values, defaults, what must go together. */
#include "config_internal.h"

#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/units.h"

static const char *const kind_names[] = {
	[TRIGGER_LOCK] = "lock",     [TRIGGER_FUTEX] = "futex",	      [TRIGGER_SYSCALL] = "syscall",
	[TRIGGER_OFFCPU] = "offcpu", [TRIGGER_RUNQUEUE] = "runqueue", [TRIGGER_IOWAIT] = "iowait",
	[TRIGGER_MANUAL] = "manual", [TRIGGER_REQUEST] = "request",
	[TRIGGER_EXIT] = "exit",     [TRIGGER_PRESSURE] = "pressure",
	[TRIGGER_APP] = "app",	     [TRIGGER_SPAN] = "span",
	[TRIGGER_PERCENTILE] = "percentile",
};
#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

const char *config_kind_name(enum trigger_kind kind)
{
	return (unsigned int)kind < N_KINDS ? kind_names[kind] : NULL;
}

int config_trigger_kind(struct config_load *l, const struct config_key *key, const char *value,
			void *base)
{
	struct config_trigger *t = base;

	(void)l;
	(void)key;
	for (unsigned int i = 0; i < N_KINDS; i++) {
		if (kind_names[i] && strcmp(value, kind_names[i]) == 0) {
			t->filter.kind = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* "a, b": as one glob it would match nobody. The path of a file may have a comma in it. */
static bool is_list(const char *value)
{
	const char *comma = strchr(value, ',');

	return comma && (*value != '/' || strchr(" \t/", comma[1]));
}

/* Puts before, glob and after into field, which has room for key->max bytes and NUL. */
static int store_glob(struct config_load *l, const struct config_key *key, char *field,
		      const char *before, const char *glob, const char *after)
{
	if (is_list(glob)) {
		config_mistake(
			l, &l->here, key->name, glob,
			"one glob; others want a [trigger] of their own ('?' stands for a comma)");
		return 1;
	}
	if (strlen(before) + strlen(glob) + strlen(after) > key->max)
		return -ENAMETOOLONG;
	strcpy(field, before);
	strcat(field, glob);
	strcat(field, after);
	return 0;
}

int config_trigger_comm(struct config_load *l, const struct config_key *key, const char *value,
			void *base)
{
	struct config_trigger *t = base;
	size_t literal = 0;

	/* The kernel cuts names: a longer pattern could never match. */
	for (const char *s = value; *s; s++)
		literal += *s != '*';
	if (!*value || (literal >= COMM_LEN && !is_list(value)))
		return -EINVAL;
	t->filter.filters |= FILTER_COMM;
	return store_glob(l, key, t->filter.comm, "", value, "");
}

int config_trigger_exe(struct config_load *l, const struct config_key *key, const char *value,
		       void *base)
{
	struct config_trigger *t = base;
	bool anchored = value[0] == '/' || (value[0] == '*' && strchr(value, '/'));

	if (!*value)
		return -EINVAL;
	t->filter.filters |= FILTER_EXE;
	return store_glob(l, key, t->filter.exe, anchored ? "" : "*/", value, "");
}

/* The path that it is compared with has a '/' at its end. */
int config_trigger_unit(struct config_load *l, const struct config_key *key, const char *value,
			void *base)
{
	struct config_trigger *t = base;
	bool anchored = value[0] == '/' || (value[0] == '*' && strchr(value, '/'));
	bool closed = *value && value[strlen(value) - 1] == '/';

	if (!*value)
		return -EINVAL;
	t->filter.filters |= FILTER_UNIT;
	return store_glob(l, key, t->filter.unit, anchored ? "" : "*/", value,
			  closed ? "*" : "/*");
}

/* A number within the key's bounds. */
static int parse_number(const struct config_key *key, const char *value, uint32_t *ret)
{
	uint64_t number;
	int r = units_parse_count(value, &number);

	if (r < 0)
		return r;
	if (number < key->min || number > key->max)
		return -ERANGE;
	*ret = (uint32_t)number;
	return 0;
}

int config_trigger_pid(struct config_load *l, const struct config_key *key, const char *value,
		       void *base)
{
	struct config_trigger *t = base;

	(void)l;
	t->filter.filters |= FILTER_PID;
	return parse_number(key, value, &t->filter.pid);
}

/*
 * A TCP port of this host, or the path of a UNIX socket; "@name" is an abstract one, which begins
 * with NUL in the kernel, and is told from no path at all by that.
 */
int config_trigger_port(struct config_load *l, const struct config_key *key, const char *value,
			void *base)
{
	struct config_trigger *t = base;
	size_t len = strlen(value);

	(void)l;
	if (*value != '/' && *value != '@') {
		t->filter.filters |= FILTER_PORT;
		return parse_number(key, value, &t->filter.port);
	}
	if (len < 2 || len >= SOCKET_PATH_MAX)
		return -ENAMETOOLONG;
	t->filter.filters |= FILTER_SOCKET;
	memcpy(t->filter.socket, value, len);
	if (*value == '@')
		t->filter.socket[0] = '\0';
	return 0;
}

int config_trigger_uid(struct config_load *l, const struct config_key *key, const char *value,
		       void *base)
{
	struct config_trigger *t = base;
	const struct passwd *user;
	int r = parse_number(key, value, &t->filter.uid);

	(void)l;
	t->filter.filters |= FILTER_UID;
	if (r != -EINVAL || !*value)
		return r;
	user = getpwnam(value);
	if (!user)
		return -ENOENT;
	t->filter.uid = user->pw_uid;
	return 0;
}

/* A number or a name of the native table. */
static int parse_syscall(const struct config_key *key, const char *word, uint32_t *ret)
{
	int nr, r = parse_number(key, word, ret);

	if (r != -EINVAL)
		return r;
	/* Negative: unknown, or known on other architectures only. */
	nr = seccomp_syscall_resolve_name(word);
	if (nr < 0 || (uint64_t)nr > key->max)
		return -EINVAL;
	*ret = (uint32_t)nr;
	return 0;
}

char *config_trim(char *word)
{
	char *end;

	word += strspn(word, " \t");
	end = word + strlen(word);
	while (end > word && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return word;
}

int config_trigger_syscalls(struct config_load *l, const struct config_key *key, const char *value,
			    void *base)
{
	struct config_trigger *t = base;
	char *copy, *rest, *word;
	uint32_t nr;
	int r = 0;

	t->filter.filters |= FILTER_SYSCALLS;
	copy = rest = strdup(value);
	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ",")) != NULL) {
		word = config_trim(word);
		if (parse_syscall(key, word, &nr) < 0) {
			config_mistake(l, &l->here, key->name, word, "%s", key->want);
			r = 1;
			continue;
		}
		t->filter.syscalls[nr / 64] |= 1ull << (nr % 64);
	}
	free(copy);
	return r;
}

/* Names stand in file names and are typed after `frecctl fire`. */
bool config_trigger_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < CONFIG_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789._-") == len;
}

void config_trigger_init(struct config_trigger *t, const char *name)
{
	memset(t, 0, sizeof(*t));
	strncpy(t->name, name, sizeof(t->name) - 1);
	t->cooldown = CONFIG_COOLDOWN;
	t->hold = CONFIG_HOLD;
	t->post = CONFIG_POST;
	t->max_per_hour = CONFIG_PER_HOUR;
}

/*
 * For a host that nobody has set up: rare, and never many files. What load alone may bring about
 * on a host that is well is told of once an hour.
 */
void config_trigger_defaults(struct config *config)
{
	static const struct {
		const char *name;
		enum trigger_kind kind;
		uint64_t threshold;
		uint32_t max_per_hour;
	} defaults[] = {
		{ "default-lock", TRIGGER_LOCK, 1 * NSEC_PER_SEC, 3 },
		{ "default-iowait", TRIGGER_IOWAIT, 2 * NSEC_PER_SEC, 1 },
		{ "default-runqueue", TRIGGER_RUNQUEUE, 1 * NSEC_PER_SEC, 1 },
		{ "default-exit", TRIGGER_EXIT, 0, 3 },
	};

	config->n_triggers = 0;
	for (unsigned int i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct config_trigger *t = &config->triggers[config->n_triggers++];

		config_trigger_init(t, defaults[i].name);
		t->filter.kind = defaults[i].kind;
		t->filter.threshold = defaults[i].threshold;
		t->cooldown = 600 * NSEC_PER_SEC;
		t->max_per_hour = defaults[i].max_per_hour;
		if (t->filter.kind == TRIGGER_EXIT)
			t->post = CONFIG_POST_EXIT;
		config_ends_finish(t);
	}
}

struct config_place config_trigger_place(const struct config_section *s, const char *key)
{
	struct config_place p = s->place;

	p.line = s->lines[config_keys_find("trigger", key)];
	return p;
}

bool config_trigger_own_key(struct config_load *l, const struct config_section *s,
			    enum trigger_kind kind, const char *such_as)
{
	struct config_place at = config_trigger_place(s, "kind");
	const char *key = config_kind_name(kind), *name = config_kind_name(s->trigger.filter.kind);
	unsigned int line = config_trigger_place(s, key).line;

	if (s->trigger.filter.kind == kind) {
		if (!line)
			config_mistake(l, &s->place, key, NULL, "a %s in [trigger %s], such as %s",
				       key, s->trigger.name, such_as);
		return true;
	}
	if (name && line)
		config_mistake(l, &at, "kind", name, "%s, as line %u has %s", key, line, key);
	return false;
}

/* The window bounds hold and post: what was said must fit, what was not said is made to. */
static void check_within(struct config_load *l, const struct config_section *s, const char *key,
			 uint64_t *value, uint64_t max, const char *what)
{
	struct config_place p = config_trigger_place(s, key);
	char got[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX];

	if (*value <= max)
		return;
	if (!p.line) {
		*value = max;
		return;
	}
	config_mistake(l, &p, key, units_format_duration(*value, got, sizeof(got)),
		       "at most %s, %s", units_format_duration(max, most, sizeof(most)), what);
}

/* Kinds that fire whatever it takes. */
static bool has_threshold(enum trigger_kind kind)
{
	return kind != TRIGGER_MANUAL && kind != TRIGGER_APP && kind != TRIGGER_EXIT &&
	       kind != TRIGGER_PRESSURE && kind != TRIGGER_PERCENTILE; /* which have their own keys */
}

static void check_exit(struct config_load *l, struct config_section *s)
{
	struct config_place kind = config_trigger_place(s, "kind");
	struct config_place signals = config_trigger_place(s, "signals");
	struct config_place codes = config_trigger_place(s, "exit_codes");
	const struct trigger_filter *f = &s->trigger.filter;
	unsigned int line = signals.line ? signals.line : codes.line;

	if (config_kind_name(f->kind) && f->kind != TRIGGER_EXIT && line)
		config_mistake(l, &kind, "kind", config_kind_name(f->kind),
			       "exit, as line %u has %s", line,
			       signals.line ? "signals" : "exit_codes");
	/* programs that say no by their exit code are many on any host */
	if (f->kind == TRIGGER_EXIT && config_ends_any_code(&s->trigger) &&
	    !(f->filters & (FILTER_COMM | FILTER_EXE | FILTER_PID | FILTER_UNIT)))
		config_mistake(l, &codes, "comm", NULL,
			       "whose exit codes: comm, exe, pid or unit, in [trigger %s]",
			       s->trigger.name);
	config_ends_finish(&s->trigger);
	if (f->kind == TRIGGER_EXIT && !config_trigger_place(s, "post").line)
		s->trigger.post = CONFIG_POST_EXIT;
}

static void check_kind(struct config_load *l, struct config_section *s)
{
	struct config_place kind = config_trigger_place(s, "kind");
	struct config_place threshold = config_trigger_place(s, "threshold");
	struct config_place syscalls = config_trigger_place(s, "syscalls");
	struct config_place port = config_trigger_place(s, "port");
	const struct trigger_filter *f = &s->trigger.filter;
	const char *name = config_kind_name(f->kind);
	bool of_requests = f->kind == TRIGGER_REQUEST || f->of == TRIGGER_REQUEST;

	if (!kind.line)
		config_mistake(l, &s->place, "kind", NULL, "a kind in [trigger %s], such as lock",
			       s->trigger.name);
	/* Said, but bad: the rest depends on it. */
	if (!name)
		return;
	if (!has_threshold(f->kind) && threshold.line)
		config_mistake(
			l, &kind, "kind", name,
			"no threshold with it: a trigger of kind %s has none, remove line %u", name,
			threshold.line);
	if (has_threshold(f->kind) && !threshold.line)
		config_mistake(l, &s->place, "threshold", NULL,
			       "a threshold in [trigger %s], such as 100ms", s->trigger.name);
	if (f->kind == TRIGGER_APP && (f->filters & FILTER_EXE)) /* only the kernel side knows it */
		config_mistake(
			l, &kind, "kind", name,
			"another one, as line %u has an exe: app takes comm, pid, uid and unit",
			config_trigger_place(s, "exe").line);
	if (of_requests && !(f->filters & (FILTER_PORT | FILTER_SOCKET | FILTER_COMM | FILTER_EXE |
					   FILTER_PID | FILTER_UNIT)))
		config_mistake(
			l, &s->place, "port", NULL,
			"whose requests: a port, or comm, exe, pid or unit of the server, in [trigger %s]",
			s->trigger.name);
	/* of what a percentile is may be what the mistake in it hides */
	if (!of_requests && (f->kind != TRIGGER_PERCENTILE || f->of) && port.line)
		config_mistake(l, &kind, "kind", name, "request, as line %u has a port", port.line);
	if (f->kind != TRIGGER_SYSCALL && syscalls.line)
		config_mistake(l, &kind, "kind", name, "syscall, as line %u has syscalls",
			       syscalls.line);
}

void config_trigger_check(struct config_load *l, struct config_section *s)
{
	check_kind(l, s);
	check_exit(l, s);
	config_pressure_check(l, s);
	config_span_check(l, s);
	config_percentile_check(l, s);
	check_within(l, s, "hold", &s->trigger.hold, l->config.window / 2, "half the window");
	check_within(l, s, "post", &s->trigger.post, l->config.window, "the window");
}
