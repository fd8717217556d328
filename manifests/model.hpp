// The objects that serve one model: ServiceAccount, Service, Deployment.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::manifests {

/// "ghcr.io/gpuinfer/gpuinfer-server:VERSION" of this build.
std::string default_server_image();

/// How a model is served.
struct ModelDeployment {
  std::string name;               ///< of all three objects: "smollm2-135m"
  std::string namespace_name;     ///< empty: the objects name none
  std::string model;              ///< catalogue name: "openai/gpt-oss-20b"
  std::string served_model_name;  ///< what clients call it; empty: `model`
  std::string storage;            ///< annotation gpuinfer.dev/storage; empty: the policy document's default
  std::string image = default_server_image();
  int replicas = 1;
  int gpus = 1;  ///< 0: on the CPU; several share the model
  std::string cpu_request = "1";
  std::string memory_request = "2Gi";
  std::string memory_limit = "2Gi";
  std::string ephemeral_storage_request;           ///< empty: none
  std::vector<std::string> arguments;              ///< further arguments of gpuinfer-server
  std::map<std::string, std::string> annotations;  ///< further gpuinfer.dev/... annotations: "gpuinfer.dev/shm-size"
};

/// The objects in apply order. They hold nothing that depends on the cluster (toleration, /dev/shm, model volume,
/// registry): the webhook adds those to the pod.
std::vector<Json> model_objects(const ModelDeployment& deployment);

/// Selects all that model_objects() made, of every model: "app.kubernetes.io/part-of=gpuinfer,...".
std::string model_selector();

/// The same, of the model deployed as `name`.
std::string model_selector(const std::string& name);

}  // namespace gpuinfer::manifests
