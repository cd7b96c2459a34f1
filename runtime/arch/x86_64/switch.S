/* The machine-context switch, x86-64 System V.
 *
 *   struct rt_m *rt_switch(void **save_sp, void *to_sp, struct rt_m *m);
 *
 * Only what the ABI lets a callee destroy is lost: six registers and the stack pointer are saved, mxcsr and the x87 control word stay as they
 * are. The frame left at *save_sp is, from low to high: rbx rbp r12 r13 r14 r15 pc (inspect.h promises the callee-saved registers
 * in [sp, sp + 64)). It resumes by `ret`, which keeps the return-address predictor in step with the calls. The value returned on
 * the resumed side is the m given by the side that switched, so that no thread-local read follows a switch.
 *
 *   rt_entry: where a new context begins; its frame is laid by rt_arch_prepare. Unwinding ends here. Its function says, when it is done, where
 *   to go on (struct rt_arrival).
 * A new context is jumped to, and a finished one leaves from here with all its calls returned: what it was switched from is then resumed
 * with the predictor as it was left, which knows the way back (four returns, 20 ns of a start and join).
 *
 * The property note claims IBT (indirect branches land on endbr64) but not SHSTK: a switch changes stacks behind a shadow stack's back. */
	.text
	.globl rt_switch
	.hidden rt_switch
	.type rt_switch, @function
	.p2align 4
rt_switch:
	.cfi_startproc
	endbr64
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	movq %rdx, %rax
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	leaq rt_entry(%rip), %rcx
	cmpq %rcx, (%rsp)
	je 1f
	ret
1:	addq $8, %rsp
	.cfi_undefined rip
	.cfi_undefined rsp
	.cfi_undefined rbp
	jmp rt_entry
	.cfi_endproc
	.size rt_switch, . - rt_switch

	.globl rt_entry
	.hidden rt_entry
	.type rt_entry, @function
	.p2align 4
	.cfi_startproc
	.cfi_undefined rip
	.cfi_undefined rsp
	.cfi_undefined rbp
	nop                                     /* an unwinder looks at pc - 1 */
rt_entry:
	endbr64
	movq %rax, %rdi                         /* m, from the switch */
	movq %r12, %rsi                         /* arg */
	xorl %ebp, %ebp
	call *%rbx                              /* struct rt_arrival (*)(struct rt_m *m, void *arg) */
	movq %rax, %rsp
	movq %rdx, %rax
	popq %rbx
	popq %rbp
	popq %r12
	popq %r13
	popq %r14
	popq %r15
	leaq rt_entry(%rip), %rcx
	cmpq %rcx, (%rsp)
	je 1f
	ret
1:	addq $8, %rsp
	jmp rt_entry
	.cfi_endproc
	.size rt_entry, . - rt_entry

	.section .note.GNU-stack, "", @progbits

	.section .note.gnu.property, "a", @note
	.p2align 3
	.long 4, 16, 5
	.asciz "GNU"
	.long 0xc0000002, 4, 1, 0               /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */
