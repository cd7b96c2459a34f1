#include "format/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Length of the UTF-8 sequence at s, 0 if there is none (overlong forms, surrogates and C1 controls count as none). */
static size_t
utf8_length(const unsigned char *s)
{
	static const struct { unsigned char mask, lead; uint32_t least; } form[] = {
		{ 0xe0, 0xc0, 0xa0 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
	};

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 0; i < 3; i++) {
		if ((s[0] & form[i].mask) != form[i].lead)
			continue;
		uint32_t c = s[0] & (unsigned char)~form[i].mask;
		for (size_t k = 1; k <= i + 1; k++) {
			if ((s[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[k] & 0x3f);
		}
		return c >= form[i].least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? i + 2 : 0;
	}
	return 0;
}

char *
text_clean(const char *s, bool lines, struct obstack *mem)
{
	static const char hex[] = "0123456789abcdef";

	if (!s)
		return NULL;
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		size_t n = *p == '\t' || (lines && *p == '\n') ? 1 : utf8_length(p);
		if (n) {
			obstack_grow(mem, p, (int)n);
			p += n;
		} else {
			char escaped[4] = { '\\', 'x', hex[*p >> 4], hex[*p & 15] };
			obstack_grow(mem, escaped, 4);
			p++;
		}
	}
	obstack_1grow(mem, '\0');
	return obstack_finish(mem);
}

void
text_clean_line(char *line)
{
	for (unsigned char *p = (unsigned char *)line; *p;) {
		size_t n = *p == '\t' ? 1 : utf8_length(p);
		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
}

bool
text_parse_colour(const char *s, enum text_colour *out)
{
	static const char *const words[] = { "auto", "always", "never" };

	for (int i = 0; i < 3; i++)
		if (!strcmp(s, words[i])) {
			*out = (enum text_colour)i;
			return true;
		}
	return false;
}

static bool
env_set(const char *name)
{
	const char *v = getenv(name);
	return v && *v;
}

bool
text_use_colour(enum text_colour wanted, int fd)
{
	const char *term = getenv("TERM");

	if (wanted != TEXT_AUTO)
		return wanted == TEXT_ALWAYS;
	if (env_set("NO_COLOR"))
		return false;
	if ((env_set("CLICOLOR_FORCE") && strcmp(getenv("CLICOLOR_FORCE"), "0")) || env_set("FORCE_COLOR"))
		return true;
	return isatty(fd) && term && strcmp(term, "dumb");
}

static void
put_word(FILE *to, const char *word)
{
	if (*word && !word[strcspn(word, " \t\n\"'\\$`*?[]#~&|;<>(){}!")]) {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word; word++)
		fprintf(to, *word == '\'' ? "'\\''" : "%c", *word);
	fputc('\'', to);
}

char *
text_rerun(int argc, char *const *argv, uint64_t seed)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = argc > 0 ? open_memstream(&text, &n) : NULL;

	if (!to)
		return NULL;
	fputs(argv[0], to);
	if (seed)
		fprintf(to, " --seed 0x%lx", (unsigned long)seed);
	for (int i = 1; i < argc && argv[i]; i++) {
		if (!strncmp(argv[i], "--seed", 6)) {
			i += argv[i][6] == '\0';
			continue;
		}
		fputc(' ', to);
		put_word(to, argv[i]);
		if (argv[i][0] != '-') /* the program and all behind it: its own words */
			for (i++; i < argc && argv[i]; i++) {
				fputc(' ', to);
				put_word(to, argv[i]);
			}
	}
	fclose(to);
	return text;
}

unsigned
text_width(int fd)
{
	struct winsize w;
	const char *columns = getenv("COLUMNS");

	if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
}

const char *
text_short_path(const char *path, const char *root)
{
	char *cwd = NULL;
	size_t n;

	if (!root)
		root = cwd = getcwd(NULL, 0);
	n = root ? strlen(root) : 0;
	if (n > 1 && !strncmp(path, root, n) && path[n] == '/')
		path += n + 1;
	free(cwd);
	return path;
}
