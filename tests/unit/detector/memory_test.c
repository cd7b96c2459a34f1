/* What is kept by address: blocks, cells, synchronisation objects. Addresses are made up; none is followed. */
#include <check.h>
#include <stdlib.h>

#include "../../../detector/abi/heap.h"
#include "../../../detector/hb/hbcore.h"
#include "../../../detector/shadow/map.h"

#define PLACE ((uintptr_t)0x7e0000000000)

START_TEST(blocks_by_inner_address)
{
	static const struct { uintptr_t at; uintptr_t start; } cases[] = {
		{ PLACE - 1, 0 }, { PLACE, PLACE }, { PLACE + 39, PLACE }, { PLACE + 40, 0 }, { PLACE + 47, 0 },
		{ PLACE + 64, PLACE + 64 }, { PLACE + 65, 0 }, { PLACE + 4096, PLACE + 4096 }, { PLACE + 4096 + 5000000, PLACE + 4096 },
		{ PLACE + 4096 + 9999999, PLACE + 4096 }, { PLACE + 4096 + 10000000, 0 },
	};
	struct det_heap_block b;

	det_heap_add(PLACE, 40, 1, 0);
	det_heap_add(PLACE + 64, 0, 2, 0);
	det_heap_add(PLACE + 4096, 10000000, 3, 0);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool found = det_heap_find(cases[i].at, &b);

		ck_assert_msg(found == (cases[i].start != 0), "case %u", i);
		ck_assert_msg(!found || b.start == cases[i].start, "case %u", i);
	}
	ck_assert(det_heap_remove(PLACE, &b) && b.gid == 1 && b.size == 40);
	ck_assert(!det_heap_remove(PLACE, &b) && !det_heap_find(PLACE + 8, &b));
	ck_assert(det_heap_find_freed(PLACE + 8, &b) && b.start == PLACE);
	ck_assert(det_heap_remove(PLACE + 64, &b) && det_heap_remove(PLACE + 4096, &b));
}
END_TEST

/* The second high half seen in one 4 GiB piece of the folded space is refused. */
/* What the leak check asks of every word of every stack: with a search to the next block, however far, this would take minutes, past the test's time limit. */
START_TEST(far_from_any_block)
{
	struct det_heap_block b;

	for (uintptr_t i = 0; i < 400000; i++)
		ck_assert(!det_heap_find(PLACE + (UINT64_C(60) << 30) + i * 4096, &b));
}
END_TEST

START_TEST(aliases_are_refused)
{
	uintptr_t alias = PLACE ^ (UINT64_C(1) << DET_FOLD_BITS);

	ck_assert_ptr_eq(det_cell_of(PLACE), det_cell_of(alias));
	ck_assert(det_map_claim(PLACE) && det_map_claim(PLACE + 8));
	ck_assert(!det_map_claim(alias));
}
END_TEST

static struct { unsigned n; uintptr_t addr; size_t bytes; } races;
static void sink(uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current) { races.n++; races.addr = addr; races.bytes = bytes; }

/* A write by one goroutine, part of it forgotten, a write by another: what remains is a race. */
START_TEST(forgotten_bytes)
{
	static const struct { unsigned at, bytes, race_at, race_bytes; } cases[] = {
		{ 0, 8, 0, 0 }, { 0, 4, 4, 4 }, { 4, 4, 0, 4 }, { 0, 1, 1, 7 }, { 7, 1, 0, 7 }, { 3, 5, 0, 3 }, { 0, 0, 0, 8 },
	};
	struct det_g *a = det_g_create(1000, NULL), *b = det_g_create(1001, NULL);

	det_race_sink = sink;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uintptr_t at = PLACE + 0x100000 + 64 * i;
		size_t total = 0;

		races.n = 0;
		det_access(a, at, 8, DET_WRITE, 1);
		det_forget(at + cases[i].at, cases[i].bytes);
		races.bytes = 0;
		det_access(b, at, 8, DET_WRITE, 2);
		total = races.bytes;
		if (cases[i].race_bytes == 0)
			ck_assert_msg(races.n == 0, "case %u", i);
		else
			ck_assert_msg(races.n >= 1 && races.addr + total == at + cases[i].race_at + cases[i].race_bytes, "case %u", i);
	}
	/* Bytes that differ, then agree again: one pair for four bytes. */
	det_access(a, PLACE + 0x200001, 1, DET_WRITE, 3);
	ck_assert(det_is_tagged(det_cell_of(PLACE + 0x200000)->w));
	det_forget(PLACE + 0x200001, 1);
	ck_assert(det_cell_of(PLACE + 0x200000)->w == 0 && det_cell_of(PLACE + 0x200000)->r == 0);
	det_race_sink = NULL;
}
END_TEST

/* Check takes a mutex for every assertion, which is such an object too: none may be looked at with a bucket's lock held. */
static bool is_there(uintptr_t addr, enum det_role role, bool create)
{
	bool there = det_sync_lock(addr, role, create) != NULL;

	det_sync_unlock(addr);
	return there;
}

START_TEST(objects_go_with_their_memory)
{
	uintptr_t at = PLACE + 0x300000;

	for (uintptr_t p = at; p < at + 4096; p += 12)
		ck_assert(is_there(p, DET_ROLE_LOCK, true));
	det_sync_forget(at + 12, 4000);
	for (uintptr_t p = at; p < at + 4096; p += 12)
		ck_assert_int_eq(is_there(p, DET_ROLE_LOCK, false), p < at + 12 || p >= at + 4012);
	ck_assert(!is_there(at, DET_ROLE_ATOMIC, false));       /* roles do not mix */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *t = tcase_create("memory");
	SRunner *r;
	int failed;

	det_init();
	tcase_add_test(t, blocks_by_inner_address);
	tcase_add_test(t, far_from_any_block);
	tcase_add_test(t, aliases_are_refused);
	tcase_add_test(t, forgotten_bytes);
	tcase_add_test(t, objects_go_with_their_memory);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
