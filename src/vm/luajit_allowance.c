/* See luajit_allowance.h. */
#include "vm/luajit_allowance.h"

bool seep_luajit_is_worth_proof(struct seep_luajit_allowance *allowance, uintptr_t address) {
  enum { FREE_PROOFS = 1024, ALLOCATIONS_PER_PROOF = 1024, PLENTY = 256 };
  uint64_t allowed = FREE_PROOFS + allowance->asked_count / ALLOCATIONS_PER_PROOF;
  uint64_t left = allowed > allowance->proof_count ? allowed - allowance->proof_count : 0;
  uint64_t mixed = address * 0x9e3779b97f4a7c15ULL;
  struct seep_luajit_sighting *sighting = &allowance->sightings[(mixed >> 32) % SEEP_LUAJIT_SIGHTINGS];
  if (sighting->address != (uint32_t)mixed) *sighting = (struct seep_luajit_sighting){.address = (uint32_t)mixed};
  sighting->count++;
  if (sighting->count * left < PLENTY) return false;
  allowance->proof_count++;
  return true;
}
