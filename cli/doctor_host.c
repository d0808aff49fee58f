/* SPDX-License-Identifier: GPL-2.0 */
/* doctor_host.c - examines what host and caller bring along. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "frecctl.h"
#include "../lib/protocol.h"
#include "../lib/units.h"

enum verdict probe_capabilities(struct patient *p)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} wanted[] = { { CAP_BPF, "CAP_BPF" }, { CAP_PERFMON, "CAP_PERFMON" } };
	char missing[64] = "";

	if (patient_can(p, CAP_SYS_ADMIN))
		return patient_found(p, VERDICT_OK,
				     "CAP_SYS_ADMIN, which includes CAP_BPF and "
				     "CAP_PERFMON");
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(missing);

		if (!patient_can(p, wanted[i].bit))
			snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
				 wanted[i].name);
	}
	if (missing[0])
		return patient_found(p, VERDICT_MISSING, "this caller lacks %s", missing);
	return patient_found(p, VERDICT_OK, "CAP_BPF, CAP_PERFMON");
}

/* The kernel's PROC_PID_INIT_INO: the initial one has this number since namespaces have any. */
#define INITIAL_PID_NAMESPACE 0xeffffffcu

enum verdict probe_pid_namespace(struct patient *p)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return patient_found(p, VERDICT_WARNING, "cannot read /proc/self/ns/pid: %s",
				     strerror(errno));
	if (st.st_ino != INITIAL_PID_NAMESPACE)
		return patient_found(p, VERDICT_WARNING, "not the host's: this is a container");
	return patient_found(p, VERDICT_OK, "the host's");
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static bool kernel_has_bpffs(void)
{
	char line[128];
	bool found = false;
	FILE *f;

	f = fopen("/proc/filesystems", "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strcmp(line, "nodev\tbpf\n") == 0;
	fclose(f);
	return found;
}

/* Only the default place can be known here: pin_directory may name another. */
enum verdict probe_bpffs(struct patient *p)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/bpf", p->run_directory);
	if (is_bpffs(path))
		return patient_found(p, VERDICT_OK, "mounted at %.200s", path);
	if (!kernel_has_bpffs())
		return patient_found(p, VERDICT_MISSING, "this kernel has no bpf file system");
	if (patient_can(p, CAP_SYS_ADMIN))
		return patient_found(p, VERDICT_OK, "frecd may mount one at %.150s", path);
	return patient_found(p, VERDICT_WARNING, "none at %.100s, and this caller may not mount",
			     path);
}

enum verdict probe_tracefs(struct patient *p)
{
	return patient_found(p, VERDICT_OK, "not needed");
}

enum verdict probe_account(struct patient *p)
{
	bool user, group;

	user = getpwnam(RECORDER_GROUP) != NULL;
	group = getgrnam(RECORDER_GROUP) != NULL;
	if (user && group)
		return patient_found(p, VERDICT_OK, "user and group " RECORDER_GROUP);
	return patient_found(p, VERDICT_WARNING,
			     "no %s " RECORDER_GROUP "; the worker runs as nobody",
			     user    ? "group"
			     : group ? "user"
				     : "user and group");
}

/* Bytes of a line of /proc/meminfo, 0: not there. */
static uint64_t meminfo(const char *name)
{
	unsigned long long kib;
	uint64_t bytes = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(name);

		if (strncmp(line, name, len) == 0 && line[len] == ':' &&
		    sscanf(line + len + 1, "%llu", &kib) == 1) {
			bytes = kib * 1024;
			break;
		}
	}
	fclose(f);
	return bytes;
}

/*
 * As memory = auto and evidence = auto decide: 16 MiB a CPU, at most 1 % of RAM;
 * a quarter of it, at least 16 MiB.
 */
enum verdict probe_memory(struct patient *p)
{
	const uint64_t mib = 1024 * 1024;
	uint64_t total = meminfo("MemTotal"), free_now = meminfo("MemAvailable"), hot, evidence;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX];
	enum verdict verdict = VERDICT_OK;

	if (cpus < 1)
		cpus = 1;
	if (!total || !free_now)
		return patient_found(p, VERDICT_WARNING, "cannot read /proc/meminfo");
	hot = 16 * mib * cpus;
	if (hot > total / 100)
		hot = total / 100;
	evidence = hot / 4 > 16 * mib ? hot / 4 : 16 * mib;
	/* below 2 MiB a CPU holds 65,536 switches and wake-ups, a few seconds of a busy one */
	if (hot / cpus < 2 * mib || 2 * (hot + evidence) > free_now)
		verdict = VERDICT_WARNING;
	return patient_found(p, verdict, "by default %s hot window + %s evidence; %s available",
			     units_format_size(hot, a, sizeof(a)),
			     units_format_size(evidence, b, sizeof(b)),
			     units_format_size(free_now, c, sizeof(c)));
}

enum verdict probe_recorder(struct patient *p)
{
	int fd, err;

	err = protocol_connect(p->run_directory, &fd);
	if (err == -EACCES || err == -EPERM)
		p->advice = "run frecctl as root or as a member of group " RECORDER_GROUP;
	else if (err == -EAGAIN)
		p->advice = "see journalctl -u frecd: it hangs or is busy";
	if (err)
		return patient_found(p, VERDICT_WARNING, "none answers at %.150s: %s",
				     p->run_directory, strerror(-err));
	close(fd);
	return patient_found(p, VERDICT_OK, "one answers at %.200s", p->run_directory);
}
