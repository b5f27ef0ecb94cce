/* See series.h. */
#include "record/series.h"

void seep_series_start(struct seep_series_record *series, uint32_t epoch) {
  *series = (struct seep_series_record){.first_epoch = epoch, .step = 1, .next_epoch = epoch};
}

static void halve(struct seep_series_record *series) {
  for (uint32_t i = 0; i < SEEP_SERIES_POINTS / 2; i++) {
    series->survivor_bytes[i] = series->survivor_bytes[2 * i];
  }
  series->count = SEEP_SERIES_POINTS / 2;
  series->step *= 2;
  series->next_epoch = series->first_epoch + series->count * series->step;
}

void seep_series_advance(struct seep_series_record *series, uint32_t last_epoch,
                         uint64_t survivor_bytes) {
  while (series->next_epoch <= last_epoch && series->step < (1u << 30)) {
    if (series->count == SEEP_SERIES_POINTS) {
      halve(series);
      continue;
    }
    series->survivor_bytes[series->count++] = survivor_bytes;
    series->next_epoch += series->step;
  }
}
