/* Symbolizing by an index of our own. dwarf_getscopes scans the whole unit for every pc and drops outer inlined frames; one walk over the
 * unit's DIEs gives a sorted table of code ranges instead, built when the first pc of the unit is asked for. The units themselves are
 * found by a table of their ranges, since clang writes no .debug_aranges. */
#include "symbolize.h"

#include <stdlib.h>
#include <string.h>

/* A code range of a function or of an inlined call. After sorting by (lo, hi descending, depth), ranges that hold an address form a
 * chain through `outer`: code of nested scopes is nested. */
struct scope {
	uint64_t    lo, hi;
	uint32_t    depth;
	int32_t     outer;              /* index of the narrowest range around this one; -1: none */
	bool        inlined;
	uint32_t    call_line;
	const char *call_file;          /* inlined: where the call stands */
	const char *name;
};

struct unit {
	Dwarf_Die     cu;
	const char   *comp_dir;
	struct scope *scopes;
	size_t        n_scopes, cap_scopes;
	bool          indexed;
};

struct unit_range { uint64_t lo, hi; uint32_t unit; };

struct module {
	Dwfl_Module       *mod;
	const char        *path;
	GElf_Addr          bias;        /* of the ELF file: pc - bias is an address in it */
	Dwarf_Addr         dwarf_bias;
	struct unit       *units;
	size_t             n_units;
	struct unit_range *ranges;      /* sorted by lo */
	size_t             n_ranges, cap_ranges;
};

struct entry { uint64_t pc; bool exact; uint32_t n; struct sym_frame *frames; };

struct sym {
	const struct sym_api *api;
	Dwfl           *dwfl;
	struct module **modules;
	size_t          n_modules;
	struct entry   *cache;          /* open addressing, power of two, at most half full; frames == NULL: free */
	size_t          n_cache, cap_cache;
	char          **strings;        /* joined paths, ours to free */
	size_t          n_strings;
	struct sym_frame unknown;
};

#define FRAMES_MAX 64               /* inlined calls at one pc */
#define DEPTH_MAX  512              /* DIE nesting followed: our recursion is bounded whatever the file says */

/* Room for one more element; false if memory is short. */
static bool grow(void **array, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap != 0 ? *cap * 2 : 64;
	void  *p = realloc(*array, more * size);
	if (p == NULL)
		return false;
	*array = p;
	*cap = more;
	return true;
}

static const char *keep(struct sym *s, char *string)
{
	char **p = realloc(s->strings, (s->n_strings + 1) * sizeof *p);
	if (p == NULL) {
		free(string);
		return NULL;
	}
	s->strings = p;
	s->strings[s->n_strings++] = string;
	return string;
}

/* "a/b/../c" is "a/c", "a/./b" is "a/b". Right unless b is a symbolic link. */
static void collapse(char *path)
{
	char *to = path;
	for (const char *from = path; *from != '\0';) {
		size_t n = 1;
		while (from[n] != '\0' && from[n] != '/')
			n++;
		if (n == 3 && from[1] == '.' && from[2] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n > 1 && !(n == 2 && from[1] == '.')) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	*to = '\0';
}

/* Compilers name files by the directory they ran in: "/build/../src/x.c". Readers want the file's own name; if it is there, the file
 * system knows it, else the text has to do. Names without such detours stay as they were written. */
static const char *absolute(struct sym *s, const struct unit *u, const char *file)
{
	bool whole = file == NULL || file[0] == '/' || u->comp_dir == NULL;
	if (file == NULL || (whole && (file[0] != '/' || strstr(file, "/.") == NULL)))
		return file;
	size_t a = whole ? 0 : strlen(u->comp_dir) + 1, b = strlen(file);
	char  *path = malloc(a + b + 1);
	if (path == NULL)
		return file;
	if (a > 0) {
		memcpy(path, u->comp_dir, a - 1);
		path[a - 1] = '/';
	}
	memcpy(path + a, file, b + 1);
	if (path[0] == '/' && (strstr(path, "/../") != NULL || strstr(path, "/./") != NULL)) {
		char *real = realpath(path, NULL);
		if (real != NULL) {
			free(path);
			path = real;
		} else {
			collapse(path);
		}
	}
	const char *kept = keep(s, path);
	return kept != NULL ? kept : file;
}

static const char *die_string(const struct sym_api *api, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	return api->dwarf_attr_integrate(die, name, &attr) != NULL ? api->dwarf_formstring(&attr) : NULL;
}

static uint64_t die_number(const struct sym_api *api, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word      value;
	if (api->dwarf_attr(die, name, &attr) == NULL || api->dwarf_formudata(&attr, &value) != 0)
		return 0;
	return value;
}

/* --- units of a module ------------------------------------------------------------------------------------------------- */

static int by_range(const void *a, const void *b)
{
	const struct unit_range *x = a, *y = b;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void find_units(struct sym *s, struct module *m)
{
	const struct sym_api *api = s->api;
	size_t cap = 0;
	for (Dwarf_Die *cu = NULL; (cu = api->dwfl_module_nextcu(m->mod, cu, &m->dwarf_bias)) != NULL;) {
		if (!grow((void **)&m->units, &cap, m->n_units, sizeof *m->units))
			break;
		struct unit *u = &m->units[m->n_units];
		memset(u, 0, sizeof *u);
		u->cu = *cu;
		u->comp_dir = die_string(api, cu, DW_AT_comp_dir);
		Dwarf_Addr base, lo, hi;
		for (ptrdiff_t at = 0; (at = api->dwarf_ranges(cu, at, &base, &lo, &hi)) > 0;) {
			if (lo >= hi || !grow((void **)&m->ranges, &m->cap_ranges, m->n_ranges, sizeof *m->ranges))
				continue;
			m->ranges[m->n_ranges++] = (struct unit_range){ lo, hi, (uint32_t)m->n_units };
		}
		m->n_units++;
	}
	if (m->n_ranges != 0)
		qsort(m->ranges, m->n_ranges, sizeof *m->ranges, by_range);
}

static struct unit *unit_of(struct module *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n_ranges;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (m->ranges[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || addr >= m->ranges[lo - 1].hi)
		return NULL;
	return &m->units[m->ranges[lo - 1].unit];
}

/* --- scopes of a unit -------------------------------------------------------------------------------------------------- */

static int by_scope(const void *a, const void *b)
{
	const struct scope *x = a, *y = b;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi > y->hi ? -1 : 1;
	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static void add_scope(struct sym *s, struct unit *u, Dwarf_Die *die, bool inlined, uint32_t depth)
{
	const struct sym_api *api = s->api;
	struct scope scope = { .depth = depth, .inlined = inlined, .outer = -1 };
	Dwarf_Addr   base, lo, hi;
	bool         named = false;
	for (ptrdiff_t at = 0; (at = api->dwarf_ranges(die, at, &base, &lo, &hi)) > 0;) {
		if (lo >= hi || !grow((void **)&u->scopes, &u->cap_scopes, u->n_scopes, sizeof *u->scopes))
			continue;
		if (!named) {
			named = true;
			scope.name = die_string(api, die, DW_AT_name);
			if (inlined) {
				Dwarf_Files *files;
				size_t       n_files;
				uint64_t     file = die_number(api, die, DW_AT_call_file);
				scope.call_line = (uint32_t)die_number(api, die, DW_AT_call_line);
				if (api->dwarf_getsrcfiles(&u->cu, &files, &n_files) == 0 && file < n_files)
					scope.call_file = absolute(s, u, api->dwarf_filesrc(files, (size_t)file, NULL, NULL));
			}
		}
		scope.lo = lo;
		scope.hi = hi;
		u->scopes[u->n_scopes++] = scope;
	}
}

static void walk(struct sym *s, struct unit *u, Dwarf_Die *parent, uint32_t depth)
{
	const struct sym_api *api = s->api;
	Dwarf_Die die;
	if (depth > DEPTH_MAX || api->dwarf_child(parent, &die) != 0)
		return;
	do {
		switch (api->dwarf_tag(&die)) {
		case DW_TAG_subprogram:
		case DW_TAG_entry_point:
			add_scope(s, u, &die, false, depth);
			walk(s, u, &die, depth + 1);
			break;
		case DW_TAG_inlined_subroutine:
			add_scope(s, u, &die, true, depth);
			walk(s, u, &die, depth + 1);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
		case DW_TAG_namespace:
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
		case DW_TAG_union_type:
			walk(s, u, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (api->dwarf_siblingof(&die, &die) == 0);
}

static void index_unit(struct sym *s, struct unit *u)
{
	u->indexed = true;
	walk(s, u, &u->cu, 0);
	if (u->n_scopes == 0)
		return;
	qsort(u->scopes, u->n_scopes, sizeof *u->scopes, by_scope);
	int32_t top = -1;
	for (size_t i = 0; i < u->n_scopes; i++) {
		while (top >= 0 && u->scopes[top].hi <= u->scopes[i].lo)
			top = u->scopes[top].outer;
		u->scopes[i].outer = top;
		top = (int32_t)i;
	}
}

/* The narrowest range that holds addr; -1: none. */
static int32_t scope_of(const struct unit *u, uint64_t addr)
{
	size_t lo = 0, hi = u->n_scopes;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (u->scopes[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	int32_t i = (int32_t)lo - 1;
	while (i >= 0 && u->scopes[i].hi <= addr)
		i = u->scopes[i].outer;
	return i;
}

/* Compilers give line 0 to code that belongs to no one line (merged, hoisted). Its nearest predecessor in the same scope says more. */
static Dwarf_Line *line_of(struct sym *s, struct unit *u, uint64_t addr, int *number)
{
	const struct sym_api *api = s->api;
	Dwarf_Line *line = api->dwarf_getsrc_die(&u->cu, addr), *earlier = line;
	int32_t     scope = scope_of(u, addr);
	uint64_t    at = addr;
	*number = 0;
	while (earlier != NULL && (api->dwarf_lineno(earlier, number) != 0 || *number == 0 || scope_of(u, at) != scope)) {
		*number = 0;
		if (scope < 0 || api->dwarf_lineaddr(earlier, &at) != 0 || at <= u->scopes[scope].lo)
			return line;
		earlier = api->dwarf_getsrc_die(&u->cu, --at);
	}
	return earlier != NULL ? earlier : line;
}

/* --- one pc ------------------------------------------------------------------------------------------------------------ */

static struct module *module_of(struct sym *s, uint64_t pc)
{
	const struct sym_api *api = s->api;
	Dwfl_Module *mod = api->dwfl_addrmodule(s->dwfl, pc);
	if (mod == NULL)
		return NULL;
	for (size_t i = 0; i < s->n_modules; i++)
		if (s->modules[i]->mod == mod)
			return s->modules[i];
	struct module  *m = calloc(1, sizeof *m);
	struct module **p = realloc(s->modules, (s->n_modules + 1) * sizeof *p);
	if (p != NULL)
		s->modules = p;
	if (m == NULL || p == NULL) {
		free(m);
		return NULL;
	}
	const char *main_file = NULL;
	Dwarf_Addr  start = 0;
	const char *name = api->dwfl_module_info(mod, NULL, &start, NULL, NULL, NULL, &main_file, NULL);
	m->mod = mod;
	m->path = main_file != NULL ? main_file : name;
	if (api->dwfl_module_getelf(mod, &m->bias) == NULL)
		m->bias = start;
	find_units(s, m);
	s->modules[s->n_modules++] = m;
	return m;
}

static size_t frames_of(struct sym *s, uint64_t pc, bool exact, struct sym_frame *out)
{
	const struct sym_api *api = s->api;
	uint64_t       look = exact ? pc : pc - 1;
	struct module *m = module_of(s, look);
	out[0] = (struct sym_frame){ .module_offset = pc };
	if (m == NULL)
		return 1;

	GElf_Off    in_symbol = 0;
	GElf_Sym    sym;
	const char *symbol = api->dwfl_module_addrinfo(m->mod, look, &in_symbol, &sym, NULL, NULL, NULL);
	if (symbol != NULL && *symbol == '\0')
		symbol = NULL;
	out[0].module = m->path;
	out[0].module_offset = pc - m->bias;
	out[0].function = symbol;
	if (symbol != NULL)
		out[0].offset = in_symbol + (pc - look);
	uint64_t     addr = look - m->dwarf_bias;
	struct unit *u = unit_of(m, addr);
	if (u == NULL)
		return 1;
	if (!u->indexed)
		index_unit(s, u);
	int         number;
	Dwarf_Line *line = line_of(s, u, addr, &number);
	const char *file = line != NULL ? absolute(s, u, api->dwarf_linesrc(line, NULL, NULL)) : NULL;
	size_t n = 0;
	for (int32_t i = scope_of(u, addr); i >= 0 && n < FRAMES_MAX; i = u->scopes[i].outer) {
		const struct scope *scope = &u->scopes[i];
		if (addr < scope->lo || addr >= scope->hi)
			continue;
		out[n++] = (struct sym_frame){
			.function = scope->name != NULL ? scope->name : symbol, .file = file, .line = (uint32_t)number, .inlined = scope->inlined,
			.module = m->path, .module_offset = pc - m->bias,
			.offset = scope->inlined ? 0 : symbol != NULL ? in_symbol + (pc - look) : pc - m->dwarf_bias - scope->lo,
		};
		if (!scope->inlined)
			return n;
		file = scope->call_file;
		number = (int)scope->call_line;
	}
	/* No function around it: assembly with lines, or an inlined call whose caller is not described. */
	if (n == 0) {
		out[0].file = file;
		out[0].line = (uint32_t)number;
		return 1;
	}
	if (n < FRAMES_MAX)
		out[n++] = (struct sym_frame){ .function = symbol, .file = file, .line = (uint32_t)number, .module = m->path,
			.module_offset = pc - m->bias, .offset = symbol != NULL ? in_symbol + (pc - look) : 0 };
	return n;
}

/* --- cache and life ---------------------------------------------------------------------------------------------------- */

static struct entry *slot_of(struct entry *cache, size_t cap, uint64_t pc, bool exact)
{
	size_t i = (size_t)((pc * 2 + exact) * 0x9E3779B97F4A7C15u >> 20) & (cap - 1);
	while (cache[i].frames != NULL && (cache[i].pc != pc || cache[i].exact != exact))
		i = (i + 1) & (cap - 1);
	return &cache[i];
}

static bool cache_room(struct sym *s)
{
	if (s->n_cache * 2 < s->cap_cache)
		return true;
	size_t        cap = s->cap_cache != 0 ? s->cap_cache * 2 : 256;
	struct entry *cache = calloc(cap, sizeof *cache);
	if (cache == NULL)
		return false;
	for (size_t i = 0; i < s->cap_cache; i++)
		if (s->cache[i].frames != NULL)
			*slot_of(cache, cap, s->cache[i].pc, s->cache[i].exact) = s->cache[i];
	free(s->cache);
	s->cache = cache;
	s->cap_cache = cap;
	return true;
}

size_t sym_lookup(struct sym *s, uint64_t pc, bool exact, const struct sym_frame **frames)
{
	s->unknown = (struct sym_frame){ .module_offset = pc };
	*frames = &s->unknown;
	if (!cache_room(s))
		return 1;
	struct entry *e = slot_of(s->cache, s->cap_cache, pc, exact);
	if (e->frames == NULL) {
		struct sym_frame  found[FRAMES_MAX];
		size_t            n = frames_of(s, pc, exact, found);
		struct sym_frame *copy = malloc(n * sizeof *copy);
		if (copy == NULL)
			return 1;
		memcpy(copy, found, n * sizeof *copy);
		*e = (struct entry){ pc, exact, (uint32_t)n, copy };
		s->n_cache++;
	}
	*frames = e->frames;
	return e->n;
}

struct sym *sym_create(const struct sym_api *api, Dwfl *dwfl)
{
	struct sym *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->api = api;
	s->dwfl = dwfl;
	return s;
}

void sym_destroy(struct sym *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n_modules; i++) {
		for (size_t k = 0; k < s->modules[i]->n_units; k++)
			free(s->modules[i]->units[k].scopes);
		free(s->modules[i]->units);
		free(s->modules[i]->ranges);
		free(s->modules[i]);
	}
	free(s->modules);
	for (size_t i = 0; i < s->cap_cache; i++)
		free(s->cache[i].frames);
	free(s->cache);
	for (size_t i = 0; i < s->n_strings; i++)
		free(s->strings[i]);
	free(s->strings);
	free(s);
}

Dwfl *sym_open_pid(const struct sym_api *api, int pid)
{
	static Dwfl_Callbacks callbacks;
	static char          *debug_dirs;       /* NULL: .debug beside the file, /usr/lib/debug, build-id */

	callbacks.find_elf = api->dwfl_linux_proc_find_elf;
	callbacks.find_debuginfo = api->dwfl_standard_find_debuginfo;
	callbacks.debuginfo_path = &debug_dirs;

	/* libdw would ask a server over the network for every library. */
	unsetenv("DEBUGINFOD_URLS");
	Dwfl *dwfl = api->dwfl_begin(&callbacks);
	if (dwfl == NULL)
		return NULL;
	if (api->dwfl_linux_proc_report(dwfl, pid) != 0 || api->dwfl_report_end(dwfl, NULL, NULL) != 0) {
		api->dwfl_end(dwfl);
		return NULL;
	}
	return dwfl;
}
