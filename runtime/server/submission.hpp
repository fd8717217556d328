// Requests on their way into the engine, with its refusals as errors of the API.
#pragma once

#include <vector>

#include "runtime/engine/engine.hpp"

namespace gpuinfer::server {

/// As engine::Engine::submit(). Throws ApiError: a full queue (429), shutting down or a backend that is broken (503).
std::vector<engine::Generation> submit(engine::Engine& engine, std::vector<engine::GenerationRequest> requests);

}  // namespace gpuinfer::server
