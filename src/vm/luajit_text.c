/* See luajit_text.h. */
#include "vm/luajit_text.h"

#include <string.h>

enum { STRING_LENGTH = 20, STRING_BYTES = 24, TEXT_BYTES_MAX = 128 };
enum { BUFHDR_APPEND = 1 };

static bool is_call(uint8_t op) { return op >= SEEP_IR_CALLN && op <= SEEP_IR_CALLXS; }

/* The first argument of a call: that is the buffer. */
static uint32_t first_argument(const struct seep_luajit_trace *trace, uint32_t call) {
  uint32_t at = seep_luajit_ir(trace, call).op1;
  while (at > SEEP_IR_BIAS && at < call && seep_luajit_ir(trace, at).op == SEEP_IR_CARG) {
    at = seep_luajit_ir(trace, at).op1;
  }
  return at;
}

void seep_luajit_text_of(const struct seep_luajit_trace *trace, uint32_t ref, struct seep_luajit_text *out) {
  *out = (struct seep_luajit_text){0};
  uint32_t before = ref, at = seep_luajit_ir(trace, ref).op1;
  while (at > SEEP_IR_BIAS && at < before) {
    struct seep_luajit_ir ir = seep_luajit_ir(trace, at);
    if (ir.op == SEEP_IR_BUFHDR) {
      out->is_whole = ir.op2 == 0;
      if (ir.op2 == BUFHDR_APPEND) out->appended = out->count;
      return;
    }
    if ((ir.op != SEEP_IR_BUFPUT && !is_call(ir.op)) || out->count == SEEP_TEXT_PIECES_MAX) return;
    if (out->count == 0) out->by_call = is_call(ir.op);
    out->constants[out->count++] = is_call(ir.op) ? 0 : seep_luajit_object(trace, ir.op2);
    before = at;
    at = is_call(ir.op) ? first_argument(trace, at) : ir.op1;
  }
}

bool seep_luajit_text_equal(const struct seep_luajit_text *one, const struct seep_luajit_text *other) {
  return one->count == other->count && one->is_whole == other->is_whole && one->by_call == other->by_call &&
         memcmp(one->constants, other->constants, one->count * sizeof one->constants[0]) == 0;
}

bool seep_luajit_text_fits(const struct seep_luajit_text *text, const uint64_t *operands, uint32_t count) {
  if (count == 0 || count > SEEP_TEXT_PIECES_MAX) return false;
  if (text->is_whole && count != text->count) return false;
  if (text->appended != 0 && (count != text->appended + 1 || operands[count - 1] != 0)) return false;
  for (uint32_t i = 0; i < count && i < text->count; i++) {
    if (operands[i] != 0 && operands[i] != text->constants[i]) return false;
  }
  return true;
}

/* The bytes of a string object, up to TEXT_BYTES_MAX with a zero behind. */
static uint32_t read_text(uintptr_t string, char out[TEXT_BYTES_MAX + 1]) {
  uint32_t bytes = seep_load_u32(&seep_image_self_checked, string + STRING_LENGTH);
  if (bytes > TEXT_BYTES_MAX) bytes = TEXT_BYTES_MAX;
  seep_load(&seep_image_self_checked, string + STRING_BYTES, out, bytes);
  out[bytes] = '\0';
  return bytes;
}

/* How many pieces a format makes: its directives and what stands between them. */
static uint32_t pieces_of(const char *format, uint32_t bytes) {
  uint32_t count = 0;
  bool in_text = false;
  for (uint32_t i = 0; i < bytes; i++) {
    bool is_directive = format[i] == '%' && i + 1 < bytes && format[i + 1] != '%';
    if (is_directive || !in_text) count++;
    in_text = !is_directive;
    if (format[i] != '%') continue;
    i++;
    while (is_directive && i + 1 < bytes && strchr("-+ #0123456789.", format[i]) != NULL) i++;
  }
  return count;
}

bool seep_luajit_text_fits_format(const struct seep_luajit_text *text, uintptr_t format) {
  char whole[TEXT_BYTES_MAX + 1], piece[TEXT_BYTES_MAX + 1];
  if (text->appended != 0) return false;
  uint32_t bytes = read_text(format, whole);
  if (bytes == TEXT_BYTES_MAX) return true;
  if (text->is_whole && pieces_of(whole, bytes) != text->count) return false;
  for (uint32_t i = 0; i < text->count; i++) {
    if (text->constants[i] == 0) continue;
    read_text((uintptr_t)text->constants[i], piece);
    if (strstr(whole, piece) == NULL && strchr(piece, '%') == NULL) return false;
  }
  return true;
}
