/* Copying and zeroing the program's elements without libc: a detector interposes memcpy and memset and would take the runtime's copies for
 * accesses of the program, on a goroutine that may not even be the one that owns the memory. (The observer is told by event mem.)
 * The asm also keeps the compiler from turning the loop into a call. */
#ifndef CSP_RUNTIME_CHAN_COPY_H
#define CSP_RUNTIME_CHAN_COPY_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t rt_word64 __attribute__((may_alias, aligned(1)));
typedef uint32_t rt_word32 __attribute__((may_alias, aligned(1)));
typedef long long rt_word128 __attribute__((vector_size(16), may_alias, aligned(1)));
typedef uint16_t rt_word16 __attribute__((may_alias, aligned(1)));

static inline void rt_copy_bytes(void *to, const void *from, size_t bytes)
{
#ifdef __x86_64__
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
	for (unsigned char *t = to; bytes > 0; bytes--, t++, from = (const unsigned char *)from + 1) {
		*t = *(const unsigned char *)from;
		__asm__ volatile("" : : : "memory");
	}
#endif
}

static inline void rt_copy(void *to, const void *from, size_t bytes)
{
	if (__builtin_expect(bytes == 8, 1)) {
		*(rt_word64 *)to = *(const rt_word64 *)from;
		return;
	}
	switch (bytes) {
	case 0: return;
	case 1: *(unsigned char *)to = *(const unsigned char *)from; return;
	case 2: *(rt_word16 *)to = *(const rt_word16 *)from; return;
	case 4: *(rt_word32 *)to = *(const rt_word32 *)from; return;
	}
	if (bytes > 256 || bytes % 8 != 0) {
		rt_copy_bytes(to, from, bytes);
		return;
	}
	size_t at = 0;
	for (; at + 64 <= bytes; at += 64) {            /* rep movsb starts slowly */
		const rt_word128 *f = (const rt_word128 *)((const char *)from + at);
		rt_word128 *t = (rt_word128 *)((char *)to + at), v0 = f[0], v1 = f[1], v2 = f[2], v3 = f[3];
		t[0] = v0, t[1] = v1, t[2] = v2, t[3] = v3;
		__asm__ volatile("" : : : "memory");
	}
	for (; at < bytes; at += 8) {
		*(rt_word64 *)((char *)to + at) = *(const rt_word64 *)((const char *)from + at);
		__asm__ volatile("" : : : "memory");
	}
}

static inline void rt_zero(void *to, size_t bytes)
{
#ifdef __x86_64__
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
#else
	for (unsigned char *t = to; bytes > 0; bytes--) {
		*t++ = 0;
		__asm__ volatile("" : : : "memory");
	}
#endif
}

#endif
