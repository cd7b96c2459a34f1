/* The entry of csp_go and the first frame of the goroutine it starts, x86-64 System V.
 *
 * csp_go(f, args...) is compiled as a call of f, but what is called is rt_go_entry, with the descriptor {f, options, ...} in the static chain
 * (r10). At that point the argument registers and the stack hold what f expects. rt_go_entry lays the registers out as struct
 * rt_go_regs (chan/go.c) and hands them on; the new goroutine begins in rt_go_thunk, which restores them and calls f.
 *   rt_go_regs:  0 rdi rsi rdx rcx r8 r9 | 48 fn | 56 stack_bytes | 64 xmm0..xmm7 | 192 stack arguments */
	.text
	.globl rt_go_entry
	.hidden rt_go_entry
	.type rt_go_entry, @function
	.p2align 4
rt_go_entry:
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq $192, %rsp
	movq %rdi, (%rsp)
	movq %rsi, 8(%rsp)
	movq %rdx, 16(%rsp)
	movq %rcx, 24(%rsp)
	movq %r8, 32(%rsp)
	movq %r9, 40(%rsp)
	movaps %xmm0, 64(%rsp)
	movaps %xmm1, 80(%rsp)
	movaps %xmm2, 96(%rsp)
	movaps %xmm3, 112(%rsp)
	movaps %xmm4, 128(%rsp)
	movaps %xmm5, 144(%rsp)
	movaps %xmm6, 160(%rsp)
	movaps %xmm7, 176(%rsp)
	movq %r10, %rdi                         /* the descriptor */
	movq %rsp, %rsi                         /* the registers */
	leaq 16(%rbp), %rdx                     /* the stack arguments */
	movq 8(%rbp), %rcx                      /* pc of the go statement */
	call rt_go_start
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size rt_go_entry, . - rt_go_entry

	.globl rt_go_thunk
	.hidden rt_go_thunk
	.type rt_go_thunk, @function
	.p2align 4
rt_go_thunk:                                    /* void rt_go_thunk(void *regs) */
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq %rdi, %r10
	movq 56(%r10), %rcx
	testq %rcx, %rcx                        /* a multiple of 16 */
	jz 1f
	subq %rcx, %rsp
	andq $-64, %rsp                         /* as the caller had it, for arguments that want more than 16 */
	leaq 192(%r10), %rsi
	movq %rsp, %rdi
	shrq $3, %rcx
	rep movsq
1:	movaps 64(%r10), %xmm0
	movaps 80(%r10), %xmm1
	movaps 96(%r10), %xmm2
	movaps 112(%r10), %xmm3
	movaps 128(%r10), %xmm4
	movaps 144(%r10), %xmm5
	movaps 160(%r10), %xmm6
	movaps 176(%r10), %xmm7
	movq (%r10), %rdi
	movq 8(%r10), %rsi
	movq 16(%r10), %rdx
	movq 24(%r10), %rcx
	movq 32(%r10), %r8
	movq 40(%r10), %r9
	cmpq $0, rt_observer(%rip)
	jne 3f
2:	movl $8, %eax                           /* f may be variadic: vector registers in use */
	call *48(%r10)
	.cfi_remember_state
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	.cfi_restore_state
	/* Registers that f does not use were saved as well. What they held of the parent's must not look to the leak check like something
	 * that this goroutine can reach. */
3:	pxor %xmm8, %xmm8
	movaps %xmm8, (%r10)
	movaps %xmm8, 16(%r10)
	movaps %xmm8, 32(%r10)
	movaps %xmm8, 64(%r10)
	movaps %xmm8, 80(%r10)
	movaps %xmm8, 96(%r10)
	movaps %xmm8, 112(%r10)
	movaps %xmm8, 128(%r10)
	movaps %xmm8, 144(%r10)
	movaps %xmm8, 160(%r10)
	movaps %xmm8, 176(%r10)
	jmp 2b
	.cfi_endproc
	.size rt_go_thunk, . - rt_go_thunk

	.section .note.GNU-stack, "", @progbits

	.section .note.gnu.property, "a", @note
	.p2align 3
	.long 4, 16, 5
	.asciz "GNU"
	.long 0xc0000002, 4, 1, 0               /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */
