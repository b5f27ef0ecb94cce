/* A bounded walk over the instructions of one function. See puc_flow.h. */
#include "vm/puc_flow.h"

enum { STEPS_MAX = 192 };

/* Depth first, the likelier way first: what is found first is the best guess. */
struct walk {
  const struct seep_flow_search *search;
  uint32_t seen[STEPS_MAX];
  uint32_t seen_count;
  uint32_t open[STEPS_MAX];  /* a stack of instructions still to be looked at */
  uint32_t open_count;
  bool given_up;
};

/* Each instruction is looked at once. */
static void visit(struct walk *walk, uint32_t pc) {
  for (uint32_t i = 0; i < walk->seen_count; i++) {
    if (walk->seen[i] == pc) return;
  }
  if (walk->seen_count == STEPS_MAX) {
    walk->given_up = true;
  } else if (pc < walk->search->size) {
    walk->seen[walk->seen_count++] = pc;
    walk->open[walk->open_count++] = pc;
  }
}

static void visit_successors(struct walk *walk, const struct seep_flow *flow) {
  for (uint32_t i = flow->next_count; i-- > 0;) visit(walk, flow->next[i]);
}

static void start_behind(struct walk *walk, uint32_t pc) {
  struct seep_flow flow = {0};
  if (pc == UINT32_MAX) {
    visit(walk, 0);
  } else if (pc < walk->search->size) {
    walk->search->flow(walk->search->code, pc, &flow);
    visit_successors(walk, &flow);
  }
}

uint32_t seep_flow_find(const struct seep_flow_search *search, uint32_t after, uint32_t other,
                        uint32_t found[SEEP_FLOW_FOUND_MAX]) {
  struct walk walk = {.search = search};
  uint32_t count = 0;
  if (other != UINT32_MAX) start_behind(&walk, other);
  start_behind(&walk, after);
  while (walk.open_count > 0 && !walk.given_up) {
    uint32_t pc = walk.open[--walk.open_count];
    struct seep_flow flow = {0};
    search->flow(search->code, pc, &flow);
    if (flow.allocates) {
      if (!search->matches(search->code, pc, search->register_a)) continue;
      if (count == SEEP_FLOW_FOUND_MAX) return 0;
      found[count++] = pc;
    } else if (!flow.saves_pc) {
      visit_successors(&walk, &flow);
    }
  }
  return walk.given_up ? 0 : count;
}
