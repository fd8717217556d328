#include "runtime/backend/kv_groups.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

namespace gpuinfer::backend {

std::vector<KvGroup> make_kv_groups(const model::ModelConfig& config, std::int64_t pages) {
  std::set<std::optional<std::int64_t>> windows;  // An empty optional is less than any other.
  for (const model::LayerConfig& layer : config.layers) windows.insert(layer.sliding_window);
  std::vector<KvGroup> groups;
  for (const auto& window : windows) groups.push_back({.sliding_window = window, .pages = pages});
  return groups;
}

std::size_t group_of(const model::LayerConfig& layer, std::span<const KvGroup> groups) {
  const auto group = std::ranges::find(groups, layer.sliding_window, &KvGroup::sliding_window);
  if (group == groups.end()) throw std::invalid_argument("no KV group has the window of a layer");
  return static_cast<std::size_t>(group - groups.begin());
}

}  // namespace gpuinfer::backend
