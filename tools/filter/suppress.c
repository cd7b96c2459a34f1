#include "filter/suppress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "finding/rules.h"
#include "format/text.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

static const char *const kinds[] = { "race", "race_top", "called_from_lib", "deadlock", "mutex", "leak", "thread", "misuse", "created_by", "object", "wait",
                                     "rule", "fp", "signal" };

bool
suppress_is_date(const char *s)
{
	int y, m, d, n = 0;
	return strlen(s) == 10 && sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) == 3 && n == 10 && m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static bool
known_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i], kind))
			return true;
	return false;
}

/* Edit distance of short words, for "did you mean". */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[32], n = (unsigned)strnlen(b, 31);

	for (unsigned k = 0; k <= n; k++)
		row[k] = k;
	for (unsigned i = 1; *a && i < 31; a++, i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned k = 1; k <= n; k++) {
			unsigned change = diagonal + (*a != b[k - 1]), drop = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;
			diagonal = row[k];
			row[k] = change < drop ? change : drop;
		}
	}
	return row[n];
}

static const char *
nearest_kind(const char *kind)
{
	const char *best = kinds[0];

	for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (distance(kind, kinds[i]) < distance(kind, best))
			best = kinds[i];
	return best;
}

static bool
refuse(struct suppressions *s, unsigned line, const char *what, const char *word, const char *mend)
{
	snprintf(s->error, sizeof(s->error), "%s:%u: %s '%.60s'; %s", s->file, line, what, word, mend);
	return false;
}

/* reason="text" until=2027-03-01 issue=URL; words without a key are a plain comment. */
static bool
parse_notes(struct suppressions *s, struct suppression *rule, char *p, const char *today, struct obstack *mem)
{
	while (*(p += strspn(p, " \t"))) {
		char *equals = strchr(p, '='), *end = p + strcspn(p, " \t");
		if (!equals || equals > end || (strncmp(p, "until=", 6) && strncmp(p, "reason=", 7) && strncmp(p, "issue=", 6))) {
			p = end;
			continue;
		}
		*equals = '\0';
		char *value = equals + 1, *stop = *value == '"' ? strchr(value + 1, '"') : value + strcspn(value, " \t");
		if (!stop)
			return refuse(s, rule->line, "text without an end", value, "close it with \"");
		value += *value == '"';
		char *next = *stop ? stop + 1 : stop;
		*stop = '\0';
		if (!strcmp(p, "until")) {
			if (!suppress_is_date(value))
				return refuse(s, rule->line, "no date", value, "write until=YYYY-MM-DD");
			snprintf(rule->until, sizeof(rule->until), "%s", value);
			rule->expired = strcmp(today, value) > 0;
		} else if (!strcmp(p, "reason")) {
			rule->reason = obstack_copy0(mem, value, (int)strlen(value));
		}
		p = next;
	}
	return true;
}

static bool
parse_line(struct suppressions *s, char *text, unsigned line, const char *today, struct obstack *mem, struct suppression ***end)
{
	char *p = text + strspn(text, " \t"), *notes = p, mend[160];

	p[strcspn(p, "\r\n")] = '\0';
	if (!*p || *p == '#')
		return true;
	while ((notes = strchr(notes, '#')) && notes[-1] != ' ' && notes[-1] != '\t') /* an operator# or a file name may hold one */
		notes++;
	if (notes)
		*notes++ = '\0';
	for (size_t n = strlen(p); n && (p[n - 1] == ' ' || p[n - 1] == '\t'); n--)
		p[n - 1] = '\0';
	char *colon = strchr(p, ':');
	if (!colon)
		return refuse(s, line, "no kind in", p, "write kind:pattern, for example race:worker_loop");
	*colon = '\0';
	char *pattern = colon + 1 + strspn(colon + 1, " \t");
	if (!known_kind(p)) {
		snprintf(mend, sizeof(mend), "did you mean %s: ? (`cspcheck suppress --help' lists all)", nearest_kind(p));
		return refuse(s, line, "unknown kind", p, mend);
	}
	if (!*pattern)
		return refuse(s, line, "nothing to match after", p, "name a function, a file or a variable; * stands for any text");
	if (!strcmp(p, "fp") && (strlen(pattern) < 8 || strspn(pattern, "0123456789abcdef") != strlen(pattern)))
		return refuse(s, line, "no fingerprint", pattern, "copy at least 8 of its digits from a report");
	struct suppression *rule = obstack_alloc(mem, sizeof(*rule));
	memset(rule, 0, sizeof(*rule));
	rule->kind = obstack_copy0(mem, p, (int)strlen(p));
	rule->pattern = obstack_copy0(mem, pattern, (int)strlen(pattern));
	rule->line = line;
	if (notes && !parse_notes(s, rule, notes, today, mem))
		return false;
	**end = rule;
	*end = &rule->next;
	return true;
}

int
suppress_read(struct suppressions *s, const char *file, const char *today, struct obstack *mem)
{
	struct suppression **end = &s->first;
	char *text = NULL;
	size_t room = 0;
	bool good = true;

	*s = (struct suppressions){ .file = file };
	FILE *in = fopen(file, "re");
	if (!in) {
		snprintf(s->error, sizeof(s->error), "cannot read %s: %s", file, strerror(errno));
		return EX_DATAERR;
	}
	errno = 0;
	for (unsigned line = 1; good && getline(&text, &room, in) >= 0; line++)
		good = parse_line(s, text, line, today, mem, &end);
	if (good && ferror(in)) {
		snprintf(s->error, sizeof(s->error), "cannot read %s: %s", file, strerror(errno));
		good = false;
	}
	free(text);
	fclose(in);
	return good ? 0 : EX_DATAERR;
}

/* --- matching ----------------------------------------------------------------------------------------------------------- */

/* Does text begin with pattern, where `*` is any text and, at the end, `$` the end? */
static bool
match_here(const char *pattern, const char *text)
{
	for (; *pattern; pattern++, text++) {
		if (*pattern == '*') {
			while (*pattern == '*')
				pattern++;
			for (;; text++) {
				if (match_here(pattern, text))
					return true;
				if (!*text)
					return false;
			}
		}
		if (*pattern == '$' && !pattern[1])
			return !*text;
		if (*pattern != *text)
			return false;
	}
	return true;
}

static bool
matches(const char *pattern, const char *text)
{
	if (!text)
		return false;
	if (*pattern == '^')
		return match_here(pattern + 1, text);
	for (;; text++) {
		if (match_here(pattern, text))
			return true;
		if (!*text)
			return false;
	}
}

static bool
frame_matches(const char *pattern, const struct frame *f)
{
	return matches(pattern, f->func) || matches(pattern, f->file) || matches(pattern, f->module);
}

static bool
stack_matches(const char *pattern, const struct stack *s)
{
	const struct frame *frames[1024];
	uint32_t n = finding_user_frames(s, false, frames, 1024);

	for (uint32_t i = 0; i < n; i++)
		if (frame_matches(pattern, frames[i]))
			return true;
	return false;
}

static bool
parts_match(const char *pattern, const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++)
		if (stack_matches(pattern, &f->parts[i].stack))
			return true;
	return false;
}

static bool
top_matches(const char *pattern, const struct finding *f)
{
	const struct frame *top;

	for (uint32_t i = 0; i < f->n_parts; i++)
		if (finding_user_frames(&f->parts[i].stack, false, &top, 1) && frame_matches(pattern, top))
			return true;
	return false;
}

static bool
module_matches(const char *pattern, const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++)
		for (uint32_t k = 0; k < f->parts[i].stack.n; k++)
			if (!f->parts[i].stack.frame[k].internal && matches(pattern, f->parts[i].stack.frame[k].module))
				return true;
	return false;
}

static bool
objects_match(const char *pattern, const struct finding *f, bool created)
{
	for (uint32_t i = 0; i < f->n_objects; i++)
		if (matches(pattern, f->objects[i].name) || (created && stack_matches(pattern, &f->objects[i].created)))
			return true;
	return false;
}

/* Only goroutines that the finding is about: parents are listed too. */
static bool
goroutines_match(const char *pattern, const struct finding *f, bool created)
{
	for (uint32_t i = 0; i < f->n_goroutines; i++)
		for (uint32_t k = 0; k < f->n_parts; k++) {
			const struct goroutine *g = &f->goroutines[i];
			if (f->parts[k].gid != g->gid)
				continue;
			if (created ? stack_matches(pattern, &g->created) : matches(pattern, g->entry) || (*g->name && matches(pattern, g->name)))
				return true;
		}
	return false;
}

static bool
waits_match(const char *pattern, const struct finding *f)
{
	for (uint32_t i = 0; i < f->n_parts; i++)
		if (matches(pattern, f->parts[i].op))
			return true;
	return false;
}

static bool
applies(const struct suppression *s, const struct finding *f)
{
	enum rule_kind kind = rule_find(f->rule)->kind;
	const char *k = s->kind, *p = s->pattern;
	char rule[16];

	if (!strcmp(k, "race"))
		return kind == RULE_RACE && (parts_match(p, f) || objects_match(p, f, false));
	if (!strcmp(k, "race_top"))
		return kind == RULE_RACE && (top_matches(p, f) || objects_match(p, f, false));
	if (!strcmp(k, "called_from_lib"))
		return kind == RULE_RACE && module_matches(p, f);
	if (!strcmp(k, "deadlock"))
		return kind == RULE_DEADLOCK && (parts_match(p, f) || objects_match(p, f, false));
	if (!strcmp(k, "mutex"))
		return f->rule >= 2005 && f->rule <= 2007 && (parts_match(p, f) || objects_match(p, f, false));
	if (!strcmp(k, "leak") || !strcmp(k, "thread"))
		return kind == RULE_LEAK && (parts_match(p, f) || goroutines_match(p, f, false));
	if (!strcmp(k, "misuse"))
		return (kind == RULE_MISUSE || kind == RULE_CRASH) && parts_match(p, f);
	if (!strcmp(k, "created_by"))
		return goroutines_match(p, f, true);
	if (!strcmp(k, "object"))
		return objects_match(p, f, true);
	if (!strcmp(k, "wait"))
		return waits_match(p, f);
	if (!strcmp(k, "fp"))
		return !strncmp(f->fingerprint, p, strlen(p));
	snprintf(rule, sizeof(rule), "CSP%u", f->rule);
	return !strcmp(k, "rule") && matches(p, rule);
}

struct suppression *
suppress_find(struct suppressions *s, const struct finding *f)
{
	for (struct suppression *r = s->first; r; r = r->next)
		if (!r->expired && applies(r, f)) {
			r->hits++;
			return r;
		}
	return NULL;
}

void
suppress_report(FILE *to, const struct suppressions *s)
{
	unsigned unused = 0;

	for (const struct suppression *r = s->first; r; r = r->next) {
		if (r->expired)
			fprintf(to, "cspcheck: %s:%u: %s:%s expired on %s and no longer suppresses\n", s->file, r->line, r->kind, r->pattern, r->until);
		unused += !r->expired && r->hits == 0;
	}
	if (unused == 0)
		return;
	fprintf(to, "cspcheck: %s: %u suppression%s matched nothing:", s->file, unused, unused == 1 ? "" : "s");
	unsigned told = 0;
	for (const struct suppression *r = s->first; r; r = r->next)
		if (!r->expired && r->hits == 0 && told++ < 8)
			fprintf(to, "%s line %u (%s:%s)", told > 1 ? "," : "", r->line, r->kind, r->pattern);
	fprintf(to, "%s\n", unused > 8 ? ", …" : "");
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

void
suppress_rule(FILE *to, const struct finding *f)
{
	static const char *const by_kind[RULE_KINDS] = { [RULE_RACE] = "race", [RULE_LEAK] = "leak", [RULE_DEADLOCK] = "deadlock", [RULE_MISUSE] = "misuse" };
	const char *kind = by_kind[rule_find(f->rule)->kind];
	const struct frame *top = NULL;

	for (uint32_t i = 0; i < f->n_parts && !top; i++)
		finding_user_frames(&f->parts[i].stack, false, &top, 1);
	if (kind && top && top->func && strcmp(top->func, "main"))
		fprintf(to, "%s:^%s$", kind, top->func);
	else /* the whole of main would be too much */
		fprintf(to, "fp:%.16s", f->fingerprint);
}

void
suppress_write(FILE *to, const struct finding *f, const char *reason, const char *until)
{
	suppress_rule(to, f);
	fprintf(to, "  # CSP%u %s at %s", f->rule, f->title, text_short_path(f->site, NULL));
	if (reason)
		fprintf(to, " reason=\"%s\"", reason);
	if (until)
		fprintf(to, " until=%s", until);
	fputc('\n', to);
}
