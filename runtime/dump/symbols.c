#include "symbols.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "../g.h"
#include "symbolize.h"

static struct sym_api api;
static struct sym    *symbols;
static bool           tried;

/* How frames of the library are told from the program's: by the module if it is a shared object of its own; linked statically, by the
 * directory its sources were compiled in, or by prefix where it has no debug info. */
static const char *runtime_module, *exe_module;
static char        runtime_root[512];
static size_t      runtime_root_len;

static bool load_api(void)
{
	void *lib = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return false;
#define LOAD(f) \
	if ((api.f = (__typeof__(&f))(uintptr_t)dlsym(lib, #f)) == NULL) \
		return false;
	SYM_API_FUNCTIONS(LOAD)
#undef LOAD
	return true;
}

static void learn_own(void)
{
	static const char here[] = "dump/symbols.c";
	const struct sym_frame *f;
	size_t n = sym_lookup(symbols, (uintptr_t)&rt_symbols_open, true, &f);
	runtime_module = f[n - 1].module;
	if (f[0].file != NULL) {
		size_t len = strlen(f[0].file), tail = sizeof here - 1;
		if (len > tail && len < sizeof runtime_root && strcmp(f[0].file + len - tail, here) == 0) {
			runtime_root_len = len - tail;
			memcpy(runtime_root, f[0].file, runtime_root_len);
		}
	}
}

static const char *exe_path(void)
{
	static char path[4096];
	if (path[0] == '\0') {
		ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
		if (n <= 0)
			strcpy(path, "?");
	}
	return path;
}

bool rt_symbols_open(void)
{
	if (!tried) {
		tried = true;
		exe_module = exe_path();
		if (load_api()) {
			Dwfl *dwfl = sym_open_pid(&api, getpid());
			if (dwfl != NULL && (symbols = sym_create(&api, dwfl)) != NULL)
				learn_own();
		}
	}
	return symbols != NULL;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static void classify(struct rt_frame *f)
{
	bool ours_by_name = f->function != NULL && (has_prefix(f->function, "csp_") || has_prefix(f->function, "rt_"));
	if (f->module == NULL)
		return;
	f->outside = has_prefix(base(f->module), "libc.so") || has_prefix(base(f->module), "ld-linux");
	if (f->file != NULL && strcmp(base(f->file), "csp.h") == 0)
		f->runtime = true;              /* inline functions of the public header */
	else if (runtime_module == NULL || strcmp(f->module, runtime_module) != 0)
		f->runtime = false;
	else if (strcmp(f->module, exe_module) != 0)
		f->runtime = true;
	else
		f->runtime = f->file != NULL && runtime_root_len != 0 ? strncmp(f->file, runtime_root, runtime_root_len) == 0 : ours_by_name;
}

size_t rt_symbols_lookup(void *pc, bool exact, bool hex, struct rt_frame *out, size_t max)
{
	if (max == 0)
		return 0;
	if (symbols != NULL && !hex) {
		const struct sym_frame *f;
		size_t n = sym_lookup(symbols, (uintptr_t)pc, exact, &f);
		if (n > max)
			n = max;
		for (size_t i = 0; i < n; i++) {
			out[i] = (struct rt_frame){ .function = f[i].function, .file = f[i].file, .line = f[i].line, .inlined = f[i].inlined,
				.module = f[i].module, .module_offset = f[i].module_offset, .offset = f[i].offset };
			classify(&out[i]);
		}
		return n;
	}
	*out = (struct rt_frame){ .module_offset = (uintptr_t)pc };
	Dl_info info;
	if (!hex && dladdr((void *)((uintptr_t)pc - (exact ? 0 : 1)), &info) != 0) {
		Dl_info own;
		if (runtime_module == NULL && dladdr((void *)(uintptr_t)&rt_symbols_open, &own) != 0)
			runtime_module = own.dli_fname;
		out->module = info.dli_fname;
		out->module_offset = (uintptr_t)pc - (uintptr_t)info.dli_fbase;
		out->function = info.dli_sname;
		if (info.dli_sname != NULL)
			out->offset = (uintptr_t)pc - (uintptr_t)info.dli_saddr;
		classify(out);
	}
	return 1;
}
