// The settings of a model from Hugging Face's config.json.
#pragma once

#include <string>

#include "base/json.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::model {

/// Understands LlamaForCausalLM and MistralForCausalLM, with RoPE's settings under `rope_scaling` and `rope_theta`
/// (transformers 4) or `rope_parameters` (transformers 5). Throws Error, with `file` in front, saying which setting is
/// not supported.
ModelConfig parse_hugging_face_config(const Json& json, const std::string& file);

}  // namespace gpuinfer::model
