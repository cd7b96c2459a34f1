/* The text of a goroutine dump. Grammar, as Go prints it and as its readers accept it:
 *
 *   goroutine = "goroutine " id " [" state ["," SP n " minutes"] [", locked to thread"] "]:" LF 1*frame [elided] [created]
 *   frame     = module "." function "(" args ")" LF  TAB path ":" line [" +0x" hex] LF
 *   created   = "created by " module "." function [" in goroutine " id] LF  TAB path ":" line [" +0x" hex] LF
 *
 * with exactly one empty line between blocks and none inside. Readers refuse paths that do not end in .c, .go or .s: those are printed
 * as ??:0. The program's own functions are in module "main", the library's in "libcsprt".
 *
 * Two passes: pcs of all goroutines first, while nothing moves; names after, when it no longer matters. No buffer is from malloc: the
 * heap may be what broke. */
#include "dump.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../sched/sched.h"
#include "../sched/walk.h"
#include "symbols.h"
#include "unwind.h"

#define FLUSH_BYTES (256 * 1024)
#define PCS_MAX     (RT_DUMP_FRAMES_MAX + 28)

/* One goroutine as collected; its pcs follow in memory. */
struct block {
	uint64_t id, parent_id;
	int64_t  since_ns;
	void    *go_pc, *entry_pc, *obj;
	uint8_t  state, wait;
	bool     locked, exact0, first;
	uint32_t n;
	void    *pcs[];
};

struct collect {
	char  *mem;
	size_t len, cap, n;
	const struct rt_dump_top *top;
	enum rt_traceback mode;
	bool   only_top;
};

enum rt_traceback rt_traceback_mode(void)
{
	static const char *const words[] = { "none", "single", "all", "system", "crash" };
	const char *s = getenv("CSPTRACEBACK");
	if (s != NULL)
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (strcmp(s, words[i]) == 0)
				return (enum rt_traceback)i;
	return RT_TRACEBACK_ALL;
}

/* --- output ------------------------------------------------------------------------------------------------------------ */

static bool reserve(char **mem, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	size_t more = *cap != 0 ? *cap : FLUSH_BYTES * 2;
	while (more < need)
		more *= 2;
	char *p = *mem == NULL ? mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	                       : mremap(*mem, *cap, more, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return false;
	*mem = p;
	*cap = more;
	return true;
}

int rt_dump_fd = 2;

void rt_dump_flush(struct rt_dump_out *o)
{
	size_t done = 0;
	while (done < o->len) {
		ssize_t n = write(rt_dump_fd, o->buf + done, o->len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = 2, .events = POLLOUT }, 1, -1);
		else if (n < 0 && errno != EINTR)
			break;
	}
	o->len = 0;
}

void rt_dump_printf(struct rt_dump_out *o, const char *fmt, ...)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if (o->len + (size_t)n < o->cap) {
			o->len += (size_t)n;
			return;
		}
		if (!reserve(&o->buf, &o->cap, o->len + (size_t)n + 1))
			return;
	}
}

/* --- frames ------------------------------------------------------------------------------------------------------------ */

static bool readable(const char *file)
{
	size_t n = file != NULL ? strlen(file) : 0;
	return (n > 2 && (strcmp(file + n - 2, ".c") == 0 || strcmp(file + n - 2, ".s") == 0)) ||
	       (n > 3 && strcmp(file + n - 3, ".go") == 0);
}

/* "main.worker": what readers split at the last dot, so a module or function name has none of its own. */
static void print_name(struct rt_dump_out *o, const struct rt_frame *f)
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

static void print_place(struct rt_dump_out *o, const struct rt_frame *f)
{
	if (readable(f->file))
		rt_dump_printf(o, "\t%s:%u", f->file, f->line);
	else
		rt_dump_printf(o, "\t??:0");
	if (!f->inlined && f->offset != 0)
		rt_dump_printf(o, " +0x%llx", (unsigned long long)f->offset);
	else if (!f->inlined && f->function == NULL)
		rt_dump_printf(o, " +0x%llx", (unsigned long long)f->module_offset);
	rt_dump_printf(o, "\n");
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
static bool of_detector(const struct rt_frame *f)
{
	const char *b = f->module != NULL ? strrchr(f->module, '/') : NULL;
	return f->module != NULL && strncmp(b != NULL ? b + 1 : f->module, "libcspcheck", 11) == 0;
}

/* Keep what the programmer wrote: of the library, the public function the goroutine is in and public functions between the program's
 * own; nothing below the function started, nothing below main. Returns the number left, moved to the front; 0: nothing of the program's is on this stack. */
static size_t user_frames(struct rt_frame *f, size_t n, bool is_main)
{
	size_t first = 0, last = 0, kept = 0, all = n;
	n = 0;
	for (size_t i = 0; i < all; i++)
		if (!of_detector(&f[i]))
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

static void print_block(struct rt_dump_out *o, const struct block *b, int64_t now, bool raw, bool symbols)
{
	static struct rt_frame frames[2 * PCS_MAX];
	const char *state = "running";
	switch ((enum rt_gstate)b->state) {
	case RT_G_RUNNABLE: state = "runnable"; break;
	case RT_G_WAITING:  state = rt_wait_text((enum rt_wait)b->wait); break;
	case RT_G_SYSCALL:  state = "syscall"; break;
	default: break;
	}
	rt_dump_printf(o, "goroutine %llu [%s", (unsigned long long)b->id, state);
	int64_t minutes = b->since_ns > 0 && now > b->since_ns ? (now - b->since_ns) / 60000000000 : 0;
	if (minutes > 0 && b->state != RT_G_RUNNING && b->state != RT_G_RUNNABLE)
		rt_dump_printf(o, ", %lld minutes", (long long)minutes);
	rt_dump_printf(o, b->locked ? ", locked to thread]:\n" : "]:\n");

	size_t n = 0;
	for (uint32_t i = 0; i < b->n && n < sizeof frames / sizeof *frames; i++)
		n += rt_symbols_lookup(b->pcs[i], i == 0 && b->exact0, !symbols, frames + n, sizeof frames / sizeof *frames - n);
	bool elided = b->n == PCS_MAX;
	if (!raw) {
		size_t kept = user_frames(frames, n, b->id == 1);
		/* Not started yet, or its stack cannot be followed: what it was started for. */
		if (kept == 0 && b->entry_pc != NULL)
			kept = rt_symbols_lookup(b->entry_pc, true, !symbols, frames, 1);
		n = kept != 0 ? kept : n;
	}
	for (size_t i = 0; i < n; i++) {
		if (i == RT_DUMP_FRAMES_MAX) {
			elided = true;
			break;
		}
		print_name(o, &frames[i]);
		if (i == 0 && frames[i].runtime && b->state == RT_G_WAITING && b->obj != NULL)
			rt_dump_printf(o, "(%p)\n", b->obj);
		else
			rt_dump_printf(o, "(...)\n");
		print_place(o, &frames[i]);
	}
	if (n == 0)
		rt_dump_printf(o, "libcsprt.unknown(...)\n\t??:0\n");
	if (elided)
		rt_dump_printf(o, "...additional frames elided...\n");
	if (b->go_pc != NULL && b->id != 1) {
		size_t k = rt_symbols_lookup(b->go_pc, false, !symbols, frames, 16), at = 0;
		while (at + 1 < k && (frames[at].runtime || of_detector(&frames[at])))
			at++;
		rt_dump_printf(o, "created by ");
		print_name(o, &frames[at]);
		if (b->parent_id != 0)
			rt_dump_printf(o, " in goroutine %llu", (unsigned long long)b->parent_id);
		rt_dump_printf(o, "\n");
		print_place(o, &frames[at]);
	}
}

/* --- goroutines -------------------------------------------------------------------------------------------------------- */

static struct block *next_block(struct collect *c, uint32_t pcs)
{
	size_t bytes = sizeof(struct block) + pcs * sizeof(void *);
	if (!reserve(&c->mem, &c->cap, c->len + bytes))
		return NULL;
	struct block *b = (struct block *)(void *)(c->mem + c->len);
	memset(b, 0, sizeof *b);
	return b;
}

static bool visit(const struct rt_ginfo *info, void *arg)
{
	struct collect *c = arg;
	bool first = c->top != NULL && c->top->g != NULL && info->g == &c->top->g->view;
	if (!first && (c->only_top || (info->system && c->mode < RT_TRACEBACK_SYSTEM)))
		return true;
	struct block *b = next_block(c, PCS_MAX);
	if (b == NULL)
		return false;
	b->id = info->id;
	b->parent_id = info->parent_id;
	b->since_ns = info->since_ns;
	b->go_pc = info->g->go_pc;
	b->entry_pc = info->g->entry_pc;
	b->state = (uint8_t)info->state;
	b->wait = (uint8_t)info->wait;
	b->locked = info->locked;
	b->first = first;
	if (info->n_waits == 1 && info->waits[0].kind != RT_OBJ_FD)
		b->obj = info->waits[0].obj;
	if (first) {
		b->state = RT_G_RUNNING;
		b->exact0 = c->top->exact0;
		b->n = (uint32_t)(c->top->n < PCS_MAX ? c->top->n : PCS_MAX);
		memcpy(b->pcs, c->top->pcs, b->n * sizeof *b->pcs);
	} else {
		const struct rt_g *g = (const struct rt_g *)info->g;
		b->exact0 = true;
		if (info->state == RT_G_WAITING || info->state == RT_G_RUNNABLE)
			b->n = (uint32_t)rt_unwind_parked((struct rt_g *)info->g, b->pcs, PCS_MAX);
		else if (g->m != NULL && g->m->stop_context != NULL)
			b->n = (uint32_t)rt_unwind_context(g->m->stop_context, b->pcs, PCS_MAX);
	}
	if (b->n == 0) {
		/* Its registers are on a thread that could not be stopped: say at least what it runs. */
		b->pcs[0] = info->pc != 0 ? (void *)info->pc : info->g->entry_pc;
		b->exact0 = true;
		b->n = b->pcs[0] != NULL;
	}
	c->len += sizeof *b + b->n * sizeof *b->pcs;
	c->n++;
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;
	if (x->first != y->first)
		return x->first ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void rt_dump_write(const char *head, const struct rt_dump_top *top, bool only_top, bool symbols)
{
	struct rt_dump_out o = { NULL, 0, 0 };
	struct collect c = { .top = top, .mode = rt_traceback_mode(), .only_top = only_top };
	bool raw = c.mode >= RT_TRACEBACK_SYSTEM;

	if (!reserve(&o.buf, &o.cap, FLUSH_BYTES * 2))
		return;
	if (head != NULL)
		rt_dump_printf(&o, "%s", head);
	if (c.mode == RT_TRACEBACK_NONE) {
		rt_dump_flush(&o);
		return;
	}
	if (c.mode == RT_TRACEBACK_SINGLE && top != NULL && top->g != NULL)
		c.only_top = true;
	rt_inspect_each(visit, &c);

	/* A panic on a thread that is nobody's: its stack is the one that matters. */
	if (top != NULL && top->g == NULL && top->n != 0) {
		struct block *b = next_block(&c, PCS_MAX);
		if (b != NULL) {
			b->first = true;
			b->state = RT_G_RUNNING;
			b->exact0 = top->exact0;
			b->n = (uint32_t)(top->n < PCS_MAX ? top->n : PCS_MAX);
			memcpy(b->pcs, top->pcs, b->n * sizeof *b->pcs);
			c.len += sizeof *b + b->n * sizeof *b->pcs;
			c.n++;
		}
	}
	struct block **order = c.n == 0 ? MAP_FAILED
		: mmap(NULL, c.n * sizeof *order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (order != MAP_FAILED) {
		size_t at = 0;
		for (size_t i = 0; i < c.n; i++) {
			order[i] = (struct block *)(void *)(c.mem + at);
			at += sizeof **order + order[i]->n * sizeof(void *);
		}
		qsort(order, c.n, sizeof *order, by_id);
		int64_t now = rt_now_ns();
		for (size_t i = 0; i < c.n; i++) {
			if (i != 0)
				rt_dump_printf(&o, "\n");
			print_block(&o, order[i], now, raw, symbols);
			if (o.len >= FLUSH_BYTES)
				rt_dump_flush(&o);
		}
		munmap(order, c.n * sizeof *order);
	}
	rt_dump_flush(&o);
	munmap(o.buf, o.cap);
	if (c.mem != NULL)
		munmap(c.mem, c.cap);
}
