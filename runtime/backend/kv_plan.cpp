#include "runtime/backend/kv_plan.hpp"

#include <algorithm>

#include "runtime/backend/kv_groups.hpp"

namespace gpuinfer::backend {

std::vector<KvGroup> KvPlan::groups(const model::ModelConfig& config, std::int64_t tokens) const {
  std::vector<KvGroup> groups = make_kv_groups(config, pages_for(tokens));
  for (KvGroup& group : groups) {
    if (!group.sliding_window) continue;
    const std::int64_t pages_of_one = pages_for(*group.sliding_window) + 1;
    const std::int64_t others = pages_for(step_tokens) + 1;
    if (pages_of_one > (kMostPages - others) / sequences) continue;  // The product could be more than 64 bits hold.
    group.pages = std::min(group.pages, sequences * pages_of_one + others);
  }
  return groups;
}

}  // namespace gpuinfer::backend
