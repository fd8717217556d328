// The labels by which our objects are found again.
#pragma once

#include <string>

#include "base/json.hpp"

namespace gpuinfer::manifests {

/// The recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/) of an
/// object that belongs to `name`.
inline Json common_labels(const std::string& name, const std::string& component) {
  return {{"app.kubernetes.io/name", name},
          {"app.kubernetes.io/component", component},
          {"app.kubernetes.io/part-of", "gpuinfer"},
          {"app.kubernetes.io/managed-by", "kubectl-gpuinfer"}};
}

/// Those of the labels that select pods. They can never change in a Deployment, so they are few.
inline Json selector_labels(const std::string& name, const std::string& component) {
  return {{"app.kubernetes.io/name", name}, {"app.kubernetes.io/component", component}};
}

}  // namespace gpuinfer::manifests
