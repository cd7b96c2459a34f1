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

static int on_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t pc = *(uintptr_t *)arg, at;
	bool mine = false;
	uint32_t n;

	for (unsigned i = 0; i < info->dlpi_phnum && !mine; i++) {
		at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		mine = info->dlpi_phdr[i].p_type == PT_LOAD && pc - at < info->dlpi_phdr[i].p_memsz;
	}
	if (!mine)
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
			continue;
		n = atomic_load(&n_ranges);
		if (n == RANGES) {
			det_loss("instrumented modules", 1);
			break;
		}
		ranges[n].lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		ranges[n].hi = ranges[n].lo + info->dlpi_phdr[i].p_memsz;
		atomic_store_explicit(&n_ranges, n + 1, memory_order_release);
	}
	return 1;
}

void det_module_add(uintptr_t pc)
{
	if (det_module_is_instrumented(pc))
		return;
	det_spin_lock(&lock);
	if (!det_module_is_instrumented(pc))
		dl_iterate_phdr(on_module, &pc);
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
