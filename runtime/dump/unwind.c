#define UNW_LOCAL_ONLY
#include "unwind.h"

#include <libunwind.h>
#include <stdint.h>
#include <string.h>

#include "../arch/arch.h"
#include "../g.h"

static size_t walk(unw_cursor_t *cursor, void **pcs, size_t max)
{
	size_t n = 0;
	while (n < max) {
		unw_word_t ip;
		if (unw_get_reg(cursor, UNW_REG_IP, &ip) != 0 || ip == 0)
			break;
		pcs[n++] = (void *)ip;
		if (unw_step(cursor) <= 0)
			break;
	}
	return n;
}

size_t rt_unwind_context(const ucontext_t *uc, void **pcs, size_t max)
{
	unw_cursor_t cursor;
	/* libunwind's context of this machine is the kernel's. It only reads through it. */
	if (unw_init_local2(&cursor, (unw_context_t *)(uintptr_t)uc, UNW_INIT_SIGNAL_FRAME) != 0)
		return 0;
	return walk(&cursor, pcs, max);
}

size_t rt_unwind_self(void **pcs, size_t max, size_t skip)
{
	unw_context_t uc;
	unw_cursor_t  cursor;
	if (unw_getcontext(&uc) != 0 || unw_init_local(&cursor, &uc) != 0)
		return 0;
	/* Leave this function, and `skip` callers: what remains are return addresses. */
	for (size_t i = 0; i <= skip; i++)
		if (unw_step(&cursor) <= 0)
			return 0;
	return walk(&cursor, pcs, max);
}

size_t rt_unwind_parked(struct rt_g *g, void **pcs, size_t max)
{
	ucontext_t uc;
	const uintptr_t *sp = g->sp;
	if (sp == NULL)
		return 0;
	memset(&uc, 0, sizeof uc);
	/* The frame rt_switch leaves: the context just after its return. */
#if defined(__x86_64__)
	greg_t *r = uc.uc_mcontext.gregs;
	r[REG_RBX] = (greg_t)sp[0];
	r[REG_RBP] = (greg_t)sp[1];
	r[REG_R12] = (greg_t)sp[2];
	r[REG_R13] = (greg_t)sp[3];
	r[REG_R14] = (greg_t)sp[4];
	r[REG_R15] = (greg_t)sp[5];
	r[REG_RIP] = (greg_t)rt_arch_saved_pc(sp);
	r[REG_RSP] = (greg_t)(sp + 7);
#elif defined(__aarch64__)
	uc.uc_mcontext.regs[29] = rt_arch_saved_bp(sp);
	for (int i = 0; i < 10; i++)
		uc.uc_mcontext.regs[19 + i] = sp[2 + i];
	uc.uc_mcontext.pc = rt_arch_saved_pc(sp);
	uc.uc_mcontext.sp = (uintptr_t)(sp + 20);
#endif
	return rt_unwind_context(&uc, pcs, max);
}
