// What config.json says about a model of the families that transformers knows.
#pragma once

#include <string>

#include "base/json.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {

/// A model's settings, and how its files have to be read.
struct HuggingFaceModel {
  ModelConfig config;
  TensorNames names;
  /// How the layers' MLPs are stored, see experts.hpp.
  enum class Experts { kNone, kSeparate, kGptOss } experts = Experts::kNone;
  /// Gemma stores what is added to 1.
  bool norms_are_offsets = false;
  /// The embedding serves as lm_head.
  bool is_tied = false;
};

/// Understands the architectures Llama, Mistral, Qwen2, Qwen3, Qwen3Moe, Gemma3 and GptOss (…ForCausalLM), with RoPE's
/// settings spelled as transformers 4 or 5 does. Throws Error, with `file` in front, saying which setting is not
/// supported.
HuggingFaceModel parse_hugging_face_config(const Json& json, const std::string& file);

}  // namespace gpuinfer::model
