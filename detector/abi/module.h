/* Which code is instrumented: modules that called __tsan_init. Calls of libc functions are checked only if made from such code. */
#ifndef CSP_DETECTOR_ABI_MODULE_H
#define CSP_DETECTOR_ABI_MODULE_H

#include <stdbool.h>
#include <stdint.h>

void det_modules_find(void);                    /* look through what is loaded now */
bool det_module_is_instrumented(uintptr_t pc);
bool det_any_instrumented(void);

#endif
