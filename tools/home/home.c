#include "home/home.h"

#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *
join(const char *dir, const char *name)
{
	char *s;
	return asprintf(&s, "%s/%s", dir, name) < 0 ? NULL : s;
}

static bool
has(const char *dir, const char *name)
{
	char *path = join(dir, name);
	bool yes = path && access(path, R_OK) == 0;
	free(path);
	return yes;
}

/* A meson build directory says itself where its sources are. */
static bool
from_build_tree(struct home *h, const char *build)
{
	char *info_path = join(build, "meson-info/meson-info.json");
	json_t *info = info_path ? json_load_file(info_path, 0, NULL) : NULL;
	const char *source = json_string_value(json_object_get(json_object_get(info, "directories"), "source"));

	free(info_path);
	if (source) {
		h->include_dir = join(source, "runtime");
		h->runtime_dir = join(build, "runtime");
		h->detector_dir = join(build, "detector");
		h->build_tree = true;
	}
	json_decref(info);
	return source != NULL;
}

static bool
from_dirs(struct home *h, const char *libdir, const char *include_dir)
{
	if (!has(libdir, "libcsprt.so") && !has(libdir, "libcspcheck.so"))
		return false;
	h->include_dir = strdup(include_dir);
	h->runtime_dir = strdup(libdir);
	h->detector_dir = strdup(libdir);
	return true;
}

static bool
from_prefix(struct home *h, const char *prefix)
{
	const char *const libs[] = { CSPCHECK_LIBDIR_NAME, "lib", "lib64" };
	char *inc = join(prefix, "include");
	bool ok = false;

	for (size_t i = 0; inc && !ok && i < sizeof(libs) / sizeof(libs[0]); i++) {
		char *lib = join(prefix, libs[i]);
		ok = lib && from_dirs(h, lib, inc);
		free(lib);
	}
	free(inc);
	return ok;
}

static bool
from_executable(struct home *h)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return false;
	exe[n] = '\0';
	char *top = dirname(dirname(exe)); /* BUILD/tools/cspcheck or PREFIX/bin/cspcheck */
	return from_build_tree(h, top) || from_prefix(h, top);
}

int
home_find(struct home *h)
{
	const char *env = getenv("CSPCHECK_HOME");

	memset(h, 0, sizeof(*h));
	if (env && *env) {
		if (!from_build_tree(h, env) && !from_prefix(h, env)) {
			fprintf(stderr, "cspcheck: CSPCHECK_HOME=%s holds neither a build tree nor an installation\n", env);
			return -1;
		}
	} else if (!from_executable(h) && !from_dirs(h, CSPCHECK_LIBDIR, CSPCHECK_INCLUDEDIR)) {
		fprintf(stderr, "cspcheck: libcsprt and libcspcheck not found beside the executable nor in %s; set CSPCHECK_HOME\n", CSPCHECK_LIBDIR);
		return -1;
	}
	h->detector_lib = join(h->detector_dir, "libcspcheck.so.0");
	return 0;
}

void
home_finish(struct home *h)
{
	free(h->include_dir);
	free(h->runtime_dir);
	free(h->detector_dir);
	free(h->detector_lib);
	memset(h, 0, sizeof(*h));
}
