#include "soak.h"

#include <string.h>

enum { CHANNELS_MAX = 6 };

/* --- fan: every value sent is received once ------------------------------------------------------------------------------ */

struct fan {
	csp_chan(long)  ch[CHANNELS_MAX];
	int             n;
	csp_waitgroup   producers, consumers;
	_Atomic long    sent, received, n_sent, n_received;
};

static void send_somehow(struct fan *f, struct rng *r, long v)
{
	csp_chan(long) a = f->ch[pick(r, f->n)], b = f->ch[pick(r, f->n)];

	switch (pick(r, 5)) {
	case 0:
		while (!csp_chan_try_send(a, v))
			csp_yield();
		break;
	case 1:
		csp_select(CSP_ON_SEND(a, v), CSP_ON_SEND(b, v));
		break;
	case 2:
		while (csp_select(CSP_ON_SEND(a, v), CSP_ON_AFTER(pick(r, 50) * CSP_MICROSECOND)) != 0)
			;
		break;
	case 3:
		if (csp_select(CSP_ON_SEND(a, v), CSP_ON_DEFAULT) != 0)
			csp_chan_send(b, v);
		break;
	default:
		csp_chan_send(a, v);
	}
}

static void produce(struct fan *f, struct rng r, int values)
{
	long sum = 0;

	for (int i = 0; i < values; i++) {
		long v = pick(&r, 1000000);
		send_somehow(f, &r, v);
		sum += v;
		soak_pause(&r);
	}
	atomic_fetch_add(&f->sent, sum);
	atomic_fetch_add(&f->n_sent, values);
	csp_wg_done(&f->producers);
}

/* Receives until all its channels are closed. Each channel has one consumer that stays with it, so that no producer waits for ever; the others
 * (home < 0) roam. */
static void consume(struct fan *f, struct rng r, int home)
{
	csp_chan(long) open[CHANNELS_MAX];
	long sum = 0, count = 0, v = 0;
	int n = f->n;

	memcpy(open, f->ch, sizeof open);
	if (home >= 0) {
		open[0] = f->ch[home];
		n = 1;
	}
	while (n > 0) {
		int i = pick(&r, n), j = pick(&r, n);
		bool ok = true, got = true;

		v = -1;
		switch (pick(&r, 4)) {
		case 0:
			got = csp_chan_try_recv(open[i], &v);
			if (!got)
				csp_yield();
			break;
		case 1:
			if (csp_select(CSP_ON_RECV(open[i], &v, &ok), CSP_ON_RECV(open[j], &v, &ok)) == 1)
				i = j;
			break;
		case 2:
			got = csp_select(CSP_ON_RECV(open[i], &v, &ok), CSP_ON_AFTER(pick(&r, 50) * CSP_MICROSECOND)) == 0;
			break;
		default:
			ok = csp_chan_recv_ok(open[i], &v);
		}
		if (!got)
			continue;
		if (ok) {
			CHECK(v >= 0);
			sum += v;
			count++;
		} else {
			CHECK_EQ(v, 0);
			open[i] = open[--n];
		}
		soak_pause(&r);
	}
	atomic_fetch_add(&f->received, sum);
	atomic_fetch_add(&f->n_received, count);
	csp_wg_done(&f->consumers);
}

void soak_fan(struct rng r)
{
	struct fan f = { .n = between(&r, 1, CHANNELS_MAX) };
	int producers = between(&r, 1, 8 * soak_scale), consumers = f.n + pick(&r, 6 * soak_scale);

	for (int i = 0; i < f.n; i++)
		f.ch[i] = csp_make_chan(long, pick(&r, 3) ? pick(&r, 20) : 0);
	csp_wg_add(&f.producers, producers);
	csp_wg_add(&f.consumers, consumers);
	for (int i = 0; i < producers; i++)
		csp_go(produce, &f, fork_rng(&r), pick(&r, 200));
	for (int i = 0; i < consumers; i++)
		csp_go(consume, &f, fork_rng(&r), i < f.n ? i : -1);
	csp_wg_wait(&f.producers);
	for (int i = 0; i < f.n; i++)
		csp_chan_close(f.ch[i]);
	csp_wg_wait(&f.consumers);
	CHECK_EQ(f.n_received, f.n_sent);
	CHECK_EQ(f.received, f.sent);
	for (int i = 0; i < f.n; i++)
		csp_chan_unref(f.ch[i]);
	soak_count((uint64_t)f.n_sent);
}

/* --- market: everybody buys and sells in one select ---------------------------------------------------------------------- */

struct market {
	csp_chan(int) ch[CHANNELS_MAX];
	csp_chan(int) closed;
	int           n;
	csp_waitgroup wg;
	_Atomic long  to_receive, balance;
};

/* A select that finds no partner would wait for ever if all stand on the wrong channels: each tries again elsewhere. */
static void trade(struct market *m, struct rng r, int to_send)
{
	long balance = 0;

	for (bool open = true; open;) {
		int in = pick(&r, m->n), out = pick(&r, m->n), got = 0;
		csp_case cases[5] = {
			CSP_ON_RECV(m->ch[in], &got), { 0 }, CSP_ON_RECV(m->closed), CSP_ON_AFTER(pick(&r, 200) * CSP_MICROSECOND), { 0 },
		};
		int offer = pick(&r, 1000);

		if (to_send > 0)
			cases[1] = CSP_ON_SEND_PTR(m->ch[out], &offer);
		if (pick(&r, 8) == 0)
			cases[4] = CSP_ON_DEFAULT;
		switch (csp_select_v(cases, 5)) {
		case 0:
			balance += got;
			if (atomic_fetch_sub(&m->to_receive, 1) == 1)
				csp_chan_close(m->closed);
			break;
		case 1:
			balance -= offer;
			to_send--;
			break;
		case 2:
			CHECK_EQ(to_send, 0);
			open = false;
			break;
		case 4:
			csp_yield();
			break;
		}
		soak_pause(&r);
	}
	atomic_fetch_add(&m->balance, balance);
	csp_wg_done(&m->wg);
}

void soak_market(struct rng r)
{
	struct market m = { .n = between(&r, 1, CHANNELS_MAX), .closed = csp_make_chan(int) };
	int traders = between(&r, 2, 10 * soak_scale), each[160];

	if (traders > 160)
		traders = 160;
	for (int i = 0; i < m.n; i++)
		m.ch[i] = csp_make_chan(int, pick(&r, 2) * pick(&r, 4));
	for (int i = 0; i < traders; i++) {
		each[i] = between(&r, 1, 60);
		m.to_receive += each[i];
	}
	long total = m.to_receive;
	csp_wg_add(&m.wg, traders);
	for (int i = 0; i < traders; i++)
		csp_go(trade, &m, fork_rng(&r), each[i]);
	csp_wg_wait(&m.wg);
	CHECK_EQ(m.balance, 0);
	for (int i = 0; i < m.n; i++) {
		CHECK_EQ((long long)csp_chan_len(m.ch[i]), 0);
		csp_chan_unref(m.ch[i]);
	}
	csp_chan_unref(m.closed);
	soak_count((uint64_t)total);
}

/* --- relay: requests that carry the channel for their answer ------------------------------------------------------------- */

struct request { csp_chan(long) answer; long v; char weight[40]; };

static void serve(csp_chan(struct request) in, csp_chan(struct request) out)
{
	csp_chan_for(q, in) {
		if (out) {
			q.v++;
			csp_chan_send(out, q);
		} else {
			csp_chan_send(q.answer, q.v);
		}
	}
	if (out)
		csp_chan_close(out);
	csp_chan_unref(in);
}

static void ask(csp_chan(struct request) first, struct rng r, int stages, csp_waitgroup *wg)
{
	csp_chan(long) answer = csp_make_chan(long, pick(&r, 2));
	int questions = between(&r, 1, 40);

	for (int i = 0; i < questions; i++) {
		long v = pick(&r, 1000);
		csp_chan_send(first, ((struct request){ .answer = answer, .v = v }));
		CHECK_EQ(csp_chan_recv(answer), v + stages);
		soak_pause(&r);
	}
	csp_chan_unref(answer);
	soak_count((uint64_t)questions);
	csp_wg_done(wg);
}

void soak_relay(struct rng r)
{
	int stages = between(&r, 0, 6), askers = between(&r, 1, 8 * soak_scale);
	csp_chan(struct request) first = csp_make_chan(struct request, pick(&r, 3)), ch = first;
	csp_waitgroup wg = { 0 };

	csp_chan_ref(first);
	for (int i = 0; i < stages; i++) {
		csp_chan(struct request) next = csp_make_chan(struct request, pick(&r, 3));
		csp_go(serve, ch, next);
		ch = next;
	}
	csp_go(serve, ch, NULL);
	csp_wg_add(&wg, askers);
	for (int i = 0; i < askers; i++)
		csp_go(ask, first, fork_rng(&r), stages, &wg);
	csp_wg_wait(&wg);
	csp_chan_close(first);
	csp_chan_unref(first);
}
