#include "build/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
inspect_find(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return strdup(name);
	for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
		size_t n = strcspn(p, ":");
		char *full;
		if (asprintf(&full, "%.*s/%s", n ? (int)n : 1, n ? p : ".", name) < 0)
			return NULL;
		if (access(full, X_OK) == 0)
			return full;
		free(full);
		p += n + (p[n] == ':');
	}
	/* Like a shell user, name a program of the working directory without "./". */
	return access(name, F_OK) == 0 ? strdup(name) : NULL;
}

static void
see_needed(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, struct inspect *out)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Dyn dyn;

	out->is_static = false;
	for (int i = 0; data && gelf_getdyn(data, i, &dyn); i++) {
		const char *name = dyn.d_tag == DT_NEEDED ? elf_strptr(elf, sh->sh_link, dyn.d_un.d_val) : NULL;
		if (!name)
			continue;
		out->has_runtime |= !strncmp(name, "libcsprt.so", 11);
		out->has_detector |= !strncmp(name, "libcspcheck.so", 14);
		out->foreign_tsan |= !strncmp(name, "libtsan.so", 10) || strstr(name, "clang_rt.tsan");
	}
}

static void
see_symbols(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, struct inspect *out)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
		const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (!name)
			continue;
		if (!strncmp(name, "__tsan_", 7)) {
			out->instrumented = true;
			out->foreign_tsan |= sym.st_shndx != SHN_UNDEF;
		}
		out->has_runtime |= !strncmp(name, "csp_", 4) && GELF_ST_TYPE(sym.st_info) == STT_FUNC && sym.st_shndx != SHN_UNDEF;
	}
}

static void
see_elf(Elf *elf, struct inspect *out)
{
	GElf_Ehdr eh;
	GElf_Shdr sh;

	if (!gelf_getehdr(elf, &eh) || (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)) {
		out->kind = INSPECT_REFUSED;
		out->why = "not an executable";
		return;
	}
	out->kind = INSPECT_ELF;
	out->is_static = true;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type == SHT_DYNAMIC)
			see_needed(elf, scn, &sh, out);
		else if (sh.sh_type == SHT_DYNSYM || sh.sh_type == SHT_SYMTAB)
			see_symbols(elf, scn, &sh, out);
	}
}

void
inspect_program(const char *path, struct inspect *out)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	out->kind = INSPECT_REFUSED;
	if (stat(path, &st) < 0) {
		out->kind = errno == ENOENT || errno == ENOTDIR ? INSPECT_MISSING : INSPECT_REFUSED;
		out->why = strerror(errno);
		return;
	}
	if (S_ISDIR(st.st_mode) || access(path, X_OK) < 0) {
		out->why = S_ISDIR(st.st_mode) ? "is a directory" : "not executable";
		return;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) { /* executable but not readable: let it run */
		out->kind = INSPECT_SCRIPT;
		return;
	}
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		see_elf(elf, out);
	else
		out->kind = INSPECT_SCRIPT;
	elf_end(elf);
	close(fd);
}
