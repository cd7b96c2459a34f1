/* A point names the object of the operation that follows it; up to the next point the goroutine may also unlock, count down, release. Two runs
 * of which only the order of such a thing and of another's lock differs are two, so the order of steps (objects.h) has to know of them. */
#include "listen.h"

#include "explore.h"

static struct rt_observer next;

#define HEARD(name, obj, writes, parameters, ...) \
	static void name parameters { det_explore_touch(obj, writes); next.name(__VA_ARGS__); }

HEARD(mutex_lock, m, true, (struct rt_gview *g, void *m, void *pc), g, m, pc)
HEARD(mutex_unlock, m, true, (struct rt_gview *g, void *m, void *pc), g, m, pc)
HEARD(rw_lock, rw, writer, (struct rt_gview *g, void *rw, bool writer, void *pc), g, rw, writer, pc)
HEARD(rw_unlock, rw, writer, (struct rt_gview *g, void *rw, bool writer, void *pc), g, rw, writer, pc)
HEARD(wg_add, wg, true, (struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc), g, wg, delta, counter_after, pc)
HEARD(wg_waited, wg, true, (struct rt_gview *g, void *wg), g, wg)
HEARD(once_begin, o, true, (struct rt_gview *g, void *o), g, o)
HEARD(once_done, o, true, (struct rt_gview *g, void *o), g, o)
HEARD(once_seen, o, false, (struct rt_gview *g, void *o), g, o)
HEARD(cond_waited, c, true, (struct rt_gview *g, void *c), g, c)
HEARD(sema, s, true, (struct rt_gview *g, void *s, bool is_release, void *pc), g, s, is_release, pc)
HEARD(release, sync, true, (struct rt_gview *g, const void *sync), g, sync)
HEARD(acquire, sync, true, (struct rt_gview *g, const void *sync), g, sync)

static void sync_forget(const void *sync, size_t bytes)
{
	det_explore_forget(sync);
	next.sync_forget(sync, bytes);
}

void det_explore_listen(struct rt_observer *o)
{
	next = *o;
	o->mutex_lock = mutex_lock;
	o->mutex_unlock = mutex_unlock;
	o->rw_lock = rw_lock;
	o->rw_unlock = rw_unlock;
	o->wg_add = wg_add;
	o->wg_waited = wg_waited;
	o->once_begin = once_begin;
	o->once_done = once_done;
	o->once_seen = once_seen;
	o->cond_waited = cond_waited;
	o->sema = sema;
	o->release = release;
	o->acquire = acquire;
	o->sync_forget = sync_forget;
}
