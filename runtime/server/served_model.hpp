// A model that is loaded and answers.
#pragma once

#include <ctime>
#include <memory>
#include <string>

#include "runtime/engine/engine.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/server/model_text.hpp"

namespace gpuinfer::server {

struct ServedModel {
  /// What requests call it.
  std::string name;
  ModelText text;
  /// For the parameters that a request does not name.
  engine::SamplingParams sampling_defaults;
  std::unique_ptr<engine::Engine> engine;
  std::time_t created = std::time(nullptr);
};

}  // namespace gpuinfer::server
