/* Which frames of a stack are worth telling, and what their functions are called in a dump. */
#ifndef CSP_RUNTIME_DUMP_FRAMES_H
#define CSP_RUNTIME_DUMP_FRAMES_H

#include "out.h"
#include "symbols.h"

/* Keep what the programmer wrote; see the definition. Returns the number left, moved to the front; 0: nothing of the program's. */
size_t rt_frames_of_user(struct rt_frame *f, size_t n, bool is_main);
bool   rt_frames_of_detector(const struct rt_frame *f);
bool   rt_frames_readable(const char *file);            /* by those who read Go's dumps */
void   rt_frames_print_name(struct rt_dump_out *o, const struct rt_frame *f);

#endif
