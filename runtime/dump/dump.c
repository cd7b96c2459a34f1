/* The text of a goroutine dump. Grammar, as Go prints it and as its readers accept it:
 *
 *   goroutine = "goroutine " id " [" state ["," SP n " minutes"] [", locked to thread"] "]:" LF 1*frame [elided] [created]
 *   frame     = module "." function "(" args ")" LF  TAB path ":" line [" +0x" hex] LF
 *   created   = "created by " module "." function [" in goroutine " id] LF  TAB path ":" line [" +0x" hex] LF
 *
 * with exactly one empty line between blocks and none inside. Readers refuse paths that do not end in .c, .go or .s: those are printed
 * as ??:0. The program's own functions are in module "main", the library's in "libcsprt".
 *
 * What that has no place for, a goroutine's name and how deep its stack has been, follows after one more empty line.
 *
 * Two passes: pcs of all goroutines first, while nothing moves (collect.c); names after, when it no longer matters. */
#include "dump.h"

#include <string.h>
#include <sys/mman.h>

#include "../sched/sched.h"
#include "../sched/walk.h"
#include "collect.h"
#include "frames.h"

enum { TIGHTEST = 10 };                         /* stacks told of, unless all are */

static void print_place(struct rt_dump_out *o, const struct rt_frame *f)
{
	if (rt_frames_readable(f->file))
		rt_dump_printf(o, "\t%s:%u", f->file, f->line);
	else
		rt_dump_printf(o, "\t??:0");
	if (!f->inlined && f->offset != 0)
		rt_dump_printf(o, " +0x%llx", (unsigned long long)f->offset);
	else if (!f->inlined && f->function == NULL)
		rt_dump_printf(o, " +0x%llx", (unsigned long long)f->module_offset);
	rt_dump_printf(o, "\n");
}

static struct rt_frame frames[2 * RT_DUMP_PCS_MAX];     /* of one goroutine at a time */

size_t rt_dump_frames(const struct rt_dump_block *b, bool raw, bool symbols, const struct rt_frame **out)
{
	size_t n = 0;
	for (uint32_t i = 0; i < b->n && n < sizeof frames / sizeof *frames; i++) {
		size_t k = rt_symbols_lookup(b->pcs[i], i == 0 && b->exact0, !symbols, frames + n, sizeof frames / sizeof *frames - n);
		for (; k > 0; k--)
			frames[n++].at = i;
	}
	if (!raw) {
		size_t kept = rt_frames_of_user(frames, n, b->id == 1);
		/* Not started yet, or its stack cannot be followed: what it was started for. */
		if (kept == 0 && b->entry_pc != NULL) {
			kept = rt_symbols_lookup(b->entry_pc, true, !symbols, frames, 1);
			frames[0].at = RT_DUMP_AT_ENTRY;
		}
		n = kept != 0 ? kept : n;
	}
	*out = frames;
	return n;
}

static void print_block(struct rt_dump_out *o, const struct rt_dump_block *b, int64_t now, bool raw, bool symbols)
{
	const struct rt_frame *f;
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

	size_t n = rt_dump_frames(b, raw, symbols, &f);
	bool elided = b->n == RT_DUMP_PCS_MAX;
	for (size_t i = 0; i < n; i++) {
		if (i == RT_DUMP_FRAMES_MAX) {
			elided = true;
			break;
		}
		rt_frames_print_name(o, &f[i]);
		if (i == 0 && f[i].runtime && b->state == RT_G_WAITING && b->obj != NULL)
			rt_dump_printf(o, "(%p)\n", b->obj);
		else
			rt_dump_printf(o, "(...)\n");
		print_place(o, &f[i]);
	}
	if (n == 0)
		rt_dump_printf(o, "libcsprt.unknown(...)\n\t??:0\n");
	if (elided)
		rt_dump_printf(o, "...additional frames elided...\n");
	if (b->go_pc != NULL && b->id != 1) {
		size_t k = rt_symbols_lookup(b->go_pc, false, !symbols, frames, 16), at = 0;
		while (at + 1 < k && (frames[at].runtime || rt_frames_of_detector(&frames[at])))
			at++;
		rt_dump_printf(o, "created by ");
		rt_frames_print_name(o, &frames[at]);
		if (b->parent_id != 0)
			rt_dump_printf(o, " in goroutine %llu", (unsigned long long)b->parent_id);
		rt_dump_printf(o, "\n");
		print_place(o, &frames[at]);
	}
}

/* --- stacks -------------------------------------------------------------------------------------------------------------- */

/* Nearer to its end is first. Products of bytes: stacks are far below 2^32 of them. */
static bool is_tighter(const struct rt_dump_block *a, const struct rt_dump_block *b)
{
	return (double)a->stack_used * (double)b->stack_bytes > (double)b->stack_used * (double)a->stack_bytes;
}

static void print_use(struct rt_dump_out *o, const struct rt_dump_block *b)
{
	rt_dump_printf(o, "\t%llu", (unsigned long long)b->id);
	if (b->name[0] != '\0')
		rt_dump_printf(o, " \"%s\"", b->name);
	rt_dump_printf(o, ": %zu of %zu\n", b->stack_used, b->stack_bytes);
}

/* What Go's grammar has no place for comes after an empty line, keyed by id: readers pass it through. */
static void print_stacks(struct rt_dump_out *o, const struct rt_dump_set *set, bool all)
{
	const struct rt_dump_block *tight[TIGHTEST];
	size_t n = 0, known = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct rt_dump_block *b = set->blocks[i];
		if (b->stack_used == 0)
			continue;
		if (known++ == 0)
			rt_dump_printf(o, "\nstack high-water marks, bytes:\n");
		if (all) {
			print_use(o, b);
			continue;
		}
		size_t at = n;
		if (n < TIGHTEST)
			n++;
		else if (is_tighter(b, tight[n - 1]))
			at = n - 1;
		else
			continue;
		for (; at > 0 && is_tighter(b, tight[at - 1]); at--)
			tight[at] = tight[at - 1];
		tight[at] = b;
	}
	for (size_t i = 0; i < n; i++)
		print_use(o, tight[i]);
	if (!all && known > n)
		rt_dump_printf(o, "\t%zu others: a smaller part\n", known - n);
}

/* --- together ------------------------------------------------------------------------------------------------------------ */

void rt_dump_print(int fd, const char *head, struct rt_dump_set *set, bool symbols)
{
	struct rt_dump_out o = { .fd = fd };
	bool raw = set->mode >= RT_TRACEBACK_SYSTEM;

	if (!rt_dump_reserve(&o.buf, &o.cap, 2 * RT_DUMP_FLUSH_BYTES))
		return;
	if (head != NULL)
		rt_dump_printf(&o, "%s", head);
	if (set->mode != RT_TRACEBACK_NONE) {
		int64_t now = rt_now_ns();
		for (size_t i = 0; i < set->n; i++) {
			if (i != 0)
				rt_dump_printf(&o, "\n");
			print_block(&o, set->blocks[i], now, raw, symbols);
			if (o.len >= RT_DUMP_FLUSH_BYTES)
				rt_dump_flush(&o);
		}
		print_stacks(&o, set, raw);
	}
	rt_dump_flush(&o);
	munmap(o.buf, o.cap);
}

void rt_dump_write(const char *head, const struct rt_dump_top *top, bool only_top, bool symbols)
{
	struct rt_dump_set set = { 0 };

	if (rt_traceback_mode() != RT_TRACEBACK_NONE)
		rt_dump_collect(&set, top, only_top);
	rt_dump_print(2, head, &set, symbols);
	rt_dump_release(&set);
}
