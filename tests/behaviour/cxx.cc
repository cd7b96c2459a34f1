/* The C++ face of csp.h: channels, directions, select, go with any callable, range, defer, exceptions inside goroutines. */
#define CSP_SHORT_NAMES
#include <csp.h>

#include "../lib/expect.h"

#include <memory>
#include <stdexcept>
#include <string>

struct job { int id; double cost; };

static void worker(int id, recv_chan(job) jobs, send_chan(double) results)
{
	chan_for(j, jobs)
		chan_send(results, j.cost * id);
}

static void values_travel()
{
	chan(job) jobs = make_chan(job, 16);
	chan(double) results = make_chan(double, 16);
	double sum = 0;

	for (int i = 1; i <= 2; i++)
		go(worker, 1, jobs, results);
	for (int i = 0; i < 10; i++)
		chan_send(jobs, job{ i, 0.5 * i });
	chan_close(jobs);
	for (int i = 0; i < 10; i++)
		sum += chan_recv(results);
	EXPECT(sum == 22.5);
	double d = 7;
	EXPECT(!csp_chan_try_recv(results, &d) && d == 7);
	EXPECT(csp_chan_try_send(results, 3) && chan_len(results) == 1 && chan_cap(results) == 16);
	EXPECT(chan_recv_ok(results, &d) && d == 3);
	job j = { 1, 1 };
	EXPECT(!chan_recv_ok(jobs, &j) && j.id == 0);
	csp_chan_free(jobs);
	csp_chan_unref(csp_chan_ref(results));
	csp_chan_unref(results);
}

static void select_chooses()
{
	chan(int) a = make_chan(int, 1), none = nullptr;
	chan(long) b = make_chan(long);
	int v = 0;
	bool ok = false;

	EXPECT_EQ(choose(CSP_ON_RECV(a, &v), CSP_ON_DEFAULT), 1);
	EXPECT_EQ(choose(CSP_ON_RECV(none), CSP_ON_SEND(a, 41 + 1), CSP_ON_RECV(b)), 1);
	EXPECT_EQ(choose(CSP_ON_RECV(a, &v, &ok), CSP_ON_AFTER(CSP_SECOND)), 0);
	EXPECT(v == 42 && ok);
	EXPECT_EQ(choose(CSP_ON_RECV(a), CSP_ON_AFTER(CSP_MILLISECOND)), 1);
	go([=] { chan_send(b, 9L); });
	EXPECT_EQ(choose(CSP_ON_RECV(a), CSP_ON_RECV(b)), 1);
	csp_chan_free(a);
	csp_chan_free(b);
}

struct base { virtual ~base() = default; virtual int value() const { return 1; } };
struct derived : base { int value() const override { return 2; } };

static void callables_own_their_arguments()
{
	chan(int) c = make_chan(int);
	auto shared = std::make_shared<derived>();
	std::string text = "text that does not fit into the small string";
	csp_go_options named = { 256 << 10, "named", false };

	go([](std::shared_ptr<base> p, std::string s, send_chan(int) out) { chan_send(out, p->value() + (int)s.size()); }, shared, text, c);
	EXPECT_EQ(chan_recv(c), 2 + (int)text.size());
	csp_go_opt(&named, [=](int n) { char big[128 << 10]; big[n] = 5; chan_send(c, (int)big[n]); }, 100000);
	EXPECT_EQ(chan_recv(c), 5);
	/* The callable and the arguments kept with it are destroyed also when the goroutine leaves by csp_exit_goroutine. (Locals and temporaries of
	 * its frames are not: a parameter of type shared_ptr<base> would keep its count.) */
	go([=](const std::shared_ptr<derived> &p) { chan_send(c, p->value()); csp_exit_goroutine(); }, shared);
	EXPECT_EQ(chan_recv(c), 2);
	while (shared.use_count() != 1)
		csp_yield();
	csp_chan_free(c);
}

static int order[4], n_order;
static void note(int n) { order[n_order++] = n; }
static void note_at(int *p) { order[n_order++] = *p; }

static void throwing(int depth, send_chan(int) out)
{
	defer(note, depth);
	csp_yield();
	if (depth == 0)
		throw std::runtime_error("far below");
	throwing(depth - 1, out);
}

static void catcher(send_chan(int) out)
{
	int last = 9;

	try {
		defer(note_at, &last);
		throwing(2, out);
	} catch (const std::runtime_error &e) {
		chan_send(out, e.what() == std::string("far below"));
	}
}

static void exceptions_unwind_a_goroutine()
{
	chan(int) c = make_chan(int);

	go(catcher, c);
	EXPECT_EQ(chan_recv(c), 1);
	EXPECT(n_order == 4 && order[0] == 0 && order[1] == 1 && order[2] == 2 && order[3] == 9);
	csp_chan_free(c);
}

int main()
{
	values_travel();
	select_chooses();
	callables_own_their_arguments();
	exceptions_unwind_a_goroutine();
	return 0;
}
