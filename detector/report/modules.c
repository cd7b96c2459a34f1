/* The loaded objects, by dl_iterate_phdr: load bias, range, build-id, and whether they are instrumented. */
#include "record.h"

#include <elf.h>
#include <link.h>
#include <string.h>

static int version_of(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uint64_t *)arg = info->dlpi_adds + info->dlpi_subs;
	return 1;
}

uint64_t det_modules_version(void)
{
	uint64_t version = 0;
	dl_iterate_phdr(version_of, &version);
	return version;
}

static void find_build_id(const struct dl_phdr_info *info, struct det_module *m)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_NOTE)
			continue;
		const char *at = (const char *)(info->dlpi_addr + ph->p_vaddr);
		const char *end = at + ph->p_memsz;
		size_t align = ph->p_align == 8 ? 8 : 4;
		while (at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (const void *)at;
			const char *name = at + sizeof *note;
			const char *desc = name + ((note->n_namesz + align - 1) & ~(align - 1));
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
				m->build_id = (const uint8_t *)desc;
				m->build_id_bytes = note->n_descsz;
				return;
			}
			at = desc + ((note->n_descsz + align - 1) & ~(align - 1));
		}
	}
}

struct each { void (*visit)(const struct det_module *, void *); void *arg; };

static int each_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct each *e = arg;
	struct det_module m = { .path = info->dlpi_name, .bias = info->dlpi_addr, .lo = UINTPTR_MAX };

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_LOAD)
			continue;
		uintptr_t lo = info->dlpi_addr + ph->p_vaddr, hi = lo + ph->p_memsz;
		if (lo < m.lo)
			m.lo = lo;
		if (hi > m.hi)
			m.hi = hi;
	}
	if (m.hi == 0)
		return 0;
	find_build_id(info, &m);
	e->visit(&m, e->arg);
	return 0;
}

void det_modules_each(void (*visit)(const struct det_module *m, void *arg), void *arg)
{
	struct each e = { visit, arg };
	dl_iterate_phdr(each_module, &e);
}

static uintptr_t relocated(const struct dl_phdr_info *info, uintptr_t p)
{
	return p < info->dlpi_addr ? info->dlpi_addr + p : p;   /* the loader rewrites most, but not all, dynamic pointers */
}

static bool names_tsan_init(const struct dl_phdr_info *info, const ElfW(Dyn) *dyn)
{
	uintptr_t symtab = 0, strtab = 0, tables[2] = { 0, 0 };
	size_t bytes[2] = { 0, 0 };

	for (; dyn->d_tag != DT_NULL; dyn++)
		switch (dyn->d_tag) {
		case DT_SYMTAB: symtab = relocated(info, dyn->d_un.d_ptr); break;
		case DT_STRTAB: strtab = relocated(info, dyn->d_un.d_ptr); break;
		case DT_JMPREL: tables[0] = relocated(info, dyn->d_un.d_ptr); break;
		case DT_PLTRELSZ: bytes[0] = dyn->d_un.d_val; break;
		case DT_RELA: tables[1] = relocated(info, dyn->d_un.d_ptr); break;
		case DT_RELASZ: bytes[1] = dyn->d_un.d_val; break;
		}
	if (symtab == 0 || strtab == 0)
		return false;
	for (int t = 0; t < 2; t++) {
		const ElfW(Rela) *r = (const void *)tables[t];
		for (size_t i = 0; tables[t] != 0 && i < bytes[t] / sizeof *r; i++) {
			const ElfW(Sym) *sym = (const ElfW(Sym) *)symtab + ELF64_R_SYM(r[i].r_info);
			if (sym->st_shndx == SHN_UNDEF && strcmp((const char *)strtab + sym->st_name, "__tsan_init") == 0)
				return true;
		}
	}
	return false;
}

static int instrumented_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type == PT_DYNAMIC && names_tsan_init(info, (const void *)(info->dlpi_addr + ph->p_vaddr)))
			return 1;
	}
	return 0;
}

bool det_modules_instrumented(void)
{
	return dl_iterate_phdr(instrumented_module, NULL) != 0;
}

static const char anchor;

static int own_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t *range = arg, lo = UINTPTR_MAX, hi = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_LOAD)
			continue;
		uintptr_t at = info->dlpi_addr + ph->p_vaddr;
		lo = at < lo ? at : lo;
		hi = at + ph->p_memsz > hi ? at + ph->p_memsz : hi;
	}
	if ((uintptr_t)&anchor < lo || (uintptr_t)&anchor >= hi)
		return 0;
	range[0] = lo;
	range[1] = hi;
	return 1;
}

void det_modules_own(uintptr_t *lo, uintptr_t *hi)
{
	uintptr_t range[2] = { 0, 0 };
	dl_iterate_phdr(own_module, range);
	*lo = range[0];
	*hi = range[1];
}
