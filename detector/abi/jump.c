/* longjmp leaves instrumented functions without their func_exit: frames below the stack pointer jumped to are dropped from the shadow
 * stack. The target's stack pointer is in the jump buffer, mangled by glibc (x86-64: rotated left by 17 after xor with %fs:0x30). */
#include <dlfcn.h>
#include <setjmp.h>

#include "libc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define JB_RSP 6

static uintptr_t target_sp(const struct __jmp_buf_tag *env)
{
	uintptr_t mangled = (uintptr_t)env->__jmpbuf[JB_RSP], guard;

	__asm__("movq %%fs:0x30, %0" : "=r"(guard));
	return (mangled >> 17 | mangled << 47) ^ guard;
}

static void unwind_to(uintptr_t sp)
{
	struct det_g *g = det_self;

	if (!g)
		return;
	while (g->sp > g->frames && (int32_t)(g->sp[-1].sp - (uint32_t)(sp >> 4)) < 0) {
		g->sp--;
		g->frames_over = 0;
	}
}

typedef void jump_fn(struct __jmp_buf_tag *, int);

#define JUMP(name)                                                                \
	DET_ABI __attribute__((noreturn)) void name(struct __jmp_buf_tag env[1], int value) \
	{                                                                         \
		static jump_fn *real;                                             \
		if (!real)                                                        \
			*(void **)&real = dlsym(RTLD_NEXT, #name);                \
		unwind_to(target_sp(env));                                        \
		real(env, value);                                                 \
		__builtin_unreachable();                                          \
	}

JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
