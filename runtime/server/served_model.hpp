// A model that is loaded and answers.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/engine.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/server/model_text.hpp"

namespace gpuinfer::server {

struct ServedModel {
  /// What requests may call it; replies have the first one.
  std::vector<std::string> names;
  /// Absent where the server was told to do without: prompts and answers are token ids then.
  std::optional<ModelText> text;
  /// The tokens that end a reply.
  std::vector<TokenId> stop_ids;
  /// For the parameters that a request does not name.
  engine::SamplingParams sampling_defaults = {};
  engine::Pooling pooling = engine::Pooling::kLast;
  /// How long a request may take that does not say; 0: for ever.
  std::chrono::milliseconds request_timeout = {};
  std::unique_ptr<engine::Engine> engine;
  std::time_t created = std::time(nullptr);

  const std::string& name() const { return names.front(); }
  bool has_name(const std::string& name) const { return std::ranges::find(names, name) != names.end(); }
};

}  // namespace gpuinfer::server
