#include "runtime/backend/cuda/kv_pages.hpp"

#include <string>

#include "base/error.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/kv_plan.hpp"

namespace gpuinfer::backend::cuda {

std::vector<LayerPages> make_pages(const model::ModelConfig& config, std::span<const KvGroup> groups) {
  std::vector<LayerPages> layers;
  for (const model::LayerConfig& layer : config.layers) {
    const std::size_t group = group_of(layer, groups);
    const auto size = static_cast<std::size_t>(groups[group].pages * kPageTokens * config.kv_size());
    layers.push_back({.group = group, .keys = DeviceArray<Bfloat16>(size), .values = DeviceArray<Bfloat16>(size)});
  }
  return layers;
}

std::int64_t bytes_of_pages(const model::ModelConfig& config, std::span<const KvGroup> groups) {
  std::int64_t bytes = 0;  // Of 64 bits: the model's settings are bounded (check_config).
  for (const model::LayerConfig& layer : config.layers) {
    const std::int64_t pages = groups[group_of(layer, groups)].pages;
    if (pages < 1 || pages > kMostPages) {
      throw Error("a KV cache of " + std::to_string(pages) + " pages is impossible",
                  "Choose another size for the KV cache.");
    }
    bytes += pages * kPageTokens * config.kv_size() * 2 * std::int64_t{sizeof(Bfloat16)};
  }
  return bytes;
}

}  // namespace gpuinfer::backend::cuda
