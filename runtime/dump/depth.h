/* How deep a stack has ever been: from its top down to the lowest word that is not zero.
 *
 * Nothing is counted while goroutines run. A stack begins as pages of zeroes, and what was written on it stays. Stacks are used again (LIFO,
 * per worker), without being cleared, so what is found is the high-water mark of the stack: of this goroutine and of those that had the
 * stack before it, since its pages were last given back to the kernel (rt_stack_trim). For the question that the number answers, how large
 * stacks must be, that is the right side to err on; goroutine 1's stack, one of an unusual size, and one that is the first on its memory
 * have theirs alone. What held nothing but zeroes at the very end of the stack is not seen. */
#ifndef CSP_RUNTIME_DUMP_DEPTH_H
#define CSP_RUNTIME_DUMP_DEPTH_H

#include <stddef.h>
#include <stdint.h>

/* One dump at a time: begin, any number of stacks, end. */
void   rt_depth_begin(void);
size_t rt_depth_of(uintptr_t lo, uintptr_t hi);         /* in bytes; 0: not known */
void   rt_depth_end(void);

#endif
