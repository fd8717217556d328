// Keys and values of all sequences, in pages.
#pragma once

#include <cstdint>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cpu/huge_buffer.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// For each layer, page and key/value head one block of memory that attention reads from front to back: keys as
/// [head_dim, kPageTokens] (sixteen scores are computed side by side), then values as [kPageTokens, value_stride].
class KvCache {
 public:
  /// Throws Error where the memory is not there.
  KvCache(const model::ModelConfig& config, std::int64_t pages);

  std::int64_t pages() const { return pages_; }
  /// head_dim rounded up to whole vectors; the rest is zero.
  std::int64_t value_stride() const { return value_stride_; }

  float* keys(std::int64_t layer, std::int64_t page, std::int64_t kv_head) {
    return data_ + ((layer * pages_ + page) * kv_heads_ + kv_head) * block_;
  }
  float* values(std::int64_t layer, std::int64_t page, std::int64_t kv_head) {
    return keys(layer, page, kv_head) + kPageTokens * head_dim_;
  }

  /// Puts the key and the value ([head_dim] each) of one token's head into its slot of a page.
  void store(std::int64_t layer, std::int64_t page, std::int64_t kv_head, std::int64_t slot, const float* key,
             const float* value);

 private:
  std::int64_t pages_;
  std::int64_t kv_heads_;
  std::int64_t head_dim_;
  std::int64_t value_stride_;
  std::int64_t block_;
  HugeBuffer memory_;
  float* data_;
};

}  // namespace gpuinfer::backend
