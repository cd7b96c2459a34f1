/* An instrumented plug-in. Its code is gone when the report is read. */
static int calls;
__attribute__((visibility("default"))) void plugin_call(int *p) { calls++; *p += 1; }
__attribute__((visibility("default"))) int plugin_calls(void) { return calls; }
