/* Reading another process's block tables. See join.h; the tables are those of
 * block_table.h and base/map.h, which also say how to look up. */
#include "record/join.h"

#include <stddef.h>

#include "record/recorder.h"

/* Found by its magic, so the compiler must not think that nobody reads it. */
static volatile struct seep_join_anchor own_anchor;
uint64_t seep_join_layout(void) {
  const size_t facts[] = {sizeof(struct seep_recorder), offsetof(struct seep_recorder, vm_state),
                          offsetof(struct seep_recorder, blocks), offsetof(struct seep_recorder, sampler),
                          offsetof(struct seep_recorder, phase), offsetof(struct seep_recorder, state_index), sizeof(struct seep_block_table),
                          offsetof(struct seep_block_table, regions), offsetof(struct seep_block_table, shared),
                          offsetof(struct seep_vm_state, global), sizeof(struct seep_remains),
                          sizeof(struct seep_closing), sizeof(struct seep_join_anchor), sizeof(struct seep_sample),
                          offsetof(struct seep_sampler, samples), offsetof(struct seep_sampler, capacity),
                          SEEP_REGION_SHIFT, SEEP_GRANULE_SHIFT, SEEP_TAG_BITS};
  uint64_t layout = 1;
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(facts); i++) layout = seep_mix64(layout * 31 + facts[i]);
  return layout;
}

void seep_join_cast_anchor(void *recorders, void *remains, void *closing) {
  own_anchor.layout = seep_join_layout();
  own_anchor.recorders = recorders;
  own_anchor.remains = remains;
  own_anchor.closing = closing;
  own_anchor.magic[1] = SEEP_JOIN_MAGIC_2;
  own_anchor.magic[0] = SEEP_JOIN_MAGIC_1;
}

/* Copies from the image; false when it is not there. */
static bool copy(struct seep_image *image, uintptr_t address, void *out, size_t size_bytes) {
  const void *bytes = seep_image_view(image, address, size_bytes);
  if (bytes != NULL) memcpy(out, bytes, size_bytes);
  return bytes != NULL;
}

bool seep_join_is_anchor(struct seep_image *image, uintptr_t address) {
  struct seep_join_anchor anchor;
  return copy(image, address, &anchor, sizeof anchor) && anchor.magic[0] == SEEP_JOIN_MAGIC_1 &&
         anchor.magic[1] == SEEP_JOIN_MAGIC_2 && anchor.layout == seep_join_layout();
}

static bool is_power_of_two(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* Fields of the recorder at `recorder`, each by its place in it. */
#define COPY_FIELD(image, recorder, field, out) \
  copy(image, (recorder) + offsetof(struct seep_recorder, field), out, sizeof *(out))

/* Every block is in one table, or the sampled ones are in another. */
static bool read_blocks(struct seep_image *image, uintptr_t recorder, struct seep_join *out) {
  struct seep_block_table table;
  if (!COPY_FIELD(image, recorder, blocks, &table) || !is_power_of_two(table.region_capacity)) return false;
  out->regions = (uintptr_t)table.regions;
  out->region_capacity = table.region_capacity;
  out->shared = (uintptr_t)table.shared.entries;
  out->shared_capacity = is_power_of_two(table.shared.capacity) ? table.shared.capacity : 0;
  return true;
}

static bool read_samples(struct seep_image *image, uintptr_t recorder, struct seep_join *out) {
  const struct seep_sample *samples;
  if (!COPY_FIELD(image, recorder, sampler.samples, &samples) ||
      !COPY_FIELD(image, recorder, sampler.capacity, &out->sample_capacity)) {
    return false;
  }
  out->samples = (uintptr_t)samples;
  return is_power_of_two(out->sample_capacity);
}

/* Whether the recorder at `recorder` records the wanted state; then its tables are in *out. */
static bool read_recorder(struct seep_image *image, uintptr_t recorder, uintptr_t global, struct seep_join *out) {
  struct seep_vm_state state;
  enum seep_phase phase;
  uint32_t interval_bytes;
  if (!COPY_FIELD(image, recorder, vm_state, &state) || state.global != global) return false;
  if (!COPY_FIELD(image, recorder, phase, &phase) || !COPY_FIELD(image, recorder, state_index, &out->state) ||
      !COPY_FIELD(image, recorder, sampler.interval_bytes, &interval_bytes) || phase != SEEP_PHASE_RECORDING) {
    return false;
  }
  return interval_bytes != 0 ? read_samples(image, recorder, out) : read_blocks(image, recorder, out);
}

bool seep_join_open(struct seep_image *image, uintptr_t anchor_address, uintptr_t global, struct seep_join *out) {
  struct seep_join_anchor anchor;
  *out = (struct seep_join){.image = image};
  if (!copy(image, anchor_address, &anchor, sizeof anchor)) return false;
  for (uint32_t i = 0; i < SEEP_STATES_MAX; i++) {
    uintptr_t recorder;
    if (!copy(image, (uintptr_t)anchor.recorders + i * sizeof recorder, &recorder, sizeof recorder) || recorder == 0)
      return false;
    if (read_recorder(image, recorder, global, out)) return true;
  }
  return false;
}

bool seep_join_remains(struct seep_image *image, uintptr_t anchor_address, uintptr_t global,
                       struct seep_remains *out) {
  struct seep_join_anchor anchor;
  if (!copy(image, anchor_address, &anchor, sizeof anchor)) return false;
  for (uint32_t end = 0; end < SEEP_END_COUNT; end++) {
    uintptr_t at = (uintptr_t)anchor.remains + end * sizeof *out;
    if (copy(image, at, out, sizeof *out) && out->global == global) return true;
  }
  return false;
}

bool seep_join_closing(struct seep_image *image, uintptr_t anchor_address, uintptr_t global, struct seep_closing *out) {
  struct seep_join_anchor anchor;
  return copy(image, anchor_address, &anchor, sizeof anchor) &&
         copy(image, (uintptr_t)anchor.closing, out, sizeof *out) && out->global == global;
}

/* The address of a region's slots, or 0. A damaged table is left after as many steps as it has entries. */
static uintptr_t find_slots(struct seep_join *join, uintptr_t number) {
  size_t mask = join->region_capacity - 1, at = seep_mix64(number) & mask;
  if (join->last_slots != 0 && join->last_number == number) return join->last_slots;
  for (size_t steps = 0; steps <= mask; steps++, at = (at + 1) & mask) {
    struct seep_region region;
    if (!copy(join->image, join->regions + at * sizeof region, &region, sizeof region) || region.slots == NULL)
      return 0;
    if (region.number != number) continue;
    join->last_number = number;
    return join->last_slots = (uintptr_t)region.slots;
  }
  return 0;
}

/* A block that shares its granule with another. */
static uint32_t find_shared(struct seep_join *join, uintptr_t address) {
  size_t mask = join->shared_capacity - 1, at = seep_mix64(address) & mask;
  for (size_t steps = 0; steps < join->shared_capacity; steps++, at = (at + 1) & mask) {
    struct seep_map_entry entry;
    if (!copy(join->image, join->shared + at * sizeof entry, &entry, sizeof entry) || entry.value == 0) return 0;
    if (entry.key == address && entry.subkey == 0) return entry.value >> 11;
  }
  return 0;
}

static uint32_t find_sample(struct seep_join *join, uintptr_t address) {
  size_t at = seep_sampler_home(address, join->sample_capacity);
  for (size_t steps = 0; steps < join->sample_capacity; steps++, at = (at + 1) & (join->sample_capacity - 1)) {
    struct seep_sample sample;
    if (!copy(join->image, join->samples + at * sizeof sample, &sample, sizeof sample) || sample.row == 0) return 0;
    if (sample.block == address) return sample.row;
  }
  return 0;
}

uint32_t seep_join_row(struct seep_join *join, uintptr_t address) {
  if (join->samples != 0) return find_sample(join, address);
  uint32_t slot;
  uintptr_t slots = find_slots(join, address >> SEEP_REGION_SHIFT);
  size_t index = (address >> SEEP_GRANULE_SHIFT) & (SEEP_REGION_SLOTS - 1);
  if (slots == 0 || !copy(join->image, slots + index * sizeof slot, &slot, sizeof slot) || slot == 0) return 0;
  if (slot == SEEP_SLOT_SHARED) return find_shared(join, address);
  return (slot >> SEEP_TAG_BITS & 3) == (address >> 3 & 3) ? slot >> 11 : 0;
}
