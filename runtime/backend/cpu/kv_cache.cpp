// The layout of kv_cache.hpp.
#include "runtime/backend/cpu/kv_cache.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "runtime/backend/kv_groups.hpp"

namespace gpuinfer::backend {
namespace {

/// Floats in the widest vector of any target.
constexpr std::int64_t kWidestVector = 16;

std::size_t cache_bytes(std::int64_t pages, std::int64_t page_bytes) {
  // The model's settings are bounded (check_config), the number of pages is the user's.
  if (pages < 1 || pages > (std::int64_t{1} << 46) / page_bytes) {
    throw Error("a KV cache of " + std::to_string(pages) + " pages of " + std::to_string(page_bytes >> 10) +
                    " KiB is impossible",
                "Choose another size for the KV cache.");
  }
  return static_cast<std::size_t>(pages * page_bytes);
}

}  // namespace

KvCache::KvCache(const model::ModelConfig& config, std::vector<KvGroup> groups, KvType type)
    : type_(type),
      groups_(std::move(groups)),
      kv_heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      value_stride_((head_dim_ + kWidestVector - 1) / kWidestVector * kWidestVector),
      block_bytes_(kPageTokens * (head_dim_ + value_stride_) * element_bytes()) {
  constexpr std::int64_t kMaximumPages = std::int64_t{1} << 40;  // Their sum over all layers does not overflow.
  std::int64_t pages = 0;
  for (const model::LayerConfig& layer : config.layers) {
    layers_.push_back({.group = group_of(layer, groups_), .first_page = pages});
    pages += std::min(groups_[layers_.back().group].pages, kMaximumPages);
  }
  memory_ = HugeBuffer(cache_bytes(pages, kv_heads_ * block_bytes_));
}

}  // namespace gpuinfer::backend
