/* cspcheck: one program, a table from subcommand to function. Each subcommand is one file in cmd/ and parses its own options. */
#include "cmd/cmd.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const struct command {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "baseline", "create | update | prune | show: the file of known issues", cmd_baseline },
	{ "c++", "compile and link C++ with checking (CXX=\"cspcheck c++\")", cmd_cxx },
	{ "cc", "compile and link C with checking (CC=\"cspcheck cc\" make)", cmd_cc },
	{ "db", "info | sql QUERY: look into the results database", cmd_db },
	{ "deadlocks", "list the deadlocks found so far", cmd_deadlocks },
	{ "diff", "what is new, fixed, unchanged between two sessions or databases", cmd_diff },
	{ "doctor", "examine compiler, libraries, kernel and debug information", cmd_doctor },
	{ "dump", "print the goroutines and verdicts of a live process", cmd_dump },
	{ "explain", "what a rule means, an example, how to mend it", cmd_explain },
	{ "leaks", "list the goroutine leaks found so far, in clusters", cmd_leaks },
	{ "races", "list the data races found so far", cmd_races },
	{ "replay", "run a program again under a schedule that was seen before", cmd_replay },
	{ "report", "list | show ID: what is in the results database", cmd_report },
	{ "run", "compile if source, run, check, store, report", cmd_run },
	{ "suppress", "print or append the line that suppresses an issue", cmd_suppress },
	{ "test", "run test programs under many schedules", cmd_test },
	{ "version", "print the version", cmd_version },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
usage(FILE *to)
{
	fprintf(to, "Usage: cspcheck COMMAND [OPTION...] [ARG...]\n"
	            "Check C programs written with goroutines and channels for data races, deadlocks, leaks and misuse.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\nExamples:\n"
	            "  cspcheck run prog.c                 compile, run and check one file\n"
	            "  cspcheck run ./prog ARG             check an existing program\n"
	            "  CC=\"cspcheck cc\" make               build a whole project checked\n"
	            "  cspcheck report list                what was found\n\n"
	            "`cspcheck COMMAND --help' explains a command.\n");
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	argp_err_exit_status = EX_USAGE;
	if (!name) {
		fprintf(stderr, "cspcheck: no command given; try `cspcheck --help'\n");
		return EX_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help") || !strcmp(name, "-?")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		char *full;
		if (asprintf(&full, "cspcheck %s", name) < 0)
			return EX_OSERR;
		argv[1] = full; /* argp and getopt name the command in their messages by it */
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "cspcheck: no command '%s'; try `cspcheck --help'\n", name);
	return EX_USAGE;
}
