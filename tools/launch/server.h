/* A checked program that waits before its main and runs one schedule after the other in children (detector/explore/serve.h). */
#ifndef CSP_TOOLS_LAUNCH_SERVER_H
#define CSP_TOOLS_LAUNCH_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "detector/explore/serve.h"
#include "schedule/schedule.h"

struct server {
	pid_t pid;
	int   fd;                       /* the socket: readable when a run has ended */
	int   out_fd;                   /* what the present run prints, both streams */
	char *dir;                      /* its spool */
	char *map;                      /* the file of the schedule */
};

/* Start it with the environment as it is, plus its own spool `dir` (made). Returns 0; an errno value if it could not be executed; or -1 if it
 * ran or ended without serving (it does not use libcsprt): *status is how it ended then. */
int server_start(struct server *s, const char *program, char *const *argv, const char *dir, int *status);
void server_stop(struct server *s);     /* accepts one that was not started */

bool server_order(struct server *s, const struct det_serve_order *order);
bool server_result(struct server *s, struct det_serve_result *r);       /* waits for it; false: the server has died */

struct det_schedule *server_schedule(const struct server *s);
const struct det_tape_entry *server_tape(const struct server *s);
uint16_t *server_prefix(const struct server *s);
/* A copy of the present run's; the caller finishes it. False: no memory. */
bool server_copy_schedule(const struct server *s, struct schedule *out);
/* What the run printed, NUL-terminated, its last `max` bytes; the caller frees. NULL if nothing. */
char *server_output(const struct server *s, size_t max);

#endif
