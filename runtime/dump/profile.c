/* The text, which `go tool pprof PROGRAM FILE` reads:
 *
 *   "goroutine profile: total " n LF
 *   1*(count " @" 1*(" 0x" pc) LF *("#" TAB "0x" pc TAB function "+0x" offset TAB path ":" line LF) LF)
 *   "--- Memory map: ---" LF  the lines of /proc/self/maps
 *
 * Readers take every pc for a return address and look one byte before it. Lines with # are for people: pprof finds names by itself, from
 * the ELF files that the memory map names. Frames are those of a dump: the library's own are left out but for the function called. */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../csp.h"
#include "../sched/sched.h"
#include "collect.h"
#include "frames.h"
#include "settings.h"

struct stack {
	const struct rt_dump_block *sample;     /* one of those that have it */
	uint64_t hash;
	size_t   count, at;                     /* at: where in the pool its pcs begin */
	uint32_t n;
};

struct profile {
	struct stack *stacks;
	size_t n;
	char  *pool;                            /* pcs of all, as words */
	size_t len, cap, stacks_bytes;
	bool   raw;
};

static const uintptr_t *pcs_of(const struct profile *p, const struct stack *s)
{
	return (const uintptr_t *)(const void *)(p->pool + s->at);
}

static uintptr_t return_address(const struct rt_dump_block *b, uint32_t at)
{
	if (at == RT_DUMP_AT_ENTRY)
		return (uintptr_t)b->entry_pc + 1;
	return (uintptr_t)b->pcs[at] + (at == 0 && b->exact0);
}

static bool add(struct profile *p, const struct rt_dump_block *b)
{
	const struct rt_frame *f;
	size_t n = rt_dump_frames(b, p->raw, true, &f);
	struct stack *s = &p->stacks[p->n];

	if (!rt_dump_reserve(&p->pool, &p->cap, p->len + n * sizeof(uintptr_t)))
		return false;
	*s = (struct stack){ .sample = b, .hash = 14695981039346656037u, .count = 1, .at = p->len };
	uintptr_t *pcs = (uintptr_t *)(void *)(p->pool + p->len);
	for (size_t i = 0; i < n && i < RT_DUMP_FRAMES_MAX; i++) {
		if (i > 0 && f[i].at == f[i - 1].at)
			continue;               /* inlined into one another: one pc */
		pcs[s->n] = return_address(b, f[i].at);
		s->hash = (s->hash ^ pcs[s->n]) * 1099511628211u;
		s->n++;
	}
	p->len += s->n * sizeof *pcs;
	p->n++;
	return true;
}

static int by_pcs(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static int by_count(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->sample->id < y->sample->id ? -1 : x->sample->id > y->sample->id;
}

/* Equal neighbours become one. Different stacks of one hash stay apart. */
static void fold(struct profile *p)
{
	size_t kept = 0;

	qsort(p->stacks, p->n, sizeof *p->stacks, by_pcs);
	for (size_t i = 0; i < p->n; i++) {
		struct stack *last = kept > 0 ? &p->stacks[kept - 1] : NULL, *s = &p->stacks[i];
		if (last != NULL && by_pcs(last, s) == 0 && memcmp(pcs_of(p, last), pcs_of(p, s), s->n * sizeof(uintptr_t)) == 0) {
			last->count++;
			if (s->sample->id < last->sample->id)
				last->sample = s->sample;
		} else {
			p->stacks[kept++] = *s;
		}
	}
	p->n = kept;
	qsort(p->stacks, p->n, sizeof *p->stacks, by_count);
}

static void print_stack(struct rt_dump_out *o, const struct profile *p, const struct stack *s)
{
	const uintptr_t *pcs = pcs_of(p, s);
	const struct rt_frame *f;

	rt_dump_printf(o, "%zu @", s->count);
	for (uint32_t i = 0; i < s->n; i++)
		rt_dump_printf(o, " 0x%llx", (unsigned long long)pcs[i]);
	rt_dump_printf(o, "\n");
	size_t n = rt_dump_frames(s->sample, p->raw, true, &f);
	for (size_t i = 0; i < n && i < RT_DUMP_FRAMES_MAX; i++) {
		rt_dump_printf(o, "#\t0x%llx\t", (unsigned long long)return_address(s->sample, f[i].at));
		rt_frames_print_name(o, &f[i]);
		rt_dump_printf(o, "+0x%llx\t%s:%u\n", (unsigned long long)f[i].offset, f[i].file != NULL ? f[i].file : "??", f[i].line);
	}
	rt_dump_printf(o, "\n");
}

static void print_memory_map(struct rt_dump_out *o)
{
	static char buf[4096];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	rt_dump_printf(o, "--- Memory map: ---\n");
	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			rt_dump_printf(o, "%.*s", (int)n, buf);
	}
	close(fd);
}

int rt_profile_print(int fd, const struct rt_dump_set *set)
{
	struct rt_dump_out o = { .fd = fd };
	struct profile p = { .raw = set->mode >= RT_TRACEBACK_SYSTEM, .stacks_bytes = set->n * sizeof *p.stacks };

	if (set->n > 0) {
		p.stacks = mmap(NULL, p.stacks_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p.stacks == MAP_FAILED)
			return -ENOMEM;
		for (size_t i = 0; i < set->n && add(&p, set->blocks[i]); i++)
			;
	}
	rt_dump_printf(&o, "goroutine profile: total %zu\n", p.n);
	fold(&p);
	for (size_t i = 0; i < p.n && o.err == 0; i++) {
		print_stack(&o, &p, &p.stacks[i]);
		if (o.len >= RT_DUMP_FLUSH_BYTES)
			rt_dump_flush(&o);
	}
	print_memory_map(&o);
	rt_dump_flush(&o);
	if (o.buf != NULL)
		munmap(o.buf, o.cap);
	else
		o.err = ENOMEM;
	if (p.stacks != NULL)
		munmap(p.stacks, p.stacks_bytes);
	if (p.pool != NULL)
		munmap(p.pool, p.cap);
	return -o.err;
}

void rt_profile_print_file(const struct rt_dump_set *set)
{
	char path[4096];

	if (!rt_dump_setting("profile=", path, sizeof path))
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = fd < 0 ? -errno : rt_profile_print(fd, set);
	if (fd >= 0)
		close(fd);
	if (err != 0) {
		struct rt_dump_out o = { .fd = 2 };
		rt_dump_printf(&o, "\nlibcsprt: no profile in %s: %s\n", path, strerrordesc_np(-err));
		rt_dump_flush(&o);
		if (o.buf != NULL)
			munmap(o.buf, o.cap);
	}
}
