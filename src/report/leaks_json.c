/* `leaks --json`: schema 1 of DESIGN.md. What holds the memory (held_by) is known where a heap
 * was joined; else it is absent. */
#include <math.h>

#include "report/json_parts.h"
#include "report/report.h"

static json_t *rounded(double value, double unit) { return json_real(round(value / unit) * unit); }

static json_t *finding_object(const struct seep_finding *finding) {
  json_t *object = json_object();
  seep_json_put(object, "verdict", json_string(seep_verdict_name(finding->verdict)));
  seep_json_put(object, "confidence", rounded(finding->confidence, 0.01));
  seep_json_put(object, "file", json_string(finding->file));
  seep_json_put(object, "line", seep_json_integer(finding->line));
  seep_json_put(object, "function", json_string(finding->function));
  seep_json_put(object, "type", json_string(seep_type_name((enum seep_type)finding->type)));
  seep_json_put(object, "exact", json_boolean(finding->exact));
  if (finding->caller != NULL) seep_json_put(object, "caller", seep_json_frame(finding->caller));
  seep_json_put(object, "stack", seep_json_stack(finding->frames, finding->frame_count));
  seep_json_put(object, "live_bytes", seep_json_integer(finding->live_bytes));
  seep_json_put(object, "live_count", seep_json_integer(finding->live_count));
  seep_json_put(object, "survivor_bytes", seep_json_integer(finding->survivor_bytes));
  uint64_t per_epoch = (uint64_t)fmax(finding->survivor_bytes_per_epoch, 0);
  seep_json_put(object, "survivor_bytes_per_epoch", seep_json_integer(per_epoch));
  seep_json_put(object, "evidence", json_string(finding->evidence));
  seep_json_put_held(object, &finding->held_by);
  return object;
}

bool seep_report_leaks_json(const struct seep_findings *findings, uint32_t limit, FILE *out) {
  bool done = fprintf(out, "{\"schema\":1,\"epochs\":%llu,\"verdicts\":[", (unsigned long long)findings->epochs) > 0;
  uint32_t count = limit != 0 && limit < findings->count ? limit : findings->count;
  for (uint32_t i = 0; done && i < count; i++) {
    if (i > 0) fputc(',', out);
    done = seep_json_write(finding_object(&findings->rows[i]), out);
  }
  return done && fputs("]}\n", out) != EOF && fflush(out) == 0;
}
