/* Arguments of csp_go by compilers and options, and nothing but the arguments: what the caller's variables hold must not be found on the new
 * goroutine's stack, where the leak check would take it for something that the goroutine can reach. Status 0 or 1. */
#include <csp.h>
#include <stdio.h>
#include <string.h>

typedef struct { char bytes[3000]; } bulk;
typedef struct { char bytes[20000]; } huge;
typedef struct { _Alignas(64) long a[8]; } aligned;

#define SECRET UINT64_C(0x5ec2e75ec2e75ec2)

static csp_chan(int) done;
static int failures;

static void check(const char *what, bool right)
{
	if (!right) {
		printf("wrong: %s\n", what);
		failures++;
	}
}

/* From here to the top of the stack, as far as arguments were laid. */
static __attribute__((noinline, no_sanitize("address"))) void look(const char *what, size_t bytes)
{
	const volatile uint64_t *at = __builtin_frame_address(0);
	int found = 0;

	for (size_t i = 0; i < bytes / sizeof *at; i++)
		found += at[i] == SECRET;
	check(what, found == 0);
}

static bool holds(const char *bytes, size_t n, char first)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != (char)(first + i))
			return false;
	return true;
}

static void in_registers(int a, double b, const char *c)
{
	check("in registers", a == 1 && b == 2.5 && strcmp(c, "c") == 0);
	look("in registers, more than the arguments", 512);
	csp_chan_send(done, 1);
}

static void on_stack(long a, long b, long c, long d, long e, long f, long g, long h, long double i)
{
	check("on the stack", a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8 && i == 9);
	look("on the stack, more than the arguments", 512);
	csp_chan_send(done, 1);
}

static void two_bulks(bulk a, int n, bulk b)
{
	check("two structs of 3000 bytes", n == 7 && holds(a.bytes, sizeof a.bytes, 1) && holds(b.bytes, sizeof b.bytes, 2));
	look("two structs, more than the arguments", 13000);
	csp_chan_send(done, 1);
}

static void huges(huge a, double x, huge b, huge c)
{
	check("60,000 bytes", x == 0.5 && holds(a.bytes, sizeof a.bytes, 1) && holds(b.bytes, sizeof b.bytes, 2) && holds(c.bytes, sizeof c.bytes, 3));
	csp_chan_send(done, 1);
}

static void one_huge(huge a)
{
	check("one struct of 20,000 bytes", holds(a.bytes, sizeof a.bytes, 5));
	csp_chan_send(done, 1);
}

static void over_aligned(int n, aligned a, aligned b)
{
	check("aligned to 64", (uintptr_t)&a % 64 == 0 && (uintptr_t)&b % 64 == 0 && n == 3 && a.a[7] == 8 && b.a[7] == 9);
	csp_chan_send(done, 1);
}

static void fill(char *bytes, size_t n, char first)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(first + i);
}

static __attribute__((noinline)) void start_all(int rounds)
{
	volatile uint64_t secrets[64];
	static huge a, b, c;
	bulk d, e;
	aligned f = { { [7] = 8 } }, g = { { [7] = 9 } };

	for (int i = 0; i < 64; i++)
		secrets[i] = SECRET;
	fill(a.bytes, sizeof a, 1);
	fill(b.bytes, sizeof b, 2);
	fill(c.bytes, sizeof c, 3);
	fill(d.bytes, sizeof d, 1);
	fill(e.bytes, sizeof e, 2);
	for (int i = 0; i < rounds; i++) {              /* a frame that grew with each would overflow 1 MiB */
		csp_go(in_registers, 1, 2.5, "c");
		csp_chan_recv(done);
	}
	csp_go(on_stack, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	csp_chan_recv(done);
	csp_go(two_bulks, d, 7, e);
	csp_chan_recv(done);
	csp_go_opt(&(csp_go_options){ .stack_bytes = 16 << 10 }, two_bulks, d, 7, e);
	csp_chan_recv(done);
	csp_go(huges, a, 0.5, b, c);
	csp_chan_recv(done);
	fill(a.bytes, sizeof a, 5);
	csp_go(one_huge, a);
	csp_chan_recv(done);
	csp_go(over_aligned, 3, f, g);
	csp_chan_recv(done);
	check("the caller's variables", secrets[0] == SECRET && secrets[63] == SECRET);
}

int main(void)
{
	done = csp_make_chan(int);
	start_all(40000);
	return failures != 0;
}
