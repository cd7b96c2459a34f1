#include "cmd/cmd.h"

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

static const struct argp_option table[] = {
	{ "json", 'j', NULL, 0, "as a JSON object", 0 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key == 'j')
		*(bool *)state->input = true;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "takes no arguments");
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

int
cmd_version(int argc, char **argv)
{
	static const struct argp argp = { table, parse, NULL, "Print the version.", NULL, NULL, NULL };
	bool json = false;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	printf(json ? "{\"name\":\"cspcheck\",\"version\":\"%s\",\"schema\":1,\"stream\":1,\"compiler\":\"%s\"}\n" : "cspcheck %s (schema 1, record stream 1, %s)\n",
		CSPCHECK_VERSION, __VERSION__);
	return 0;
}
