// What the metadata of a GGUF file says about a model of the architectures that llama.cpp knows.
#pragma once

#include "runtime/model/gguf.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {

/// A model's settings, and how its tensors are called.
struct GgufModel {
  ModelConfig config;
  TensorNames names;
  /// llama.cpp's converter interleaves the two halves of each head of q and k: its row 2i + j is Hugging Face's row
  /// j·head_dim/2 + i.
  bool has_interleaved_heads = false;
};

/// Understands the architectures "llama" (Mistral and SmolLM2 too), "qwen2", "qwen3", "qwen3moe", "gemma3" and
/// "gpt-oss". What a file leaves to the architecture (Gemma's local RoPE, which layers have a window, that gpt-oss does
/// not round YaRN's bounds) is known here. Throws Error saying which setting is missing or not supported.
GgufModel parse_gguf_config(const GgufFile& file);

}  // namespace gpuinfer::model
