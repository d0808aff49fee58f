/* SPDX-License-Identifier: GPL-2.0 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../lib/text.h"

#define LEVELS_MAX 64

struct search {
	const char *glob;
	size_t root; /* length of the mount point's path */
	int level;   /* of what was found */
	char path[PATH_MAX], found[PATH_MAX];
};

static int find_root(char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[PATH_MAX + 256], path[PATH_MAX], type[64];
	int err = -ENOENT;

	while (f && err && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %4095s %63s", path, type) == 2 && !strcmp(type, "cgroup2") &&
		    (size_t)snprintf(buf, size, "%s", path) < size)
			err = 0;
	if (f)
		fclose(f);
	return err;
}

/* path, of len bytes, and what is below it. Not nftw(3), which looks at each of their files. */
static void visit(struct search *s, size_t len, int level)
{
	struct dirent *e;
	DIR *dir;

	if (s->found[0] && level >= s->level)
		return;
	strcpy(s->path + len, "/");
	if (text_glob(s->glob, s->path + s->root)) {
		snprintf(s->found, sizeof(s->found), "%.*s", (int)len, s->path);
		s->level = level;
		return;
	}
	dir = level < LEVELS_MAX ? opendir(s->path) : NULL;
	while (dir && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);

		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    len + n + 3 > sizeof(s->path))
			continue;
		memcpy(s->path + len + 1, e->d_name, n);
		visit(s, len + 1 + n, level + 1);
	}
	if (dir)
		closedir(dir);
}

int cgroup_find(const char *glob, char *buf, size_t size, size_t *ret_root)
{
	static struct search s; /* large */
	int err = find_root(s.path, sizeof(s.path) - 1);

	if (err)
		return err;
	s.glob = glob;
	s.root = strcmp(s.path, "/") ? strlen(s.path) : 0;
	s.found[0] = '\0';
	visit(&s, s.root, 0);
	if (!s.found[0])
		return -ENOENT;
	*ret_root = s.root;
	return (size_t)snprintf(buf, size, "%s", s.found) < size ? 0 : -ENAMETOOLONG;
}
