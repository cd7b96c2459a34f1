/* cspcheck doctor: everything a run needs, looked at one by one; each line says what was found and, if it is bad, what to do. */
#include "cmd/cmd.h"

#include <argp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/argv.h"
#include "build/compile.h"
#include "build/flags.h"
#include "build/inspect.h"
#include "home/home.h"

static bool all_well;

static void __attribute__((format(printf, 3, 4)))
line(bool ok, const char *what, const char *format, ...)
{
	va_list ap;

	printf("%-4s %-18s ", ok ? "ok" : "BAD", what);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	all_well &= ok;
}

static bool
first_line(const char *path, char *buf, size_t room)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, (int)room, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

static void
examine_libraries(const struct home *h)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/csp.h", h->include_dir);
	line(access(path, R_OK) == 0, "header", "%s", path);
	snprintf(path, sizeof(path), "%s/libcsprt.so", h->runtime_dir);
	line(access(path, R_OK) == 0, "runtime", "%s", path);
	line(access(h->detector_lib, R_OK) == 0, "detector", "%s", h->detector_lib);
	printf("     %-18s %s\n", "used from", h->build_tree ? "a build tree" : "an installation");
}

static void
examine_kernel(void)
{
	char value[128];
	struct utsname u;
	size_t shadow = (size_t)1 << 44;

	if (uname(&u) == 0)
		line(!strcmp(u.machine, "x86_64"), "machine", "%s, Linux %s%s", u.machine, u.release, strcmp(u.machine, "x86_64") ? " (the detector needs x86_64)" : "");
	if (first_line("/proc/sys/vm/overcommit_memory", value, sizeof(value)))
		line(strcmp(value, "2") != 0, "overcommit_memory", "%s%s", value, strcmp(value, "2") ? "" : ": shadow memory cannot be reserved; set vm.overcommit_memory to 0");
	if (first_line("/proc/sys/vm/max_map_count", value, sizeof(value)))
		line(atol(value) >= 65530, "max_map_count", "%s", value);
	if (first_line("/proc/sys/vm/mmap_rnd_bits", value, sizeof(value)))
		line(true, "mmap_rnd_bits", "%s", value);
	void *p = mmap(NULL, shadow, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	line(p != MAP_FAILED, "address space", "%s", p != MAP_FAILED ? "16 TiB can be reserved" : "16 TiB cannot be reserved: look at `ulimit -v'");
	if (p != MAP_FAILED)
		munmap(p, shadow);
}

static bool
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fputs(text, f) >= 0;

	if (f && fclose(f))
		ok = false;
	return ok;
}

/* One compiler: does it make an instrumented program that our libraries satisfy? */
static void
examine_compiler(const struct home *h, const char *name, const char *dir, bool required)
{
	char source[64], program[64];
	struct inspect what;
	char *path = inspect_find(name);

	if (!path) {
		if (required)
			line(false, name, "not found: install it, or set CC");
		else
			printf("-    %-18s not installed (not needed)\n", name);
		return;
	}
	free(path);
	snprintf(source, sizeof(source), "%s/probe.c", dir);
	snprintf(program, sizeof(program), "%s/probe", dir);
	setenv("CSPCHECK_CC", name, 1);
	unsetenv("CFLAGS");
	bool built = write_file(source, "#include <csp.h>\nint counter;\nint main(void) { counter++; return csp_id() == 1 ? 0 : 1; }\n")
		&& compile_program(h, &(char *){ source }, 1, true, program, false) == 0;
	inspect_program(program, &what);
	if (!built)
		line(false, name, "cannot compile and link a checked program");
	else if (!what.instrumented || what.foreign_tsan)
		line(false, name, "makes a program that is not instrumented for us");
	else {
		struct argv run = { 0 };
		argv_add(&run, program);
		int status = argv_run(&run);
		argv_finish(&run);
		line(status == 0, name, status == 0 ? "compiles, links and runs a checked program" : "makes a checked program that ends with status %d", status);
	}
	unlink(source);
	unlink(program);
	strncat(program, ".0.o", sizeof(program) - strlen(program) - 1);
	unlink(program);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	argp_error(state, "takes no arguments");
	return 0;
}

int
cmd_doctor(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL, "Examine compiler, libraries, kernel settings and debug information. Status 0 if all is well, else 69.", NULL, NULL, NULL };
	char dir[] = "/tmp/cspcheck.XXXXXX";
	struct home h;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	all_well = true;
	if (home_find(&h) < 0)
		return EX_UNAVAILABLE;
	examine_libraries(&h);
	examine_kernel();
	if (mkdtemp(dir)) {
		fflush(stdout);
		examine_compiler(&h, "gcc", dir, true);
		fflush(stdout);
		examine_compiler(&h, "clang", dir, false);
		rmdir(dir);
	} else {
		line(false, "temporary files", "cannot be made in /tmp");
	}
	line(true, "debug information", "%s", access("/usr/lib/debug", R_OK) == 0 ? "of the system found in /usr/lib/debug" : "of the system's libraries is not installed (names still come from their symbol tables)");
	home_finish(&h);
	puts(all_well ? "everything a run needs is there" : "something is missing, see BAD above");
	return all_well ? 0 : EX_UNAVAILABLE;
}
