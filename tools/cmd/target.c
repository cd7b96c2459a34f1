#include "cmd/target.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/compile.h"
#include "build/inspect.h"
#include "finding/rules.h"

char *
target_make_work_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/cspcheck.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
		return NULL;
	if (!mkdtemp(dir)) {
		fprintf(stderr, "cspcheck: cannot make a directory %s: %s\n", dir, strerror(errno));
		free(dir);
		return NULL;
	}
	return dir;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

void
target_remove_work_dir(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Sources up to "--" or the first word that is none; the rest are the program's arguments. */
static int
prepare_sources(struct target *t, const struct home *h, const struct target_wish *wish, const char *work, int argc, char **words)
{
	int n = 0, rest;

	while (n < argc && compile_is_source(words[n])) {
		if (access(words[n], R_OK) < 0) {
			fprintf(stderr, "cspcheck: cannot read %s: %s\n", words[n], strerror(errno));
			return errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
		}
		n++;
	}
	rest = n < argc && !strcmp(words[n], "--") ? n + 1 : n;

	/* The program is named after its first source, as a user would have named it. */
	const char *base = strrchr(words[0], '/');
	base = base ? base + 1 : words[0];
	if (asprintf(&t->program, "%s/%.*s", work, (int)(strrchr(base, '.') - base), base) < 0)
		return EX_OSERR;
	int status = compile_program(h, words, (size_t)n, strcmp(wish->race, "off") != 0, t->program, wish->verbose);
	t->argv = t->owned = calloc((size_t)(argc - rest) + 2, sizeof(*t->argv));
	if (!t->argv)
		return EX_OSERR;
	t->argv[0] = t->program;
	for (int i = rest; i < argc; i++)
		t->argv[i - rest + 1] = words[i];
	return status;
}

static void
preload(const char *lib)
{
	const char *old = getenv("LD_PRELOAD");
	char *both;

	if (asprintf(&both, "%s%s%s", lib, old && *old ? ":" : "", old ? old : "") >= 0) {
		setenv("LD_PRELOAD", both, 1);
		free(both);
	}
}

/* Says in one line what cannot be checked; refuses only what was asked for. */
static int
judge_program(const struct target_wish *wish, const struct home *h, const char *name, const struct inspect *p)
{
	switch (p->kind) {
	case INSPECT_MISSING:
		fprintf(stderr, "cspcheck: cannot run %s: %s\n", name, p->why);
		return STATUS_NOT_FOUND;
	case INSPECT_REFUSED:
		fprintf(stderr, "cspcheck: cannot run %s: %s\n", name, p->why);
		return STATUS_NOT_EXECUTABLE;
	case INSPECT_SCRIPT:
		return 0;
	default:
		break;
	}
	if (p->foreign_tsan) {
		fprintf(stderr, "cspcheck: %s is linked with the compiler's own ThreadSanitizer; link it with `cspcheck cc' (without -fsanitize=thread)\n", name);
		return EX_UNAVAILABLE;
	}
	if (!p->instrumented && wish->race_asked) {
		fprintf(stderr, "cspcheck: %s is not instrumented, so --race=on is not possible; build it with CC=\"cspcheck cc\"\n", name);
		return EX_UNAVAILABLE;
	}
	if (!p->has_runtime)
		fprintf(stderr, "cspcheck: %s does not use libcsprt: there are no goroutines to check\n", name);
	else if (!p->instrumented && strcmp(wish->race, "off"))
		fprintf(stderr, "cspcheck: %s is not instrumented: checking for deadlocks, leaks and misuse, not for races (build it with CC=\"cspcheck cc\")\n", name);
	if (!p->has_detector && p->has_runtime && !p->is_static && access(h->detector_lib, R_OK) == 0)
		preload(h->detector_lib);
	return 0;
}

int
target_prepare(struct target *t, const struct home *h, const struct target_wish *wish, const char *work, int argc, char **words)
{
	struct inspect what;

	memset(t, 0, sizeof(*t));
	if (compile_is_source(words[0]))
		return prepare_sources(t, h, wish, work, argc, words);
	t->program = inspect_find(words[0]);
	inspect_program(t->program ? t->program : words[0], &what);
	t->argv = words;
	int status = judge_program(wish, h, words[0], &what);
	if (status == 0 && argc > 1 && !strcmp(words[1], "--")) /* run ./prog -- ARGS */
		memmove(words + 1, words + 2, (size_t)(argc - 1) * sizeof(*words));
	return status;
}

void
target_finish(struct target *t)
{
	free(t->program);
	free(t->owned);
	memset(t, 0, sizeof(*t));
}
