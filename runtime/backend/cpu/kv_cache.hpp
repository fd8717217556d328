// Keys and values of all sequences, in pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cpu/huge_buffer.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// How keys and values are stored. 16 bits halve what a long context reads, and are as exact as weights of 16 bits and
/// less let them be.
enum class KvType { kFloat32, kFloat16 };

/// For each layer, page and key/value head one block of memory that attention reads from front to back: keys as
/// [head_dim, kPageTokens] (sixteen scores are computed side by side), then values as [kPageTokens, value_stride].
class KvCache {
 public:
  /// Throws Error where the memory is not there, and std::invalid_argument where a layer has no group.
  KvCache(const model::ModelConfig& config, std::vector<KvGroup> groups, KvType type);

  KvType type() const { return type_; }
  const std::vector<KvGroup>& groups() const { return groups_; }
  /// The group of a layer.
  std::size_t group(std::int64_t layer) const { return layers_[static_cast<std::size_t>(layer)].group; }
  /// head_dim rounded up to whole vectors; the rest is zero.
  std::int64_t value_stride() const { return value_stride_; }

  std::byte* keys(std::int64_t layer, std::int64_t page, std::int64_t kv_head) {
    const std::int64_t pages_before = layers_[static_cast<std::size_t>(layer)].first_page + page;
    return memory_.bytes().data() + (pages_before * kv_heads_ + kv_head) * block_bytes_;
  }
  std::byte* values(std::int64_t layer, std::int64_t page, std::int64_t kv_head) {
    return keys(layer, page, kv_head) + kPageTokens * head_dim_ * element_bytes();
  }

 private:
  std::int64_t element_bytes() const { return type_ == KvType::kFloat32 ? 4 : 2; }

  struct Layer {
    std::size_t group;
    std::int64_t first_page;  ///< where the layer's pages begin, counted over all layers
  };

  KvType type_;
  std::vector<KvGroup> groups_;
  std::vector<Layer> layers_;
  std::int64_t kv_heads_;
  std::int64_t head_dim_;
  std::int64_t value_stride_;
  std::int64_t block_bytes_;
  HugeBuffer memory_;
};

}  // namespace gpuinfer::backend
