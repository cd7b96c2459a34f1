#include "race_reference.h"

#include <assert.h>
#include <string.h>

struct event { int g; uint32_t time; enum ref_kind kind; };

static struct ref_clock c[REF_G], s[REF_SYNCS];
static struct ref_clock pending_acquire[REF_G], release_fence[REF_G];
static struct { struct event e[REF_OPS]; int n; bool racy; } byte[REF_BYTES];
static struct { struct ref_clock send[REF_OPS], recv[REF_OPS]; int sends, recvs; } chan[8];

void ref_reset(void)
{
	memset(c, 0, sizeof(c));
	memset(s, 0, sizeof(s));
	memset(pending_acquire, 0, sizeof(pending_acquire));
	memset(release_fence, 0, sizeof(release_fence));
	for (int i = 0; i < REF_BYTES; i++) {
		byte[i].n = 0;
		byte[i].racy = false;
	}
	for (int i = 0; i < 8; i++)
		chan[i].sends = chan[i].recvs = 0;
}

static void join(struct ref_clock *into, const struct ref_clock *from)
{
	for (int i = 0; i < REF_G; i++)
		if (from->of[i] > into->of[i])
			into->of[i] = from->of[i];
}

/* Every event has a time of its own. */
static void tick(int g) { c[g].of[g]++; }

void ref_go(int parent, int child)
{
	if (parent >= 0) {
		join(&c[child], &c[parent]);
		tick(parent);
	}
	c[child].of[child] = 1;
}

static bool is_write(enum ref_kind k) { return k == REF_WRITE || k == REF_FREE; }
static bool is_atomic(enum ref_kind k) { return k == REF_ATOMIC_READ || k == REF_ATOMIC_WRITE; }
static bool modifies(enum ref_kind k) { return is_write(k) || k == REF_ATOMIC_WRITE; }

/* C11: two accesses conflict if one of them modifies; they race unless both are atomic. */
static bool conflict(enum ref_kind a, enum ref_kind b)
{
	return (modifies(a) || modifies(b)) && !(is_atomic(a) && is_atomic(b));
}

static bool races(int g, enum ref_kind kind, const struct event *e)
{
	return e->g != g && conflict(kind, e->kind) && c[g].of[e->g] < e->time;
}

int ref_access(int g, size_t at, size_t n, enum ref_kind kind, bool now[REF_BYTES])
{
	int found = 0;

	memset(now, 0, REF_BYTES * sizeof(now[0]));
	for (size_t i = at; i < at + n; i++) {
		for (int k = 0; k < byte[i].n && !byte[i].racy; k++) {
			if (races(g, kind, &byte[i].e[k])) {
				byte[i].racy = now[i] = true;
				found++;
			}
		}
		assert(byte[i].n < REF_OPS);
		byte[i].e[byte[i].n++] = (struct event){ g, c[g].of[g], kind };
	}
	tick(g);
	return found;
}

bool ref_is_partner(int g, size_t at, enum ref_kind kind, int by)
{
	for (int k = 0; k < byte[at].n; k++)
		if (byte[at].e[k].g == by && races(g, kind, &byte[at].e[k]))
			return true;
	return false;
}

bool ref_is_racy(size_t at) { return byte[at].racy; }

void ref_fresh(size_t at, size_t n)
{
	for (size_t i = at; i < at + n; i++) {
		byte[i].n = 0;
		byte[i].racy = false;
	}
}

void ref_acquire(int g, int o) { join(&c[g], &s[o]); }
void ref_release_store(int g, int o) { s[o] = c[g]; tick(g); }
void ref_release_join(int g, int o) { join(&s[o], &c[g]); tick(g); }
void ref_clear(int o) { memset(&s[o], 0, sizeof(s[o])); }

void ref_atomic_load(int g, int o, bool acquire)
{
	join(acquire ? &c[g] : &pending_acquire[g], &s[o]);
}

void ref_atomic_store(int g, int o, bool release)
{
	s[o] = release ? c[g] : release_fence[g];
	tick(g);
}

void ref_atomic_rmw(int g, int o, bool acquire, bool release)
{
	ref_atomic_load(g, o, acquire);
	join(&s[o], release ? &c[g] : &release_fence[g]);
	tick(g);
}

void ref_fence(int g, bool acquire, bool release)
{
	if (acquire)
		join(&c[g], &pending_acquire[g]);
	if (release)
		release_fence[g] = c[g];
	tick(g);
}

int ref_send_begin(int g, int ch)
{
	assert(chan[ch].sends < REF_OPS);
	chan[ch].send[chan[ch].sends] = c[g];
	tick(g);
	return chan[ch].sends++;
}

int ref_recv_begin(int g, int ch)
{
	assert(chan[ch].recvs < REF_OPS);
	chan[ch].recv[chan[ch].recvs] = c[g];
	tick(g);
	return chan[ch].recvs++;
}

/* Receive k happens before the completion of send k + cap. */
void ref_send_end(int g, int ch, int k, int cap)
{
	if (k >= cap)
		join(&c[g], &chan[ch].recv[k - cap]);
}

/* Send k happens before the completion of receive k. */
void ref_recv_end(int g, int ch, int k) { join(&c[g], &chan[ch].send[k]); }
