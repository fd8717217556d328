// The API server that the command line names.
#pragma once

#include "kube/client.hpp"
#include "plugin/options.hpp"

namespace gpuinfer::plugin {

/// A client for the cluster and the namespace that `options` and the kubeconfig name. Nothing is sent yet. Throws Error
/// where there is no usable kubeconfig.
kube::Client connect(const GlobalOptions& options);

}  // namespace gpuinfer::plugin
