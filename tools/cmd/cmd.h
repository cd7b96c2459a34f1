/* The subcommands. argv[0] is "cspcheck NAME"; the result is the exit status. */
#ifndef CSP_TOOLS_CMD_CMD_H
#define CSP_TOOLS_CMD_CMD_H

int cmd_baseline(int argc, char **argv);
int cmd_cc(int argc, char **argv);
int cmd_cxx(int argc, char **argv);
int cmd_db(int argc, char **argv);
int cmd_deadlocks(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_races(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_suppress(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
