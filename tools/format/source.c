#include "format/format.h"

#include <string.h>

bool
format_parse(const char *s, enum format *out)
{
	static const char *const words[] = { "human", "go", "json", "dot" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(s, words[i])) {
			*out = (enum format)i;
			return true;
		}
	return false;
}

static bool
from_text(const char *text, uint32_t line, char *buf, size_t room)
{
	while (--line && text)
		text = (text = strchr(text, '\n')) ? text + 1 : NULL;
	if (!text || !*text)
		return false;
	snprintf(buf, room, "%.*s", (int)strcspn(text, "\r\n"), text);
	return true;
}

bool
format_source_line(const struct frame *f, uint32_t line, char *buf, size_t room)
{
	bool found = false;
	FILE *in;

	if (!f->file || line == 0)
		return false;
	if (f->source) {
		found = from_text(f->source, line, buf, room);
	} else if ((in = fopen(f->file, "re"))) {
		uint32_t at = 1;
		while (!found && fgets(buf, (int)room, in)) {
			bool whole = strchr(buf, '\n') != NULL;
			found = at == line;
			at += whole;
		}
		buf[strcspn(buf, "\r\n")] = '\0';
		fclose(in);
	}
	if (found)
		text_clean_line(buf);
	return found;
}
