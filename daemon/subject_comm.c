/* SPDX-License-Identifier: GPL-2.0 */
/*
 * subject_comm.c - does a thread live that has the name which a trigger means?
 *
 * /proc has the names of all threads for everybody to read, but 20,000 of them take a tenth of a
 * second: they are read at the start, after a reload, and then for status once a minute at most.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../lib/text.h"
#include "daemon.h"

#define LOOK_NS (60 * 1000000000ull)

static bool read_comm(const char *directory, const char *id, char comm[COMM_LEN])
{
	char path[PATH_MAX];
	bool read;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/comm", directory, id);
	f = fopen(path, "re");
	read = f && fgets(comm, COMM_LEN, f);
	if (f)
		fclose(f);
	if (read)
		comm[strcspn(comm, "\n")] = '\0';
	return read;
}

static void note(struct daemon *d, const char *comm, unsigned int *missing)
{
	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		if (d->subjects[i].no_comm && text_glob(d->config.triggers[i].filter.comm, comm)) {
			d->subjects[i].no_comm = false;
			--*missing;
		}
	}
}

/* The processes, or the threads of one. */
static void visit(struct daemon *d, const char *directory, bool into, unsigned int *missing)
{
	char below[64], comm[COMM_LEN];
	DIR *dir = opendir(directory);
	struct dirent *e;

	while (dir && *missing && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		if (!into && read_comm(directory, e->d_name, comm))
			note(d, comm, missing);
		if (into && snprintf(below, sizeof(below), "%s/%s/task", directory, e->d_name) <
				    (int)sizeof(below))
			visit(d, below, false, missing);
	}
	if (dir)
		closedir(dir);
}

static void look(struct daemon *d)
{
	unsigned int missing = 0;
	char comm[COMM_LEN];
	bool shown = read_comm("/proc", "1", comm); /* not with hidepid= */

	for (unsigned int i = 0; i < d->config.n_triggers; i++) {
		d->subjects[i].no_comm =
			shown && d->config.triggers[i].filter.filters & FILTER_COMM;
		missing += d->subjects[i].no_comm;
	}
	/* most names are those of processes */
	visit(d, "/proc", false, &missing);
	visit(d, "/proc", true, &missing);
}

bool subject_no_comm(struct daemon *d, unsigned int i, uint64_t now)
{
	if (now >= d->next_comms) {
		look(d);
		d->next_comms = now + LOOK_NS;
	}
	return d->subjects[i].no_comm;
}
