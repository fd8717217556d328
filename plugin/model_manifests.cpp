// Fills in manifests::ModelDeployment.
#include "plugin/model_manifests.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "plugin/options.hpp"

namespace gpuinfer::plugin {

namespace {

/// RFC 1035 label, which a Service's name must be: lower-case letters, digits and dashes, starting with a letter.
bool is_object_name(const std::string& name) {
  constexpr std::size_t kLongest = 63;
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_inner = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= kLongest && is_letter(name.front()) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), is_inner);
}

std::string cpu_quantity(int millis) {
  return millis % 1000 == 0 ? std::to_string(millis / 1000) : std::to_string(millis) + "m";
}

std::string memory_quantity(int mib) {
  return mib % 1024 == 0 ? std::to_string(mib / 1024) + "Gi" : std::to_string(mib) + "Mi";
}

}  // namespace

void add_serving_options(CLI::App& command, ServingOptions& options) {
  command.add_option("MODEL", options.model, "The model's name; 'kubectl gpuinfer models' lists them")
      ->type_name("")
      ->required();
  command.add_option("--name", options.name, "What the objects are called (default: the model's short name)")
      ->type_name("NAME");
  command.add_option("--replicas", options.replicas, "How many servers")
      ->type_name("NUMBER")
      ->check(quiet(CLI::Range(0, 1000)))
      ->capture_default_str();
  command.add_option("--gpus", options.gpus, "GPUs of each server; 0 runs on the CPU (default: what the model needs)")
      ->type_name("NUMBER")
      ->check(quiet(CLI::IsMember({0, 1, 2, 4, 8})));
  command
      .add_option("--storage", options.storage,
                  "Where the weights are: a store of the policy document or a claim's name (default: the claim "
                  "gpuinfer-models)")
      ->type_name("STORAGE");
  command.add_option("--image", options.image, "The server's image")->type_name("IMAGE");
}

manifests::ModelDeployment model_deployment(const Model& model, const ServingOptions& options,
                                            const std::string& namespace_name) {
  manifests::ModelDeployment deployment;
  deployment.name = options.name.empty() ? model.short_name : options.name;
  if (!is_object_name(deployment.name)) {
    throw Error("'" + deployment.name + "' cannot be the name of a Kubernetes Service",
                "use up to 63 lower-case letters, digits and dashes, starting with a letter");
  }
  deployment.namespace_name = namespace_name;
  deployment.model = model.name;
  deployment.storage = options.storage;
  if (!options.image.empty()) deployment.image = options.image;
  deployment.replicas = options.replicas;
  deployment.gpus = options.gpus.value_or(model.gpus);
  deployment.cpu_request = cpu_quantity(model.cpu_millis);
  deployment.memory_request = memory_quantity(model.memory_mib);
  deployment.memory_limit = deployment.memory_request;
  return deployment;
}

void require_runnable(const Model& model) {
  if (model.runs_today()) return;
  throw Error("cannot serve " + model.name + ": " + model.limitation,
              "'kubectl gpuinfer models' shows what runs today; --force creates the objects anyway, for a server image "
              "of your own");
}

const Json& object_of_kind(const std::vector<Json>& objects, const std::string& kind) {
  for (const Json& object : objects) {
    if (object.at("kind") == kind) return object;
  }
  throw Error("there is no " + kind + " among the manifests");
}

}  // namespace gpuinfer::plugin
