/* SPDX-License-Identifier: GPL-2.0 */
/*
 * image_lines.c - source lines and inlined functions from DWARF.
 *
 * The tree of a unit is walked here and not by dwarf_getscopes(): that one
 * recurses as deep as the file says, and knows no end of time.
 */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <string.h>
#include <unistd.h>

#include "image_internal.h"

#define DIES_MAX (1u << 20) /* looked at for one address */
#define DEPTH_MAX 64	    /* of scopes inside a function */
#define NAMESPACES_MAX 16   /* around a function */
#define ORIGINS_MAX 8	    /* from a DIE to the one that has the name */
#define PER_DEADLINE 512

struct walk {
	Dwarf_Addr pc; /* as the file counts */
	uint64_t deadline;
	uint32_t dies;
	Dwarf_Die scopes[IMAGE_INLINES_MAX]; /* outermost first: the function, what it inlined */
	size_t n;
};

static bool walk_on(struct walk *w)
{
	return ++w->dies < DIES_MAX && (w->dies % PER_DEADLINE || !deadline_passed(w->deadline));
}

/* ---- is there DWARF ---- */

/* Without what the file shares with others libdw would open a path that the file names. */
static bool open_alt(struct file *f, Dwarf *dwarf)
{
	const char *name;
	const void *id;
	ssize_t len = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);

	if (!len)
		return true;
	if (len < 0 || len > IMAGE_BUILD_ID_MAX)
		return false;
	f->alt_fd = image_open_debug(f->user, id, len);
	if (f->alt_fd < 0)
		return false;
	f->alt_elf = elf_begin(f->alt_fd, ELF_C_READ_MMAP, NULL);
	f->alt = f->alt_elf ? dwarf_begin_elf(f->alt_elf, DWARF_C_READ, NULL) : NULL;
	if (!f->alt) {
		elf_end(f->alt_elf);
		close(f->alt_fd);
		f->alt_elf = NULL;
		return false;
	}
	dwarf_setalt(dwarf, f->alt);
	return true;
}

void image_lines_close(struct file *f)
{
	if (!f->alt)
		return;
	dwarf_end(f->alt);
	elf_end(f->alt_elf);
	close(f->alt_fd);
	f->alt = NULL;
}

/* libdw unpacks all debug sections at once, into memory. */
static void measure(struct file *f)
{
	GElf_Addr bias;

	dwfl_module_getsymtab(f->dwfl_module); /* finds the debug file, if there is one */
	f->inflated += image_inflated(dwfl_module_getelf(f->dwfl_module, &bias));
	f->dwarf = f->inflated <= IMAGE_INFLATED_MAX ? DWARF_MEASURED : DWARF_NONE;
}

static bool usable(struct file *f)
{
	Dwarf_Addr bias;
	Dwarf *dwarf;

	if (f->dwarf == DWARF_UNTRIED)
		measure(f);
	if (f->dwarf == DWARF_MEASURED && (!f->inflated || f->files->unpack)) {
		dwarf = dwfl_module_getdwarf(f->dwfl_module, &bias);
		f->dwarf = dwarf && open_alt(f, dwarf) ? DWARF_USABLE : DWARF_NONE;
		image_file_grew(f, f->inflated);
	}
	return f->dwarf == DWARF_USABLE;
}

/* ---- the unit, the function ---- */

/* Clang writes no .debug_aranges, and libdw counts gaps between them to the unit before. */
static Dwarf_Die *find_unit(struct file *f, uint64_t address, struct walk *w)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = dwfl_module_addrdie(f->dwfl_module, address, &bias);

	if (unit && dwarf_haspc(unit, address - bias) > 0) {
		w->pc = address - bias;
		return unit;
	}
	unit = NULL;
	while (walk_on(w) && (unit = dwfl_module_nextcu(f->dwfl_module, unit, &bias))) {
		if (dwarf_haspc(unit, address - bias) <= 0)
			continue;
		w->pc = address - bias;
		return unit;
	}
	return NULL;
}

static bool is_namespace(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static bool is_block(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The machine function with that address, below die. */
static bool find_function(struct walk *w, Dwarf_Die *die, int depth, Dwarf_Die *ret)
{
	Dwarf_Die child;
	int more = dwarf_child(die, &child);

	while (!more && walk_on(w)) {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_subprogram && dwarf_haspc(&child, w->pc) > 0) {
			*ret = child;
			return true;
		}
		if (is_namespace(tag) && depth < NAMESPACES_MAX &&
		    find_function(w, &child, depth + 1, ret))
			return true;
		more = dwarf_siblingof(&child, &child);
	}
	return false;
}

/* The child scope of die with that address. */
static bool find_scope(struct walk *w, Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Die child;
	int more = dwarf_child(die, &child);

	while (!more && walk_on(w)) {
		int tag = dwarf_tag(&child);

		if ((is_block(tag) || tag == DW_TAG_inlined_subroutine ||
		     tag == DW_TAG_subprogram) &&
		    dwarf_haspc(&child, w->pc) > 0) {
			*ret = child;
			return true;
		}
		more = dwarf_siblingof(&child, &child);
	}
	return false;
}

static void find_scopes(struct walk *w, Dwarf_Die *unit)
{
	Dwarf_Die die, next;

	if (!find_function(w, unit, 0, &die))
		return;
	w->scopes[w->n++] = die;
	for (int depth = 0; depth < DEPTH_MAX && w->n < IMAGE_INLINES_MAX; depth++) {
		if (!find_scope(w, &die, &next))
			return;
		/* a function inside another (Ada, nested C) was called like any */
		if (dwarf_tag(&next) == DW_TAG_subprogram)
			w->n = 0;
		if (!is_block(dwarf_tag(&next)))
			w->scopes[w->n++] = next;
		die = next;
	}
}

/* ---- names and lines ---- */

static int ignore(Dwarf_Attribute *attr, void *arg)
{
	(void)attr, (void)arg;
	return DWARF_CB_OK;
}

static const char *string_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/*
 * The name of a function, often that of the DIE it came from. Walking all
 * attributes first is what makes sure that strings end inside the section.
 */
static const char *name_of(Dwarf_Die *die)
{
	const char *plain = NULL, *linkage;
	Dwarf_Die origin = *die;
	Dwarf_Attribute attr;

	for (int i = 0; i < ORIGINS_MAX; i++) {
		if (dwarf_getattrs(&origin, ignore, NULL, 0) == -1)
			break;
		linkage = string_of(&origin, DW_AT_linkage_name);
		if (!linkage)
			linkage = string_of(&origin, DW_AT_MIPS_linkage_name);
		if (linkage)
			return linkage;
		if (!plain)
			plain = string_of(&origin, DW_AT_name);
		if (!dwarf_attr(&origin, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(&origin, DW_AT_specification, &attr))
			break;
		if (!dwarf_formref_die(&attr, &origin))
			break;
	}
	return plain;
}

static void line_at(Dwarf_Die *unit, Dwarf_Addr pc, struct line_scope *s)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
	int number;

	if (!line)
		return;
	s->file = dwarf_linesrc(line, NULL, NULL);
	if (!dwarf_lineno(line, &number) && number > 0)
		s->line = number;
}

/* Where an inlined function was called. */
static void call_line(Dwarf_Die *unit, Dwarf_Die *die, struct line_scope *s)
{
	Dwarf_Word file, line;
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_attr(die, DW_AT_call_line, &attr) && !dwarf_formudata(&attr, &line) &&
	    line <= UINT32_MAX)
		s->line = line;
	if (dwarf_attr(die, DW_AT_call_file, &attr) && !dwarf_formudata(&attr, &file) &&
	    !dwarf_getsrcfiles(unit, &files, &n) && file < n)
		s->file = dwarf_filesrc(files, file, NULL, NULL);
}

size_t image_lines(struct file *f, uint64_t address, uint64_t deadline,
		   struct line_scope scopes[IMAGE_INLINES_MAX])
{
	struct walk w = { .deadline = deadline };
	Dwarf_Die *unit;

	if (!usable(f))
		return 0;
	unit = find_unit(f, address, &w);
	if (!unit)
		return 0;
	memset(scopes, 0, IMAGE_INLINES_MAX * sizeof(*scopes));
	line_at(unit, w.pc, &scopes[0]);
	find_scopes(&w, unit);
	for (size_t i = 0; i < w.n; i++) {
		Dwarf_Die *die = &w.scopes[w.n - 1 - i];

		scopes[i].function = name_of(die);
		if (i + 1 < w.n)
			call_line(unit, die, &scopes[i + 1]);
	}
	return w.n ? w.n : scopes[0].file != NULL;
}
