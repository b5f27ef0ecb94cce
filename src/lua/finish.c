/* The module's part at the end of the process: a recording that nobody stopped
 * is finished. */
#include "record/process.h"

__attribute__((destructor)) static void end(void) { seep_process_finish(); }
