// A batch as the kernels read it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/attention_plan.hpp"
#include "runtime/backend/cuda/step_inputs.hpp"

namespace gpuinfer::backend::cuda {

/// The slices of `batch`, cut so that each portion has at most `tokens` tokens. What a token wants stays with it. The
/// views point into the batch.
std::vector<std::vector<Slice>> cut_batch(std::span<const Slice> batch, std::int64_t tokens);

/// `batch` with the tokens that its slices follow, which are known by now: `chosen` are those of the step before.
/// `tokens` has room for one of each slice.
std::vector<Slice> with_known_tokens(std::span<const Slice> batch, std::span<const SampledToken> chosen,
                                     std::span<TokenId> tokens);

/// Of the layers that share a KV group; in the GPU's memory, as all pointers below.
struct StepGroup {
  const AttentionSlice* slices = nullptr;
  const std::int32_t* slots = nullptr;  ///< of the tokens, as RotateAndStore reads them
  const AttentionTile* tiles = nullptr;
  const AttentionTile* merges = nullptr;
  std::int64_t tile_count = 0;
  std::int64_t merge_count = 0;
};

/// All that the launches of a decode step depend on, except for what lies in the GPU's memory.
struct StepShape {
  std::int64_t tokens = 0;
  std::vector<std::int64_t> tiles = {};   ///< of attention, in each KV group
  std::vector<std::int64_t> merges = {};  ///< likewise
  const std::byte* inputs = nullptr;      ///< where the step's inputs lie
  std::size_t part = 0;                   ///< of the step, where it is recorded in parts

  auto operator<=>(const StepShape&) const = default;
};

/// More tokens keep a GPU busy for longer than the host needs to launch the next kernel.
inline constexpr std::int64_t kDecodeTokens = 256;

/// A token whose logits are computed.
struct LogitsRow {
  bool wanted = false;                      ///< by the host
  const TokenSampling* sampling = nullptr;  ///< how the token after it is chosen from them; null: it is not
};

struct Step {
  std::int64_t tokens = 0;
  const std::int32_t* ids = nullptr;            ///< [tokens], as Embedding reads them
  const std::int32_t* positions = nullptr;      ///< [tokens]
  std::vector<StepGroup> groups = {};           ///< of each KV group
  const std::int32_t* page_tables = nullptr;    ///< of all groups, as Attention reads them
  const std::int32_t* logits_tokens = nullptr;  ///< the tokens whose logits are computed, in their order
  std::int64_t logits_rows = 0;
  std::vector<LogitsRow> rows = {};  ///< what for, on the host
  /// Where each slice is one token, and there are no more than kDecodeTokens.
  std::optional<StepShape> shape = {};
};

/// Describes the slices and uploads that. `heads` are those of the model; a group's window takes the place of theirs.
Step make_step(std::span<const Slice> slices, std::span<const KvGroup> groups, const AttentionHeads& heads,
               const AttentionResources& resources, StepInputs& inputs, Queue& queue);

}  // namespace gpuinfer::backend::cuda
