/* Executable ranges in an append-only array; readers take no lock: n is raised after the entry is written. */
#include "module.h"

#include <link.h>
#include <stdatomic.h>
#include <stddef.h>

#include "../report/loss.h"
#include "../shadow/arena.h"

#define RANGES 256

static struct { uintptr_t lo, hi; } ranges[RANGES];
static _Atomic uint32_t n_ranges;
static struct det_spin lock;

/* Addresses in the dynamic section have been relocated by the loader, except in some read-only ones. */
static uintptr_t at(const struct dl_phdr_info *m, ElfW(Addr) ptr) { return ptr < m->dlpi_addr ? m->dlpi_addr + ptr : ptr; }

static bool is_tsan_init(const char *name)
{
	static const char want[] = "__tsan_init";
	unsigned i = 0;

	while (i < sizeof(want) - 1 && name[i] == want[i])
		i++;
	return i == sizeof(want) - 1 && !name[i];
}

static bool refers_to_init(const ElfW(Rela) *r, size_t bytes, const ElfW(Sym) *symbols, const char *names)
{
	for (size_t i = 0; r && i < bytes / sizeof(*r); i++)
		if (ELF64_R_SYM(r[i].r_info) && is_tsan_init(names + symbols[ELF64_R_SYM(r[i].r_info)].st_name))
			return true;
	return false;
}

/* Every instrumented object calls __tsan_init from a constructor, so the module has a relocation for it. (The return address of that
 * call does not tell: an optimised constructor jumps.) */
static bool calls_init(const struct dl_phdr_info *m)
{
	const ElfW(Rela) *rela = NULL, *plt = NULL;
	const ElfW(Sym) *symbols = NULL;
	const ElfW(Dyn) *d = NULL;
	const char *names = NULL;
	size_t rela_bytes = 0, plt_bytes = 0;

	for (unsigned i = 0; i < m->dlpi_phnum; i++)
		if (m->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const ElfW(Dyn) *)(m->dlpi_addr + m->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB: symbols = (const void *)at(m, d->d_un.d_ptr); break;
		case DT_STRTAB: names = (const void *)at(m, d->d_un.d_ptr); break;
		case DT_RELA: rela = (const void *)at(m, d->d_un.d_ptr); break;
		case DT_RELASZ: rela_bytes = d->d_un.d_val; break;
		case DT_JMPREL: plt = (const void *)at(m, d->d_un.d_ptr); break;
		case DT_PLTRELSZ: plt_bytes = d->d_un.d_val; break;
		default: break;
		}
	}
	return symbols && names && (refers_to_init(plt, plt_bytes, symbols, names) || refers_to_init(rela, rela_bytes, symbols, names));
}

static int on_module(struct dl_phdr_info *m, size_t size, void *arg)
{
	uint32_t n;

	for (unsigned i = 0; i < m->dlpi_phnum; i++) {
		uintptr_t lo = m->dlpi_addr + m->dlpi_phdr[i].p_vaddr;

		if (m->dlpi_phdr[i].p_type != PT_LOAD || !(m->dlpi_phdr[i].p_flags & PF_X) || det_module_is_instrumented(lo))
			continue;
		if (!calls_init(m))
			return 0;
		n = atomic_load(&n_ranges);
		if (n == RANGES) {
			det_loss("instrumented modules", 1);
			return 1;
		}
		ranges[n].lo = lo;
		ranges[n].hi = lo + m->dlpi_phdr[i].p_memsz;
		atomic_store_explicit(&n_ranges, n + 1, memory_order_release);
	}
	return 0;
}

static int loads(struct dl_phdr_info *m, size_t size, void *arg)
{
	*(unsigned long long *)arg = m->dlpi_adds;
	return 1;
}

void det_modules_find(void)
{
	static _Atomic unsigned long long adds_seen;
	unsigned long long adds = 0;

	/* Each object file of a program calls once; look again only when something was loaded. */
	dl_iterate_phdr(loads, &adds);
	if (atomic_exchange(&adds_seen, adds) == adds)
		return;
	det_spin_lock(&lock);
	dl_iterate_phdr(on_module, NULL);
	det_spin_unlock(&lock);
}

bool det_module_is_instrumented(uintptr_t pc)
{
	uint32_t n = atomic_load_explicit(&n_ranges, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++)
		if (pc - ranges[i].lo < ranges[i].hi - ranges[i].lo)
			return true;
	return false;
}

bool det_any_instrumented(void) { return atomic_load_explicit(&n_ranges, memory_order_relaxed) != 0; }
