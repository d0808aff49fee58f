/* SPDX-License-Identifier: GPL-2.0 */
/* image_elf.c - which ELF file lies where: nothing here believes file or maps alone. */
#include "image.h"

#include <elf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_internal.h"

#define PAGE 4096u /* the smallest of all machines: bounds need no more */
#define VDSO_MAX (64u << 10)

#ifdef __aarch64__
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

int image_machine(Elf **ret_elf)
{
	/* libelf keeps the pointer, and does not write to it */
	static Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			     ELFDATA2LSB,
#else
			     ELFDATA2MSB,
#endif
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = MACHINE,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(header),
	};

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	*ret_elf = elf_memory((char *)&header, sizeof(header));
	return *ret_elf ? 0 : -ENOSYS;
}

/* ---- descriptors ---- */

/*
 * A regular file with the magic of ELF: libdw would unpack others, to any
 * size. Takes the descriptor: 0, or it is closed and -errno returned.
 */
static int check_file(int fd)
{
	char magic[SELFMAG];
	struct stat st;

	if (fd < 0)
		return fd;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof(Elf32_Ehdr) &&
	    (uint64_t)st.st_size <= IMAGE_FILE_MAX && pread(fd, magic, SELFMAG, 0) == SELFMAG &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		return 0;
	close(fd);
	return -ENOEXEC;
}

/* Every process of this kernel has the same; a 32-bit one has another, below 4 GiB. */
static int open_vdso(const struct proc_mapping *mapping)
{
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)vdso;
	static int kept = -1; /* one file for all */
	uint64_t size;
	int fd;

	if (!vdso || mapping->end <= UINT32_MAX || e->e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOENT;
	if (kept >= 0)
		return fcntl(kept, F_DUPFD_CLOEXEC, 0);
	size = e->e_shoff + (uint64_t)e->e_shnum * e->e_shentsize;
	if (size > VDSO_MAX)
		return -EFBIG;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, vdso, size) != (ssize_t)size) {
		close(fd);
		return -EIO;
	}
	kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd;
}

static int open_mapping(struct image *image, const struct proc_mapping *mapping)
{
	int fd;

	if (!strcmp(mapping->path, "[vdso]"))
		fd = open_vdso(mapping);
	else if (mapping->path[0] != '/' || !strncmp(mapping->path, "//anon", 6) ||
		 !image->callbacks.open_file)
		return -ENOENT;
	else
		fd = image->callbacks.open_file(image->callbacks.arg, mapping);
	return check_file(fd) ? -ENOEXEC : fd;
}

/* ---- headers ---- */

static bool sound(const GElf_Phdr *ph)
{
	return ph->p_vaddr + ph->p_memsz >= ph->p_vaddr && ph->p_filesz <= ph->p_memsz &&
	       ph->p_offset + ph->p_filesz >= ph->p_offset && ph->p_offset < IMAGE_FILE_MAX &&
	       !(ph->p_align & (ph->p_align - 1));
}

/* Fills segments; *ret_start and *ret_end are ELF virtual addresses of them all. */
static int read_segments(Elf *elf, struct module *m, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t end = 0;
	size_t n;

	if (elf_getphdrnum(elf, &n))
		return -ENOEXEC;
	for (size_t i = 0; i < n && i < UINT16_MAX; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, i, &ph))
			return -ENOEXEC;
		if (ph.p_type != PT_LOAD)
			continue;
		/* ascending, as the standard says: libdw takes the range from first and last */
		if (!sound(&ph) || ph.p_vaddr < end || m->n_segments == SEGMENTS_MAX)
			return -ENOEXEC;
		if (!m->n_segments)
			*ret_start = ph.p_vaddr & -ph.p_align;
		end = ph.p_vaddr + ph.p_memsz;
		m->segments[m->n_segments++] = (struct segment){
			.offset = ph.p_offset,
			.vaddr = ph.p_vaddr,
			.filesz = ph.p_filesz,
			.executable = ph.p_flags & PF_X,
		};
	}
	*ret_end = end;
	return m->n_segments && end - *ret_start <= IMAGE_SPAN_MAX ? 0 : -ENOEXEC;
}

/*
 * The segment that was mapped there: it holds the first page of the mapping.
 * Linkers that save space (lld) let a page of the file belong to two of them;
 * of those code was mapped from the one for code.
 */
static const struct segment *find_segment(const struct segment *segments, size_t n,
					  const struct proc_mapping *mapping)
{
	const struct segment *ret = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct segment *s = &segments[i];

		if (mapping->offset < (s->offset & -(uint64_t)PAGE) ||
		    mapping->offset >= s->offset + s->filesz)
			continue;
		if (!ret || (s->executable && !ret->executable))
			ret = s;
	}
	return ret;
}

static const struct segment *segment_of(const struct module *m, const struct proc_mapping *mapping)
{
	return find_segment(m->segments, m->n_segments, mapping);
}

uint64_t image_load_bias(const struct segment *segments, size_t n, const struct proc_mapping *m)
{
	const struct segment *s = find_segment(segments, n, m);

	return s ? s->vaddr - s->offset : 0;
}

static uint64_t bias_of(const struct segment *s, const struct proc_mapping *mapping)
{
	return mapping->start - mapping->offset + s->offset - s->vaddr;
}

static void read_build_id(struct module *m)
{
	const unsigned char *bits;
	GElf_Addr at;
	int len = dwfl_module_build_id(m->dwfl, &bits, &at);

	if (len > 0 && len <= IMAGE_BUILD_ID_MAX) {
		memcpy(m->pub.build_id, bits, len);
		memcpy(m->file->build_id, bits, len);
		m->pub.build_id_len = m->file->build_id_len = len;
	}
}

static bool overlaps(const struct image *image, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < image->n_modules; i++) {
		if (start < image->modules[i]->pub.end && image->modules[i]->pub.start < end)
			return true;
	}
	return false;
}

/* Headers that fit the mapping, at a place that no other module has. */
static int place(struct image *image, Elf *elf, struct module *m)
{
	uint64_t start = 0, end = 0;
	const struct segment *s;
	GElf_Ehdr e;
	int err;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &e) ||
	    (e.e_type != ET_EXEC && e.e_type != ET_DYN))
		return -ENOEXEC;
	err = read_segments(elf, m, &start, &end);
	if (err)
		return err;
	s = segment_of(m, m->mapping);
	if (!s)
		return -ENOEXEC;
	m->pub.bias = bias_of(s, m->mapping);
	m->pub.start = start + m->pub.bias;
	m->pub.end = end + m->pub.bias;
	m->pub.foreign = e.e_machine != MACHINE || e.e_ident[EI_CLASS] != ELFCLASS64;
	if ((e.e_type == ET_EXEC && m->pub.bias) || m->pub.bias % PAGE ||
	    m->pub.start >= m->pub.end || overlaps(image, m->pub.start, m->pub.end))
		return -ENOEXEC;
	return 0;
}

/* Takes fd. */
static int report(struct image *image, struct module *m, int fd)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	int err = elf ? place(image, elf, m) : -ENOEXEC;
	char name[16];
	void **userdata;

	elf_end(elf);
	m->file = err ? NULL : image_file_get(image->files, fd, m);
	if (!err && !m->file)
		err = -ENOMEM;
	if (!err) {
		/* names of modules are ours, and unique: libdw compares them */
		snprintf(name, sizeof(name), "%zu", image->n_modules);
		dwfl_report_begin_add(image->dwfl);
		m->dwfl =
			dwfl_report_elf(image->dwfl, name, m->mapping->path, fd, m->pub.bias, true);
		dwfl_report_end(image->dwfl, NULL, NULL);
		err = m->dwfl ? 0 : -ENOEXEC;
	}
	if (err) {
		close(fd);
		image_file_put(m->file);
		return err;
	}
	dwfl_module_info(m->dwfl, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = m;
	read_build_id(m);
	return 0;
}

static struct module *open_module(struct image *image, const struct proc_mapping *mapping)
{
	struct module *m;
	int fd;

	if (image->n_modules == IMAGE_MODULES_MAX)
		return NULL;
	fd = open_mapping(image, mapping);
	if (fd < 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m) {
		close(fd);
		return NULL;
	}
	m->image = image;
	m->mapping = mapping;
	m->pub.path = mapping->path;
	if (report(image, m, fd)) {
		free(m);
		return NULL;
	}
	image->modules[image->n_modules++] = m;
	return m;
}

/* The file is open already, for another of its mappings, and fits this one as well. */
static struct module *find_module(struct image *image, const struct proc_mapping *mapping)
{
	for (size_t i = 0; i < image->n_modules; i++) {
		struct module *m = image->modules[i];
		const struct proc_mapping *first = m->mapping;
		const struct segment *s;

		if (mapping->inode != first->inode || mapping->dev_major != first->dev_major ||
		    mapping->dev_minor != first->dev_minor || strcmp(mapping->path, first->path))
			continue;
		s = segment_of(m, mapping);
		if (s && bias_of(s, mapping) == m->pub.bias)
			return m;
	}
	return NULL;
}

struct module *image_module_at(struct image *image, const struct proc_mapping *mapping)
{
	struct mapped *mapped = &image->mapped[mapping - image->maps.list];

	if (mapped->tried)
		return mapped->module;
	mapped->tried = true;
	if (!mapping->executable)
		return NULL;
	mapped->module = find_module(image, mapping);
	if (!mapped->module) {
		mapped->module = open_module(image, mapping);
		if (mapped->module)
			image->counters.modules++;
		else if (mapping->path[0] == '/')
			image->counters.refused++;
	}
	if (mapped->module)
		mapped->load_bias = image_load_bias(mapped->module->segments,
						    mapped->module->n_segments, mapping);
	return mapped->module;
}

/* ---- what libdw asks for ---- */

/* Every module is reported with its file. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	(void)mod, (void)userdata, (void)name, (void)base, (void)file_name, (void)elf;
	return -1;
}

uint64_t image_inflated(Elf *elf)
{
	Elf_Scn *scn = NULL;
	uint64_t sum = 0;

	while (elf && (scn = elf_nextscn(elf, scn)) && sum < UINT32_MAX) {
		GElf_Shdr shdr;
		GElf_Chdr chdr;

		if (gelf_getshdr(scn, &shdr) && (shdr.sh_flags & SHF_COMPRESSED) &&
		    gelf_getchdr(scn, &chdr))
			sum += chdr.ch_size < UINT32_MAX ? chdr.ch_size : UINT32_MAX;
	}
	return sum < UINT32_MAX ? sum : UINT32_MAX;
}

static int open_debug(struct image *image, const void *build_id, size_t len)
{
	const struct image_callbacks *cb = &image->callbacks;
	int fd;

	if (!cb->open_debug)
		return -ENOENT;
	fd = cb->open_debug(cb->arg, build_id, len);
	return check_file(fd) ? -ENOENT : fd;
}

static bool has_id(Elf *elf, const void *build_id, size_t len)
{
	const void *id;

	return elf && dwelf_elf_gnu_build_id(elf, &id) == (ssize_t)len &&
	       !memcmp(id, build_id, len);
}

int image_open_debug(struct image *image, const void *build_id, size_t len)
{
	int fd = open_debug(image, build_id, len);
	bool same;
	Elf *elf;

	if (fd < 0)
		return fd;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	same = has_id(elf, build_id, len);
	elf_end(elf);
	if (same) {
		image->counters.debug_files++;
		return fd;
	}
	close(fd);
	return -ENOENT;
}

static bool has_debug_frame(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name = gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_PROGBITS
					   ? elf_strptr(elf, names, shdr.sh_name)
					   : NULL;

		if (name && !strcmp(name, ".debug_frame"))
			return true;
	}
	return false;
}

/*
 * For unwinding, the debug file of a module is of use only for its .debug_frame: otherwise every
 * process would have the debug information of its libraries unpacked for nothing.
 */
static int find_frames(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		       const char *file_name, const char *link, GElf_Word link_crc,
		       char **debug_name)
{
	struct module *m = *userdata;
	bool wanted;
	Elf *elf;
	int fd;

	(void)mod, (void)name, (void)base, (void)file_name, (void)debug_name;
	if (!m || (link && !link_crc) || m->debug_asked || !m->pub.build_id_len)
		return -1;
	m->debug_asked = true;
	fd = open_debug(m->image, m->pub.build_id, m->pub.build_id_len);
	if (fd < 0)
		return -1;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	wanted = has_id(elf, m->pub.build_id, m->pub.build_id_len) && has_debug_frame(elf) &&
		 image_inflated(elf) <= IMAGE_INFLATED_MAX;
	elf_end(elf);
	if (wanted)
		return fd;
	close(fd);
	return -1;
}

/*
 * Asked for the debug file, with name and checksum of its .gnu_debuglink, and for what that shares
 * with others (dwz), with a checksum of 0: there the first answer would be the wrong file.
 */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file_name, const char *link, GElf_Word link_crc,
			  char **debug_name)
{
	struct file *f = *userdata;
	Elf *elf;
	int fd;

	(void)mod, (void)name, (void)base, (void)file_name, (void)debug_name;
	if (!f || (link && !link_crc) || f->debug_asked || !f->build_id_len)
		return -1;
	f->debug_asked = true;
	fd = image_open_debug(f->user, f->build_id, f->build_id_len);
	elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	f->inflated = image_inflated(elf);
	elf_end(elf);
	return fd;
}

const Dwfl_Callbacks image_dwfl_callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_frames,
};

const Dwfl_Callbacks image_file_callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};
