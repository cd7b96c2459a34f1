/* What the answer of a check (snapshot.h) becomes: findings, and verdicts that stick. One at a time: the caller holds the check's lock. */
#ifndef CSP_DETECTOR_BLOCK_VERDICT_H
#define CSP_DETECTOR_BLOCK_VERDICT_H

#include "snapshot.h"

/* Reports and convicts the dead that are still in the same wait. Returns how many; *main_dead: goroutine 1 is one of them. */
int det_verdict_convict(const struct det_answer *a, bool *main_dead);
/* Notes: what is suspected (S1), and what is alive at the end (L). */
void det_verdict_suspects(const struct det_answer *a);
void det_verdict_alive(const struct det_answer *a);

#endif
