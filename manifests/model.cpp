#include "manifests/model.hpp"

#include <algorithm>

#include "base/version.hpp"
#include "manifests/embedded.hpp"
#include "manifests/labels.hpp"
#include "manifests/template.hpp"

namespace gpuinfer::manifests {

namespace {

constexpr char kComponent[] = "model-server";

/// Null, which leaves the field out, where there is nothing to say.
Json optional(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json annotations_of(const ModelDeployment& deployment) {
  Json annotations = {{"gpuinfer.dev/inject", "true"}, {"gpuinfer.dev/model", deployment.model}};
  if (!deployment.storage.empty()) annotations["gpuinfer.dev/storage"] = deployment.storage;
  for (const auto& [key, value] : deployment.annotations) annotations[key] = value;
  return annotations;
}

Json arguments_of(const ModelDeployment& deployment) {
  const std::string& served_name =
      deployment.served_model_name.empty() ? deployment.model : deployment.served_model_name;
  Json arguments = {"--port=8000", "--served-model-name=" + served_name};
  const auto says_how_many_gpus = [](const std::string& argument) {
    return argument.starts_with("--tensor-parallel-size");
  };
  if (deployment.gpus > 1 && std::ranges::none_of(deployment.arguments, says_how_many_gpus)) {
    arguments.push_back("--tensor-parallel-size=" + std::to_string(deployment.gpus));
  }
  for (const std::string& argument : deployment.arguments) arguments.push_back(argument);
  return arguments;
}

}  // namespace

std::string default_server_image() { return std::string("ghcr.io/gpuinfer/gpuinfer-server:") + kVersion; }

std::vector<Json> model_objects(const ModelDeployment& deployment) {
  const Parameters identity = {{"name", deployment.name},
                               {"namespace", optional(deployment.namespace_name)},
                               {"labels", common_labels(deployment.name, kComponent)}};
  Parameters service = identity;
  service["selector"] = selector_labels(deployment.name, kComponent);
  Parameters pods = service;
  pods["annotations"] = annotations_of(deployment);
  pods["replicas"] = deployment.replicas;
  pods["image"] = deployment.image;
  pods["arguments"] = arguments_of(deployment);
  pods["cpu_request"] = deployment.cpu_request;
  pods["memory_request"] = deployment.memory_request;
  pods["memory_limit"] = deployment.memory_limit;
  pods["ephemeral_storage_request"] = optional(deployment.ephemeral_storage_request);
  pods["gpus"] = deployment.gpus == 0 ? Json() : Json(deployment.gpus);
  return {render_template(embedded::model_service_account_yaml, "model_service_account.yaml", identity),
          render_template(embedded::model_service_yaml, "model_service.yaml", service),
          render_template(embedded::model_deployment_yaml, "model_deployment.yaml", pods)};
}

std::string model_selector() {
  return std::string("app.kubernetes.io/part-of=gpuinfer,app.kubernetes.io/component=") + kComponent;
}

std::string model_selector(const std::string& name) { return model_selector() + ",app.kubernetes.io/name=" + name; }

}  // namespace gpuinfer::manifests
