/* SPDX-License-Identifier: GPL-2.0 */
/* config_ends.c - keys of triggers of kind exit: which signals, which exit codes. */
#include "config_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/signals.h"
#include "../lib/units.h"

static void set_bit(uint64_t mask[SYSCALL_WORDS], unsigned int bit)
{
	mask[bit / 64] |= 1ull << bit % 64;
}

/* Those that dump core by default, and the OOM killer: a program never ends so by itself. */
static void set_core(uint64_t mask[SYSCALL_WORDS])
{
	static const int signals[] = { SIGQUIT, SIGILL,	 SIGTRAP, SIGABRT, SIGBUS,
				       SIGFPE,	SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		set_bit(mask, signals[i]);
}

static int add_signal(uint64_t mask[SYSCALL_WORDS], const char *word)
{
	int sig = signal_number(word);

	if (!strcmp(word, "core")) {
		set_core(mask);
		return 0;
	}
	if (!strcmp(word, "oom")) {
		set_bit(mask, END_OOM);
		return 0;
	}
	if (sig < 1 || signal_ends_nothing(sig))
		return -EINVAL;
	set_bit(mask, sig);
	if (sig == SIGKILL)
		set_bit(mask, END_OOM);
	return 0;
}

static int add_code(const struct config_key *key, uint64_t mask[SYSCALL_WORDS], const char *word)
{
	uint64_t code;

	if (!strcmp(word, "any")) {
		for (uint64_t i = key->min; i <= key->max; i++)
			set_bit(mask, END_CODE + i);
		return 0;
	}
	if (units_parse_count(word, &code) || code < key->min || code > key->max)
		return -EINVAL;
	set_bit(mask, END_CODE + code);
	return 0;
}

/* Each word that is none is a mistake of its own. */
static int add_words(struct config_load *l, const struct config_key *key, const char *value,
		     uint64_t mask[SYSCALL_WORDS], bool codes)
{
	char *copy = strdup(value), *rest = copy, *word;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ",")) != NULL) {
		word = config_trim(word);
		if ((codes ? add_code(key, mask, word) : add_signal(mask, word)) < 0) {
			config_mistake(l, &l->here, key->name, word, "%s", key->want);
			r = 1;
		}
	}
	free(copy);
	return r;
}

int config_trigger_signals(struct config_load *l, const struct config_key *key, const char *value,
			   void *base)
{
	struct config_trigger *t = base;

	t->signals_said = true;
	return strcmp(value, "none") ? add_words(l, key, value, t->ends, false) : 0;
}

int config_trigger_exit_codes(struct config_load *l, const struct config_key *key,
			      const char *value, void *base)
{
	struct config_trigger *t = base;

	return add_words(l, key, value, t->ends, true);
}

/* What the kernel compares; the signals' default where nothing was said of them. */
void config_ends_finish(struct config_trigger *t)
{
	if (t->filter.kind != TRIGGER_EXIT)
		return;
	if (!t->signals_said) {
		set_core(t->ends);
		set_bit(t->ends, END_OOM);
	}
	t->filter.filters |= FILTER_SYSCALLS;
	memcpy(t->filter.syscalls, t->ends, sizeof(t->filter.syscalls));
}

bool config_ends_any_code(const struct config_trigger *t)
{
	for (unsigned int i = END_CODE / 64; i < SYSCALL_WORDS; i++)
		if (t->ends[i])
			return true;
	return false;
}
