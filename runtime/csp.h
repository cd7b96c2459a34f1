/* csp.h: goroutines, channels and select for C, with Go's semantics. Link with -lcsprt; `int main(void)` is an ordinary main.
 *
 * The thread that first uses the library becomes goroutine 1; when main returns, the process ends, as in Go.
 * Conventions
 *   - Times are int64_t nanoseconds on the monotonic clock; durations <= 0 mean "at once".
 *   - What the system refuses is returned as a negative errno value. Misuse (send on a closed channel, unlock of an unlocked mutex)
 *     panics with Go's text, a dump of the goroutines and exit status 2.
 *   - "May park": the goroutine may be suspended and go on on another thread. Addresses of thread-local variables do not survive such
 *     a call; `errno` does, because it is redefined below. Use csp_lock_thread for libraries that depend on the thread.
 *   - Zero-initialised mutexes, wait groups, ... are ready to use. Names that end in an underscore are private to the macros.
 *   - Macros evaluate every argument once. A wrong element type, direction or argument is an error on your line; for that the header
 *     turns three compiler warnings on pointer conversions into errors. #define CSP_LENIENT_TYPES before the include to keep them
 *     warnings.
 *   - C++ (from 2014) gets the same names as templates; see the part "C++".
 * Environment: CSPMAXPROCS (workers), CSPTRACEBACK, CSPDEBUG. Source of semantics: the Go specification and memory model (2022). */
#ifndef CSP_H
#define CSP_H

#pragma GCC system_header       /* gcc then names the user's line, not the macro's, in its errors */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CSP_VERSION_MAJOR 0
#define CSP_VERSION_MINOR 1

#define CSP_API __attribute__((visibility("default")))

#if !defined(__cplusplus) && !defined(CSP_LENIENT_TYPES)
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#pragma GCC diagnostic error "-Wint-conversion"
#ifdef __clang__
#pragma GCC diagnostic error "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic error "-Wdiscarded-qualifiers"
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Both compilers keep the address of the thread's errno over a call that moved the goroutine to another thread. */
CSP_API int *csp_errno_location(void);
#undef errno
#define errno (*csp_errno_location())

#define CSP_CAT2_(a, b) a##b
#define CSP_CAT_(a, b) CSP_CAT2_(a, b)
#define CSP_UNIQUE_(name) CSP_CAT_(name, __COUNTER__)

#define CSP_NANOSECOND  INT64_C(1)
#define CSP_MICROSECOND INT64_C(1000)
#define CSP_MILLISECOND INT64_C(1000000)
#define CSP_SECOND      INT64_C(1000000000)
#define CSP_MINUTE      INT64_C(60000000000)

/* === Channel types ======================================================================================================
 * csp_chan(T) is a channel of T; csp_send_chan(T) one that can only be sent to (and closed), csp_recv_chan(T) one that can only be
 * received from. A csp_chan(T) converts to both, implicitly; nothing converts back. T: any unqualified object type of at most
 * 65536 bytes except arrays; also csp_chan(csp_chan(int)). NULL is the nil channel: sending and receiving on it park for ever.
 * The types are pointers that nobody follows: the element type is the result of a function type, the direction a qualifier. */
struct csp_elem_;
#define csp_chan(T)      __typeof__(__typeof__(T) (**)(struct csp_elem_ *))
#define csp_send_chan(T) __typeof__(__typeof__(T) (*const *)(struct csp_elem_ *))
#define csp_recv_chan(T) __typeof__(__typeof__(T) (*volatile *)(struct csp_elem_ *))

struct csp_chan;

/* === Goroutines ========================================================================================================= */

typedef struct csp_go_options {
	size_t      stack_bytes;        /* at least this much stack; 0: the default (64 KiB) */
	const char *name;               /* copied (at most 31 bytes); NULL: none */
	bool        locked;             /* begins with csp_lock_thread */
} csp_go_options;

/* csp_go(f, args...): start a goroutine that calls f(args...), arguments converted and checked as in a call. They are evaluated and copied
 * now; structs go by value, of any size (vectors of more than 16 bytes do not). f is any function or function pointer whose result is not a struct; the result is dropped.
 * csp_go_opt(&options, f, args...): the same with options (in parentheses if they contain a comma). Never parks. No memory left: "fatal error", exit status 2.
 * Source: Go spec, "Go statements". */

/* The same for a function of one pointer; usable from C++. options may be NULL. Returns 0 or -ENOMEM, -EAGAIN. */
CSP_API int csp_go_fn(void (*f)(void *), void *arg, const csp_go_options *options);

CSP_API void csp_yield(void);                           /* let others run. May park. Source: runtime.Gosched */
CSP_API void csp_sleep(int64_t ns);                     /* park for at least ns. Source: time.Sleep */
CSP_API __attribute__((noreturn)) void csp_exit_goroutine(void); /* run the defers and end this goroutine; in goroutine 1: the others
                                                         * go on, and the program dies when none is left. Source: runtime.Goexit */
CSP_API uint64_t csp_id(void);                          /* of this goroutine: 1 is main; never reused */
CSP_API void csp_set_name(const char *name);            /* of this goroutine, in dumps and findings; copied, at most 31 bytes */
CSP_API void csp_lock_thread(void);                     /* stay on this OS thread, alone; nests. Source: runtime.LockOSThread */
CSP_API void csp_unlock_thread(void);
CSP_API int  csp_maxprocs(int n);                       /* set how many goroutines run at once (n >= 1; n < 1 only asks); returns the former number */
CSP_API int  csp_num_goroutines(void);                  /* that exist now, the calling one included */
CSP_API int  csp_goroutine_profile(int fd);             /* write what all goroutines do to fd, equal stacks counted, as text for `go tool pprof
                                                         * PROGRAM FILE`. 0 or -errno. May park. Source: pprof.Lookup("goroutine").WriteTo(w, 1) */
CSP_API int  csp_choose(int n);                         /* a random number in [0, n), n >= 1, that schedule exploration controls */
CSP_API void csp_block(void (*f)(void *), void *arg);   /* call f(arg), which may block its thread for long; other goroutines go on */

/* === Channels ===========================================================================================================
 * The typed operations (C; Go spec, "Send statements", "Receive operator", "Close"; Go memory model, "Channel communication"):
 *   csp_chan(T) csp_make_chan(T)            unbuffered; csp_make_chan(T, cap): buffer of cap elements, 0 <= cap < 2^31, which may panic:
 *                                           "makechan: size out of range". The caller holds one reference
 *   void csp_chan_send(c, v)                may park. Panics if c is or becomes closed
 *   T    csp_chan_recv(c)                   may park. Zero value once c is closed and drained
 *   bool csp_chan_recv_ok(c, &v)            may park. false, and v zeroed: closed and drained. &v may be NULL
 *   bool csp_chan_try_send(c, v)            never parks: false if the value could not be passed on at once (also on NULL)
 *   bool csp_chan_try_recv(c, &v)           never parks: false if no value was there; v is zeroed if c is closed and drained, else untouched.
 *                                           (Must the two be told apart: csp_select with &ok and CSP_ON_DEFAULT.)
 *   void csp_chan_close(c)                  wakes all. Panics on NULL or if closed already; not for receive-only channels
 *   size_t csp_chan_len(c), csp_chan_cap(c) elements in the buffer now, buffer size; 0 for NULL
 *   csp_chan_for(v, c) statement            receive into a new variable v until c is closed and drained; break and continue as in any loop
 *   csp_chan_ref(c)                         one more reference; returns c
 *   void csp_chan_unref(c)                  one fewer; the last frees the channel. NULL is ignored
 *   void csp_chan_free(c)                   free it now, whatever references there are. NULL is ignored. Freeing a channel that goroutines
 *                                           wait for is a misuse and fatal */
CSP_API struct csp_chan *csp_chan_make_(size_t elem_bytes, int64_t cap);
CSP_API void   csp_chan_send_(struct csp_chan *ch, const void *elem);
CSP_API void   csp_chan_recv_(struct csp_chan *ch, void *elem);
CSP_API bool   csp_chan_recv_ok_(struct csp_chan *ch, void *elem);
CSP_API bool   csp_chan_try_send_(struct csp_chan *ch, const void *elem);
CSP_API bool   csp_chan_try_recv_(struct csp_chan *ch, void *elem);
CSP_API void   csp_chan_close_(struct csp_chan *ch);
CSP_API size_t csp_chan_len_(struct csp_chan *ch);
CSP_API size_t csp_chan_cap_(struct csp_chan *ch);
CSP_API struct csp_chan *csp_chan_ref_(struct csp_chan *ch);
CSP_API void   csp_chan_unref_(struct csp_chan *ch);
CSP_API void   csp_chan_free_(struct csp_chan *ch);

/* === Select =============================================================================================================
 *   switch (csp_select([A] = CSP_ON_RECV(a, &v, &ok), [B] = CSP_ON_SEND(b, x), [LATE] = CSP_ON_AFTER(CSP_SECOND))) { case A: ... }
 * Waits until one of the cases can proceed, does it, and returns its index; uniformly random if several can. May park.
 *   CSP_ON_RECV(c[, &v[, &ok]])  receive; v and ok (bool) may be left out or NULL
 *   CSP_ON_SEND(c, v)            send; a closed channel panics
 *   CSP_ON_SEND_PTR(c, &v)       send *&v, read when the case proceeds: for lists filled in another block
 *   CSP_ON_AFTER(ns)             fires once ns have passed since the call
 *   CSP_ON_DEFAULT               fires if nothing else can at once (at most one)
 * Without designators the indices are 0, 1, ...; gaps between them, and NULL channels, never fire. With no case at all it parks for ever.
 * All channels and values are evaluated once, in unspecified order. Source: Go spec, "Select statements". */
enum { CSP_CASE_NONE_, CSP_CASE_RECV_, CSP_CASE_SEND_, CSP_CASE_AFTER_, CSP_CASE_DEFAULT_ };

typedef struct csp_case {               /* made by CSP_ON_...; zero: never fires */
	int              op;
	struct csp_chan *chan;
	void            *elem;
	bool            *ok;
	int64_t          ns;
} csp_case;

/* csp_select over cases[0..n), n <= 65535; cases is only read. */
CSP_API int csp_select_v(const csp_case *cases, int n);

/* === Time =============================================================================================================== */

typedef struct csp_timer csp_timer;
typedef struct csp_ticker csp_ticker;

CSP_API int64_t csp_now_ns(void);                               /* monotonic; virtual under schedule exploration */
CSP_API csp_recv_chan(int64_t) csp_after(int64_t ns);           /* receives the time once, after ns. The channel is the caller's:
                                                                 * csp_chan_unref, before or after. Source: time.After */
CSP_API csp_timer *csp_timer_start(int64_t ns);                 /* sends the time on its channel after ns. NULL: no memory. Source: time.NewTimer */
CSP_API csp_recv_chan(int64_t) csp_timer_chan(csp_timer *t);    /* belongs to the timer; passes for unbuffered; NULL for csp_timer_func */
CSP_API csp_timer *csp_timer_func(int64_t ns, void (*f)(void *), void *arg); /* f(arg) in a goroutine of its own after ns. Source: time.AfterFunc */
/* As of Go 1.23: after stop and reset no value of the former setting is received. Both return whether they kept it from firing: a value that
 * lay in the channel and is withdrawn counts as not fired. Goroutines may stop and reset the same timer at once. */
CSP_API bool csp_timer_stop(csp_timer *t);                      /* false: it had fired or was stopped */
CSP_API bool csp_timer_reset(csp_timer *t, int64_t ns);         /* fire (again) after ns from now */
CSP_API void csp_timer_free(csp_timer *t);                      /* stops it; NULL is ignored */

CSP_API csp_ticker *csp_ticker_start(int64_t ns);               /* sends the time every ns > 0, dropping ticks nobody takes. Source: time.NewTicker */
CSP_API csp_recv_chan(int64_t) csp_ticker_chan(csp_ticker *t);
CSP_API void csp_ticker_stop(csp_ticker *t);
CSP_API void csp_ticker_reset(csp_ticker *t, int64_t ns);
CSP_API void csp_ticker_free(csp_ticker *t);

/* === Locks and friends (Go package sync) =================================================================================
 * Zero-initialised means ready. The fields are private; do not copy an object after its first use, and keep its memory until every call
 * on it has returned. _lock, _rlock, _wait, _acquire and once_do may park. Misuse is fatal, with Go's text (exit status 2). */

typedef struct csp_mutex { uint32_t state_, sema_; uint64_t owner_; } csp_mutex;
typedef struct csp_rwmutex {
	uint32_t writers_, writers_sema_, writer_sema_, reader_sema_;
	int32_t  readers_, departing_;
	uint64_t owner_;
} csp_rwmutex;
typedef struct csp_waitgroup { uint64_t state_; uint32_t sema_, pad_; } csp_waitgroup;
typedef struct csp_once { uint32_t state_, pad_; uint64_t runner_; } csp_once;
typedef struct csp_cond { uint32_t wait_, notify_; } csp_cond;
typedef struct csp_sema { uint32_t permits_, pad_; } csp_sema;

/* A mutex belongs to the goroutine that locked it: unlocking another's is fatal. In hand-over mode any goroutine may unlock, as in Go. */
#define CSP_MUTEX_HANDOVER 1u
#define CSP_MUTEX_HANDOVER_INIT { 0, 0, UINT64_MAX }
#define CSP_RWMUTEX_HANDOVER_INIT { 0, 0, 0, 0, 0, 0, UINT64_MAX }

CSP_API void csp_mutex_init(csp_mutex *m, unsigned flags);      /* needed for flags only; flags: CSP_MUTEX_HANDOVER */
CSP_API void csp_mutex_lock(csp_mutex *m);                      /* FIFO, but running goroutines may overtake sleepers for up to 1 ms */
CSP_API bool csp_mutex_try_lock(csp_mutex *m);
CSP_API void csp_mutex_unlock(csp_mutex *m);

CSP_API void csp_rwmutex_init(csp_rwmutex *rw, unsigned flags); /* needed for flags only: CSP_MUTEX_HANDOVER lets others unlock */
CSP_API void csp_rwmutex_lock(csp_rwmutex *rw);                 /* waits for the readers; from now on new readers wait */
CSP_API bool csp_rwmutex_try_lock(csp_rwmutex *rw);
CSP_API void csp_rwmutex_unlock(csp_rwmutex *rw);
CSP_API void csp_rwmutex_rlock(csp_rwmutex *rw);                /* not recursive: a writer may come in between and wait for the outer one */
CSP_API bool csp_rwmutex_try_rlock(csp_rwmutex *rw);
CSP_API void csp_rwmutex_runlock(csp_rwmutex *rw);              /* by who read-locked it, unless it may be handed over; found by the detector only */

CSP_API void csp_wg_add(csp_waitgroup *wg, int64_t delta);      /* panics if the counter (32 bits) becomes negative */
CSP_API void csp_wg_done(csp_waitgroup *wg);
CSP_API void csp_wg_wait(csp_waitgroup *wg);                    /* until the counter is 0 */
CSP_API void csp_wg_go(csp_waitgroup *wg, void (*f)(void *), void *arg); /* add 1; f(arg) in a goroutine; done */
#define csp_waitgroup_add(wg, delta) csp_wg_add(wg, delta)
#define csp_waitgroup_done(wg) csp_wg_done(wg)
#define csp_waitgroup_wait(wg) csp_wg_wait(wg)
#define csp_waitgroup_go(wg, f, arg) csp_wg_go(wg, f, arg)

CSP_API void csp_once_do(csp_once *o, void (*f)(void));         /* f runs in the first call only; the others wait for it */
CSP_API void csp_once_do_arg(csp_once *o, void (*f)(void *), void *arg);

CSP_API void csp_cond_wait(csp_cond *c, csp_mutex *m);          /* unlock m, wait for a signal, lock m again; m must be held */
CSP_API void csp_cond_signal(csp_cond *c);                      /* wake one, longest waiting first */
CSP_API void csp_cond_broadcast(csp_cond *c);

CSP_API void csp_sema_init(csp_sema *s, int64_t permits);       /* at most UINT32_MAX; zero-initialised: no permit */
CSP_API void csp_sema_acquire(csp_sema *s);                     /* FIFO */
CSP_API bool csp_sema_try_acquire(csp_sema *s);
CSP_API void csp_sema_release(csp_sema *s);                     /* any goroutine may */

/* === Context (Go package context) ======================================================================================== */

typedef struct csp_context csp_context;

CSP_API csp_context *csp_context_background(void);              /* never ends; not to be freed */
CSP_API csp_context *csp_context_with_cancel(csp_context *parent);      /* NULL: no memory; so below. parent NULL: the background */
CSP_API csp_context *csp_context_with_timeout(csp_context *parent, int64_t ns);
CSP_API csp_context *csp_context_with_deadline(csp_context *parent, int64_t deadline_ns);       /* on the clock of csp_now_ns */
CSP_API csp_context *csp_context_with_value(csp_context *parent, const void *key, void *value); /* keys are compared as pointers */
CSP_API void csp_context_cancel(csp_context *ctx);              /* ends ctx and all its children with -ECANCELED; idempotent */
CSP_API void csp_context_cancel_cause(csp_context *ctx, int cause);
CSP_API csp_recv_chan(char) csp_context_done(csp_context *ctx); /* closed when ctx ends; NULL for the background */
CSP_API int  csp_context_err(csp_context *ctx);                 /* 0, -ECANCELED or -ETIMEDOUT */
CSP_API int  csp_context_cause(csp_context *ctx);               /* the cause given, else as csp_context_err */
CSP_API void *csp_context_value(csp_context *ctx, const void *key);     /* of ctx or its nearest ancestor; NULL: none */
/* f(arg) in a goroutine once ctx has ended (at once, if it has); never, if it is freed without an end. Returns a number for
 * csp_context_after_stop; 0 for the background, where f never runs. Source: context.AfterFunc. */
CSP_API uint64_t csp_context_after_func(csp_context *ctx, void (*f)(void *), void *arg);
CSP_API bool csp_context_after_stop(csp_context *ctx, uint64_t id); /* true: f will not run; false: it was started or stopped before */
CSP_API int64_t csp_context_deadline(csp_context *ctx);         /* the earliest of ctx and its ancestors; INT64_MAX: none */
CSP_API csp_context *csp_context_ref(csp_context *ctx);         /* one more reference; returns ctx */
CSP_API void csp_context_free(csp_context *ctx);                /* gives up one reference. The last one cancels ctx (but a with_value context
                                                                 * goes on for its children); children keep what they need. NULL is ignored */

/* === Groups (errgroup) and defer ========================================================================================= */

typedef struct csp_group {              /* zero-initialised means ready; private fields */
	csp_waitgroup wg_;
	csp_sema      slots_;
	int32_t       result_, limited_;
	csp_context  *ctx_;
} csp_group;

/* A context that ends when the first result is not 0 (cause: that result), or when csp_group_wait returns. Before the first
 * csp_group_go. The caller gives it up with csp_context_free. NULL: no memory. Source: errgroup.WithContext. */
CSP_API csp_context *csp_group_with_context(csp_group *g, csp_context *parent);
CSP_API void csp_group_go(csp_group *g, int (*f)(void *), void *arg);   /* f(arg) in a goroutine; may park if there is a limit */
CSP_API bool csp_group_try_go(csp_group *g, int (*f)(void *), void *arg); /* false: the limit is reached */
CSP_API int  csp_group_wait(csp_group *g);                              /* for all; returns the first result that was not 0, or 0 */
CSP_API void csp_group_set_limit(csp_group *g, int n);                  /* at most n at a time; before the first csp_group_go; n < 0: no limit */

/* csp_defer(f, arg);  a declaration: f(arg) runs when the enclosing block ends, however that happens (also csp_exit_goroutine), last
 * deferred first. f takes one pointer or integer; arg is evaluated now. */
struct csp_defer_frame { struct csp_defer_frame *next; void (*fn)(void *); void *arg; };
CSP_API struct csp_defer_frame *csp_defer_push_(struct csp_defer_frame *frame);  /* put frame on top; returns the former top */
CSP_API void csp_defer_run_(struct csp_defer_frame *frame);                      /* take it off and call it */

/* === I/O on descriptors ==================================================================================================
 * The goroutine parks, no thread blocks. Pipes, sockets and the like are switched to O_NONBLOCK at first use; terminals and descriptors 0 to 2
 * are left as they are; regular files are simply read and written. Results: >= 0, or -errno; -ETIMEDOUT once the
 * deadline of csp_set_deadline has passed; -EBADF if csp_close_fd came in between. Writing to a socket without a reader returns -EPIPE;
 * there is no SIGPIPE. Descriptors used here are closed with csp_close_fd. */
struct iovec;          /* <sys/uio.h> and <sys/socket.h> are not included: they would take names such as send from the program */
struct sockaddr;
struct msghdr;
CSP_API ssize_t csp_read(int fd, void *buf, size_t bytes);
CSP_API ssize_t csp_write(int fd, const void *buf, size_t bytes);       /* all of it, unless an error comes first; then what was written */
CSP_API ssize_t csp_readv(int fd, const struct iovec *iov, int n);
CSP_API ssize_t csp_writev(int fd, const struct iovec *iov, int n);     /* all of it, as csp_write */
CSP_API int     csp_accept(int fd, struct sockaddr *addr, unsigned *addr_bytes); /* a socklen_t. The new descriptor is O_NONBLOCK and close-on-exec */
CSP_API int     csp_connect(int fd, const struct sockaddr *addr, unsigned addr_bytes); /* 0 or -errno */
CSP_API ssize_t csp_send(int fd, const void *buf, size_t bytes, int flags);             /* all of it, as csp_write; MSG_DONTWAIT: never parks */
CSP_API ssize_t csp_recv(int fd, void *buf, size_t bytes, int flags);                   /* MSG_DONTWAIT: never parks */
/* With addresses: one datagram, or as much of a stream as goes at once. from may be NULL. MSG_DONTWAIT: never parks */
CSP_API ssize_t csp_recvfrom(int fd, void *buf, size_t bytes, int flags, struct sockaddr *from, unsigned *from_bytes);
CSP_API ssize_t csp_sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, unsigned to_bytes);
CSP_API ssize_t csp_recvmsg(int fd, struct msghdr *msg, int flags);
CSP_API ssize_t csp_sendmsg(int fd, const struct msghdr *msg, int flags);
/* poll(2) events (POLLIN, POLLOUT or both) -> revents | -ETIMEDOUT; deadline on the clock of csp_now_ns, 0: none */
CSP_API int     csp_wait_fd(int fd, int events, int64_t deadline_ns);
CSP_API int     csp_close_fd(int fd);                                   /* wakes those who wait with -EBADF, then closes; 0 or -errno */
CSP_API int     csp_set_deadline(int fd, int64_t read_ns, int64_t write_ns);    /* absolute, csp_now_ns; 0: none. Also for calls under way */

/* === Words to the checker: no-ops without it ============================================================================= */

CSP_API void csp_race_read(const void *p, size_t bytes);
CSP_API void csp_race_write(const void *p, size_t bytes);
CSP_API void csp_race_acquire(const void *p);           /* everything before csp_race_release(p) happened before this */
CSP_API void csp_race_release(const void *p);
CSP_API void csp_race_ignore_begin(void);               /* accesses of this goroutine are not checked until _end; nests */
CSP_API void csp_race_ignore_end(void);
CSP_API int  csp_leak_check(void);                      /* number of goroutines proven leaked so far */
CSP_API void csp_expect_leak(void);                     /* this goroutine is meant to stay for ever */
#define CSP_READ(p, bytes)  csp_race_read(p, bytes)
#define CSP_WRITE(p, bytes) csp_race_write(p, bytes)
#define CSP_ACQUIRE(p)      csp_race_acquire(p)
#define CSP_RELEASE(p)      csp_race_release(p)

/* csp_go through f's own type: the call is compiled as a call of f, so that the compiler checks, converts and places the arguments; but what
 * is called is the entry, which finds this descriptor in the static chain and copies the argument registers and stack arguments
 * into the new goroutine. Where stack arguments may be, the descriptor is an array of variable length: those lie next above the outgoing
 * arguments, below all other variables, so its address tells where the arguments end, and nothing else of the caller's frame is copied.
 * A constant pointer, because gcc traps a direct call through another type. */
struct csp_go_desc_ {
	void                 (*fn)(void);
	const csp_go_options  *options;
	size_t                 stack_bytes_max; /* what may lie on the stack; 0: all arguments are in registers */
};
extern CSP_API void (*const csp_go_entry_)(void);

#ifdef __cplusplus
CSP_API __attribute__((noreturn)) void csp_go_refused_(void);   /* fatal: no memory */
} /* extern "C" */

#if __cplusplus >= 201402L
/* === C++ ================================================================================================================
 * The same names as templates, for -std=gnu++14 or later. Channel elements must be trivially copyable: they move as bytes. csp_go takes any
 * callable and copies it and the arguments to the heap. The cases of csp_select are numbered by position. Not allowed: an exception that
 * leaves a goroutine's function (std::terminate). csp_exit_goroutine runs what csp_defer noted, but no destructors. */

template <typename T> struct csp_same_ { typedef T type; };     /* not deduced: the channel says what T is */
template <typename E> using csp_chan_elem_ = typename csp_same_<E>::type;
template <typename E> using csp_chan_ptr_ = E (**)(struct csp_elem_ *);

template <typename E> constexpr bool csp_checked_elem_(void)
{
	static_assert(__is_trivially_copyable(E), "channel elements must be trivially copyable");
	static_assert(sizeof(E) <= 65536, "channel elements have at most 65536 bytes");
	return true;
}
template <typename E> inline struct csp_chan *csp_raw_(E (*const volatile *c)(struct csp_elem_ *)) { return (struct csp_chan *)(uintptr_t)c; }

template <typename E> inline csp_chan_ptr_<E> csp_make_chan_(int64_t cap = 0)
{
	static_assert(csp_checked_elem_<E>(), "");
	return (csp_chan_ptr_<E>)csp_chan_make_(sizeof(E), cap);
}
#define csp_make_chan(T, ...) csp_make_chan_<T>(__VA_ARGS__)
template <typename E> inline void csp_chan_send(E (*const *c)(struct csp_elem_ *), const csp_chan_elem_<E> &v) { csp_chan_send_(csp_raw_(c), &v); }
template <typename E> inline bool csp_chan_try_send(E (*const *c)(struct csp_elem_ *), const csp_chan_elem_<E> &v) { return csp_chan_try_send_(csp_raw_(c), &v); }
template <typename E> inline E csp_chan_recv(E (*volatile *c)(struct csp_elem_ *)) { E v; csp_chan_recv_(csp_raw_(c), &v); return v; }
template <typename E> inline bool csp_chan_recv_ok(E (*volatile *c)(struct csp_elem_ *), csp_chan_elem_<E> *v) { return csp_chan_recv_ok_(csp_raw_(c), v); }
template <typename E> inline bool csp_chan_try_recv(E (*volatile *c)(struct csp_elem_ *), csp_chan_elem_<E> *v) { return csp_chan_try_recv_(csp_raw_(c), v); }
template <typename E> inline void csp_chan_close(E (*const *c)(struct csp_elem_ *)) { csp_chan_close_(csp_raw_(c)); }
template <typename E> inline size_t csp_chan_len(E (*const volatile *c)(struct csp_elem_ *)) { return csp_chan_len_(csp_raw_(c)); }
template <typename E> inline size_t csp_chan_cap(E (*const volatile *c)(struct csp_elem_ *)) { return csp_chan_cap_(csp_raw_(c)); }
template <typename C> inline C csp_chan_ref(C c) { csp_chan_ref_(csp_raw_(c)); return c; }
template <typename E> inline void csp_chan_unref(E (*const volatile *c)(struct csp_elem_ *)) { csp_chan_unref_(csp_raw_(c)); }
template <typename E> inline void csp_chan_free(E (*const volatile *c)(struct csp_elem_ *)) { csp_chan_free_(csp_raw_(c)); }

template <typename E> struct csp_range_ {               /* what a range-for wants; one iterator */
	struct csp_chan *chan;
	E                value;
	bool             more;
	struct iterator {
		csp_range_ *range;
		bool operator!=(const iterator &) const { return range->more; }
		void operator++() { range->more = csp_chan_recv_ok_(range->chan, &range->value); }
		const E &operator*() const { return range->value; }
	};
	iterator begin() { ++iterator{ this }; return iterator{ this }; }
	iterator end() { return iterator{ this }; }
};
template <typename E> inline csp_range_<E> csp_range_of_(E (*volatile *c)(struct csp_elem_ *)) { return csp_range_<E>{ csp_raw_(c), E(), false }; }
#define csp_chan_for(v, c) for (auto v : csp_range_of_(c))

/* The cases of csp_select; a value to be sent lives to the end of the full expression. */
template <typename E> inline csp_case CSP_ON_RECV(E (*volatile *c)(struct csp_elem_ *), csp_chan_elem_<E> *v = nullptr, bool *ok = nullptr)
{
	return csp_case{ CSP_CASE_RECV_, csp_raw_(c), v, ok, 0 };
}
template <typename E> inline csp_case CSP_ON_SEND(E (*const *c)(struct csp_elem_ *), const csp_chan_elem_<E> &v)
{
	return csp_case{ CSP_CASE_SEND_, csp_raw_(c), (void *)&v, nullptr, 0 };
}
#define CSP_ON_AFTER(ns) (csp_case{ CSP_CASE_AFTER_, nullptr, nullptr, nullptr, ns })
#define CSP_ON_DEFAULT   (csp_case{ CSP_CASE_DEFAULT_, nullptr, nullptr, nullptr, 0 })
template <typename... C> inline int csp_select(const C &... c)
{
	const csp_case cases[] = { c... };
	return csp_select_v(cases, (int)sizeof...(C));
}

template <typename Call> void csp_call_(void *p)
{
	/* Freed also by csp_exit_goroutine. */
	__attribute__((cleanup(csp_defer_run_))) struct csp_defer_frame frame = { nullptr, [](void *call) { delete (Call *)call; }, p };
	frame.next = csp_defer_push_(&frame);
	(*(Call *)p)();
}
template <typename Call> inline void csp_start_(const csp_go_options *options, Call *call)
{
	if (csp_go_fn(csp_call_<Call>, call, options) != 0)
		csp_go_refused_();
}
template <typename F, typename... A> inline void csp_go_opt(const csp_go_options *options, F f, A... args)
{
	csp_start_(options, new auto([=]() mutable { (void)f(args...); }));
}
template <typename F, typename... A> inline void csp_go(F f, A... args) { csp_go_opt((const csp_go_options *)nullptr, f, args...); }


/* csp_defer: as in C */
template <typename R, typename A> inline void *csp_defer_arg_(R (*)(A *), csp_chan_elem_<A> *a) { return (void *)a; }
template <typename R, typename A> inline void *csp_defer_arg_(R (*)(A), csp_chan_elem_<A> a)
{
	static_assert(sizeof(a % 1) != 0, "csp_defer: a function of one pointer or integer");
	return (void *)(uintptr_t)a;
}
#define csp_defer(f, a) CSP_DEFER_(f, a, CSP_UNIQUE_(csp_deferred_))
#define CSP_DEFER_(f, a, frame) \
	__attribute__((cleanup(csp_defer_run_))) struct csp_defer_frame frame = { csp_defer_push_(&frame), (void (*)(void *))(f), csp_defer_arg_(f, a) }
#endif

#else /* the macros of C */

/* Inside them: E is the element type; every check is an unevaluated expression that is not valid C when the use is wrong (a constraint
 * violation, no warning, so that it also holds when this file is a system header). CSP_TYPE_ is the type of an expression after array decay. */
#define CSP_TYPE_(x)  __typeof__(((void)0, (x)))
#define CSP_ELEM_(c)  __typeof__((*(c))((struct csp_elem_ *)0))
#define CSP_TX_(c)    ((struct csp_chan *)((uintptr_t)(c) * \
	_Generic((CSP_TYPE_(c))0, csp_chan(CSP_ELEM_(c)): 1u, csp_send_chan(CSP_ELEM_(c)): 1u)))
#define CSP_RX_(c)    ((struct csp_chan *)((uintptr_t)(c) * \
	_Generic((CSP_TYPE_(c))0, csp_chan(CSP_ELEM_(c)): 1u, csp_recv_chan(CSP_ELEM_(c)): 1u)))
#define CSP_ANY_(c)   ((struct csp_chan *)((uintptr_t)(c) * \
	_Generic((CSP_TYPE_(c))0, csp_chan(CSP_ELEM_(c)): 1u, csp_send_chan(CSP_ELEM_(c)): 1u, csp_recv_chan(CSP_ELEM_(c)): 1u)))
/* A value of type E made of v as an argument would be; its address. */
#define CSP_VALUE_(E, ...) \
	((E *)((void)(__typeof__(((char (*)(E))0)(__VA_ARGS__)))0, (E[1]){ __VA_ARGS__ }))
/* A pointer to E, or NULL. */
#define CSP_OUT_(E, p) \
	((void *)((uintptr_t)(p) * _Generic((CSP_TYPE_(p))0, __typeof__(E) *: 1u, void *: 1u)))
#define CSP_IN_(E, p) \
	((void *)((uintptr_t)(p) * _Generic((CSP_TYPE_(p))0, __typeof__(E) *: 1u, const __typeof__(E) *: 1u)))

#define CSP_PICK4_(a, b, c, d, ...) d
#define csp_make_chan(...) CSP_PICK4_(__VA_ARGS__, 0, CSP_MAKE_CAP_, CSP_MAKE_, 0)(__VA_ARGS__)
#define CSP_MAKE_(T)          ((csp_chan(T))csp_chan_make_(sizeof(T), 0))
#define CSP_MAKE_CAP_(T, cap) ((csp_chan(T))csp_chan_make_(sizeof(T), cap))

#define csp_chan_send(c, ...)      csp_chan_send_(CSP_TX_(c), CSP_VALUE_(CSP_ELEM_(c), __VA_ARGS__))
#define csp_chan_try_send(c, ...)  csp_chan_try_send_(CSP_TX_(c), CSP_VALUE_(CSP_ELEM_(c), __VA_ARGS__))
#define csp_chan_recv(c)           CSP_RECV_(c, CSP_UNIQUE_(csp_value_))
#define CSP_RECV_(c, v)            __extension__({ CSP_ELEM_(c) v; csp_chan_recv_(CSP_RX_(c), &v); v; })
#define csp_chan_recv_ok(c, p)     csp_chan_recv_ok_(CSP_RX_(c), CSP_OUT_(CSP_ELEM_(c), p))
#define csp_chan_try_recv(c, p)    csp_chan_try_recv_(CSP_RX_(c), CSP_OUT_(CSP_ELEM_(c), p))
#define csp_chan_close(c)          csp_chan_close_(CSP_TX_(c))
#define csp_chan_len(c)            csp_chan_len_(CSP_ANY_(c))
#define csp_chan_cap(c)            csp_chan_cap_(CSP_ANY_(c))
#define csp_chan_ref(c)            ((CSP_TYPE_(c))csp_chan_ref_(CSP_ANY_(c)))
#define csp_chan_unref(c)          csp_chan_unref_(CSP_ANY_(c))
#define csp_chan_free(c)           csp_chan_free_(CSP_ANY_(c))
#define csp_chan_for(v, c)         CSP_FOR_(v, c, CSP_UNIQUE_(csp_range_))
#define CSP_FOR_(v, c, r) \
	for (CSP_ELEM_(c) v, *r = (void *)CSP_RX_(c); csp_chan_recv_ok_((struct csp_chan *)(void *)r, &v);)

#define csp_select(...) CSP_SELECT_(CSP_UNIQUE_(csp_cases_), __VA_ARGS__)
#define CSP_SELECT_(cases, ...) __extension__({ \
	const csp_case cases[] = { __VA_ARGS__ }; csp_select_v(cases, (int)(sizeof cases / sizeof(csp_case))); })
#define CSP_ON_RECV(...)        CSP_PICK4_(__VA_ARGS__, CSP_ON_RECV_OK_, CSP_ON_RECV_VALUE_, CSP_ON_RECV_ONLY_, 0)(__VA_ARGS__)
#define CSP_ON_RECV_ONLY_(c)    ((csp_case){ CSP_CASE_RECV_, CSP_RX_(c), NULL, NULL, 0 })
#define CSP_ON_RECV_VALUE_(c, p) ((csp_case){ CSP_CASE_RECV_, CSP_RX_(c), CSP_OUT_(CSP_ELEM_(c), p), NULL, 0 })
#define CSP_ON_RECV_OK_(c, p, q) ((csp_case){ CSP_CASE_RECV_, CSP_RX_(c), CSP_OUT_(CSP_ELEM_(c), p), CSP_OUT_(bool, q), 0 })
#define CSP_ON_SEND(c, ...)     ((csp_case){ CSP_CASE_SEND_, CSP_TX_(c), CSP_VALUE_(CSP_ELEM_(c), __VA_ARGS__), NULL, 0 })
#define CSP_ON_SEND_PTR(c, p)   ((csp_case){ CSP_CASE_SEND_, CSP_TX_(c), CSP_IN_(CSP_ELEM_(c), p), NULL, 0 })
#define CSP_ON_AFTER(ns)        ((csp_case){ CSP_CASE_AFTER_, NULL, NULL, NULL, ns })
#define CSP_ON_DEFAULT          ((csp_case){ CSP_CASE_DEFAULT_, NULL, NULL, NULL, 0 })

/* (R)0 is a constraint violation for a struct R, whose hidden result pointer would dangle. */
#define CSP_GO_CALL_(options, f, bytes, args) \
	((void)(__typeof__((f)args))0, (void)__builtin_call_with_static_chain(((__typeof__(&*(f)))csp_go_entry_)args, \
		&(struct csp_go_desc_){ (void (*)(void))(f), options, bytes }))
#define CSP_GO_0_(options, f)      CSP_GO_CALL_(options, f, 0, ())
#define CSP_GO_1_(options, f, a)   CSP_GO_STACK_(options, f, CSP_IN_REGISTER_(f, a) ? 0 : SIZE_MAX, (a), CSP_UNIQUE_(csp_one_), CSP_UNIQUE_(csp_desc_))
/* A scalar of at most 8 bytes, or any pointer, for a parameter that is no wider. */
#define CSP_IN_REGISTER_(f, a) (sizeof(CSP_TYPE_(a)) <= 8 && __builtin_classify_type(*(CSP_TYPE_(a) *)0) <= 8 && \
	(__builtin_types_compatible_p(__typeof__(&*(f)), __typeof__((f)(a)) (*)(CSP_TYPE_(a))) || \
	 __builtin_types_compatible_p(__typeof__(&*(f)), __typeof__((f)(a)) (*)(void *))))
#define CSP_GO_N_(options, f, ...) CSP_GO_STACK_(options, f, SIZE_MAX, (__VA_ARGS__), CSP_UNIQUE_(csp_one_), CSP_UNIQUE_(csp_desc_))
/* The compiler must not learn that the length is 1: it would make the array an ordinary variable. clang's -Wvla looks into system headers. */
#ifdef __clang__
#define CSP_VLA_(declaration) \
	_Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wvla\"") declaration _Pragma("clang diagnostic pop")
#else
#define CSP_VLA_(declaration) declaration
#endif
#define CSP_GO_STACK_(options, f, bytes, args, one, desc) __extension__({ \
	size_t one = 1; __asm__("" : "+r"(one)); \
	CSP_VLA_(struct csp_go_desc_ desc[one];) \
	(void)(__typeof__((f)args))0; \
	*desc = (struct csp_go_desc_){ (void (*)(void))(f), options, bytes }; \
	(void)__builtin_call_with_static_chain(((__typeof__(&*(f)))csp_go_entry_)args, desc); })
/* f alone, with one argument, or more? (Up to 63 commas, those inside braces included.) */
#define csp_go(...)              CSP_CAT_(CSP_GO_, CSP_ARGS_(__VA_ARGS__))(NULL, __VA_ARGS__)
#define csp_go_opt(options, ...) CSP_CAT_(CSP_GO_, CSP_ARGS_(__VA_ARGS__))(options, __VA_ARGS__)
#define CSP_ARGS_(...) CSP_PICK65_(__VA_ARGS__, CSP_N8_, CSP_N8_, CSP_N8_, CSP_N8_, CSP_N8_, CSP_N8_, CSP_N8_, \
	N_, N_, N_, N_, N_, N_, 1_, 0_, 0_)
#define CSP_N8_ N_, N_, N_, N_, N_, N_, N_, N_
#define CSP_PICK65_(...) CSP_PICK65B_(__VA_ARGS__)
#define CSP_PICK65B_(f, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7, \
	d0, d1, d2, d3, d4, d5, d6, d7, e0, e1, e2, e3, e4, e5, e6, e7, g0, g1, g2, g3, g4, g5, g6, g7, \
	h0, h1, h2, h3, h4, h5, h6, h7, i0, i1, i2, i3, i4, i5, i6, i7, which, ...) which

#define csp_defer(f, a) CSP_DEFER_(f, a, CSP_UNIQUE_(csp_deferred_))
#define CSP_DEFER_(f, a, frame) \
	__attribute__((cleanup(csp_defer_run_))) struct csp_defer_frame frame = { csp_defer_push_(&frame), (void (*)(void *))(f), \
		(void *)((uintptr_t)(a) * sizeof(__typeof__(((void)(f)(a), (char)0))) * \
		_Generic((CSP_TYPE_(a))0, float: (void)0, double: (void)0, long double: (void)0, default: 1u)) }

#endif /* C */

#ifdef CSP_SHORT_NAMES
#define go(...)             csp_go(__VA_ARGS__)
#define chan(T)             csp_chan(T)
#define send_chan(T)        csp_send_chan(T)
#define recv_chan(T)        csp_recv_chan(T)
#define make_chan(...)      csp_make_chan(__VA_ARGS__)
#define chan_send(...)      csp_chan_send(__VA_ARGS__)
#define chan_recv(c)        csp_chan_recv(c)
#define chan_recv_ok(c, p)  csp_chan_recv_ok(c, p)
#define chan_close(c)       csp_chan_close(c)
#define chan_for(v, c)      csp_chan_for(v, c)
#define chan_len(c)         csp_chan_len(c)
#define chan_cap(c)         csp_chan_cap(c)
#define choose(...)         csp_select(__VA_ARGS__)
#define defer(f, a)         csp_defer(f, a)
#endif

#endif
