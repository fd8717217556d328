// The tiny models of tests/runtime/fixtures with the logits that transformers computed for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/model/model.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::backend {

struct FixturePrompt {
  std::vector<TokenId> ids;
  /// Logits of every position: [ids.size(), vocab_size].
  std::vector<float> logits;
  /// 16 tokens that follow greedily, and by how much each was better than the second best.
  std::vector<TokenId> greedy;
  std::vector<float> greedy_margins;
};

struct Fixture {
  std::shared_ptr<const model::Model> model;
  std::vector<FixturePrompt> prompts;
};

/// The folder runtime/fixtures/NAME, its weights from safetensors or from what llama.cpp's converter makes of them.
Fixture load_fixture(const std::string& name, model::Layout layout = model::Layout::kHuggingFace);

}  // namespace gpuinfer::backend
