// `deploy --local`: the same manifests and policies as in a cluster, then a process instead of a pod.
#pragma once

#include <chrono>

#include "plugin/catalogue.hpp"
#include "plugin/model_manifests.hpp"

namespace gpuinfer::plugin {

/// Pulls the model, starts the server and waits until it is ready. A deployment of that name that runs with the same
/// command is left alone; another one is stopped first. Throws Error.
void deploy_local(const Model& model, const ServingOptions& options, bool wait, std::chrono::seconds timeout);

}  // namespace gpuinfer::plugin
