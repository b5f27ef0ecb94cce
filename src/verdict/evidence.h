/* The sentence that lets a person check a verdict. */
#ifndef SEEP_EVIDENCE_H
#define SEEP_EVIDENCE_H

#include "verdict/verdict.h"

/* Fills finding->evidence and survivor_bytes_per_epoch. */
void seep_evidence_write(const struct seep_profile_state *state, const struct seep_curve *curve,
                         const struct seep_shape *shape, struct seep_finding *finding);

#endif
