/* SPDX-License-Identifier: GPL-2.0 */
#include "signals.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../bpf/record.h"
#include "units.h"

#define SIGNALS 64

static const char *const names[] = {
	[SIGHUP] = "SIGHUP",	   [SIGINT] = "SIGINT",	      [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",	   [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",	   [SIGFPE] = "SIGFPE",	      [SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",	   [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",	   [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",	   [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",	   [SIGURG] = "SIGURG",	      [SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",	   [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",	      [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};
#define N_NAMES ((int)(sizeof(names) / sizeof(names[0])))

int signal_number(const char *name)
{
	uint64_t number;

	if (!units_parse_count(name, &number))
		return number <= SIGNALS ? (int)number : 0;
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (int i = 1; i < N_NAMES; i++)
		if (names[i] && !strcasecmp(names[i] + 3, name))
			return i;
	return 0;
}

const char *signal_name(int sig, char *buf, size_t size)
{
	if (sig > 0 && sig < N_NAMES && names[sig])
		snprintf(buf, size, "%s", names[sig]);
	else
		snprintf(buf, size, "signal %d", sig);
	return buf;
}

bool signal_ends_nothing(int sig)
{
	return sig == SIGCHLD || sig == SIGCONT || sig == SIGSTOP || sig == SIGTSTP ||
	       sig == SIGTTIN || sig == SIGTTOU || sig == SIGURG || sig == SIGWINCH;
}

const char *signal_reason(int sig, int code)
{
	static const struct {
		int sig, code;
		const char *text;
	} reasons[] = {
		{ SIGSEGV, SEGV_MAPERR, "nothing is mapped there" },
		{ SIGSEGV, SEGV_ACCERR, "access is not allowed there" },
		{ SIGSEGV, SI_KERNEL,
		  "address not known, most often a general protection fault: a garbage pointer, "
		  "not canonical" },
		{ SIGBUS, BUS_ADRALN, "the address is not aligned" },
		{ SIGBUS, BUS_ADRERR, "there is no such memory, as behind the end of a file" },
		{ SIGBUS, BUS_OBJERR, "the hardware reports an error" },
		{ SIGBUS, BUS_MCEERR_AR, "the memory is damaged" },
		{ SIGFPE, FPE_INTDIV, "division by zero" },
		{ SIGFPE, FPE_INTOVF, "integer overflow" },
		{ SIGILL, ILL_ILLOPC, "illegal instruction" },
		{ SIGILL, ILL_ILLOPN, "illegal instruction" },
		{ SIGSYS, 1, "a system call that its seccomp filter forbids" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].sig == sig && reasons[i].code == code)
			return reasons[i].text;
	return NULL;
}

const char *signal_end_text(uint32_t end, char *buf, size_t size)
{
	char name[32];

	if (end == END_OOM)
		snprintf(buf, size, "was killed by the OOM killer");
	else if (end >= END_CODE)
		snprintf(buf, size, "exited with %u", end - END_CODE);
	else
		snprintf(buf, size, "was killed by %s", signal_name(end, name, sizeof(name)));
	return buf;
}
