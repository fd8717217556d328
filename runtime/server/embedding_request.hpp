// What a client may ask of /v1/embeddings, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.hpp"
#include "runtime/server/prompts.hpp"

namespace gpuinfer::server {

struct EmbeddingRequest {
  std::vector<Prompt> inputs;
  /// Vectors as base64 of their float32 values, instead of as arrays.
  bool base64 = false;
  /// Whether an input that is text begins with BOS.
  bool add_special_tokens = true;
  /// Only so many last tokens of an input count; −1: as many as fit.
  std::optional<std::int64_t> truncate_prompt_tokens = {};
  std::int64_t priority = 0;
};

/// Throws ApiError (400) naming the field.
EmbeddingRequest parse_embedding_request(const Json& body);

}  // namespace gpuinfer::server
