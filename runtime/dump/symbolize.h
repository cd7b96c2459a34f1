/* From a pc to function names and source lines, inlined calls included.
 *
 * Pure code: no state of the runtime, no locks, no output, elfutils only through a table of function pointers. The runtime fills the
 * table with dlsym at its first dump (a plain program neither links nor loads libdw); the command line tool compiles the same file and
 * fills it with SYM_API_DIRECT. One struct sym serves one thread at a time. */
#ifndef CSP_RUNTIME_DUMP_SYMBOLIZE_H
#define CSP_RUNTIME_DUMP_SYMBOLIZE_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <dwarf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYM_API_FUNCTIONS(X) \
	X(dwfl_begin) X(dwfl_end) X(dwfl_report_begin) X(dwfl_report_end) X(dwfl_report_elf) X(dwfl_linux_proc_report) \
	X(dwfl_linux_proc_find_elf) X(dwfl_build_id_find_elf) X(dwfl_standard_find_debuginfo) \
	X(dwfl_addrmodule) X(dwfl_module_info) X(dwfl_module_getelf) X(dwfl_module_nextcu) X(dwfl_module_addrinfo) \
	X(dwarf_ranges) X(dwarf_child) X(dwarf_siblingof) X(dwarf_tag) X(dwarf_attr) X(dwarf_attr_integrate) \
	X(dwarf_formstring) X(dwarf_formudata) X(dwarf_getsrc_die) X(dwarf_linesrc) X(dwarf_lineno) X(dwarf_lineaddr) \
	X(dwarf_getsrcfiles) X(dwarf_filesrc)

struct sym_api {
#define SYM_API_MEMBER(f) __typeof__(&f) f;
	SYM_API_FUNCTIONS(SYM_API_MEMBER)
#undef SYM_API_MEMBER
};

/* Initialiser for those who link with libdw: static const struct sym_api api = SYM_API_DIRECT; */
#define SYM_API_DIRECT_MEMBER_(f) .f = f,
#define SYM_API_DIRECT { SYM_API_FUNCTIONS(SYM_API_DIRECT_MEMBER_) }

/* Strings live as long as the struct sym and its Dwfl. */
struct sym_frame {
	const char *function;           /* NULL: unknown. C name without clone suffix if debug info names it */
	const char *file;               /* absolute if debug info allows; NULL: unknown */
	uint32_t    line;               /* 0: unknown */
	bool        inlined;            /* inlined into the next frame of the same pc */
	const char *module;             /* path of the ELF object; NULL: pc is in none */
	uint64_t    module_offset;      /* pc as an address in that ELF file (bias removed); the pc itself without a module */
	uint64_t    offset;             /* pc - start of the function; 0 for inlined frames and unknown functions */
};

struct sym;

/* `dwfl` has its modules reported and outlives the struct. NULL if memory is short. */
struct sym *sym_create(const struct sym_api *api, Dwfl *dwfl);
void        sym_destroy(struct sym *s);         /* accepts NULL; does not end the Dwfl */

/* Frames of one pc, innermost inlined call first; always at least one (names NULL if nothing is known). A return address is looked up
 * at pc - 1; `exact` says that pc is the instruction itself (an access, a fault, the top of a parked stack). Results are cached by
 * (pc, exact); the array lives as long as s. */
size_t sym_lookup(struct sym *s, uint64_t pc, bool exact, const struct sym_frame **frames);

/* Modules of a live process (own pid: oneself), with build-id and .gnu_debuglink directories tried and no network used. NULL on failure. */
Dwfl *sym_open_pid(const struct sym_api *api, int pid);

#endif
