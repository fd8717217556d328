// Which layers of a model share the pages of a KV group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// The groups that the model's layers need: the one without a window first, then by the window's length. Each gets
/// `pages` pages.
std::vector<KvGroup> make_kv_groups(const model::ModelConfig& config, std::int64_t pages);

/// The index of the group that the layer belongs to. Throws std::invalid_argument where there is none.
std::size_t group_of(const model::LayerConfig& layer, std::span<const KvGroup> groups);

}  // namespace gpuinfer::backend
