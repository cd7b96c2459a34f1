#include "build/flags.h"

#include <stdlib.h>
#include <string.h>

void
flags_compiler(struct argv *to, enum flags_lang lang)
{
	const char *own = getenv(lang == FLAGS_C ? "CSPCHECK_CC" : "CSPCHECK_CXX");
	const char *env = getenv(lang == FLAGS_C ? "CC" : "CXX");

	if (own && *own)
		argv_add_words(to, own);
	else if (env && *env && !strstr(env, "cspcheck")) /* CC="cspcheck cc" must not call itself */
		argv_add_words(to, env);
	if (to->n == 0)
		argv_add(to, lang == FLAGS_C ? "gcc" : "g++");
}

/* By name: asking the compiler would cost a process for each file of a build. */
bool
flags_is_clang(const struct argv *compiler)
{
	for (size_t i = 0; i < compiler->n; i++)
		if (strstr(compiler->v[i], "clang"))
			return true;
	return false;
}

/* -fno-builtin: otherwise gcc expands memcpy and friends of constant size in line and does not check them; clang checks neither the
 * calls it makes. Vectors wider than 16 bytes are not checked by clang at all. gcc would move accesses out of
 * loops before it instruments them, and report them at the line of the `for`. Frame pointers and no sibling calls keep uninstrumented
 * frames walkable. */
void
flags_compile_first(struct argv *to, const struct home *h, bool clang)
{
	argv_add(to, "-g");
	argv_add(to, "-fno-omit-frame-pointer");
	argv_add(to, "-fno-optimize-sibling-calls");
	argv_add(to, "-fno-builtin");
	argv_add(to, clang ? "-mprefer-vector-width=128" : "-fno-tree-loop-im");
	argv_addf(to, "-I%s", h->include_dir);
}

/* Fortified memcpy and memset are expanded in line, unchecked. */
void
flags_compile_last(struct argv *to)
{
	argv_add(to, "-U_FORTIFY_SOURCE");
}

void
flags_link(struct argv *to, const struct home *h)
{
	argv_addf(to, "-L%s", h->detector_dir);
	argv_addf(to, "-Wl,-rpath,%s", h->detector_dir);
	if (strcmp(h->runtime_dir, h->detector_dir)) {
		argv_addf(to, "-L%s", h->runtime_dir);
		argv_addf(to, "-Wl,-rpath,%s", h->runtime_dir);
	}
	/* Before libcsprt and libc, so that its interposed functions are found first. */
	argv_add(to, "-Wl,--push-state,--no-as-needed");
	argv_add(to, "-lcspcheck");
	argv_add(to, "-Wl,--as-needed");
	argv_add(to, "-lcsprt");
	argv_add(to, "-Wl,--pop-state");
	argv_add(to, "-Wl,-z,now");
}
