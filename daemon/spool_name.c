/* SPDX-License-Identifier: GPL-2.0 */
/* spool_name.c - names of snapshots, and which of them go first. */
#include "spool_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STAMP_PATTERN "dddd-dd-ddTdd-dd-ddZ-" /* d: a digit */
#define STAMP_LEN (sizeof(STAMP_PATTERN) - 1)
_Static_assert(STAMP_LEN - 2 == SPOOL_STAMP_TIME_LEN, "the time, without \"Z-\"");
#define COMM_MAX 31

/* ---- names ---- */

static bool plain_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool only_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

static void sanitise(const char *from, size_t size, char *ret)
{
	size_t i;

	for (i = 0; from[i] && i < size - 1; i++)
		ret[i] = plain_char(from[i]) ? from[i] : '_';
	if (!i)
		ret[i++] = '_';
	ret[i] = '\0';
}

/* Neither '-' nor digits only: the name's last parts must be told apart. */
static void sanitise_comm(const char *comm, char ret[COMM_MAX + 1])
{
	sanitise(comm, COMM_MAX + 1, ret);
	for (char *c = ret; *c; c++)
		if (*c == '-')
			*c = '_';
	if (only_digits(ret, strlen(ret)))
		ret[0] = '_';
}

int spool_name(const struct spool_naming *n, unsigned int copy, char ret[SPOOL_NAME_MAX])
{
	char trigger[SPOOL_TRIGGER_MAX], comm[COMM_MAX + 1], stamp[40];
	char who[COMM_MAX + 16] = "", number[16] = "";
	time_t seconds = (time_t)(n->realtime / 1000000000ull);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900 ||
	    !strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H-%M-%SZ", &tm))
		return -EINVAL;
	sanitise(n->trigger ? n->trigger : "manual", sizeof(trigger), trigger);
	if (n->comm || strcmp(trigger, "manual")) {
		sanitise_comm(n->comm ? n->comm : "none", comm);
		snprintf(who, sizeof(who), "-%s-%u", comm, n->pid);
	}
	if (copy)
		snprintf(number, sizeof(number), "-%u", copy + 1);
	snprintf(ret, SPOOL_NAME_MAX, "%s-%s%s%s" SUFFIX, stamp, trigger, who, number);
	return 0;
}

static bool stamp_matches(const char *name)
{
	for (size_t i = 0; i < STAMP_LEN; i++) {
		char want = STAMP_PATTERN[i];

		if (want == 'd' ? !isdigit((unsigned char)name[i]) : name[i] != want)
			return false;
	}
	return true;
}

/* Where the last part of s[0..len) begins: behind its last '-', 0 without one. */
static size_t last_part(const char *s, size_t len)
{
	while (len && s[len - 1] != '-')
		len--;
	return len;
}

/* Length of TRIGGER in "TRIGGER-COMM-PID[-N]" or "manual[-N]", 0 if it is neither. */
static size_t trigger_length(const char *s, size_t len)
{
	size_t at = last_part(s, len), before;

	if (len == 6 && !memcmp(s, "manual", 6))
		return len;
	if (!at || !only_digits(s + at, len - at))
		return 0;
	len = at - 1; /* without "-PID" or "-N" */
	if (len == 6 && !memcmp(s, "manual", 6))
		return len;
	before = last_part(s, len);
	if (before && only_digits(s + before, len - before)) {
		len = before - 1;
		before = last_part(s, len);
	}
	if (before < 2 || before == len || only_digits(s + before, len - before))
		return 0;
	return before - 1;
}

bool spool_parse_name(const char *name, char ret_trigger[SPOOL_TRIGGER_MAX])
{
	size_t len = strnlen(name, SPOOL_NAME_MAX), trigger;

	if (len >= SPOOL_NAME_MAX || len <= STAMP_LEN + strlen(SUFFIX) ||
	    strcmp(name + len - strlen(SUFFIX), SUFFIX) || !stamp_matches(name))
		return false;
	name += STAMP_LEN;
	len -= STAMP_LEN + strlen(SUFFIX);
	for (size_t i = 0; i < len; i++)
		if (!plain_char(name[i]))
			return false;
	trigger = trigger_length(name, len);
	if (!trigger || trigger >= SPOOL_TRIGGER_MAX)
		return false;
	if (ret_trigger) {
		memcpy(ret_trigger, name, trigger);
		ret_trigger[trigger] = '\0';
	}
	return true;
}

void spool_temp_name(const char *name, char ret[TEMP_NAME_MAX])
{
	snprintf(ret, TEMP_NAME_MAX, ".%s" TMP_SUFFIX, name);
}

bool spool_is_temp_name(const char *name)
{
	char inner[SPOOL_NAME_MAX];
	size_t len = strlen(name), cut = 1 + strlen(TMP_SUFFIX);

	if (name[0] != '.' || len <= cut || len - cut >= sizeof(inner) ||
	    strcmp(name + len - strlen(TMP_SUFFIX), TMP_SUFFIX))
		return false;
	memcpy(inner, name + 1, len - cut);
	inner[len - cut] = '\0';
	return spool_parse_name(inner, NULL);
}

/* ---- which ones go ---- */

struct excess {
	size_t files;
	uint64_t bytes; /* of all that stay */
	uint64_t freed;
};

static bool is_first(const struct spool_entry *entries, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(entries[j].trigger, entries[i].trigger))
			return false;
	return true;
}

int spool_choose_victims(const struct spool_entry *entries, size_t n, size_t keep,
			 uint32_t max_files, uint64_t max_bytes, uint64_t free_up,
			 bool *ret_victims)
{
	struct excess now = { .files = n };
	uint64_t all = 0;
	int victims = 0;

	for (size_t i = 0; i < n; i++) {
		now.bytes += entries[i].bytes;
		all += i == keep ? 0 : entries[i].bytes;
	}
	if (free_up > all)
		return -ENOSPC;
	memset(ret_victims, 0, n * sizeof(*ret_victims));
	if (keep < n && max_bytes && entries[keep].bytes > max_bytes) {
		ret_victims[keep] = true;
		return 1;
	}
	for (int firsts = 0; firsts < 2; firsts++) {
		for (size_t i = 0; i < n; i++) {
			if ((!max_files || now.files <= max_files) &&
			    (!max_bytes || now.bytes <= max_bytes) && now.freed >= free_up)
				return victims;
			if (i == keep || is_first(entries, i) != firsts)
				continue;
			ret_victims[i] = true;
			victims++;
			now.files--;
			now.bytes -= entries[i].bytes;
			now.freed += entries[i].bytes;
		}
	}
	return victims;
}
