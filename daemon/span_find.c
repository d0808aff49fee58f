/* SPDX-License-Identifier: GPL-2.0 */
#include "span_find.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../lib/text.h"
#include "sandbox.h"

#define NT_STAPSDT 3

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define ARGUMENT "8@%rdi" /* where frec.h has the id */
static const uint8_t nop[] = { 0x90 };
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define ARGUMENT "8@x0"
static const uint8_t nop[] = { 0x1f, 0x20, 0x03, 0xd5 };
#else /* frec.h has no probes here */
#define MACHINE EM_NONE
#define ARGUMENT ""
static const uint8_t nop[] = { 0 };
#endif

struct finder {
	Elf *elf;
	int fd;
	size_t section_names;
	uint64_t base; /* address of .stapsdt.base, 0: none */
	const char *span;
	struct span_found *found;
};

static bool is_ours(Elf *elf)
{
	GElf_Ehdr ehdr;

	return elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &ehdr) &&
	       ehdr.e_machine == MACHINE && ehdr.e_ident[EI_CLASS] == ELFCLASS64 &&
	       (ehdr.e_type == ET_EXEC || ehdr.e_type == ET_DYN);
}

/* Only where there is code that is mapped from the file. */
static bool find_offset(const struct finder *f, uint64_t address, uint64_t *ret)
{
	GElf_Phdr p;
	size_t n;

	if (elf_getphdrnum(f->elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(f->elf, i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X) ||
		    address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz)
			continue;
		*ret = address - p.p_vaddr + p.p_offset;
		return true;
	}
	return false;
}

static void add(struct finder *f, uint64_t address, enum span_what what, const char *name)
{
	struct span_found *found = f->found;
	struct span_site *s = &found->sites[found->n];
	uint64_t offset;

	if (!find_offset(f, address, &offset))
		return;
	for (uint32_t i = 0; i < found->n; i++) /* of several symbols */
		if (found->sites[i].offset == offset && found->sites[i].what == what)
			return;
	if (found->n == SPAN_SITES_MAX) {
		found->flaw = SPAN_MANY;
		return;
	}
	found->n++;
	s->offset = offset;
	s->what = what;
	snprintf(s->name, sizeof(s->name), "%s", name);
}

static const char *section_name(const struct finder *f, const GElf_Shdr *s)
{
	const char *name = elf_strptr(f->elf, f->section_names, s->sh_name);

	return name ? name : "";
}

/* ---- probes of frec.h: notes as <sys/sdt.h> makes them ---- */

/* The string at *at, which moves behind it; NULL: it does not end. */
static const char *take_string(const char **at, const char *end)
{
	const char *s = *at, *nul = s < end ? memchr(s, '\0', end - s) : NULL;

	if (nul)
		*at = nul + 1;
	return nul ? s : NULL;
}

static bool is_nop(const struct finder *f, uint64_t address)
{
	uint8_t there[sizeof(nop)];
	uint64_t offset;

	return find_offset(f, address, &offset) &&
	       pread(f->fd, there, sizeof(there), offset) == sizeof(there) &&
	       !memcmp(there, nop, sizeof(nop));
}

static void take_probe(struct finder *f, const char *desc, size_t len)
{
	const char *end = desc + len, *provider, *name, *argument;
	uint64_t words[3]; /* place, .stapsdt.base as it was linked, semaphore */
	bool begins;

	if (len < sizeof(words))
		return;
	memcpy(words, desc, sizeof(words));
	desc += sizeof(words);
	provider = take_string(&desc, end);
	name = provider ? take_string(&desc, end) : NULL;
	argument = name ? take_string(&desc, end) : NULL;
	if (!argument || strcmp(argument, ARGUMENT) || words[2] || strlen(name) >= SPAN_NAME_MAX)
		return;
	begins = !strcmp(provider, "frec_begin");
	if ((!begins && strcmp(provider, "frec_end")) || !text_glob(f->span, name))
		return;
	if (f->base) /* moved since */
		words[0] += f->base - words[1];
	if (is_nop(f, words[0]))
		add(f, words[0], begins ? SPAN_BEGINS : SPAN_ENDS, name);
}

static void take_notes(struct finder *f, Elf_Scn *scn)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && data->d_buf && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		const char *bytes = data->d_buf;

		if (note.n_type == NT_STAPSDT && note.n_namesz == sizeof("stapsdt") &&
		    !memcmp(bytes + name, "stapsdt", sizeof("stapsdt")))
			take_probe(f, bytes + desc, note.n_descsz);
	}
}

static bool has_what(const struct span_found *found, enum span_what what)
{
	for (uint32_t i = 0; i < found->n; i++)
		if (found->sites[i].what == what)
			return true;
	return false;
}

static void find_spans(struct finder *f)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr s;

	while ((scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &s) && !strcmp(section_name(f, &s), ".stapsdt.base"))
			f->base = s.sh_addr;
	while ((scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &s) && s.sh_type == SHT_NOTE &&
		    !strcmp(section_name(f, &s), ".note.stapsdt"))
			take_notes(f, scn);
	/* its end may be in another file, or never come */
	if (!f->found->flaw && !has_what(f->found, SPAN_BEGINS))
		f->found->flaw = SPAN_NO_SPAN;
}

/* ---- functions ---- */

/* The linker puts "name@@VERSION" into .symtab. */
static bool is_called(const char *symbol, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(symbol, name, len) && (!symbol[len] || symbol[len] == '@');
}

static void take_symbols(struct finder *f, Elf_Scn *scn, const GElf_Shdr *s, const char *name,
			 enum span_what what)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && s->sh_entsize ? data->d_size / s->sh_entsize : 0;
	const char *symbol;
	GElf_Sym sym;

	for (size_t i = 1; i < n && i < INT32_MAX; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		symbol = elf_strptr(f->elf, s->sh_link, sym.st_name);
		if (symbol && is_called(symbol, name))
			add(f, sym.st_value, what, name);
	}
}

static bool find_function(struct finder *f, const char *name, enum span_what what)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr s;

	while ((scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &s) && (s.sh_type == SHT_SYMTAB || s.sh_type == SHT_DYNSYM))
			take_symbols(f, scn, &s, name, what);
	return has_what(f->found, what);
}

/* ---- where returns may be probed: the kernel puts another address in the place of the return's ---- */

/* Is this word in a line of the file? */
static bool file_says(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	size_t size = 0, len = strlen(word);
	bool found = false;
	char *line = NULL;

	while (file && !found && getline(&line, &size, file) > 0)
		for (char *at = line; !found && (at = strstr(at, word)); at += len)
			found = at > line && at[-1] == ' ' && strchr(" \n\t", at[len]);
	if (file)
		fclose(file);
	free(line);
	return found;
}

/* The CPU and the kernel have shadow stacks, and the kernel does not know yet what to do with them. */
static bool shadow_stacks_break(void)
{
	static int answer = -1;

	if (answer < 0)
		answer = file_says("/proc/cpuinfo", "user_shstk") &&
			 !file_says("/proc/kallsyms", "shstk_update_last_frame");
	return answer;
}

/* GNU_PROPERTY_X86_FEATURE_1_AND with SHSTK: whoever starts it may ask for a shadow stack. */
static bool wants_shadow_stack(Elf_Scn *scn)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && data->d_buf && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		const char *p = (const char *)data->d_buf + desc, *end = p + note.n_descsz;
		uint32_t words[3]; /* type, size, value */

		if (note.n_type != NT_GNU_PROPERTY_TYPE_0)
			continue;
		for (; end - p >= (ptrdiff_t)sizeof(words); p += 8 + ((words[1] + 7ull) & ~7ull)) {
			memcpy(words, p, sizeof(words));
			if (words[0] == GNU_PROPERTY_X86_FEATURE_1_AND &&
			    words[2] & GNU_PROPERTY_X86_FEATURE_1_SHSTK)
				return true;
			if (words[1] > end - p - 8)
				break;
		}
	}
	return false;
}

static enum span_flaw flaw_of_returns(const struct finder *f)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr s;

	while ((scn = elf_nextscn(f->elf, scn))) {
		const char *name = gelf_getshdr(scn, &s) ? section_name(f, &s) : "";

		if (!strcmp(name, ".gopclntab") || !strcmp(name, ".data.rel.ro.gopclntab") ||
		    !strcmp(name, ".go.buildinfo") || !strcmp(name, ".note.go.buildid"))
			return SPAN_GO;
		if (!strncmp(name, ".gcc_except_table", strlen(".gcc_except_table")) && s.sh_size)
			return SPAN_EXCEPTIONS;
		if (s.sh_type == SHT_NOTE && wants_shadow_stack(scn) && shadow_stacks_break())
			return SPAN_SHADOW_STACK;
	}
	return SPAN_FOUND;
}

static void find_functions(struct finder *f, const char *begin, const char *end)
{
	enum span_flaw flaw = *end ? SPAN_FOUND : flaw_of_returns(f);

	if (!flaw && !find_function(f, begin, SPAN_ENTERS))
		flaw = SPAN_NO_BEGIN;
	if (!flaw && !find_function(f, *end ? end : begin, *end ? SPAN_LEAVES : SPAN_RETURNS))
		flaw = SPAN_NO_END;
	if (flaw)
		f->found->flaw = flaw;
}

void span_find(int fd, const char *span, const char *begin, const char *end, struct span_found *ret)
{
	struct finder f = { .fd = fd, .span = span, .found = ret };

	memset(ret, 0, sizeof(*ret));
	elf_version(EV_CURRENT);
	f.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!is_ours(f.elf) || elf_getshdrstrndx(f.elf, &f.section_names))
		ret->flaw = SPAN_NO_ELF;
	else if (*span)
		find_spans(&f);
	else
		find_functions(&f, begin, end);
	elf_end(f.elf);
}

int span_find_main(int argc, char **argv)
{
	static struct span_found found;

	prctl(PR_SET_NAME, SPAN_FIND_ARGV0);
	prctl(PR_SET_DUMPABLE, 0);
	shadow_stacks_break(); /* looks into /proc, once */
	if (argc != 4 || sandbox_enter())
		return EXIT_FAILURE;
	span_find(SPAN_FIND_FILE, argv[1], argv[2], argv[3], &found);
	return write(SPAN_FIND_RESULT, &found, sizeof(found)) == sizeof(found) ? EXIT_SUCCESS
									      : EXIT_FAILURE;
}
