#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "dump.h"

enum rt_traceback rt_traceback_mode(void)
{
	static const char *const words[] = { "none", "single", "all", "system", "crash" };
	const char *s = getenv("CSPTRACEBACK");
	if (s != NULL)
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (strcmp(s, words[i]) == 0)
				return (enum rt_traceback)i;
	return RT_TRACEBACK_ALL;
}

bool rt_dump_setting(const char *name, char *value, size_t bytes)
{
	const char *s = getenv("CSPDEBUG");
	size_t len = strlen(name), n = 0;

	for (; s != NULL; s = strchr(s, ',')) {
		s += *s == ',';
		if (strncmp(s, name, len) != 0)
			continue;
		for (s += len; s[n] != '\0' && s[n] != ',' && n + 1 < bytes; n++)
			value[n] = s[n];
		value[n] = '\0';
		return true;
	}
	return false;
}
