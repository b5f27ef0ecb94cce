/* Formats error messages. See error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum seep_status seep_error_set(struct seep_error *error, enum seep_status status,
                                const char *format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
  }
  return status;
}
