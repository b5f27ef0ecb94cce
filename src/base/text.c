/* See text.h. */
#define _GNU_SOURCE
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__thread void (*seep_on_no_memory)(void);

static void no_memory(void) {
  if (seep_on_no_memory != NULL) seep_on_no_memory();
  fputs("seepline: no memory\n", stderr);
  exit(125);
}

void *seep_must_alloc(size_t size_bytes) {
  void *block = calloc(1, size_bytes == 0 ? 1 : size_bytes);
  if (block == NULL) no_memory();
  return block;
}

void *seep_must_grow(void *block, size_t size_bytes) {
  void *grown = realloc(block, size_bytes == 0 ? 1 : size_bytes);
  if (grown == NULL) no_memory();
  return grown;
}

char *seep_must_copy(const char *text) {
  char *copy = strdup(text);
  if (copy == NULL) no_memory();
  return copy;
}

char *seep_must_format(const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (length < 0) no_memory();
  return text;
}

/* The length of the UTF-8 sequence at `bytes`, 0 when it is not one (RFC 3629:
 * no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t sequence_length(const unsigned char *bytes, size_t left) {
  unsigned char first = bytes[0];
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 ? 4 : (first >= 0xe0 ? 3 : 2);
  if (first < 0xc2 || first > 0xf4 || length > left) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && bytes[1] < 0xa0) return 0;
  if (first == 0xed && bytes[1] >= 0xa0) return 0;
  if (first == 0xf0 && bytes[1] < 0x90) return 0;
  if (first == 0xf4 && bytes[1] >= 0x90) return 0;
  return length;
}

char *seep_text_utf8(const char *bytes, size_t count) {
  char *out = seep_must_alloc(count * 3 + 1);
  size_t used = 0;
  for (size_t i = 0; i < count;) {
    size_t length = sequence_length((const unsigned char *)bytes + i, count - i);
    if (length == 0 || bytes[i] == '\0') {
      memcpy(out + used, "\xef\xbf\xbd", 3);
      used += 3;
      i++;
    } else {
      memcpy(out + used, bytes + i, length);
      used += length;
      i += length;
    }
  }
  return out;
}

char *seep_text_printable(const char *text) {
  size_t count = strlen(text);
  char *out = seep_must_alloc(count * 4 + 1);
  char *at = out;
  for (size_t i = 0; i < count;) {
    const unsigned char *byte = (const unsigned char *)text + i;
    size_t length = sequence_length(byte, count - i);
    bool control = byte[0] < 0x20 || byte[0] == 0x7f || (byte[0] == 0xc2 && length == 2 && byte[1] < 0xa0);
    if (length == 0 || control) {
      at += sprintf(at, "\\x%02x", byte[0]);
      i++;
    } else {
      memcpy(at, byte, length);
      at += length;
      i += length;
    }
  }
  return out;
}

size_t seep_text_columns(const char *text) {
  size_t columns = 0;
  for (; *text != '\0'; text++) columns += ((unsigned char)*text & 0xc0) != 0x80;
  return columns;
}

void seep_text_bytes(uint64_t size_bytes, char out[16]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = (double)size_bytes;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < SEEP_ARRAY_SIZE(units)) {
    value /= 1024;
    unit++;
  }
  snprintf(out, 16, value < 100 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void seep_text_count(uint64_t count, char out[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
  size_t used = 0;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) out[used++] = ',';
    out[used++] = digits[i];
  }
  out[used] = '\0';
}
