#include "symbol/symbol.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/text.h"
#include "runtime/dump/symbolize.h"
#include "symbol/member.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

struct module { char *path, *build_id; uint64_t bias, lo, hi; struct module *next; };

struct symbol_table {
	Dwfl *dwfl;
	struct sym *sym;                /* made at the first look-up after a change of modules */
	struct module *modules;
	struct member_cache *members;
};

static const struct sym_api api = SYM_API_DIRECT;

struct symbol_table *
symbol_table_create(void)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	struct symbol_table *t = calloc(1, sizeof(*t));

	if (t && !(t->dwfl = dwfl_begin(&callbacks))) {
		free(t);
		t = NULL;
	}
	return t;
}

void
symbol_table_destroy(struct symbol_table *t)
{
	if (!t)
		return;
	sym_destroy(t->sym);
	symbol_member_forget(&t->members);
	dwfl_end(t->dwfl);
	for (struct module *m = t->modules, *next; m; m = next) {
		next = m->next;
		free(m->path);
		free(m->build_id);
		free(m);
	}
	free(t);
}

static bool
build_id_matches(const char *path, const char *wanted)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = NULL;
	const void *bits;
	bool same = false;

	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	if (!*wanted) {
		same = true;
	} else if ((elf = elf_begin(fd, ELF_C_READ_MMAP, NULL))) {
		ssize_t n = dwelf_elf_gnu_build_id(elf, &bits);
		same = n > 0 && strlen(wanted) == 2 * (size_t)n;
		for (ssize_t i = 0; same && i < n; i++) {
			char hex[3];
			snprintf(hex, sizeof(hex), "%02x", ((const unsigned char *)bits)[i]);
			same = !strncmp(hex, wanted + 2 * i, 2);
		}
	}
	elf_end(elf);
	close(fd);
	return same;
}

void
symbol_add_module(struct symbol_table *t, const char *path, const char *build_id, uint64_t bias, uint64_t lo, uint64_t hi)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	for (struct module *old = t->modules; old; old = old->next)
		if (!strcmp(old->path, path) && old->bias == bias) {
			free(m);
			return;
		}
	*m = (struct module){ strdup(path), strdup(build_id), bias, lo, hi, t->modules };
	t->modules = m;
	if (!build_id_matches(path, build_id))
		return;
	sym_destroy(t->sym);
	t->sym = NULL;
	dwfl_report_begin_add(t->dwfl);
	dwfl_report_elf(t->dwfl, path, path, -1, bias, true);
	dwfl_report_end(t->dwfl, NULL, NULL);
}

static const struct module *
module_at(const struct symbol_table *t, uint64_t pc)
{
	for (const struct module *m = t->modules; m; m = m->next)
		if (pc >= m->lo && pc < m->hi)
			return m;
	return NULL;
}

static size_t
lookup(struct symbol_table *t, uint64_t pc, bool exact, const struct sym_frame **frames)
{
	if (!t->sym)
		t->sym = sym_create(&api, t->dwfl);
	return t->sym ? sym_lookup(t->sym, pc, exact, frames) : 0;
}

static void
grow_frames(struct symbol_table *t, uint64_t pc, bool exact, struct obstack *mem, struct obstack *text)
{
	const struct module *m = module_at(t, exact ? pc : pc - 1);
	const struct sym_frame *found = NULL;
	size_t n = lookup(t, pc, exact, &found);

	for (size_t i = 0; i < n || i == 0; i++) {
		const struct sym_frame *s = i < n ? &found[i] : NULL;
		struct frame f = {
			.module = text_clean(m ? m->path : s ? s->module : NULL, false, text),
			.build_id = text_clean(m ? m->build_id : "", false, text),
			.pc_off = (m ? pc - m->bias : pc) - !exact,
			.inline_depth = (uint32_t)i,
		};
		if (s) {
			f.func = text_clean(s->function, false, text);
			f.file = text_clean(s->file, false, text);
			f.line = s->line;
			f.inlined = s->inlined;
			f.func_off = s->offset;
		}
		f.internal = finding_is_internal(&f);
		obstack_grow(mem, &f, sizeof(f));
	}
}

struct stack
symbol_stack(struct symbol_table *t, const uint64_t *pcs, uint32_t n, bool exact0, struct obstack *mem)
{
	struct obstack frames; /* grows while the texts of its frames are allocated in mem */
	struct stack s = { 0 };

	obstack_init(&frames);
	for (uint32_t i = 0; i < n; i++)
		grow_frames(t, pcs[i], exact0 && i == 0, &frames, mem);
	s.n = (uint32_t)((size_t)obstack_object_size(&frames) / sizeof(struct frame));
	if (s.n)
		s.frame = obstack_copy(mem, obstack_finish(&frames), (int)(s.n * sizeof(struct frame)));
	obstack_free(&frames, NULL);
	return s;
}

const char *
symbol_data(struct symbol_table *t, uint64_t addr, uint64_t *size, struct obstack *mem)
{
	Dwfl_Module *m = dwfl_addrmodule(t->dwfl, addr);
	GElf_Off offset;
	GElf_Sym sym;
	const char *name = m ? dwfl_module_addrinfo(m, addr, &offset, &sym, NULL, NULL, NULL) : NULL;
	char *clean, *dot;

	if (!name || GELF_ST_TYPE(sym.st_info) != STT_OBJECT || (sym.st_size && offset >= sym.st_size))
		return NULL;
	if (*size == 0)
		*size = sym.st_size;
	clean = text_clean(name, false, mem);
	dot = strrchr(clean, '.'); /* the compiler numbers static variables of functions: counter.3 */
	if (dot && dot != clean && strspn(dot + 1, "0123456789") == strlen(dot + 1))
		*dot = '\0';
	const char *member = symbol_member(&t->members, m, clean, addr, offset, mem);
	if (member || offset == 0)
		return member ? member : clean;
	obstack_printf(mem, "%s+%lu", clean, (unsigned long)offset);
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}

const char *
symbol_function(struct symbol_table *t, uint64_t pc, struct obstack *mem)
{
	const struct sym_frame *found = NULL;
	size_t n = lookup(t, pc, true, &found);

	return n ? text_clean(found[n - 1].function, false, mem) : NULL;
}
