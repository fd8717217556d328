// The layout of kv_cache.hpp.
#include "runtime/backend/cpu/kv_cache.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace gpuinfer::backend {
namespace {

/// Floats in the widest vector of any target.
constexpr std::int64_t kWidestVector = 16;

std::size_t cache_bytes(const model::ModelConfig& config, std::int64_t pages, std::int64_t block) {
  // The settings are bounded (check_config), the number of pages is the user's.
  const std::int64_t page_bytes =
      config.num_hidden_layers() * config.num_key_value_heads * block * static_cast<std::int64_t>(sizeof(float));
  if (pages < 1 || pages > (std::int64_t{1} << 46) / page_bytes) {
    throw Error("a KV cache of " + std::to_string(pages) + " pages of " + std::to_string(page_bytes >> 10) +
                    " KiB is impossible",
                "Choose another size for the KV cache.");
  }
  return static_cast<std::size_t>(pages * page_bytes);
}

}  // namespace

KvCache::KvCache(const model::ModelConfig& config, std::int64_t pages)
    : pages_(pages),
      kv_heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      value_stride_((head_dim_ + kWidestVector - 1) / kWidestVector * kWidestVector),
      block_(kPageTokens * (head_dim_ + value_stride_)),
      memory_(cache_bytes(config, pages, block_)),
      data_(reinterpret_cast<float*>(memory_.bytes().data())) {}

void KvCache::store(std::int64_t layer, std::int64_t page, std::int64_t kv_head, std::int64_t slot, const float* key,
                    const float* value) {
  float* const column = keys(layer, page, kv_head) + slot;
  for (std::int64_t i = 0; i < head_dim_; ++i) column[i * kPageTokens] = key[i];
  std::copy_n(value, head_dim_, values(layer, page, kv_head) + slot * value_stride_);
}

}  // namespace gpuinfer::backend
