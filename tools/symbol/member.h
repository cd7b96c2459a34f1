/* From an address inside a variable to the member the programmer knows: "table.rows[3].lock". */
#ifndef CSP_TOOLS_SYMBOL_MEMBER_H
#define CSP_TOOLS_SYMBOL_MEMBER_H

#include <elfutils/libdwfl.h>
#include <obstack.h>
#include <stdint.h>

/* Where the variables asked for so far are described; starts as NULL. A search reads all debug information of a module. */
struct member_cache;
void symbol_member_forget(struct member_cache **cache);

/* name: of the variable's symbol, which starts at addr - offset. NULL if the debug information does not say (there is none, or the bytes are padding). Types of the library (csp_…) are not looked into. */
const char *symbol_member(struct member_cache **cache, Dwfl_Module *m, const char *name, uint64_t addr, uint64_t offset, struct obstack *mem);

#endif
