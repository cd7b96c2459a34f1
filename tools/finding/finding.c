/* What a finding is called and what makes two findings the same.
 *
 * Fingerprint v1 must not change when code moves by some lines, when goroutine numbers or addresses differ, or when the two sides of a race
 * are seen in the other order. So it hashes names only: the rule, the object's declared name, and the stacks of the parts as sorted set
 * (at most eight user frames each, recursion collapsed). The access kind is left out: `n++` of two goroutines is one mistake, whether
 * write meets write or write meets read. */
#include "finding/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "detector/report/finding.h"
#include "finding/rules.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

#define FINGERPRINT_FRAMES 8

const char *
finding_func(const struct frame *f)
{
	return f->func ? f->func : "?";
}

const char *
finding_basename(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path ? path : "?";
}

/* File names of our own rooms, as debug information names them: a program linked with libcsprt.a carries them in its own module. */
static bool
is_our_source(const char *file)
{
	return strstr(file, "/runtime/") || strstr(file, "/detector/") || !strcmp(finding_basename(file), "csp.h");
}

bool
finding_is_internal(const struct frame *f)
{
	static const char *const start_up[] = { "_start", "__libc_start_main", "__libc_start_call_main", "__libc_start_main_impl",
	                                        "start_thread", "clone", "clone3", "__clone", "__clone3" };
	const char *module = finding_basename(f->module);

	if (!strncmp(module, "libcsprt.so", 11) || !strncmp(module, "libcspcheck.so", 14))
		return true;
	if (!f->func)
		return false;
	for (size_t i = 0; i < sizeof(start_up) / sizeof(start_up[0]); i++)
		if (!strcmp(f->func, start_up[i]))
			return true;
	if (f->file && is_our_source(f->file))
		return !strncmp(f->func, "csp_", 4) || !strncmp(f->func, "rt_", 3) || !strncmp(f->func, "det_", 4)
		    || !strcmp(finding_basename(f->file), "csp.h");
	return false;
}

uint32_t
finding_user_frames(const struct stack *s, bool all, const struct frame **out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n && n < max; i++)
		if (all || !s->frame[i].internal)
			out[n++] = &s->frame[i];
	return n == 0 && !all ? finding_user_frames(s, true, out, max) : n;
}

/* gcc and clang append these to clones of one function. */
static int
name_length(const char *func)
{
	static const char *const suffixes[] = { ".isra.", ".part.", ".constprop.", ".cold", ".lto_priv" };
	size_t n = strlen(func);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *at = strstr(func, suffixes[i]);
		if (at && (size_t)(at - func) < n)
			n = (size_t)(at - func);
	}
	return (int)n;
}

static char *
stack_key(const struct stack *s, struct obstack *mem)
{
	const struct frame *user[DET_STACK_MAX];
	uint32_t n = finding_user_frames(s, false, user, DET_STACK_MAX), used = 0;
	const char *before = NULL;

	for (uint32_t i = 0; i < n && used < FINGERPRINT_FRAMES; i++) {
		const char *func = user[i]->func, *module = finding_basename(user[i]->module);
		if (before && func && !strcmp(before, func))
			continue;
		if (func)
			obstack_printf(mem, "%s!%.*s;", module, name_length(func), func);
		else /* stripped: the place in the file is all there is */
			obstack_printf(mem, "%s+0x%lx;", module, (unsigned long)user[i]->pc_off);
		before = func;
		used++;
	}
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const struct goroutine *
goroutine_of(const struct finding *f, uint64_t gid)
{
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		if (f->goroutines[i].gid == gid)
			return &f->goroutines[i];
	return NULL;
}

/* A name without what differs from element to element and from layout to layout: "table.rows[3].v+4" is "table.rows[].v". */
static const char *
plain_name(const char *name, struct obstack *mem)
{
	for (; *name && *name != '+'; name++) {
		obstack_1grow(mem, *name);
		if (*name == '[')
			name += strspn(name + 1, "0123456789");
	}
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}

/* What a race is on is its first object. A knot has no first one: who closes it, and hence stands first, is the schedule's choice. */
static const char *
object_names(const struct finding *f, struct obstack *mem)
{
	uint32_t n = 0;

	if (rule_find(f->rule)->kind == RULE_RACE)
		return f->n_objects && f->objects[0].name ? plain_name(f->objects[0].name, mem) : "";
	const char **names = obstack_alloc(mem, (f->n_objects + 1) * sizeof(*names));
	for (uint32_t i = 0; i < f->n_objects; i++)
		if (f->objects[i].name)
			names[n++] = plain_name(f->objects[i].name, mem);
	qsort(names, n, sizeof(*names), by_text);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]))
			obstack_printf(mem, i ? ",%s" : "%s", names[i]);
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}

static void
derive_fingerprint(struct finding *f, struct obstack *mem)
{
	bool leak = rule_find(f->rule)->kind == RULE_LEAK;
	/* Of a misuse, the operation itself; where the object was touched before may differ from run to run. */
	bool alone = rule_find(f->rule)->kind == RULE_MISUSE && f->rule != DET_WG_REUSE;
	uint32_t n_parts = alone && f->n_parts ? 1 : f->n_parts;
	char **keys = obstack_alloc(mem, (f->n_parts + 1) * sizeof(*keys));

	for (uint32_t i = 0; i < n_parts; i++) {
		const struct part *p = &f->parts[i];
		const struct goroutine *g = leak ? goroutine_of(f, p->gid) : NULL;
		char *blocked = stack_key(&p->stack, mem), *created = g ? stack_key(&g->created, mem) : "";
		obstack_printf(mem, "%s|%s|%s", leak ? p->op : "", blocked, created);
		obstack_1grow(mem, '\0');
		keys[i] = obstack_finish(mem);
	}
	qsort(keys, n_parts, sizeof(*keys), by_text);

	const char *names = object_names(f, mem);
	obstack_printf(mem, "v1\n%u\n%s\n", f->rule, names);
	for (uint32_t i = 0; i < n_parts; i++)
		if (i == 0 || strcmp(keys[i], keys[i - 1]))
			obstack_printf(mem, "%s\n", keys[i]);
	if (f->rule == DET_PANIC && f->cause)
		obstack_printf(mem, "%s\n", f->cause);
	size_t n = (size_t)obstack_object_size(mem);
	char *text = obstack_finish(mem);
	XXH128_hash_t h = XXH3_128bits(text, n);
	snprintf(f->fingerprint, sizeof(f->fingerprint), "%016lx%016lx", (unsigned long)h.high64, (unsigned long)h.low64);
}

static bool
stands_before(const struct frame *a, const struct frame *b)
{
	int order = strcmp(a->file, b->file);
	return order < 0 || (order == 0 && a->line < b->line);
}

/* The place a finding is listed under: of its first party; of a deadlock, whose parties come in any order, the foremost in the source. */
static const struct frame *
site_frame(const struct finding *f)
{
	bool any_order = rule_find(f->rule)->kind == RULE_DEADLOCK;
	const struct frame *site = NULL, *top;

	for (uint32_t i = 0; i < f->n_parts; i++) {
		if (any_order && strcmp(f->parts[i].role, f->parts[0].role))
			continue; /* where it waits, not where it took what the others wait for */
		if (!finding_user_frames(&f->parts[i].stack, false, &top, 1))
			continue;
		if (!site || (top->file && (!site->file || (any_order && stands_before(top, site)))))
			site = top;
		if (site->file && !any_order)
			break;
	}
	return site;
}

static void
derive_title(struct finding *f, struct obstack *mem)
{
	const struct rule *r = rule_find(f->rule);
	const struct object *o = f->n_objects ? &f->objects[0] : NULL;

	bool kept = f->n_parts && !strcmp(f->parts[0].role, "keeps");
	obstack_printf(mem, "%s", kept ? "lock kept by a goroutine that has ended" : r->title);
	if (r->kind == RULE_RACE && o) {
		if (o->name)
			obstack_printf(mem, " on %s", o->name);
		else if (!strcmp(o->kind, "heap") && o->size)
			obstack_printf(mem, " on a heap block of %lu bytes", (unsigned long)o->size);
		else if (!strcmp(o->kind, "stack"))
			obstack_printf(mem, " on the stack of goroutine %lu", (unsigned long)o->gid);
		else
			obstack_printf(mem, " on %s 0x%lx", o->kind, (unsigned long)o->addr);
	} else if (r->kind == RULE_LEAK && f->n_parts && f->parts[0].op[0]) {
		obstack_printf(mem, ": %s", f->parts[0].op);
	} else if (f->rule == DET_DEADLOCK && f->n_parts) {
		obstack_printf(mem, ": %u goroutine%s asleep", f->n_parts, f->n_parts == 1 ? "" : "s");
	} else if (f->rule == DET_PANIC && f->cause) {
		obstack_printf(mem, ": %.*s", (int)strcspn(f->cause, "\n"), f->cause);
	}
	obstack_1grow(mem, '\0');
	f->title = obstack_finish(mem);
}

void
finding_derive(struct finding *f, struct obstack *mem)
{
	const struct frame *top = site_frame(f);

	derive_fingerprint(f, mem);
	derive_title(f, mem);
	if (top && top->file)
		obstack_printf(mem, "%s:%u", top->file, top->line);
	else if (top)
		obstack_printf(mem, "%s+0x%lx", finding_basename(top->module), (unsigned long)top->pc_off);
	obstack_1grow(mem, '\0');
	f->site = obstack_finish(mem);
	if (!f->first_seen)
		f->first_seen = "";
}
