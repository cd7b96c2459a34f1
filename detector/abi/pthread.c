/* pthreads: the edges of create, join, mutexes, rwlocks, conditions, semaphores, barriers, once and spin locks, so that programs that
 * mix threads with goroutines are judged by the order they really have. The acting party is whoever runs on this thread: a goroutine
 * that takes a pthread mutex synchronises as a goroutine.
 *
 * A thread has its own det_g from its first instruction; it inherits what its creator knew, and what it knew at its end waits under its
 * pthread_t for the joiner. A new thread's stack (with its thread-local memory) may have served a finished one: it is forgotten. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "../hb/goroutines.h"
#include "../hb/hbcore.h"
#include "../order/must.h"
#include "../order/order.h"
#include "../shadow/context.h"
#include "libc.h"

/* Conditions have an older version of the same names; ask for the one programs are linked with. */
static void *find(const char *name)
{
	void *f = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");

	return f ? f : dlsym(RTLD_NEXT, name);
}

#define REAL(name) ({ static __typeof__(&name) found_; if (!found_) *(void **)&found_ = find(#name); found_; })

struct start {
	void *(*fn)(void *);
	void *arg;
	uint64_t parent_gid;
	uint32_t ctx;
	uintptr_t pc;
	struct det_snap known, must;
};

static void thread_ends(void *arg)
{
	struct det_g *g = det_thread.own;

	if (!g)
		return;
	det_sync_release_store(g, (void *)pthread_self(), DET_ROLE_GENERIC);
	det_order_end(g, false);        /* a robust mutex may be left to its next owner */
	if (g->view)
		return;         /* still the state of an attached goroutine */
	if (det_self == g)
		det_self = NULL;
	det_thread.own = NULL;
	if (det_enter()) {
		det_g_finish(g);
		det_leave();
	}
}

static void forget_own_stack(struct det_g *g)
{
	pthread_attr_t attr;
	void *lo = NULL;
	size_t bytes = 0;

	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &lo, &bytes) == 0 && bytes) {
		det_memory_reset((uintptr_t)lo, bytes);
		g->stack_lo = (uintptr_t)lo;
		g->stack_hi = (uintptr_t)lo + bytes;
	}
	pthread_attr_destroy(&attr);
}

static void *thread_starts(void *arg)
{
	struct start s = *(struct start *)arg;
	struct det_g *g = det_me();
	void *result;

	free(arg);
	if (g) {
		struct det_row *row = det_row_of(g);

		forget_own_stack(g);
		row->parent_gid = s.parent_gid;
		row->created_ctx = s.ctx;
		row->go_pc = s.pc;
		row->entry_pc = (uintptr_t)s.fn;
		if (det_enter()) {
			det_acquire(g, &s.known);
			det_snap_drop(&s.known);
			det_must_acquire(g, &s.must);
			det_snap_drop(&s.must);
			det_leave();
		}
	}
	pthread_cleanup_push(thread_ends, NULL);
	result = s.fn(s.arg);
	pthread_cleanup_pop(1);
	return result;
}

DET_ABI int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	__typeof__(&pthread_create) real = REAL(pthread_create);
	struct det_g *g = det_me();
	struct start *s = g ? malloc(sizeof(*s)) : NULL;
	int err;

	if (!s)
		return real(out, attr, fn, arg);
	*s = (struct start){ .fn = fn, .arg = arg, .parent_gid = det_row_of(g)->gid, .pc = DET_CALLER,
	                     .ctx = det_ctx_here(__builtin_return_address(0)) };
	if (det_enter()) {
		det_release(g, &s->known);
		det_must_release(g, &s->must);
		det_leave();
	}
	err = real(out, attr, thread_starts, s);
	if (err) {
		det_snap_drop(&s->known);
		det_snap_drop(&s->must);
		free(s);
	} else if (det_checks_caller(DET_CALLER)) {
		det_libc_access(out, sizeof(*out), DET_WRITE, DET_CALLER);
	}
	return err;
}

static void joined(pthread_t t)
{
	det_sync_acquire(det_me(), (void *)t, DET_ROLE_GENERIC);
}

DET_ABI int pthread_join(pthread_t t, void **result)
{
	int err = REAL(pthread_join)(t, result);

	if (err == 0)
		joined(t);
	return err;
}

DET_ABI int pthread_tryjoin_np(pthread_t t, void **result)
{
	int err = REAL(pthread_tryjoin_np)(t, result);

	if (err == 0)
		joined(t);
	return err;
}

DET_ABI int pthread_timedjoin_np(pthread_t t, void **result, const struct timespec *until)
{
	int err = REAL(pthread_timedjoin_np)(t, result, until);

	if (err == 0)
		joined(t);
	return err;
}

/* --- mutexes and spin locks. EOWNERDEAD holds the lock as well. --- */

#define IS_LOCKED(err) ((err) == 0 || (err) == EOWNERDEAD)

static void took(const volatile void *m, unsigned kind, bool write, bool tried, void *pc)
{
	/* Libraries without instrumentation (also the one that unwinds for us) count as gates, but nothing is predicted of their orders,
	 * and no stack is asked for: the unwinder would take its lock again. */
	bool ours = det_checks_caller((uintptr_t)pc);

	det_order_took(det_me(), (uintptr_t)m, kind, write, tried || !ours, ours ? det_ctx_here(pc) : det_ctx_intern(0, (uintptr_t)pc));
}

static int locked(int err, const volatile void *m, bool tried, void *pc)
{
	if (IS_LOCKED(err)) {
		det_sync_acquire(det_me(), (const void *)m, DET_ROLE_LOCK);
		took(m, RT_OBJ_MUTEX, true, tried, pc);
	}
	return err;
}

static void unlocking(const volatile void *m)
{
	det_sync_release_store(det_me(), (const void *)m, DET_ROLE_LOCK);
	det_order_gives(det_me(), (uintptr_t)m, true);
}

static void gone(const volatile void *m, size_t bytes) { if (atomic_load(&det_on)) det_memory_reset((uintptr_t)m, bytes); }

DET_ABI int pthread_mutex_lock(pthread_mutex_t *m) { return locked(REAL(pthread_mutex_lock)(m), m, false, __builtin_return_address(0)); }
DET_ABI int pthread_mutex_trylock(pthread_mutex_t *m) { return locked(REAL(pthread_mutex_trylock)(m), m, true, __builtin_return_address(0)); }
DET_ABI int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *t) { return locked(REAL(pthread_mutex_timedlock)(m, t), m, true, __builtin_return_address(0)); }
DET_ABI int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t c, const struct timespec *t) { return locked(REAL(pthread_mutex_clocklock)(m, c, t), m, true, __builtin_return_address(0)); }
DET_ABI int pthread_mutex_unlock(pthread_mutex_t *m) { unlocking(m); return REAL(pthread_mutex_unlock)(m); }
DET_ABI int pthread_mutex_destroy(pthread_mutex_t *m) { int err = REAL(pthread_mutex_destroy)(m); gone(m, sizeof(*m)); return err; }

DET_ABI int pthread_spin_lock(pthread_spinlock_t *m) { return locked(REAL(pthread_spin_lock)(m), m, false, __builtin_return_address(0)); }
DET_ABI int pthread_spin_trylock(pthread_spinlock_t *m) { return locked(REAL(pthread_spin_trylock)(m), m, true, __builtin_return_address(0)); }
DET_ABI int pthread_spin_unlock(pthread_spinlock_t *m) { unlocking(m); return REAL(pthread_spin_unlock)(m); }

/* --- rwlocks --- */

static int rw_locked(int err, pthread_rwlock_t *l, bool writer, bool tried, void *pc)
{
	if (err == 0) {
		det_rw_locked(det_me(), l, writer);
		/* glibc lets readers pass waiting writers unless the lock was made with PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP. */
		took(l, RT_OBJ_RWMUTEX | (l->__data.__flags == 2 ? 0 : DET_READERS_FIRST), writer, tried, pc);
	}
	return err;
}

DET_ABI int pthread_rwlock_rdlock(pthread_rwlock_t *l) { return rw_locked(REAL(pthread_rwlock_rdlock)(l), l, false, false, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_tryrdlock(pthread_rwlock_t *l) { return rw_locked(REAL(pthread_rwlock_tryrdlock)(l), l, false, true, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *t) { return rw_locked(REAL(pthread_rwlock_timedrdlock)(l, t), l, false, true, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_wrlock(pthread_rwlock_t *l) { return rw_locked(REAL(pthread_rwlock_wrlock)(l), l, true, false, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_trywrlock(pthread_rwlock_t *l) { return rw_locked(REAL(pthread_rwlock_trywrlock)(l), l, true, true, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *t) { return rw_locked(REAL(pthread_rwlock_timedwrlock)(l, t), l, true, true, __builtin_return_address(0)); }
DET_ABI int pthread_rwlock_destroy(pthread_rwlock_t *l) { int err = REAL(pthread_rwlock_destroy)(l); gone(l, sizeof(*l)); return err; }

DET_ABI int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	/* glibc notes the writer in the lock: __cur_writer is its thread id while held for writing. */
	det_rw_unlocking(det_me(), l, l->__data.__cur_writer != 0);
	det_order_gives(det_me(), (uintptr_t)l, l->__data.__cur_writer != 0);
	return REAL(pthread_rwlock_unlock)(l);
}

/* --- conditions: the mutex inside the wait makes the edges; the signal adds its own, as for csp_cond --- */

DET_ABI int pthread_cond_signal(pthread_cond_t *c)
{
	det_sync_release_join(det_me(), c, DET_ROLE_GENERIC);
	det_order_signals(det_me());
	return REAL(pthread_cond_signal)(c);
}

DET_ABI int pthread_cond_broadcast(pthread_cond_t *c)
{
	det_sync_release_join(det_me(), c, DET_ROLE_GENERIC);
	det_order_signals(det_me());
	return REAL(pthread_cond_broadcast)(c);
}

static int waited(int err, pthread_cond_t *c, pthread_mutex_t *m, void *pc)
{
	struct det_g *g = det_me();

	if (err == 0)
		det_sync_acquire(g, c, DET_ROLE_GENERIC);
	if (g)
		g->next_lock_guards_condition = true;
	locked(0, m, false, pc);
	return err;
}

DET_ABI int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	unlocking(m);
	return waited(REAL(pthread_cond_wait)(c, m), c, m, __builtin_return_address(0));
}

DET_ABI int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
	unlocking(m);
	return waited(REAL(pthread_cond_timedwait)(c, m, t), c, m, __builtin_return_address(0));
}

DET_ABI int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *t)
{
	unlocking(m);
	return waited(REAL(pthread_cond_clockwait)(c, m, clock, t), c, m, __builtin_return_address(0));
}

DET_ABI int pthread_cond_destroy(pthread_cond_t *c) { int err = REAL(pthread_cond_destroy)(c); gone(c, sizeof(*c)); return err; }

/* --- semaphores, barriers, once --- */

static int sem_taken(int err, sem_t *s)
{
	if (err == 0)
		det_sync_acquire(det_me(), s, DET_ROLE_GENERIC);
	return err;
}

DET_ABI int sem_post(sem_t *s) { det_sync_release_join(det_me(), s, DET_ROLE_GENERIC); return REAL(sem_post)(s); }
DET_ABI int sem_wait(sem_t *s) { return sem_taken(REAL(sem_wait)(s), s); }
DET_ABI int sem_trywait(sem_t *s) { return sem_taken(REAL(sem_trywait)(s), s); }
DET_ABI int sem_timedwait(sem_t *s, const struct timespec *t) { return sem_taken(REAL(sem_timedwait)(s, t), s); }
DET_ABI int sem_clockwait(sem_t *s, clockid_t c, const struct timespec *t) { return sem_taken(REAL(sem_clockwait)(s, c, t), s); }
DET_ABI int sem_destroy(sem_t *s) { int err = REAL(sem_destroy)(s); gone(s, sizeof(*s)); return err; }

DET_ABI int pthread_barrier_wait(pthread_barrier_t *b)
{
	int err;

	det_sync_release_join(det_me(), b, DET_ROLE_GENERIC);
	err = REAL(pthread_barrier_wait)(b);
	if (err == 0 || err == PTHREAD_BARRIER_SERIAL_THREAD)
		det_sync_acquire(det_me(), b, DET_ROLE_GENERIC);
	return err;
}

DET_ABI int pthread_barrier_destroy(pthread_barrier_t *b) { int err = REAL(pthread_barrier_destroy)(b); gone(b, sizeof(*b)); return err; }

static _Thread_local struct { pthread_once_t *o; void (*fn)(void); } once;

static void once_body(void)
{
	pthread_once_t *o = once.o;

	once.fn();
	det_sync_release_store(det_me(), o, DET_ROLE_GENERIC);
}

DET_ABI int pthread_once(pthread_once_t *o, void (*fn)(void))
{
	int err;

	once.o = o;
	once.fn = fn;
	err = REAL(pthread_once)(o, once_body);
	det_sync_acquire(det_me(), o, DET_ROLE_GENERIC);
	return err;
}
