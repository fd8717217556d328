// From a catalogue entry and the command line to the objects that serve the model.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "manifests/model.hpp"
#include "plugin/catalogue.hpp"

namespace gpuinfer::plugin {

/// What a user may choose about how a model is served; what is empty follows the catalogue.
struct ServingOptions {
  std::string model;
  std::string name;
  int replicas = 1;
  std::optional<int> gpus;
  std::string storage;
  std::string image;
};

/// Adds MODEL, --name, --replicas, --gpus, --storage and --image.
void add_serving_options(CLI::App& command, ServingOptions& options);

/// How `model` is served in `namespace_name` (may be empty). Throws Error where the name is no name for Kubernetes
/// objects.
manifests::ModelDeployment model_deployment(const Model& model, const ServingOptions& options,
                                            const std::string& namespace_name);

/// Throws Error with the reason where today's server cannot run the model.
void require_runnable(const Model& model);

/// The object of that kind among `objects`.
const Json& object_of_kind(const std::vector<Json>& objects, const std::string& kind);

}  // namespace gpuinfer::plugin
