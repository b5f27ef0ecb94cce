/* The verdicts for people: first what leaks and how one can see it, then, shortly,
 * why other lines that hold memory do not. */
#include <string.h>

#include "base/text.h"
#include "model/names.h"
#include "report/parts.h"
#include "report/report.h"

enum { SUMMARY_CLAIMS = 3, PLACE_COLUMNS = 44 };

static void print_place(const struct seep_finding *finding, FILE *out) {
  seep_print_escaped(out, finding->file);
  if (finding->line != 0) fprintf(out, ":%u%s", finding->line, finding->exact ? "" : "~");
  if (finding->function == NULL || seep_names_is_anonymous(finding->function)) return;
  fputs("  ", out);
  seep_print_escaped(out, finding->function);
}

/* How much there is, and what part of it the collector brings to light. */
static void print_amount(const struct seep_finding *finding, FILE *out) {
  fprintf(out, "%s, ", seep_type_name((enum seep_type)finding->type));
  seep_print_size(out, finding->live_bytes);
  fputs(" live in ", out);
  seep_print_count(out, finding->live_count, "block", "blocks");
}

static void print_separating(const struct seep_finding *finding, FILE *out) {
  if (finding->caller == NULL) return;
  fputs("              it grows when called from ", out);
  seep_print_caller(finding->caller, finding->file, out);
  fputs("; other calls do not grow\n", out);
}

static void print_claim(const struct seep_finding *finding, FILE *out) {
  fputs("LEAK          ", out);
  print_place(finding, out);
  fputs("\n              ", out);
  print_amount(finding, out);
  fprintf(out, "; confidence %.2f\n", finding->confidence);
  print_separating(finding, out);
  fprintf(out, "              %s\n", finding->evidence);
  seep_print_held(&finding->held_by, finding->held_by.count, "              ", out);
  seep_print_callers(finding->frames, finding->frame_count, finding->file, out);
}

static void print_other(const struct seep_finding *finding, FILE *out) {
  fprintf(out, "%-12s  ", seep_verdict_name(finding->verdict));
  print_place(finding, out);
  fprintf(out, "\n              %s\n", finding->evidence);
}

/* What was found, in one line. */
static void print_outcome(const struct seep_profile *profile, const struct seep_findings *findings, FILE *out) {
  if (findings->leak_count > 0) {
    seep_print_count(out, findings->leak_count, "line leaks", "lines leak");
    fputs(" (", out);
    seep_print_collections(profile, out);
    fputs(")\n", out);
  } else if (findings->few) {
    fputs("Too few collections to tell a leak from memory that is in use: ", out);
    seep_print_collections(profile, out);
    fputs(". Let the program run longer.\n", out);
  } else {
    fputs("No leak found in ", out);
    seep_print_collections(profile, out);
    fputs(": no line's survivors grow until the end.\n", out);
  }
}

void seep_report_leaks(const struct seep_profile *profile, const struct seep_findings *findings,
                       uint32_t limit, FILE *out) {
  uint32_t count = limit != 0 && limit < findings->count ? limit : findings->count;
  seep_print_program(profile, out);
  print_outcome(profile, findings, out);
  for (uint32_t i = 0; i < count; i++) {
    if (i == 0 || i == findings->leak_count) fputc('\n', out);
    if (i < findings->leak_count) print_claim(&findings->rows[i], out);
    else print_other(&findings->rows[i], out);
  }
  if (count < findings->count) {
    fputc('\n', out);
    seep_print_count(out, findings->count - count, "more row", "more rows");
    fputs(" (-n for more).\n", out);
  }
}

void seep_report_leaks_summary(const struct seep_profile *profile, const struct seep_findings *findings, FILE *out) {
  print_outcome(profile, findings, out);
  for (uint32_t i = 0; i < findings->leak_count && i < SUMMARY_CLAIMS; i++) {
    const struct seep_finding *finding = &findings->rows[i];
    fputs("LEAK  ", out);
    print_place(finding, out);
    if (finding->caller != NULL) {
      fputs(", called from ", out);
      seep_print_caller(finding->caller, finding->file, out);
    }
    fprintf(out, "\n      %s\n", finding->evidence);
    seep_print_held(&finding->held_by, 1, "      ", out);
  }
  if (findings->leak_count <= SUMMARY_CLAIMS) return;
  fputs("and ", out);
  seep_print_count(out, findings->leak_count - SUMMARY_CLAIMS, "more line", "more lines");
  fputs(": seepline leaks FILE\n", out);
}
