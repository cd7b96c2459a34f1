/* malloc, memalign and free on behalf of a caller at pc: what operator new and delete are made of. */
#ifndef CSP_DETECTOR_ABI_MALLOC_H
#define CSP_DETECTOR_ABI_MALLOC_H

#include <stddef.h>
#include <stdint.h>

void *det_malloc(size_t n, uintptr_t pc);
void *det_memalign(size_t align, size_t n, uintptr_t pc);
void  det_free_block(void *p, uintptr_t pc);

#endif
