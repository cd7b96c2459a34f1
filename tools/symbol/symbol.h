/* Names for the addresses of one checked process, offline: by the modules it recorded, never by looking at the process itself. */
#ifndef CSP_TOOLS_SYMBOL_SYMBOL_H
#define CSP_TOOLS_SYMBOL_SYMBOL_H

#include <obstack.h>
#include <stdbool.h>
#include <stdint.h>

#include "finding/finding.h"

struct symbol_table;

struct symbol_table *symbol_table_create(void);
void symbol_table_destroy(struct symbol_table *t);

/* A module of the process. One whose file is gone or was rebuilt since (other build-id) still gives module and offset, no names. */
void symbol_add_module(struct symbol_table *t, const char *path, const char *build_id, uint64_t bias, uint64_t lo, uint64_t hi);

/* Frames of a stack of return addresses (the first is an exact pc if exact0); inlined calls become frames of their own. */
struct stack symbol_stack(struct symbol_table *t, const uint64_t *pcs, uint32_t n, bool exact0, struct obstack *mem);

/* "counter", "table.rows[3].lock", "table+8" without debug information, or NULL if no data symbol covers addr. *size gets the symbol's size if it was 0. */
const char *symbol_data(struct symbol_table *t, uint64_t addr, uint64_t *size, struct obstack *mem);

/* Name of the function that contains pc, or NULL. */
const char *symbol_function(struct symbol_table *t, uint64_t pc, struct obstack *mem);

#endif
