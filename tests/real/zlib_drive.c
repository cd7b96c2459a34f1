/* Drives zlib from goroutines: each compresses and decompresses buffers of its own, results come over a channel. zlib allocates through
 * our callbacks, which count under a lock: clean. With the argument "shared" the callbacks count without the lock, and with "stream" two
 * goroutines feed one z_stream: races that must be found. */
#include <csp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WORKERS = 8, ROUNDS = 4, BYTES = 60000 };

struct result { int worker; size_t packed; int ok; };

static csp_mutex statistics_lock;
static struct { long allocations, frees; } statistics;
static int unprotected;

static voidpf count_alloc(voidpf opaque, uInt items, uInt size)
{
	(void)opaque;
	if (unprotected) {
		statistics.allocations++;
	} else {
		csp_mutex_lock(&statistics_lock);
		statistics.allocations++;
		csp_mutex_unlock(&statistics_lock);
	}
	return calloc(items, size);
}

static void count_free(voidpf opaque, voidpf block)
{
	(void)opaque;
	if (unprotected) {
		statistics.frees++;
	} else {
		csp_mutex_lock(&statistics_lock);
		statistics.frees++;
		csp_mutex_unlock(&statistics_lock);
	}
	free(block);
}

static size_t pack(const unsigned char *from, size_t n, unsigned char *to, size_t room)
{
	z_stream z = { .zalloc = count_alloc, .zfree = count_free };

	if (deflateInit(&z, 6) != Z_OK)
		return 0;
	z.next_in = (unsigned char *)from, z.avail_in = (uInt)n;
	z.next_out = to, z.avail_out = (uInt)room;
	int end = deflate(&z, Z_FINISH);
	size_t packed = z.total_out;
	deflateEnd(&z);
	return end == Z_STREAM_END ? packed : 0;
}

static size_t unpack(const unsigned char *from, size_t n, unsigned char *to, size_t room)
{
	z_stream z = { .zalloc = count_alloc, .zfree = count_free };

	if (inflateInit(&z) != Z_OK)
		return 0;
	z.next_in = (unsigned char *)from, z.avail_in = (uInt)n;
	z.next_out = to, z.avail_out = (uInt)room;
	int end = inflate(&z, Z_FINISH);
	size_t unpacked = z.total_out;
	inflateEnd(&z);
	return end == Z_STREAM_END ? unpacked : 0;
}

static void worker(int id, csp_send_chan(struct result) out)
{
	unsigned char *text = malloc(BYTES), *packed = malloc(BYTES + 1000), *again = malloc(BYTES);

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < BYTES; i++)
			text[i] = (unsigned char)("goroutine"[i % 9] + (i >> 8) % (unsigned)(id + 2));
		size_t n = pack(text, BYTES, packed, BYTES + 1000);
		size_t m = unpack(packed, n, again, BYTES);
		csp_chan_send(out, (struct result){ id, n, m == BYTES && memcmp(text, again, BYTES) == 0 });
	}
	free(text);
	free(packed);
	free(again);
}

static z_stream one_stream;

static void feed(unsigned char *from, unsigned char *to, csp_waitgroup *wg)
{
	one_stream.next_in = from, one_stream.avail_in = 64;
	one_stream.next_out = to, one_stream.avail_out = 1000;
	deflate(&one_stream, Z_NO_FLUSH);
	csp_wg_done(wg);
}

/* One after the other in time, but nothing orders them: the race is certain and the stream stays whole. */
static int share_one_stream(void)
{
	static unsigned char in[2][64], out[2][1000];

	if (deflateInit(&one_stream, 6) != Z_OK)
		return 1;
	csp_maxprocs(1);
	csp_waitgroup wg = {0};
	csp_wg_add(&wg, 2);
	csp_go(feed, in[0], out[0], &wg);
	csp_go(feed, in[1], out[1], &wg);
	csp_wg_wait(&wg);
	deflateEnd(&one_stream);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "stream") == 0)
		return share_one_stream();
	unprotected = argc > 1 && strcmp(argv[1], "shared") == 0;

	csp_chan(struct result) results = csp_make_chan(struct result, 4);
	int ok = 0;

	for (int i = 0; i < WORKERS; i++)
		csp_go(worker, i, results);
	for (int i = 0; i < WORKERS * ROUNDS; i++) {
		struct result r = csp_chan_recv(results);
		ok += r.ok && r.packed > 0 && r.packed < BYTES;
	}
	printf("%d of %d buffers came back\n", ok, WORKERS * ROUNDS);
	return ok == WORKERS * ROUNDS ? 0 : 1;
}
