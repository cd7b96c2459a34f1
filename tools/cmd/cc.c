/* cspcheck cc, cspcheck c++: a compiler driver for any build system. The command line goes through as it is; a step that compiles gets
 * the instrumentation, a step that links a program gets our libraries instead of the compiler's own runtime.
 *
 * -fsanitize=thread must not reach a link: gcc would add libtsan. A step that does both takes the flag through -Wp, for gcc, which hands
 * it to the compiler proper and hides it from the driver; clang has -fno-sanitize-link-runtime. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/compile.h"
#include "build/flags.h"
#include "home/home.h"

struct step {
	struct argv args;               /* the user's, @files expanded, -fsanitize=thread taken out */
	bool stops_early;               /* -c, -S */
	bool only_looks;                /* -E, -M, -fsyntax-only, --version …: nothing to instrument, nothing to link */
	bool shared, relocatable, is_static, no_libraries;
	bool has_source, has_input;
};

/* Options whose value is the next argument: it is no input file. */
static bool
takes_value(const char *a)
{
	static const char *const all[] = { "-o", "-x", "-I", "-L", "-D", "-U", "-l", "-T", "-u", "-z", "-e", "-h", "-include", "-imacros", "-isystem", "-iquote",
		"-idirafter", "-iprefix", "-isysroot", "-MF", "-MT", "-MQ", "-Xlinker", "-Xpreprocessor", "-Xassembler", "-Xclang", "-aux-info", "--param", "-target",
		"-arch", "-B", "-G", "-specs", "-wrapper", "-mllvm" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(a, all[i]))
			return true;
	return false;
}

static bool
any_of(const char *a, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(a, *list))
			return true;
	return false;
}

static bool
begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static void
classify_option(struct step *s, const char *a)
{
	static const char *const looks[] = { "-E", "-M", "-MM", "-fsyntax-only", "--version", "--help", "-###", "-dumpversion", "-dumpmachine",
		"-dumpspecs", "-dumpfullversion", "--target-help", NULL };

	s->stops_early |= !strcmp(a, "-c") || !strcmp(a, "-S");
	s->only_looks |= any_of(a, looks) || begins(a, "-print-") || begins(a, "--print-") || begins(a, "--help=");
	s->shared |= !strcmp(a, "-shared") || !strcmp(a, "--shared");
	s->relocatable |= !strcmp(a, "-r") || !strcmp(a, "-Wl,-r");
	s->is_static |= !strcmp(a, "-static") || !strcmp(a, "--static") || !strcmp(a, "-static-pie");
	s->no_libraries |= !strcmp(a, "-nostdlib") || !strcmp(a, "-nodefaultlibs");
}

static void
classify_input(struct step *s, const char *a)
{
	const char *dot = strrchr(a, '.');

	s->has_input = true;
	s->has_source |= compile_is_source(a) || !strcmp(a, "-") || (dot && (!strcmp(dot, ".i") || !strcmp(dot, ".ii")));
}

static char *
read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && (text = malloc((size_t)st.st_size + 1)))
		n = read(fd, text, (size_t)st.st_size);
	if (text)
		text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* Response files may name further ones; the compilers limit that themselves, we by depth. */
static void
expand(struct argv *to, char *const *v, size_t n, int depth)
{
	for (size_t i = 0; i < n; i++) {
		char *text = v[i][0] == '@' && depth < 16 ? read_file(v[i] + 1) : NULL;
		struct argv words = { 0 };
		if (!text) {
			argv_add(to, v[i]);
			continue;
		}
		argv_add_words(&words, text);
		expand(to, words.v, words.n, depth + 1);
		argv_finish(&words);
		free(text);
	}
}

static void
classify(struct step *s, const struct argv *all)
{
	bool language_given = false;

	for (size_t i = 0; i < all->n; i++) {
		const char *a = all->v[i];
		if (begins(a, "-fsanitize=thread"))
			continue;
		argv_add(&s->args, a);
		if (a[0] != '-' || !a[1]) {
			classify_input(s, a);
			s->has_source |= language_given;
			continue;
		}
		classify_option(s, a);
		if (begins(a, "-x"))
			language_given = strcmp(a, "-xnone") != 0;
		if (takes_value(a) && i + 1 < all->n) {
			if (!strcmp(a, "-x"))
				language_given = strcmp(all->v[i + 1], "none") != 0 && !begins(all->v[i + 1], "assembler");
			argv_add(&s->args, all->v[++i]);
		}
	}
}

/* A shared library leaves our symbols open, for the program that loads it; also where the build asks for none to be left open. */
static void
drop_no_undefined(struct argv *to, const struct argv *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (strcmp(from->v[i], "-Wl,--no-undefined") && strcmp(from->v[i], "-Wl,-z,defs"))
			argv_add(to, from->v[i]);
}

static void
build_command(struct argv *to, const struct step *s, const struct home *h, enum flags_lang lang)
{
	bool links = s->has_input && !s->stops_early && !s->only_looks;

	flags_compiler(to, lang);
	bool clang = flags_is_clang(to);
	if (s->has_source && !s->only_looks) {
		flags_compile_first(to, h, clang);
		if (!links)
			argv_add(to, "-fsanitize=thread");
		else
			argv_add(to, clang ? "-fsanitize=thread" : "-Wp,-fsanitize=thread");
		if (links && clang)
			argv_add(to, "-fno-sanitize-link-runtime");
	} else if (s->has_source) {
		argv_addf(to, "-I%s", h->include_dir); /* -E and -M look for csp.h too */
	}
	if (s->shared && links) {
		drop_no_undefined(to, &s->args);
		argv_add(to, "-Wl,-z,undefs");
	} else {
		for (size_t i = 0; i < s->args.n; i++)
			argv_add(to, s->args.v[i]);
	}
	if (s->has_source && !s->only_looks)
		flags_compile_last(to);
	if (links && s->shared) {
		argv_addf(to, "-L%s", h->runtime_dir);
	} else if (links && !s->relocatable && !s->no_libraries) {
		argv_add(to, "-xnone"); /* what follows is for the linker, whatever -x said before */
		flags_link(to, h);
	}
}

static int
drive(int argc, char **argv, enum flags_lang lang)
{
	struct argv all = { 0 }, command = { 0 };
	struct step s = { 0 };
	struct home h;
	int status;

	if (home_find(&h) < 0)
		return EX_UNAVAILABLE;
	expand(&all, argv + 1, (size_t)argc - 1, 0);
	classify(&s, &all);
	if (s.is_static && s.has_input && !s.stops_early && !s.only_looks) {
		fprintf(stderr, "%s: a static program cannot be checked: link without -static\n", argv[0]);
		status = EX_UNAVAILABLE;
	} else {
		build_command(&command, &s, &h, lang);
		if (getenv("CSPCHECK_CC_PRINT")) {
			for (size_t i = 0; i < command.n; i++)
				fprintf(stderr, "%s%s", i ? " " : "+ ", command.v[i]);
			fputc('\n', stderr);
		}
		status = argv_run(&command);
		if (status < 0) {
			fprintf(stderr, "%s: cannot start the compiler '%s': %s\n", argv[0], command.v[0], strerror(errno));
			status = EX_UNAVAILABLE;
		}
	}
	argv_finish(&all);
	argv_finish(&command);
	argv_finish(&s.args);
	home_finish(&h);
	return status;
}

int
cmd_cc(int argc, char **argv)
{
	return drive(argc, argv, FLAGS_C);
}

int
cmd_cxx(int argc, char **argv)
{
	return drive(argc, argv, FLAGS_CXX);
}
