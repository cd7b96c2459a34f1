#include "symbol/member.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free
#define DEPTH_MAX 16

struct member_cache { uint64_t addr; Dwarf_Off die; /* 0: not described */ UT_hash_handle hh; };

void
symbol_member_forget(struct member_cache **cache)
{
	struct member_cache *c, *next;

	HASH_ITER(hh, *cache, c, next) {
		HASH_DEL(*cache, c);
		free(c);
	}
}

/* Is the die a variable at this address (of the file, not of the process)? */
static bool
is_at(Dwarf_Die *die, Dwarf_Addr addr)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	return dwarf_tag(die) == DW_TAG_variable && dwarf_attr(die, DW_AT_location, &attr) && dwarf_getlocation(&attr, &ops, &n) == 0 && n == 1
	    && ops[0].atom == DW_OP_addr && ops[0].number == addr;
}

/* Variables of files, and static ones of functions. */
static bool
find_below(Dwarf_Die *parent, Dwarf_Addr addr, Dwarf_Die *found, int depth)
{
	Dwarf_Die child;

	if (depth > DEPTH_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		if (is_at(&child, addr)) {
			*found = child;
			return true;
		}
		int tag = dwarf_tag(&child);
		if ((tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || tag == DW_TAG_namespace) && find_below(&child, addr, found, depth + 1))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static bool
type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;
	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, type);
}

/* Through typedefs and qualifiers; false at a type of the library, which is a thing of its own. */
static bool
peel(Dwarf_Die *type)
{
	for (int i = 0; i < DEPTH_MAX; i++) {
		const char *name = dwarf_diename(type);
		int tag = dwarf_tag(type);
		if (name && !strncmp(name, "csp_", 4))
			return false;
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type && tag != DW_TAG_atomic_type)
			return true;
		if (!type_of(type, type))
			return false;
	}
	return false;
}

static bool
step_into_member(Dwarf_Die *type, uint64_t *offset, struct obstack *mem)
{
	Dwarf_Die member, best = { 0 };
	uint64_t best_at = 0;
	bool any = false;

	if (dwarf_child(type, &member) != 0)
		return false;
	do {
		Dwarf_Attribute attr;
		Dwarf_Word at = 0, bytes = 0;
		Dwarf_Die t;
		if (dwarf_tag(&member) != DW_TAG_member)
			continue;
		if (dwarf_attr_integrate(&member, DW_AT_data_member_location, &attr))
			dwarf_formudata(&attr, &at);
		if (!type_of(&member, &t) || dwarf_aggregate_size(&t, &bytes) != 0 || *offset < at || *offset >= at + bytes)
			continue;
		best = member;
		best_at = at;
		any = true;
	} while (dwarf_siblingof(&member, &member) == 0);
	if (!any)
		return false;
	const char *name = dwarf_diename(&best);
	if (name)
		obstack_printf(mem, ".%s", name);
	*offset -= best_at;
	return type_of(&best, type);
}

static bool
step_into_array(Dwarf_Die *type, uint64_t *offset, struct obstack *mem)
{
	Dwarf_Die element;
	Dwarf_Word bytes;

	/* One dimension is counted; further ones stay together in the element's number. */
	if (!type_of(type, &element) || dwarf_aggregate_size(&element, &bytes) != 0 || bytes == 0)
		return false;
	obstack_printf(mem, "[%lu]", (unsigned long)(*offset / bytes));
	*offset %= bytes;
	*type = element;
	return true;
}

/* The variable at this address of the process. */
static bool
variable_at(struct member_cache **cache, Dwfl_Module *m, uint64_t addr, Dwarf_Die *die)
{
	Dwarf_Addr bias = 0;
	Dwarf *dw = dwfl_module_getdwarf(m, &bias);
	Dwarf_CU *cu = NULL;
	struct member_cache *known;
	bool found = false;

	HASH_FIND(hh, *cache, &addr, sizeof(addr), known);
	if (known)
		return dw && known->die && dwarf_offdie(dw, known->die, die);
	while (dw && !found && dwarf_get_units(dw, cu, &cu, NULL, NULL, die, NULL) == 0)
		found = find_below(die, addr - bias, die, 0);
	if ((known = calloc(1, sizeof(*known)))) {
		known->addr = addr;
		known->die = found ? dwarf_dieoffset(die) : 0;
		HASH_ADD(hh, *cache, addr, sizeof(addr), known);
	}
	return found;
}

const char *
symbol_member(struct member_cache **cache, Dwfl_Module *m, const char *name, uint64_t addr, uint64_t offset, struct obstack *mem)
{
	Dwarf_Die die, type;

	if (!variable_at(cache, m, addr - offset, &die) || !type_of(&die, &type))
		return NULL;
	obstack_printf(mem, "%s", name);
	for (int i = 0; i < DEPTH_MAX && peel(&type); i++) {
		int tag = dwarf_tag(&type);
		bool stepped = tag == DW_TAG_structure_type ? step_into_member(&type, &offset, mem) : tag == DW_TAG_array_type && step_into_array(&type, &offset, mem);
		if (!stepped)
			break;
	}
	if (offset > 0)
		obstack_printf(mem, "+%lu", (unsigned long)offset);
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}
