/* How findings are written. Each format is one file; all write to a stream that the caller flushes in one piece. */
#ifndef CSP_TOOLS_FORMAT_FORMAT_H
#define CSP_TOOLS_FORMAT_FORMAT_H

#include <jansson.h>
#include <stdio.h>

#include "finding/finding.h"
#include "format/text.h"
#include "store/store.h"

enum format { FORMAT_HUMAN, FORMAT_GO, FORMAT_JSON, FORMAT_DOT };

struct view {
	bool colour;
	bool all_frames;                /* show those of the runtime, the detector and the C start-up code too */
	const char *source_root;        /* NULL: the working directory */
	unsigned width;                 /* columns of the terminal; 0: unknown */
	const char *rerun;              /* the command that does it again, or NULL */
};

bool format_parse(const char *s, enum format *out);

void human_finding(FILE *to, const struct view *v, const struct finding *f);
/* One line per issue; leaks as clusters. */
void human_list(FILE *to, const struct view *v, const struct issue *issues, long n);

/* Go's own texts: a race report; for other findings the fatal line and the goroutines as in a dump. */
void go_finding(FILE *to, const struct view *v, const struct finding *f);

/* The wait-for graph as a graph of graphviz. */
void dot_finding(FILE *to, const struct view *v, const struct finding *f);

/* The objects that docs/json.md describes. */
json_t *json_finding(const struct view *v, const struct finding *f);
json_t *json_issue(const struct issue *i);

/* Line `line` of the frame's file without its newline, cleaned, in buf; false if it cannot be had. */
bool format_source_line(const struct frame *f, uint32_t line, char *buf, size_t room);

#endif
