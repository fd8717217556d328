// POST /tokenize and /detokenize, as vLLM has them: what a text is to the model.
#pragma once

#include "base/json.hpp"
#include "runtime/server/served_model.hpp"

namespace gpuinfer::server {

/// Of a "prompt", or of "messages" by the chat template: {"count", "max_model_len", "tokens", "token_strs"}. Throws
/// ApiError.
Json tokenize(const Json& body, const ServedModel& model);

/// Of "tokens": {"prompt"}. Throws ApiError.
Json detokenize(const Json& body, const ServedModel& model);

}  // namespace gpuinfer::server
