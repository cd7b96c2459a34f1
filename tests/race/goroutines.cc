/* Goroutines in C++: what the compiler and libstdc++'s headers make of ordinary code, in pairs. Order that the detector must not see
 * comes from a pipe.
 * usage: goroutines NAME */
#include <csp.h>

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int hidden[2];
static void hand_over() { char c = 0; if (write(hidden[1], &c, 1) != 1) _exit(99); }
static void take_over() { char c; if (read(hidden[0], &c, 1) != 1) _exit(99); }

static csp_waitgroup wg;

static void run(void *arg)
{
	auto *f = static_cast<std::function<void()> *>(arg);

	(*f)();
	csp_wg_done(&wg);
}

/* Each function in a goroutine of its own; returns when all have ended. */
static void together(std::vector<std::function<void()>> fs)
{
	csp_wg_add(&wg, static_cast<int>(fs.size()));
	for (auto &f : fs)
		csp_go_fn(run, &f, nullptr);
	csp_wg_wait(&wg);
}

struct shape {
	virtual ~shape() {}
	virtual int area() const = 0;
	int touched = 0;
};
struct square : shape {
	int side;
	explicit square(int s) : side(s) {}
	int area() const override { return side * side; }
};

static void clean_virtual()
{
	std::unique_ptr<shape> s(new square(3));
	auto use = [&] { if (s->area() != 9) abort(); };

	together({ use, use, use });
	s->touched = 1;
}

static void exact_field()
{
	std::unique_ptr<shape> s(new square(3));

	together({ [&] { s->touched = 1; hand_over(); }, [&] { take_over(); if (s->touched + s->area() == 7) abort(); } });
}

static void exact_delete()
{
	auto *s = new square(3);

	together({ [=] { if (s->side == 4) abort(); hand_over(); }, [=] { take_over(); delete s; } });
}

static void exact_array()
{
	auto *a = new char[64]();

	together({ [=] { if (a[40]) abort(); hand_over(); }, [=] { take_over(); delete[] a; } });
}

static void clean_shared()
{
	auto p = std::make_shared<square>(2);
	std::vector<std::function<void()>> fs;

	for (int i = 0; i < 8; i++)
		fs.push_back([p] { for (int k = 0; k < 200; k++) { auto q = p; if (q->area() != 4) abort(); } });
	p.reset();
	together(std::move(fs));
}

/* The last owner, whoever it is, destroys what the others have used. */
static void clean_last_owner()
{
	for (int i = 0; i < 50; i++) {
		auto p = std::make_shared<std::string>("a string that does not fit into the object itself");
		auto a = new std::shared_ptr<std::string>(p), b = new std::shared_ptr<std::string>(p);

		p.reset();
		together({ [=] { (*a)->at(1) != ' ' ? abort() : delete a; }, [=] { (*b)->at(1) != ' ' ? abort() : delete b; } });
	}
}

static const std::map<std::string, int> &table()
{
	static const std::map<std::string, int> t = { { "one", 1 }, { "two", 2 }, { "three", 3 } };

	return t;
}

static void clean_static()
{
	auto use = [] { if (table().at("two") != 2) abort(); };

	together({ use, use, use, use });
}

static void clean_string()
{
	std::vector<std::string> parts(8);
	std::vector<std::function<void()>> fs;
	std::string all;

	for (auto &p : parts)
		fs.push_back([&p] { for (int i = 0; i < 100; i++) p += "piece " + std::to_string(i); });
	together(std::move(fs));
	for (auto &p : parts)
		all += p;
	if (all.size() < 1000)
		abort();
}

static void exact_string()
{
	std::string s(40, 'x');

	together({ [&] { s[7] = 'y'; hand_over(); }, [&] { take_over(); if (s[7] == 'z') abort(); } });
}

static void clean_mutex()
{
	std::mutex m;
	std::map<int, std::string> seen;
	std::vector<std::function<void()>> fs;

	for (int i = 0; i < 8; i++)
		fs.push_back([&, i] { std::lock_guard<std::mutex> l(m); seen[i] = std::to_string(i); });
	together(std::move(fs));
	if (seen.size() != 8)
		abort();
}

static void clean_atomic()
{
	std::atomic<bool> ready(false);
	int value = 0;

	together({ [&] { value = 5; ready.store(true, std::memory_order_release); },
	           [&] { while (!ready.load(std::memory_order_acquire)) csp_yield(); if (value != 5) abort(); } });
}

static void clean_exception()
{
	auto f = [] { try { throw std::runtime_error("no"); } catch (const std::exception &e) { if (strcmp(e.what(), "no") != 0) abort(); } };

	for (int i = 0; i < 20; i++)
		together({ f, f, f });
}

static void clean_thread()
{
	int value = 0;
	std::thread t([&] { value++; });

	t.join();
	value++;
}

static const struct { const char *name; void (*run)(); } programs[] = {
	{ "clean_virtual", clean_virtual }, { "exact_field", exact_field }, { "exact_delete", exact_delete }, { "exact_array", exact_array },
	{ "clean_shared", clean_shared }, { "clean_last_owner", clean_last_owner }, { "clean_static", clean_static }, { "clean_string", clean_string },
	{ "exact_string", exact_string }, { "clean_mutex", clean_mutex }, { "clean_atomic", clean_atomic }, { "clean_exception", clean_exception },
	{ "clean_thread", clean_thread },
};

int main(int argc, char **argv)
{
	if (pipe(hidden) != 0)
		return 99;
	for (const auto &p : programs) {
		if (argc == 2 && strcmp(argv[1], p.name) == 0) {
			p.run();
			return 0;
		}
		if (argc == 1)
			puts(p.name);
	}
	return argc == 2 ? 97 : 0;
}
