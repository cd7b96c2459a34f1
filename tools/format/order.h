/* Sentences for predicted orders of locks. */
#ifndef CSP_TOOLS_FORMAT_ORDER_H
#define CSP_TOOLS_FORMAT_ORDER_H

#include "format/format.h"

void human_orders(FILE *to, const struct view *v, const struct finding *f);

#endif
