#include "build/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "build/flags.h"

static enum flags_lang
lang_of(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot && strcmp(dot, ".c") ? FLAGS_CXX : FLAGS_C;
}

bool
compile_is_source(const char *path)
{
	static const char *const suffixes[] = { ".c", ".cc", ".cpp", ".cxx", ".C" };
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (!strcmp(dot, suffixes[i]))
			return true;
	return false;
}

static void
add_env_words(struct argv *a, const char *name)
{
	const char *words = getenv(name);
	if (words)
		argv_add_words(a, words);
}

/* Run a step, then free it. */
static int
step(struct argv *a, const char *what, const char *target, bool verbose)
{
	int status;

	if (verbose) {
		for (size_t i = 0; i < a->n; i++)
			fprintf(stderr, "%s%s", i ? " " : "+ ", a->v[i]);
		fputc('\n', stderr);
	}
	status = argv_run(a);
	if (status < 0) {
		fprintf(stderr, "cspcheck: cannot start the compiler '%s': %s\n", a->v[0], strerror(errno));
		status = EX_UNAVAILABLE;
	} else if (status != 0) {
		fprintf(stderr, "cspcheck: cannot %s %s\n", what, target);
		status = 1;
	}
	argv_finish(a);
	return status;
}

static int
compile_one(const struct home *h, const char *source, const char *object, bool instrument, bool verbose)
{
	enum flags_lang lang = lang_of(source);
	struct argv a = { 0 };

	flags_compiler(&a, lang);
	argv_add(&a, lang == FLAGS_C ? "-std=gnu17" : "-std=gnu++17");
	argv_add(&a, "-O1");
	flags_compile_first(&a, h, flags_is_clang(&a));
	add_env_words(&a, "CPPFLAGS");
	add_env_words(&a, lang == FLAGS_C ? "CFLAGS" : "CXXFLAGS");
	if (instrument)
		argv_add(&a, "-fsanitize=thread");
	flags_compile_last(&a);
	argv_add(&a, "-c");
	argv_add(&a, source);
	argv_add(&a, "-o");
	argv_add(&a, object);
	return step(&a, "compile", source, verbose);
}

int
compile_program(const struct home *h, char *const *sources, size_t n, bool instrument, const char *program, bool verbose)
{
	enum flags_lang lang = FLAGS_C;
	struct argv objects = { 0 }, link = { 0 };
	int status = 0;

	for (size_t i = 0; i < n && status == 0; i++) {
		if (lang_of(sources[i]) == FLAGS_CXX)
			lang = FLAGS_CXX;
		argv_addf(&objects, "%s.%zu.o", program, i);
		status = compile_one(h, sources[i], objects.v[i], instrument, verbose);
	}
	if (status == 0) {
		flags_compiler(&link, lang);
		for (size_t i = 0; i < n; i++)
			argv_add(&link, objects.v[i]);
		add_env_words(&link, "LDFLAGS");
		flags_link(&link, h);
		add_env_words(&link, "LDLIBS");
		argv_add(&link, "-lm");
		argv_add(&link, "-pthread");
		argv_add(&link, "-o");
		argv_add(&link, program);
		status = step(&link, "link", sources[0], verbose);
	}
	argv_finish(&objects);
	argv_finish(&link);
	return status;
}
