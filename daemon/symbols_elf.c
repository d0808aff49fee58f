/* SPDX-License-Identifier: GPL-2.0 */
/*
 * symbols_elf.c - the functions of a module, or its variables. libdw finds the best table there
 * is (.symtab of the file or of its debug file, else .dynsym and
 * .gnu_debugdata); its own search is linear, so they are sorted here.
 */
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "image_internal.h"

#define STRING_SECTIONS_MAX 8
#define PER_DEADLINE 4096

/* libdw does not look whether the last string of a section ends inside it. */
struct strings {
	Elf *elf;
	struct {
		const char *start;
		size_t size;
	} sections[STRING_SECTIONS_MAX];
	size_t n;
};

static void strings_of(Elf *elf, struct strings *s)
{
	Elf_Scn *scn = NULL;

	s->elf = elf;
	s->n = 0;
	while (s->n < STRING_SECTIONS_MAX && (scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_STRTAB)
			continue;
		data = elf_getdata(scn, NULL);
		if (!data || !data->d_buf)
			continue;
		s->sections[s->n].start = data->d_buf;
		s->sections[s->n++].size = data->d_size;
	}
}

static bool ends_inside(const struct strings *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		uintptr_t start = (uintptr_t)s->sections[i].start, at = (uintptr_t)name;

		if (at >= start && at - start < s->sections[i].size)
			return memchr(name, '\0', s->sections[i].size - (at - start));
	}
	return false;
}

/* Without a size it would claim what follows it; what is thread-local has no address. */
static bool is_data(const GElf_Sym *sym)
{
	return GELF_ST_TYPE(sym->st_info) == STT_OBJECT && sym->st_size &&
	       sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS &&
	       sym->st_shndx != SHN_COMMON;
}

static bool is_code(const GElf_Sym *sym)
{
	switch (GELF_ST_TYPE(sym->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
	case STT_NOTYPE: /* labels of assembler code */
		return sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS &&
		       sym->st_shndx != SHN_COMMON;
	default:
		return false;
	}
}

/* "name@@VERSION" without the version; the linker puts it into .symtab. */
static const char *without_version(struct symbol_table *t, const char *name)
{
	const char *at = strchr(name, '@');

	return at && at > name ? arena_strndup(&t->strings, name, at - name) : name;
}

static int add(struct symbol_table *t, const GElf_Sym *sym, uint64_t address, const char *name)
{
	bool function = GELF_ST_TYPE(sym->st_info) != STT_NOTYPE;
	struct symbol s = { .start = address, .name = without_version(t, name) };

	if (!s.name)
		return -1;
	s.rank = symbols_rank(s.name, function, GELF_ST_BIND(sym->st_info) != STB_LOCAL);
	return symbols_add(t, &s, sym->st_size);
}

struct symbol_table *symbols_elf(Dwfl_Module *module, bool data, uint64_t end, uint64_t deadline)
{
	struct symbol_table *t = calloc(1, sizeof(*t));
	int n = dwfl_module_getsymtab(module);
	struct strings strings = { 0 };

	for (int i = 1; t && i < n; i++) {
		Dwarf_Addr bias;
		GElf_Addr address;
		const char *name;
		GElf_Word shndx;
		GElf_Sym sym;
		Elf *elf;

		if (i % PER_DEADLINE == 0 && deadline_passed(deadline))
			goto fail;
		name = dwfl_module_getsym_info(module, i, &sym, &address, &shndx, &elf, &bias);
		if (!name || !(data ? is_data(&sym) : is_code(&sym)) || shndx == (GElf_Word)-1 ||
		    address >= end)
			continue;
		if (elf != strings.elf)
			strings_of(elf, &strings);
		/* '$' are marks of code and data of arm64, ".L" labels inside functions */
		if (!ends_inside(&strings, name) || !*name || *name == '$' ||
		    !strncmp(name, ".L", 2))
			continue;
		if (add(t, &sym, address, name))
			goto fail;
	}
	if (t)
		symbols_finish(t, end);
	return t;
fail:
	symbols_free(t);
	return NULL;
}
