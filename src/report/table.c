/* The table for people: the lines that hold memory, each with the calls that
 * led there. Columns are few and wide enough to be read at 100 columns; names
 * from the program are escaped. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/names.h"
#include "report/parts.h"
#include "report/report.h"

enum { INTERVAL_COLUMNS = 19, PLACE_COLUMNS = 44, CALLERS_SHOWN = 5 };

void seep_print_escaped(FILE *out, const char *text) {
  char *printable = seep_text_printable(text);
  fputs(printable, out);
  free(printable);
}

/* -- Heading ----------------------------------------------------------------- */

/* The difference of two points can be negative. */
static void signed_text(bool is_difference, uint64_t value, void (*format)(uint64_t, char *), char out[40]) {
  bool negative = is_difference && (int64_t)value < 0;
  out[0] = negative ? '-' : '+';
  format(negative ? 0 - value : value, is_difference && value != 0 ? out + 1 : out);
}

void seep_print_size(FILE *out, uint64_t size_bytes) {
  char text[16];
  seep_text_bytes(size_bytes, text);
  fputs(text, out);
}

void seep_print_count(FILE *out, uint64_t count, const char *one, const char *many) {
  char text[32];
  seep_text_count(count, text);
  fprintf(out, "%s %s", text, count == 1 ? one : many);
}

static bool is_sampled(const struct seep_profile *profile) { return profile->mode == SEEP_MODE_SAMPLE; }

static bool is_by_hooks(const struct seep_profile *profile) { return !seep_profile_knows_blocks(profile->mode); }

static void print_mode(const struct seep_profile *profile, FILE *out) {
  fputs(is_sampled(profile) ? "a sample every " : seep_profile_mode_name(profile->mode), out);
  if (is_sampled(profile)) seep_print_size(out, profile->interval);
}

static void format_interval(const struct seep_estimate *estimate, char text[40]) {
  double low, high;
  char low_text[16], high_text[16];
  seep_estimate_interval(estimate, &low, &high);
  seep_text_bytes((uint64_t)low, low_text);
  seep_text_bytes((uint64_t)(high + 1), high_text);
  snprintf(text, 40, "%s-%s", low_text, high_text);
}

static void print_interval(const struct seep_estimate *estimate, FILE *out) {
  char text[40];
  format_interval(estimate, text);
  fputs(text, out);
}

static void print_command(const struct seep_profile *profile, FILE *out) {
  seep_print_escaped(out, profile->command);
  if (profile->state_count > 0) fprintf(out, "  (%s, ", profile->states[0].release);
  else fprintf(out, "  (no Lua state");
  if (profile->state_count > 0) print_mode(profile, out);
  if (profile->duration_s >= 0) fprintf(out, ", %.1f s", profile->duration_s);
  fprintf(out, ", pid %u)\n", profile->pid);
}

static void print_condition(const struct seep_profile *profile, FILE *out) {
  if (profile->running) {
    fputs("still running: this is how it stands now\n", out);
  } else if (!profile->sealed) {
    fputs("not finished: the program was killed, ended without exit, or became another; this is how it stood then\n", out);
  }
  if (profile->problem[0] != '\0') {
    fputs("incomplete: ", out);
    seep_print_escaped(out, profile->problem);
    fputc('\n', out);
  }
}

void seep_print_program(const struct seep_profile *profile, FILE *out) {
  print_command(profile, out);
  print_condition(profile, out);
}

void seep_print_collections(const struct seep_profile *profile, FILE *out) {
  const struct seep_profile_state *totals = &profile->totals;
  seep_print_count(out, totals->epochs, "full collection", "full collections");
  if (totals->minor_collections > 0) {
    fputs(", ", out);
    seep_print_count(out, totals->minor_collections, "minor one", "minor ones");
  }
}

/* "+1.2 MiB" */
static void format_growth(int64_t growth_bytes, char out[20]) {
  char size[16];
  seep_text_bytes(growth_bytes < 0 ? 0 - (uint64_t)growth_bytes : (uint64_t)growth_bytes, size);
  snprintf(out, 20, "%s%s", growth_bytes < 0 ? "-" : "+", size);
}

/* What a hook mode saw, and what it cannot know. */
static void print_hook_totals(const struct seep_profile *profile, FILE *out) {
  const struct seep_counters *counters = &profile->totals.counters;
  char growth[20], interval[32];
  format_growth(counters->growth_bytes, growth);
  fprintf(out, "%s by the VM's own count, which is now ", growth);
  seep_print_size(out, profile->totals.vm_bytes);
  fputs(": gains of ", out);
  seep_print_size(out, counters->gain_bytes);
  fputs(", losses of ", out);
  seep_print_size(out, counters->loss_bytes);
  seep_text_count(profile->interval, interval);
  if (profile->mode == SEEP_MODE_COUNT) fprintf(out, "; estimates, by a sample every %s VM instructions", interval);
  fprintf(out, "\nMode %s does not see the blocks: what is live or survives, types, frees and peaks are not known (mode exact does).\n",
          seep_profile_mode_name(profile->mode));
}

/* Since a mark: what has changed. */
static void print_difference(const struct seep_profile *profile, FILE *out) {
  const struct seep_counters *counters = &profile->totals.counters;
  char bytes[40], count[40];
  signed_text(true, counters->live_bytes, seep_text_bytes, bytes);
  signed_text(true, counters->live_count, seep_text_count, count);
  fprintf(out, "since the start of this view: %s in %s blocks; allocated ", bytes, count);
  seep_print_size(out, counters->alloc_bytes);
  fputs("; ", out);
  seep_print_collections(profile, out);
  fputc('\n', out);
}

static void print_totals(const struct seep_profile *profile, FILE *out) {
  const struct seep_counters *counters = &profile->totals.counters;
  if (profile->is_difference) {
    print_difference(profile, out);
    return;
  }
  if (is_sampled(profile)) fputs("about ", out);
  seep_print_size(out, counters->live_bytes);
  fputs(" live in ", out);
  seep_print_count(out, counters->live_count, "block", "blocks");
  if (profile->state_count == 1) {
    fputs(" (peak ", out);
    seep_print_size(out, profile->totals.peak_bytes);
    fputc(')', out);
  } else {
    fputs(" of ", out);
    seep_print_count(out, profile->state_count, "Lua state", "Lua states");
  }
  fputs(is_sampled(profile) ? "; allocated about " : "; allocated ", out);
  seep_print_size(out, counters->alloc_bytes);
  fputs(" in all; ", out);
  seep_print_collections(profile, out);
  fputc('\n', out);
}

/* What sampling says, beside what is known exactly. */
static void print_samples_ledger(const struct seep_profile *profile, FILE *out) {
  const struct seep_profile_state *totals = &profile->totals;
  fputs("Estimates from ", out);
  seep_print_count(out, totals->sample_count, "sampled allocation", "sampled allocations");
  fputs("; with 95 % certainty ", out);
  print_interval(&totals->estimates.live_bytes, out);
  fputs(" are live. The VM's own count is ", out);
  seep_print_size(out, totals->vm_bytes);
  fputs(".\n", out);
}

static void print_hook_ledger(const struct seep_profile *profile, FILE *out) {
  uint64_t by_count = profile->totals.vm_bytes - profile->totals.vm_bytes_at_start;
  if (profile->totals.has_blocks) return; /* states of both kinds: two kinds of sums */
  fputs((uint64_t)profile->totals.counters.growth_bytes == by_count
            ? "The growth of all rows is that of the VM's own count, to the byte.\n"
            : "The growth of all rows is not that of the VM's own count.\n", out);
}

/* The sum of the rows is the VM's own count, or it is said by how much not. */
static void print_ledger(const struct seep_profile *profile, FILE *out) {
  if (profile->totals.has_gains) {
    print_hook_ledger(profile, out);
    return;
  }
  uint64_t live = profile->totals.counters.live_bytes, vm = profile->totals.vm_bytes;
  if (is_sampled(profile)) {
    print_samples_ledger(profile, out);
    return;
  }
  if (live == vm) {
    fputs("The rows add up to the VM's own count, to the byte.\n", out);
    return;
  }
  fputs("The VM's own count is ", out);
  seep_print_size(out, vm);
  fprintf(out, ": %s", live > vm ? "" : "it counts ");
  seep_print_size(out, live > vm ? live - vm : vm - live);
  fputs(live > vm ? " were allocated by C code outside that count.\n" : " more than was allocated here.\n", out);
}

/* -- Rows -------------------------------------------------------------------- */

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static char *place_text(const struct seep_profile *profile, const struct seep_profile_row *row) {
  const char *file = row->file == NULL ? "(several files)" : row->file;
  if (profile->by == SEEP_BY_TYPE) return seep_must_copy("");
  if (row->line == 0) return seep_must_copy(file);
  /* In mode count every row is an estimate: the heading says so. */
  return seep_must_format("%s:%u%s", file, row->line, row->exact || !row->has_blocks ? "" : "~");
}

/* A place that is too long for its column loses its beginning, not its line. */
static void print_place(FILE *out, const char *place) {
  char *printable = seep_text_printable(place);
  size_t columns = seep_text_columns(printable);
  const char *start = printable;
  if (columns > PLACE_COLUMNS) {
    size_t skip = columns - (PLACE_COLUMNS - 1);
    while (skip > 0 || ((unsigned char)*start & 0xc0) == 0x80) {
      if (((unsigned char)*start & 0xc0) != 0x80) {
        if (skip == 0) break;
        skip--;
      }
      start++;
    }
    fputs("…", out);
    columns = PLACE_COLUMNS;
  }
  fputs(start, out);
  for (; columns < PLACE_COLUMNS; columns++) fputc(' ', out);
  free(printable);
}

static bool is_told(const struct seep_profile_frame *frame) {
  return frame->kind != SEEP_FUNCTION_C;
}

static bool same_place(const struct seep_profile_frame *a, const struct seep_profile_frame *b) {
  return a->line == b->line && strcmp(a->file, b->file) == 0 && strcmp(a->function, b->function) == 0;
}

void seep_print_caller(const struct seep_profile_frame *frame, const char *file_before, FILE *out) {
  bool is_named = !seep_names_is_anonymous(frame->function);
  if (is_named) seep_print_escaped(out, frame->function);
  if (frame->line == 0 && is_named) return; /* in mode call the main chunk has no line */
  if (is_named) fputc(' ', out);
  if (file_before == NULL || strcmp(file_before, frame->file) != 0) seep_print_escaped(out, base_name(frame->file));
  fprintf(out, ":%u", frame->line);
}

/* The callers, innermost first, without C functions in between; the first Lua
 * frame stands in the row itself. Repeated ones (recursion) are told once. */
void seep_print_callers(const struct seep_profile_frame *const *frames, uint32_t count, const char *file,
                        FILE *out) {
  uint32_t told = 0, lua_frames = 0;
  const struct seep_profile_frame *last = NULL;
  for (uint32_t i = 0; i < count; i++) {
    const struct seep_profile_frame *frame = frames[i];
    if (!is_told(frame) || lua_frames++ == 0 || (last != NULL && same_place(last, frame))) continue;
    if (told == CALLERS_SHOWN) {
      fputs(" ← …", out);
      break;
    }
    fputs(told++ == 0 ? "              called from " : " ← ", out);
    seep_print_caller(frame, file, out);
    file = frame->file;
    last = frame;
  }
  if (told > 0) fputc('\n', out);
}

/* -- What holds it ------------------------------------------------------------- */

void seep_find_held(const struct seep_profile *profile, const struct seep_profile_row *row,
                    const struct seep_holding *holding, struct seep_held_list *out) {
  bool by_line = profile->by != SEEP_BY_FUNCTION && profile->by != SEEP_BY_TYPE;
  struct seep_held_question question = {.keys = &row->merge_key, .key_count = 1, .type = row->type};
  *out = (struct seep_held_list){0};
  if (holding != NULL && row->file != NULL && by_line) holding->find(holding->data, &question, out);
}

void seep_print_held(const struct seep_held_list *held, uint32_t limit, const char *indent, FILE *out) {
  for (uint32_t i = 0; i < held->count && i < limit; i++) {
    fprintf(out, "%sheld by ", indent);
    seep_print_escaped(out, held->items[i].path);
    fputs(held->items[i].is_estimate ? ": about " : ": ", out);
    bool are_parts = held->items[i].are_parts;
    seep_print_count(out, held->items[i].count, are_parts ? "buffer, " : "object, ", are_parts ? "buffers, " : "objects, ");
    seep_print_size(out, held->items[i].bytes);
    fputc('\n', out);
  }
}

/* -- Columns: what a mode knows ------------------------------------------------- */

static void print_blocks(const struct seep_profile *profile, const struct seep_profile_row *row, FILE *out) {
  char live[40], survivors[40], count[40];
  signed_text(profile->is_difference, row->counters.live_bytes, seep_text_bytes, live);
  signed_text(profile->is_difference, row->counters.survivor_bytes, seep_text_bytes, survivors);
  signed_text(profile->is_difference, row->counters.live_count, seep_text_count, count);
  fprintf(out, "%9s ", live);
  if (is_sampled(profile)) {
    char interval[40] = "";
    if (row->estimates != NULL) format_interval(&row->estimates->live_bytes, interval);
    fprintf(out, "%*s ", INTERVAL_COLUMNS, interval);
  }
  fprintf(out, "%11s %10s  %-9s ", count, survivors,
          row->type < 0 ? "(several)" : seep_type_name((enum seep_type)row->type));
}

static void print_gains(const struct seep_profile *profile, const struct seep_profile_row *row, FILE *out) {
  char gains[16], growth[20], count[32], last[32] = "";
  seep_text_bytes(row->counters.gain_bytes, gains);
  seep_text_count(row->counters.gain_count, count);
  format_growth(row->counters.growth_bytes, growth);
  if (profile->mode == SEEP_MODE_CALL) format_growth(row->counters.inclusive_growth_bytes, last);
  if (profile->mode == SEEP_MODE_COUNT) seep_text_count(row->counters.sample_count, last);
  fprintf(out, "%9s %11s %10s %10s  ", gains, count, growth, last);
}

static void print_heading(const struct seep_profile *profile, FILE *out) {
  fputc('\n', out);
  if (is_by_hooks(profile)) {
    fprintf(out, "%9s %11s %10s %10s  ", "GAINS", "TIMES", "GROWTH",
            profile->mode == SEEP_MODE_CALL ? "+CALLEES" : profile->mode == SEEP_MODE_COUNT ? "SAMPLES" : "");
  } else {
    fprintf(out, "%9s ", "LIVE");
    if (is_sampled(profile)) fprintf(out, "%*s ", INTERVAL_COLUMNS, "95 % CERTAIN");
    fprintf(out, "%11s %10s  %-9s ", "BLOCKS", "SURVIVORS", "TYPE");
  }
  fprintf(out, "%-*s  %s\n", PLACE_COLUMNS, "LINE", "FUNCTION");
}

static void print_row(const struct seep_profile *profile, const struct seep_profile_row *row,
                      const struct seep_holding *holding, FILE *out) {
  struct seep_held_list held;
  if (is_by_hooks(profile)) {
    print_gains(profile, row, out);
  } else {
    print_blocks(profile, row, out);
  }
  char *place = place_text(profile, row);
  print_place(out, place);
  free(place);
  fputs("  ", out);
  if (profile->by == SEEP_BY_STATE) fprintf(out, "state %u  ", row->state);
  seep_print_escaped(out, row->function == NULL ? "" : row->function);
  fputc('\n', out);
  seep_print_callers(row->frames, row->frame_count, row->file, out);
  seep_find_held(profile, row, holding, &held);
  seep_print_held(&held, held.count, "              ", out);
  seep_held_list_free(&held);
}

static bool any_inexact(const struct seep_profile *profile, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!profile->rows[i].exact && profile->rows[i].line != 0) return true;
  }
  return false;
}

/* What the columns mean. */
static void print_legend(const struct seep_profile *profile, FILE *out) {
  if (!is_by_hooks(profile)) {
    fputs("SURVIVORS: live bytes that two or more full collections have spared.\n", out);
    return;
  }
  fputs("GAINS: what the count rose by, in how many steps. GROWTH: less what it fell by, when a collection freed more.\n", out);
  if (profile->mode == SEEP_MODE_CALL) {
    fputs("Each LINE is the one on which the function begins. +CALLEES: growth with all that it called.\n", out);
  }
}

/* A fall-back is named. */
static void print_saved(const struct seep_profile *profile, FILE *out) {
  for (uint32_t i = 0; i < profile->state_count; i++) {
    if (!profile->states[i].lines_saved) continue;
    fprintf(out, "Lines marked ~, of new tables%s, can be those of earlier steps of the same function: calibration did not "
                 "find where this build of %s keeps its place.\n",
            strcmp(profile->states[i].family, "Lua 5.1") == 0 ? " and functions" : "", profile->states[i].release);
    return;
  }
}

void seep_report_table(const struct seep_profile *profile, const struct seep_holding *holding, uint32_t limit,
                       FILE *out) {
  seep_print_program(profile, out);
  if (is_by_hooks(profile)) print_hook_totals(profile, out); else print_totals(profile, out);
  uint32_t count = limit != 0 && limit < profile->row_count ? limit : profile->row_count;
  if (count > 0) print_heading(profile, out);
  for (uint32_t i = 0; i < count; i++) print_row(profile, &profile->rows[i], holding, out);
  fputc('\n', out);
  if (count < profile->row_count) {
    seep_print_count(out, profile->row_count - count, "more row", "more rows");
    fputs(" (-n for more). ", out);
  }
  print_legend(profile, out);
  if (!is_by_hooks(profile) && any_inexact(profile, count)) {
    fputs("~ the line is near: this VM does not say which of some neighbouring instructions allocated.\n", out);
  }
  print_saved(profile, out);
  if (profile->totals.dropped > 0) {
    seep_print_count(out, profile->totals.dropped, "allocation", "allocations");
    fputs(" past the limits were charged to their line alone, or are (not recorded).\n", out);
  }
  if (!profile->is_difference) print_ledger(profile, out);
}
