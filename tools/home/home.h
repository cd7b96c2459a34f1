/* Where our own header and libraries are: beside the running executable in a build tree, below the same prefix when installed,
 * or where $CSPCHECK_HOME (a prefix or a build directory) says. */
#ifndef CSP_TOOLS_HOME_HOME_H
#define CSP_TOOLS_HOME_HOME_H

#include <stdbool.h>

struct home {
	char *include_dir;              /* holds csp.h */
	char *runtime_dir;              /* holds libcsprt.so */
	char *detector_dir;             /* holds libcspcheck.so */
	char *detector_lib;             /* its path, for LD_PRELOAD */
	bool  build_tree;
};

/* Returns 0, or -1 after one line on stderr saying what is missing. */
int home_find(struct home *h);
void home_finish(struct home *h);

#endif
