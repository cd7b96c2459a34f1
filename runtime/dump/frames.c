#include "frames.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool rt_frames_readable(const char *file)
{
	size_t n = file != NULL ? strlen(file) : 0;
	return (n > 2 && (strcmp(file + n - 2, ".c") == 0 || strcmp(file + n - 2, ".s") == 0)) ||
	       (n > 3 && strcmp(file + n - 3, ".go") == 0);
}

/* "main.worker": what readers split at the last dot, so a module or function name has none of its own. */
void rt_frames_print_name(struct rt_dump_out *o, const struct rt_frame *f)
{
	static const char *exe;
	char name[256], module[64] = "main";
	size_t n = 0;
	if (exe == NULL) {
		static char path[4096];
		if (readlink("/proc/self/exe", path, sizeof path - 1) > 0)
			exe = path;
		else
			exe = "";
	}
	if (f->runtime) {
		strcpy(module, "libcsprt");
	} else if (f->module != NULL && strcmp(f->module, exe) != 0) {
		const char *b = strrchr(f->module, '/');
		b = b != NULL ? b + 1 : f->module;
		for (n = 0; b[n] != '\0' && b[n] != '.' && n + 1 < sizeof module; n++)
			module[n] = strchr("%+()[] ", b[n]) != NULL ? '_' : b[n];
		module[n] = '\0';
		if (n == 0)
			strcpy(module, "main");
	}
	n = 0;
	if (f->function != NULL)
		for (; f->function[n] != '\0' && f->function[n] != '.' && n + 1 < sizeof name; n++)
			name[n] = strchr("%+/()[]{},\t ", f->function[n]) != NULL ? '_' : f->function[n];
	/* csp_chan_send is a macro around csp_chan_send_. */
	if (f->runtime && n > 1 && name[n - 1] == '_')
		n--;
	name[n] = '\0';
	if (n == 0)
		snprintf(name, sizeof name, "0x%llx", (unsigned long long)f->module_offset);
	rt_dump_printf(o, "%s.%s", module, name);
}

/* Public functions hand over to internal ones by a jump, so that the frame left has a name no manual page knows: chan_send, rt_mutex_lock. */
static const char *public_name(const char *function)
{
	static const char *const yields[] = { "leave", "rt_switch_to", "rt_switch", "rt_yield", "commit_requeue" };
	static char name[128];          /* of one frame at a time: the innermost of the block being printed */
	if (function == NULL || strncmp(function, "csp_", 4) == 0)
		return function;
	/* All of csp_yield are jumps; whoever else switches keeps a frame of its own. */
	for (size_t i = 0; i < sizeof yields / sizeof *yields; i++)
		if (strcmp(function, yields[i]) == 0)
			return "csp_yield";
	snprintf(name, sizeof name, "csp_%s", function + (strncmp(function, "rt_", 3) == 0 ? 3 : 0));
	return name;
}

/* The detector stands between the program and us (it answers the compiler's calls, and malloc): nothing the programmer wrote. */
bool rt_frames_of_detector(const struct rt_frame *f)
{
	const char *b = f->module != NULL ? strrchr(f->module, '/') : NULL;
	return f->module != NULL && strncmp(b != NULL ? b + 1 : f->module, "libcspcheck", 11) == 0;
}

/* Keep what the programmer wrote: of the library, the public function the goroutine is in and public functions between the program's
 * own; nothing below the function started, nothing below main. Returns the number left, moved to the front; 0: nothing of the program's is on this stack. */
size_t rt_frames_of_user(struct rt_frame *f, size_t n, bool is_main)
{
	size_t first = 0, last = 0, kept = 0, all = n;
	n = 0;
	for (size_t i = 0; i < all; i++)
		if (!rt_frames_of_detector(&f[i]))
			f[n++] = f[i];
	while (first < n && (f[first].runtime || f[first].outside))
		first++;
	if (first == n)
		return 0;
	/* main without a name, below it libc and _start. */
	if (is_main && n > 2 && f[n - 2].outside && f[n - 1].function == NULL)
		n--;
	for (size_t i = first; i < n; i++) {
		if (f[i].runtime || f[i].outside)
			continue;
		last = i;
		if (!f[i].inlined && f[i].function != NULL && strcmp(f[i].function, "main") == 0)
			break;
	}
	/* libc called by the program, waiting for the library (qsort → compare → send) or not, is part of the story. */
	size_t begin = first;
	while (begin > 0 && f[begin - 1].outside && !f[begin - 1].runtime)
		begin--;
	if (begin > 0 && f[begin - 1].runtime)
		begin--;
	for (size_t i = begin; i <= last; i++) {
		bool public = f[i].function != NULL && strncmp(f[i].function, "csp_", 4) == 0;
		if (f[i].runtime && !public && i != begin)
			continue;
		f[kept] = f[i];
		if (f[i].runtime && i == begin)
			f[kept].function = public_name(f[i].function);
		kept++;
	}
	return kept;
}
