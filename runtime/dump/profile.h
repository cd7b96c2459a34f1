/* Goroutines as a profile: equal stacks with their number, as Go's runtime/pprof writes them with debug=1. */
#ifndef CSP_RUNTIME_DUMP_PROFILE_H
#define CSP_RUNTIME_DUMP_PROFILE_H

struct rt_dump_set;

/* Not on a goroutine's stack. 0 or -errno. */
int  rt_profile_print(int fd, const struct rt_dump_set *set);
/* To the file that $CSPDEBUG names by profile=FILE, if it does. */
void rt_profile_print_file(const struct rt_dump_set *set);

#endif
