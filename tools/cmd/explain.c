/* cspcheck explain RULE: what a rule means, an example, how to mend it. The examples are the files of explain/, which a test compiles and
 * runs: each shows its rule, and with -DMENDED shows nothing. */
#include "cmd/cmd.h"

#include <argp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/options.h"
#include "explain_examples.h"
#include "finding/rules.h"

static const struct text { uint32_t rule; const char *meaning; } texts[] = {
	{ 1001, "Which access comes first is the schedule's choice, and the compiler and the processor may tear, repeat or reorder both. So the value read may be an old one, a "
		"new one, or neither. Only what orders makes it right: send and receive, unlock and lock, done and wait, the go statement, atomics. Time (a sleep) does not." },
	{ 1002, "An atomic operation orders nothing for the plain accesses to the same bytes: they are in a race with it." },
	{ 1003, "The memory is given back while another goroutine may still touch it; the next malloc may hand it to somebody else." },
	{ 2001, "No goroutine can run, no timer, descriptor or foreign thread can wake one: the program would stand still for ever. (Proof P2.)" },
	{ 2002, "Some goroutines can never go on, though the rest of the program runs. Each holds what another one waits for, or waits for what nobody else can reach. The report says in "
		"one sentence each what they hold and wait for. (Proofs P0 to P3.)" },
	{ 2003, "Send and receive on a NULL channel block for ever; in a select such a case never fires. That is of use to switch a case off, and a mistake elsewhere." },
	{ 2004, "A select without cases, or with NULL channels only, blocks for ever." },
	{ 2005, "Nothing has hung, but these locks were taken in both orders by goroutines that may run at the same time. Under another schedule each has one and waits for the other. "
		"(Proof class S2: predicted; it becomes CSP2002 when a schedule shows it.)" },
	{ 2006, "A mutex is not recursive: a goroutine that locks what it holds waits for itself. Often a function that locks calls another one that locks." },
	{ 2007, "Unlocking what is not locked, or what another goroutine has locked, lets two goroutines into a section meant for one. The report shows where the lock was last unlocked, or is held. "
		"A condition variable is waited for with its mutex held." },
	{ 3001, "The goroutine is blocked, and nobody who is still alive can reach what it waits for: it stays, with all it holds, until the program ends. Those that leaked in the same way are "
		"one finding with a count." },
	{ 3002, "The program ended while this goroutine was alive. That is a note, not a failure: main does not wait for anybody." },
	{ 3003, "The goroutine has been blocked for long, and nothing alive but the named root (a global variable, a foreign thread) leads to what it waits for. With --suspects=on. "
		"(Proof class S1: suspected.)" },
	{ 4001, "A send on a closed channel panics. Whoever closes must know that nobody sends any more." },
	{ 4002, "Closing a closed channel panics. The report shows both closes and where the channel was made." },
	{ 4003, "Closing NULL panics." },
	{ 4004, "The counter of a wait group went below zero: more done than add." },
	{ 4005, "An add that raises the counter from zero must happen before the wait that is to see it, and after every wait of the round before. Otherwise it is luck whether wait waits." },
	{ 4090, "The program panicked, or misused the library in a way that has no rule of its own (freeing a channel that goroutines wait for, a timer with no interval …)." },
	{ 5001, "The goroutine used up its stack (64 KiB unless csp_go_opt says otherwise)." },
	{ 5002, "The program was still running at the end of --timeout; all goroutines were dumped." },
};

static const char *
example_of(uint32_t rule)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		if (examples[i].rule == rule)
			return examples[i].text;
	return NULL;
}

static void
paragraph(const char *label, const char *text)
{
	unsigned at = (unsigned)printf("%s", label), width = text_width(1);

	width = width >= 40 ? width : 80;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (at && at + 1 + n > width) { /* at is behind a word or the label */
			putchar('\n');
			at = 0;
		}
		at += (unsigned)printf("%s%.*s", at ? " " : "", (int)n, text);
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

static void
explain(const struct text *t)
{
	const struct rule *r = rule_find(t->rule);
	int status = rule_exit_status(r->kind);

	printf("CSP%u %s\n\n", t->rule, r->title);
	paragraph("", r->cause);
	paragraph("", t->meaning);
	paragraph("\nMend it:", r->hint);
	if (t->rule == 3002 || t->rule == 3003 || t->rule == 2005)
		printf("A note: it does not change the exit status of `cspcheck run'.\n");
	else
		printf("Exit status of `cspcheck run': %d.\n", status);
	const char *example = example_of(t->rule);
	if (!example)
		return;
	printf("\nAn example (-DMENDED is the mended version; `cspcheck explain CSP%u --example' prints it alone):\n\n", t->rule);
	for (size_t n; *example; example += n) {
		n = strcspn(example, "\n");
		n += example[n] == '\n';
		printf("    ");
		fwrite(example, 1, n, stdout);
	}
}

static void
list(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		printf("CSP%u  %s\n", texts[i].rule, rule_find(texts[i].rule)->title);
}

struct explain { const char *rule; bool example; };

static const struct argp_option table[] = {
	{ "example", 'e', NULL, 0, "print only the example, to be compiled", 0 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct explain *e = state->input;

	switch (key) {
	case 'e': e->example = true; break;
	case ARGP_KEY_ARG:
		if (e->rule)
			options_refuse(state->name, "one rule at a time");
		e->rule = arg;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int
cmd_explain(int argc, char **argv)
{
	static const struct argp argp = { table, parse, "[RULE]", "Explain a rule: what it means, an example, how to mend it. Without RULE: list them.\v"
		"RULE is CSP1001 or 1001.\n\nExamples:\n  cspcheck explain CSP3001\n  cspcheck explain CSP1001 --example > race.c && cspcheck run race.c\n", NULL, NULL, NULL };
	struct explain e = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &e);
	if (!e.rule) {
		list();
		return fflush(stdout) ? EX_IOERR : 0;
	}
	const char *digits = !strncasecmp(e.rule, "CSP", 3) ? e.rule + 3 : e.rule;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char number[16];
		snprintf(number, sizeof(number), "%u", texts[i].rule);
		if (strcmp(number, digits))
			continue;
		if (!e.example)
			explain(&texts[i]);
		else
			fputs(example_of(texts[i].rule), stdout);
		return fflush(stdout) || ferror(stdout) ? EX_IOERR : 0;
	}
	options_refuse(argv[0], "no rule '%s'; `cspcheck explain' lists them", e.rule);
}
