/* mem* and str* of instrumented callers, who read and write memory through them. The work itself is done by the C library's own
 * versions; until they are found (the first moments of a process) by plain loops. Nothing here may be compiled into a call of itself:
 * -fno-builtin and -fno-tree-loop-distribute-patterns. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "libc.h"

#define READ(p, n)  det_libc_access((p), (n), DET_READ, DET_CALLER)
#define WRITE(p, n) det_libc_access((p), (n), DET_WRITE, DET_CALLER)
#define CHECKED     __builtin_expect(det_checks_caller(DET_CALLER), 0)

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(void *, memcpy, void *, const void *, size_t);
REAL(void *, memmove, void *, const void *, size_t);
REAL(void *, memset, void *, int, size_t);
REAL(int, memcmp, const void *, const void *, size_t);
REAL(void *, memchr, const void *, int, size_t);
REAL(size_t, strlen, const char *);
REAL(size_t, strnlen, const char *, size_t);
REAL(int, strcmp, const char *, const char *);
REAL(int, strncmp, const char *, const char *, size_t);
REAL(char *, strchr, const char *, int);
REAL(char *, strrchr, const char *, int);

static void find(void *at, const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (f)
		*(void **)at = f;
}

void det_string_init(void)
{
	find(&real_memmove, "memmove");
	find(&real_memcpy, "memcpy");
	find(&real_memset, "memset");
	find(&real_memcmp, "memcmp");
	find(&real_memchr, "memchr");
	find(&real_strlen, "strlen");
	find(&real_strnlen, "strnlen");
	find(&real_strcmp, "strcmp");
	find(&real_strncmp, "strncmp");
	find(&real_strchr, "strchr");
	find(&real_strrchr, "strrchr");
}

static void *copy(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if (real_memmove)
		return real_memmove(to, from, n);
	if (d < s)
		for (size_t i = 0; i < n; i++)
			d[i] = s[i];
	else
		for (size_t i = n; i-- > 0;)
			d[i] = s[i];
	return to;
}

static void *fill(void *to, int c, size_t n)
{
	if (real_memset)
		return real_memset(to, c, n);
	for (size_t i = 0; i < n; i++)
		((unsigned char *)to)[i] = (unsigned char)c;
	return to;
}

static size_t length(const char *s)
{
	size_t n = 0;

	if (real_strlen)
		return real_strlen(s);
	while (s[n])
		n++;
	return n;
}

static size_t length_max(const char *s, size_t max)
{
	size_t n = 0;

	if (real_strnlen)
		return real_strnlen(s, max);
	while (n < max && s[n])
		n++;
	return n;
}

static int compare(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	if (real_memcmp)
		return real_memcmp(a, b, n);
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

#define COPY                                  \
	{                                     \
		if (CHECKED) {                \
			READ(from, n);        \
			WRITE(to, n);         \
		}                             \
		return copy(to, from, n);     \
	}
#define FILL                                  \
	{                                     \
		if (CHECKED)                  \
			WRITE(to, n);         \
		return fill(to, c, n);        \
	}

DET_ABI void *memcpy(void *to, const void *from, size_t n) COPY
DET_ABI void *memmove(void *to, const void *from, size_t n) COPY
DET_ABI void *memset(void *to, int c, size_t n) FILL
void *__tsan_memcpy(void *to, const void *from, size_t n);
void *__tsan_memmove(void *to, const void *from, size_t n);
void *__tsan_memset(void *to, int c, size_t n);
DET_ABI void *__tsan_memcpy(void *to, const void *from, size_t n) COPY
DET_ABI void *__tsan_memmove(void *to, const void *from, size_t n) COPY
DET_ABI void *__tsan_memset(void *to, int c, size_t n) FILL

/* The _FORTIFY_SOURCE forms; an overflow is left to the C library's word. */
#define FORTIFIED(name, ...) void *__##name##_chk(__VA_ARGS__)
FORTIFIED(memcpy, void *to, const void *from, size_t n, size_t room);
FORTIFIED(memmove, void *to, const void *from, size_t n, size_t room);
FORTIFIED(memset, void *to, int c, size_t n, size_t room);
extern void __chk_fail(void) __attribute__((noreturn));
#define FITS (n <= room ? (void)0 : __chk_fail())
DET_ABI FORTIFIED(memcpy, void *to, const void *from, size_t n, size_t room) { FITS; COPY }
DET_ABI FORTIFIED(memmove, void *to, const void *from, size_t n, size_t room) { FITS; COPY }
DET_ABI FORTIFIED(memset, void *to, int c, size_t n, size_t room) { FITS; FILL }

static size_t differing_at(const unsigned char *x, const unsigned char *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return i + 1;
	return n;
}

DET_ABI int memcmp(const void *a, const void *b, size_t n)
{
	if (CHECKED) {
		size_t looked = differing_at(a, b, n);

		READ(a, looked);
		READ(b, looked);
	}
	return compare(a, b, n);
}

DET_ABI int bcmp(const void *a, const void *b, size_t n)
{
	if (CHECKED) {
		size_t looked = differing_at(a, b, n);

		READ(a, looked);
		READ(b, looked);
	}
	return compare(a, b, n);
}

DET_ABI void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *at = s;
	void *found = NULL;

	if (real_memchr)
		found = real_memchr(s, c, n);
	else
		for (size_t i = 0; i < n && !found; i++)
			found = at[i] == (unsigned char)c ? (void *)(at + i) : NULL;
	if (CHECKED)
		READ(s, found ? (size_t)((unsigned char *)found - at) + 1 : n);
	return found;
}

DET_ABI size_t strlen(const char *s)
{
	size_t n = length(s);

	if (CHECKED)
		READ(s, n + 1);
	return n;
}

DET_ABI size_t strnlen(const char *s, size_t max)
{
	size_t n = length_max(s, max);

	if (CHECKED)
		READ(s, n < max ? n + 1 : n);
	return n;
}

/* Bytes of each string a comparison looks at. */
static size_t compared(const char *a, const char *b, size_t max)
{
	size_t i = 0;

	while (i < max && a[i] == b[i] && a[i])
		i++;
	return i < max ? i + 1 : max;
}

static int compare_strings(const char *a, const char *b, size_t max)
{
	size_t n = compared(a, b, max);

	return n ? (unsigned char)a[n - 1] - (unsigned char)b[n - 1] : 0;
}

DET_ABI int strcmp(const char *a, const char *b)
{
	if (CHECKED) {
		size_t n = compared(a, b, SIZE_MAX);

		READ(a, n);
		READ(b, n);
	}
	return real_strcmp ? real_strcmp(a, b) : compare_strings(a, b, SIZE_MAX);
}

DET_ABI int strncmp(const char *a, const char *b, size_t max)
{
	if (CHECKED) {
		size_t n = compared(a, b, max);

		READ(a, n);
		READ(b, n);
	}
	return real_strncmp ? real_strncmp(a, b, max) : compare_strings(a, b, max);
}

DET_ABI char *strchr(const char *s, int c)
{
	const char *at = s;

	if (CHECKED) {
		while (*at && *at != (char)c)
			at++;
		READ(s, (size_t)(at - s) + 1);
	}
	if (real_strchr)
		return real_strchr(s, c);
	while (*at && *at != (char)c)
		at++;
	return *at == (char)c ? (char *)at : NULL;
}

DET_ABI char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	if (CHECKED)
		READ(s, length(s) + 1);
	if (real_strrchr)
		return real_strrchr(s, c);
	for (const char *at = s;; at++) {
		if (*at == (char)c)
			found = at;
		if (!*at)
			return (char *)found;
	}
}

#define STRCPY(end)                              \
	{                                        \
		size_t n = length(from) + 1;     \
		if (CHECKED) {                   \
			READ(from, n);           \
			WRITE(to, n);            \
		}                                \
		copy(to, from, n);               \
		return (end);                    \
	}
DET_ABI char *strcpy(char *to, const char *from) STRCPY(to)
DET_ABI char *stpcpy(char *to, const char *from) STRCPY(to + n - 1)
char *__strcpy_chk(char *to, const char *from, size_t room);
char *__stpcpy_chk(char *to, const char *from, size_t room);
DET_ABI char *__strcpy_chk(char *to, const char *from, size_t room) { if (length(from) >= room) __chk_fail(); STRCPY(to) }
DET_ABI char *__stpcpy_chk(char *to, const char *from, size_t room) { if (length(from) >= room) __chk_fail(); STRCPY(to + n - 1) }

DET_ABI char *strncpy(char *to, const char *from, size_t n)
{
	size_t used = length_max(from, n);

	if (CHECKED) {
		READ(from, used < n ? used + 1 : n);
		WRITE(to, n);
	}
	copy(to, from, used);
	fill(to + used, 0, n - used);
	return to;
}

DET_ABI char *strcat(char *to, const char *from)
{
	size_t have = length(to), n = length(from) + 1;

	if (CHECKED) {
		READ(to, have + 1);
		READ(from, n);
		WRITE(to + have, n);
	}
	copy(to + have, from, n);
	return to;
}

DET_ABI char *strncat(char *to, const char *from, size_t max)
{
	size_t have = length(to), n = length_max(from, max);

	if (CHECKED) {
		READ(to, have + 1);
		READ(from, n < max ? n + 1 : n);
		WRITE(to + have, n + 1);
	}
	copy(to + have, from, n);
	to[have + n] = '\0';
	return to;
}

DET_ABI char *strdup(const char *s)
{
	size_t n = length(s) + 1;
	char *p;

	if (CHECKED)
		READ(s, n);
	p = malloc(n);
	if (p && CHECKED)
		WRITE(p, n);
	return p ? copy(p, s, n) : NULL;
}

DET_ABI char *strndup(const char *s, size_t max)
{
	size_t n = length_max(s, max);
	char *p;

	if (CHECKED)
		READ(s, n < max ? n + 1 : n);
	p = malloc(n + 1);
	if (!p)
		return NULL;
	if (CHECKED)
		WRITE(p, n + 1);
	copy(p, s, n);
	p[n] = '\0';
	return p;
}
