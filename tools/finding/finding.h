/* A finding as the tools see it: the detector's record with its addresses turned into names. Strings and arrays live in the obstack
 * that `mem` is, and go with it. */
#ifndef CSP_TOOLS_FINDING_FINDING_H
#define CSP_TOOLS_FINDING_FINDING_H

#include <obstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	const char *module;             /* path of the ELF object, NULL unknown */
	const char *build_id;           /* hex, "" unknown */
	uint64_t    pc_off;             /* look-up address in the ELF file (return addresses already moved into the call) */
	uint64_t    func_off;           /* pc - start of function, as Go prints it; 0 if inlined or unknown */
	uint32_t    inline_depth;       /* 0: innermost call at this pc */
	bool        inlined;            /* into the next frame */
	bool        internal;           /* ours or the C start-up code: hidden unless asked for */
	const char *func;               /* NULL unknown */
	const char *file;               /* NULL unknown */
	uint32_t    line;
	const char *source;             /* text of the file as it was when the finding was stored; NULL: read the file */
};

struct stack { uint32_t n; struct frame *frame; };

struct object_ref { uint64_t addr; const char *kind; };

struct part {
	const char *role, *op, *note;   /* note may be NULL */
	uint64_t gid, addr, size;
	struct stack stack;
	uint32_t n_objects; struct object_ref *objects;
};

struct goroutine {
	uint64_t gid, parent;
	const char *name, *state, *entry;       /* entry: function name or NULL */
	int64_t blocked_ns;                     /* -1: not blocked */
	struct stack created;
};

struct object {
	const char *kind, *name;                /* name: of a global variable "counter" or "table+8 (in prog)", NULL if none */
	uint64_t addr, size, gid, cap, len;
	bool closed;
	struct stack created, closed_at;
};

struct edge { bool from_is_object, to_is_object; uint64_t from, to; const char *label; struct stack stack; };

struct finding {
	uint32_t n;                             /* number in its process */
	uint32_t rule;                          /* enum det_rule */
	const char *proof;                      /* NULL for none */
	bool gate;
	int64_t at_ns;
	const char *cause;                      /* NULL: the rule's own sentence */
	int pid;
	uint32_t n_parts, n_goroutines, n_objects, n_edges;
	struct part *parts; struct goroutine *goroutines; struct object *objects; struct edge *edges;

	/* Derived. */
	char fingerprint[33];
	const char *title, *site;               /* site: file:line of the first user frame, or its function */
	uint64_t occurrences;
	int64_t issue_id;                       /* 0: not stored */
	const char *first_seen;                 /* session start of the first time, "" if this one */
	uint64_t sessions;                      /* in how many it was seen, this one included */
};

/* What a frame and a module are called: "worker", "?"; last component of a path. */
const char *finding_func(const struct frame *f);
const char *finding_basename(const char *path);

/* The frames a reader wants: without internal ones, unless all are or `all` asks for them. Fills at most max, returns the count. */
uint32_t finding_user_frames(const struct stack *s, bool all, const struct frame **out, uint32_t max);

/* Is the frame of the runtime, the detector, or the C start-up code? */
bool finding_is_internal(const struct frame *f);

/* Fingerprint v1, title, site. */
void finding_derive(struct finding *f, struct obstack *mem);

#endif
